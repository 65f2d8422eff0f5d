//! Values that hide something: no debug output shows them, and their memory is overwritten when they are no longer
//! used.
//!
//! What is kept like this are blindings, masks, salts, inputs, what of a hiding proof must not be seen before it is
//! wrapped, and the keys of accounts as they were given. Weights are not: they are read by every proof, and whoever
//! reads a prover's memory finds them while it runs. Nor are values on their way through registers and the stack, the
//! executor's trace, and the state of the generator of random numbers, whose crate cannot wipe it.

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

use std::ops::{Deref, DerefMut};
use zeroize::Zeroize;

/// A value that is wiped when it is dropped, and that debug output does not show.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<T: Zeroize> std::fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(secret)")
    }
}

impl<T: Zeroize> From<T> for Secret<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl From<&str> for Secret<String> {
    fn from(value: &str) -> Self {
        Self(value.to_owned())
    }
}

impl std::str::FromStr for Secret<String> {
    type Err = std::convert::Infallible;

    fn from_str(value: &str) -> Result<Self, Self::Err> {
        Ok(value.into())
    }
}

impl<T: Zeroize> Deref for Secret<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> DerefMut for Secret<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ark_ff::AdditiveGroup;
    use assay_circuits::Fr;
    use std::cell::Cell;
    use std::rc::Rc;

    /// Tells how often it was wiped.
    struct Watched(Rc<Cell<u32>>);

    impl Zeroize for Watched {
        fn zeroize(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }

    #[test]
    fn secrets_are_wiped_when_they_are_dropped() {
        let wiped = Rc::new(Cell::new(0));
        let secret = Secret::from(Watched(Rc::clone(&wiped)));
        assert_eq!(wiped.get(), 0);
        drop(secret);
        assert_eq!(wiped.get(), 1);
        drop(vec![Secret::from(Watched(Rc::clone(&wiped))), Secret::from(Watched(Rc::clone(&wiped)))]);
        assert_eq!(wiped.get(), 3);
    }

    /// What wiping is for the things that are wiped.
    #[test]
    fn wiped_values_are_zeros() {
        let mut scalars = vec![Fr::from(7u64); 9];
        let kept = scalars.as_ptr();
        scalars.zeroize();
        assert!(scalars.is_empty() && scalars.as_ptr() == kept, "zeros, and then none of them");
        let mut pair = [Fr::from(7u64); 2];
        pair.zeroize();
        assert_eq!(pair, [Fr::ZERO; 2]);
    }

    #[test]
    fn debug_output_shows_nothing() {
        let secret = Secret::from(vec![Fr::from(123_456_789u64)]);
        assert_eq!(format!("{secret:?} {:?}", Some(&secret)), "(secret) Some((secret))");
    }
}
