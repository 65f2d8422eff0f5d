//! Compiles a model and prints its report: `cargo run --release -p assay-compiler --example report MODEL.onnx INPUTS`.

use assay_compiler::{Calibration, Options, compile};
use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, inputs] = &arguments[..] else { return Err("usage: report MODEL.onnx INPUTS".into()) };
    let start = std::time::Instant::now();
    let compiled = compile(Path::new(model), &Calibration::read(Path::new(inputs))?, &Options::default(), &mut |_| ())?;
    for (layer, name) in compiled.architecture.layers.iter().zip(&compiled.layer_names) {
        let table = compiled.architecture.table(layer).map(|t| t.function);
        println!("{name:24} {:?} shift {} limbs {} {table:?} terms {}", layer.dims, layer.shift, layer.limbs, layer.terms.len());
    }
    println!("{}\ncompiled in {:.2} s, {} candidates", compiled.report, start.elapsed().as_secs_f64(), compiled.report.candidates_tried);
    Ok(())
}
