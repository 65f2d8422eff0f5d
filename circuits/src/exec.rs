//! The exact integer semantics.
