//! A public input as contracts take it: its cells, and one opening that shows that the commitments are theirs
//! (`PublicInput.sol`; KZG, ASIACRYPT 2010). A contract that committed to the cells itself would pay a multiplication
//! for each; this way it pays for one pairing, however many there are.

use crate::pcs::{self, PcsError, encode};
use crate::srs::Srs;
use ark_ff::{PrimeField, Zero};
use assay_circuits::Fr;

/// Domain of the point at which the input is opened.
const TAG: &[u8] = b"assay-public-input-v1";

/// An input that cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum ShownError {
    /// Contracts take cells of 16 bits.
    #[error("cell {at} of the input is {value}: contracts take numbers of at most 16 bits")]
    TooWide {
        /// Its place.
        at: usize,
        /// The number.
        value: i32,
    },
    /// The opening cannot be made.
    #[error(transparent)]
    Pcs(#[from] PcsError),
}

/// What a contract gets besides the commitments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Cells as big-endian 16-bit numbers, without the zeros at the end.
    pub cells: Vec<u8>,
    /// Commitment to the quotient, 64 bytes.
    pub opening: [u8; 64],
}

/// Shows the cells of an input that was committed to without blinding, in chunks of `2^log_chunk`; the commitments as
/// their bytes, one after the other.
///
/// # Errors
/// [`ShownError`].
pub fn show(srs: &Srs, log_chunk: u32, cells: &[i32], commitments: &[u8]) -> Result<Shown, ShownError> {
    let used = cells.iter().rposition(|cell| *cell != 0).map_or(0, |last| last + 1);
    let mut bytes = Vec::with_capacity(2 * used);
    for (at, value) in cells.iter().copied().take(used).enumerate() {
        bytes.extend(i16::try_from(value).map_err(|_| ShownError::TooWide { at, value })?.to_be_bytes());
    }
    let z = Fr::from_be_bytes_mod_order(&encode::keccak(&[TAG, commitments, &bytes]));
    let nu = Fr::from_be_bytes_mod_order(&encode::keccak(&[&encode::fr_word(&z)]));

    let size = 1 << log_chunk;
    let mut folded = vec![Fr::zero(); size.min(cells.len())];
    let mut power = Fr::from(1u64);
    for chunk in cells.chunks(size) {
        for (sum, cell) in folded.iter_mut().zip(chunk) {
            *sum += power * Fr::from(*cell);
        }
        power *= nu;
    }
    Ok(Shown { cells: bytes, opening: encode::g1_bytes(&pcs::commit(srs, &quotient(&folded, z))?) })
}

/// `(F - F(z)) / (X - z)`.
fn quotient(coefficients: &[Fr], z: Fr) -> Vec<Fr> {
    let mut carry = Fr::zero();
    let mut reversed: Vec<Fr> = coefficients
        .iter()
        .skip(1)
        .rev()
        .map(|coefficient| {
            carry = carry * z + coefficient;
            carry
        })
        .collect();
    reversed.reverse();
    reversed
}

#[cfg(test)]
mod tests {
    use super::*;
    use ark_bn254::G1Affine;
    use ark_ec::pairing::Pairing;
    use ark_ec::{AffineRepr, CurveGroup};

    const LOG: u32 = 4;

    fn evaluate(cells: &[i32], z: Fr) -> Fr {
        cells.iter().rev().fold(Fr::zero(), |value, cell| value * z + Fr::from(*cell))
    }

    fn bytes(points: &[G1Affine]) -> Vec<u8> {
        points.iter().flat_map(encode::g1_bytes).collect()
    }

    /// What `PublicInput.sol` checks.
    fn holds(srs: &Srs, cells: &[i32], commitments: &[G1Affine], shown: &Shown) -> bool {
        let z = Fr::from_be_bytes_mod_order(&encode::keccak(&[TAG, &bytes(commitments), &shown.cells]));
        let nu = Fr::from_be_bytes_mod_order(&encode::keccak(&[&encode::fr_word(&z)]));
        let opening = encode::Reader::new(&shown.opening).g1().unwrap();
        let (mut left, mut power) = (opening * z, Fr::from(1u64));
        for (commitment, chunk) in commitments.iter().zip(cells.chunks(1 << LOG)) {
            left += (*commitment - G1Affine::generator() * evaluate(chunk, z)) * power;
            power *= nu;
        }
        ark_bn254::Bn254::pairing(left.into_affine(), ark_bn254::G2Affine::generator())
            == ark_bn254::Bn254::pairing(opening, srs.tau_h)
    }

    #[test]
    fn an_input_of_several_chunks_is_shown() {
        let srs = Srs::development(LOG + 1);
        let cells: Vec<i32> = (0..40).map(|i| if i > 36 { 0 } else { (i * 7919) % 65_536 - 32_768 }).collect();
        let commitments: Vec<G1Affine> = cells
            .chunks(1 << LOG)
            .map(|chunk| pcs::commit(&srs, &chunk.iter().map(|cell| Fr::from(*cell)).collect::<Vec<_>>()).unwrap())
            .collect();
        let shown = show(&srs, LOG, &cells, &bytes(&commitments)).unwrap();
        assert_eq!(shown.cells.len(), 2 * 37, "zeros at the end are left out");
        assert!(holds(&srs, &cells, &commitments, &shown));
        let mut other = cells.clone();
        other[17] += 1;
        assert!(!holds(&srs, &other, &commitments, &shown));
        assert!(!holds(&srs, &cells, &commitments, &Shown { opening: encode::g1_bytes(&commitments[0]), ..shown }));
    }

    #[test]
    fn wide_numbers_are_refused() {
        let srs = Srs::development(LOG + 1);
        let refused = show(&srs, LOG, &[0, 40_000], &[]).unwrap_err();
        assert!(matches!(refused, ShownError::TooWide { at: 1, value: 40_000 }), "{refused}");
    }

    #[test]
    fn an_input_of_zeros_is_shown() {
        let srs = Srs::development(LOG + 1);
        let commitments = [G1Affine::zero()];
        let shown = show(&srs, LOG, &[0; 16], &bytes(&commitments)).unwrap();
        assert!(shown.cells.is_empty() && shown.opening == [0; 64]);
    }
}
