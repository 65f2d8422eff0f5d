//! Whether bytes are the only ones that a value has. Postcard's numbers have longer forms, which it reads too; a file
//! in such a form says the same as another file with another hash.

use postcard::ser_flavors::Flavor;
use serde::Serialize;

/// Compares what is written with what was read, and stops at the first difference.
struct Compared<'a> {
    rest: &'a [u8],
}

impl Flavor for Compared<'_> {
    type Output = bool;

    fn try_push(&mut self, data: u8) -> postcard::Result<()> {
        self.try_extend(&[data])
    }

    fn try_extend(&mut self, data: &[u8]) -> postcard::Result<()> {
        let (head, rest) = self.rest.split_at_checked(data.len()).ok_or(postcard::Error::SerializeBufferFull)?;
        // a package has hundreds of millions of numbers of a byte or two: for these a call to compare memory is most of
        // the work
        let same = if data.len() <= 4 { head.iter().zip(data).all(|(a, b)| a == b) } else { head == data };
        self.rest = rest;
        if same { Ok(()) } else { Err(postcard::Error::SerializeBufferFull) }
    }

    fn finalize(self) -> postcard::Result<bool> {
        Ok(self.rest.is_empty())
    }
}

/// Whether postcard writes a value as exactly these bytes.
pub(crate) fn is_canonical(value: &impl Serialize, bytes: &[u8]) -> bool {
    postcard::serialize_with_flavor(value, Compared { rest: bytes }).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number and a length in longer forms say the same to postcard, and are refused here.
    #[test]
    fn longer_forms_are_not_canonical() {
        let value = (5u32, vec![1i16, -300]);
        let bytes = postcard::to_stdvec(&value).unwrap();
        assert!(is_canonical(&value, &bytes));
        let length = [&[5u8][..], &[0x82, 0x00], &bytes[2..]].concat();
        let number = [&[0x85u8, 0x80, 0x00][..], &bytes[1..]].concat();
        for longer in [length, number] {
            assert_eq!(postcard::from_bytes::<(u32, Vec<i16>)>(&longer).unwrap(), value);
            assert!(!is_canonical(&value, &longer));
        }
        assert!(!is_canonical(&value, &bytes[..bytes.len() - 1]), "something is missing");
        assert!(!is_canonical(&value, &[&bytes[..], &[0u8]].concat()), "something follows");
    }
}
