//! Benches of whole proofs live in this package's bench targets; there is no library.
