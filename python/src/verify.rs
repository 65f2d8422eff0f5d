//! The verifier, as every host of it gets it: calls in JSON, and bytes beside them.

use assay_verifier::calls::Session;
use pyo3::prelude::*;
use std::sync::Mutex;

/// Holds keys, and verifies with them.
#[pyclass(frozen)]
pub struct Verifier(Mutex<Session>);

#[pymethods]
impl Verifier {
    #[new]
    fn new() -> Self {
        Self(Mutex::default())
    }

    /// Answers a call of `verifier/src/calls.rs`.
    fn answer(&self, py: Python<'_>, call: &str, bytes: Vec<u8>) -> PyResult<String> {
        py.detach(|| {
            let mut session = self.0.lock().map_err(|_| crate::refused("the verifier broke down: make a new one"))?;
            Ok(session.answer(call.as_bytes(), bytes).to_string())
        })
    }
}
