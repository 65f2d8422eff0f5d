//! The proof system.
