//! The native half of the Python package `assay_client`: everything that needs the proof system or a chain. What Python
//! sees is `python/assay_client`.
//!
//! Results are JSON, as the command prints it; the package makes Python's values of it.

#![allow(unsafe_code, reason = "PyO3's macros write the functions that an interpreter calls")]

mod buy;
mod seller;
mod verify;

use pyo3::create_exception;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;

create_exception!(assay_client_native, AssayError, PyException, "Something that Assay refused, with the reason.");

/// An error with its causes, as Python's exception.
fn refused(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> PyErr {
    let error = error.into();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        if !text.contains(&next.to_string()) {
            text = format!("{text}: {next}");
        }
        cause = next.source();
    }
    AssayError::new_err(text)
}

/// The module.
#[pymodule]
fn assay_client_native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("AssayError", module.py().get_type::<AssayError>())?;
    module.add_function(wrap_pyfunction!(seller::compile, module)?)?;
    module.add_function(wrap_pyfunction!(seller::key, module)?)?;
    module.add_function(wrap_pyfunction!(seller::run, module)?)?;
    module.add_function(wrap_pyfunction!(seller::prove, module)?)?;
    module.add_function(wrap_pyfunction!(buy::buy, module)?)?;
    module.add_function(wrap_pyfunction!(buy::resume, module)?)?;
    module.add_function(wrap_pyfunction!(buy::kept_orders, module)?)?;
    module.add_function(wrap_pyfunction!(buy::pay, module)?)?;
    module.add_function(wrap_pyfunction!(buy::job_context, module)?)?;
    module.add_function(wrap_pyfunction!(buy::account_of, module)?)?;
    module.add_class::<verify::Verifier>()
}
