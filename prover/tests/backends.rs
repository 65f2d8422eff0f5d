//! Backends against the definitions of what they compute.

use assay_prover::backend::{Backend, Cpu, Reference, conformance};

#[test]
fn the_processor_is_the_reference() {
    conformance::all(&Cpu, &Reference, 9).unwrap();
    conformance::large(&Cpu, &Reference, 10).unwrap();
    assert!(Cpu.name().contains("threads"));
}
