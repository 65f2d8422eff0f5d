//! Numbers and points out of 32 bytes: the keystream of ChaCha20, read as the ceremony tools read it. A seed that is a
//! hash of what was said before gives the point that a proof of knowledge is about; one that is a public beacon's gives
//! a contribution that nobody chose.

use ark_bn254::{Fq, Fq2, Fr, G1Affine, G2Affine};
use ark_ec::AffineRepr;
use ark_ec::short_weierstrass::{Affine, SWCurveConfig};
use ark_ff::{BigInt, PrimeField};
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha20Rng;

/// What is drawn from a seed, one after the other.
pub struct Stream(ChaCha20Rng);

/// A coordinate that can be drawn, with which of its two signs is the negative one.
trait Coordinate: Sized {
    fn draw(stream: &mut Stream) -> Self;
}

impl Coordinate for Fq {
    fn draw(stream: &mut Stream) -> Self {
        // the number drawn is the Montgomery form
        Self::new_unchecked(stream.below::<Fq>())
    }
}

impl Coordinate for Fq2 {
    fn draw(stream: &mut Stream) -> Self {
        Self::new(Fq::draw(stream), Fq::draw(stream))
    }
}

impl Stream {
    /// From a seed.
    pub fn new(seed: [u8; 32]) -> Self {
        let mut words = seed;
        // eight big-endian words
        words.chunks_exact_mut(4).for_each(<[u8]>::reverse);
        Self(ChaCha20Rng::from_seed(words))
    }

    /// From the first half of a hash.
    pub fn of_hash(hash: &[u8; 64]) -> Self {
        let mut seed = [0; 32];
        seed.iter_mut().zip(hash).for_each(|(seed, byte)| *seed = *byte);
        Self::new(seed)
    }

    /// A number of the modulus' bits that is below it.
    fn below<F: PrimeField<BigInt = BigInt<4>>>(&mut self) -> BigInt<4> {
        loop {
            let mut limbs = [0; 4];
            for limb in &mut limbs {
                let high = u64::from(self.0.next_u32());
                *limb = high << 32 | u64::from(self.0.next_u32());
            }
            if let Some(top) = limbs.last_mut() {
                *top &= u64::MAX >> (256 - F::MODULUS_BIT_SIZE);
            }
            if BigInt(limbs) < F::MODULUS {
                return BigInt(limbs);
            }
        }
    }

    /// A scalar.
    pub fn scalar(&mut self) -> Fr {
        Fr::new_unchecked(self.below::<Fr>())
    }

    /// A point of the curve, and not yet of its group of prime order.
    fn point<C: SWCurveConfig>(&mut self) -> Affine<C>
    where
        C::BaseField: Coordinate,
    {
        loop {
            let x = C::BaseField::draw(self);
            let greatest = self.0.next_u32() & 1 == 1;
            if let Some(point) = Affine::get_point_from_x_unchecked(x, greatest) {
                return point;
            }
        }
    }

    /// A point of G1.
    pub fn g1(&mut self) -> G1Affine {
        self.point()
    }

    /// A point of G2.
    pub fn g2(&mut self) -> G2Affine {
        self.point::<ark_bn254::g2::Config>().mul_by_cofactor()
    }
}
