//! A real device, where there is one: the same cases as everywhere, and large ones.

use assay_gpu::{Least, search};
use assay_prover::backend::{Cpu, Reference, conformance};

#[test]
fn a_device_is_the_reference_and_the_processor() {
    let found = search::find();
    let Some(cuda) = found.backend.map(|cuda| cuda.with_least(Least::EVERYTHING)) else {
        let reasons: Vec<String> =
            found.tried.iter().map(|(path, reason)| format!("{}: {reason}", path.display())).collect();
        println!("skipped: there is no CUDA device ({})", reasons.join("; "));
        return;
    };
    conformance::all(&cuda, &Reference, 9).unwrap();
    conformance::all(&cuda, &Cpu, 14).unwrap();
    // sizes that take several passes, chunks and queues; an emulated device would take an hour
    if !cuda.device().description().emulated {
        conformance::large(&cuda, &Cpu, 21).unwrap();
    }
    let [done, refused] = cuda.device().calls();
    assert!(
        !cuda.device().has_failed() && done > 500 && refused == 0,
        "nothing was left to the processor: {done} {refused}"
    );
}
