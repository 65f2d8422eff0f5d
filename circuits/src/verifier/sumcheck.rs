//! Sumcheck rounds (Lund, Fortnow, Karloff, Nisan 1992), verifier's side.

use crate::Fr;
use crate::scalar::{Scalar, int};
use crate::transcript::Transcript;
use ark_ff::MontFp;

// Every round needs them, and an inversion costs as much as two hundred multiplications.
const HALF: Fr = MontFp!("10944121435919637611123202872628637544274182200208017171849102093287904247809");
const SIXTH: Fr = MontFp!("18240202393199396018538671454381062573790303667013361953081836822146507079681");

/// Runs the rounds of a sumcheck of degree 2 whose messages are the value at 0 and the leading coefficient (the value
/// at 1 follows from the claim). Returns the challenges and the claim on the summand at that point, which the caller
/// must discharge.
pub fn quadratic_rounds<S: Scalar>(claim: S, rounds: &[[S; 2]], transcript: &mut Transcript<S>) -> (Vec<S>, S) {
    let mut claim = claim;
    let mut point = Vec::with_capacity(rounds.len());
    for [at_zero, leading] in rounds {
        transcript.absorb_all([at_zero, leading]);
        let r = transcript.challenge();
        let at_one = claim - at_zero;
        claim = quadratic_at(at_zero, &at_one, leading, &r);
        point.push(r);
    }
    (point, claim)
}

/// Runs the rounds of a sumcheck whose messages are the value at 0 and the coefficients from that of the square on: of
/// degree 2 or 3, as the messages are long. Returns the challenges and the claim on the summand at that point, which
/// the caller must discharge.
pub fn rounds<S: Scalar>(claim: S, rounds: &[Vec<S>], transcript: &mut Transcript<S>) -> (Vec<S>, S) {
    let mut claim = claim;
    let mut point = Vec::with_capacity(rounds.len());
    for message in rounds {
        transcript.absorb_all(message);
        let r = transcript.challenge();
        claim = match message.as_slice() {
            [at_zero, high @ ..] => {
                // g(0) + g(1) is the claim, which fixes the coefficient of x
                let linear = high.iter().fold(claim - at_zero - at_zero, |linear, c| linear - c);
                let above = high.iter().rev().fold(S::zero(), |sum, c| (sum + c) * &r);
                at_zero.clone() + (linear + above) * &r
            }
            [] => claim,
        };
        point.push(r);
    }
    (point, claim)
}

/// The polynomial with values `g(0)`, `g(1)` and leading coefficient `g_2`, at `x`.
pub fn quadratic_at<S: Scalar>(at_zero: &S, at_one: &S, leading: &S, x: &S) -> S {
    let linear = at_one.clone() - at_zero - leading;
    at_zero.clone() + (linear + leading.clone() * x) * x
}

/// The polynomial of degree 4 with values `g(0), g(1), g(-1), g(2)` and leading coefficient `g_4`, at `x`.
pub fn quartic_at<S: Scalar>([at_zero, at_minus_one, at_two, leading]: [&S; 4], at_one: &S, x: &S) -> S {
    // Take the leading term off and interpolate the cubic c0 + c1 x + c2 x² + c3 x³ through -1, 0, 1, 2.
    let one = at_one.clone() - leading;
    let minus_one = at_minus_one.clone() - leading;
    let two = at_two.clone() - leading.times(int(16));
    let c2 = (one.clone() + &minus_one).times(HALF) - at_zero;
    let odd = (one - minus_one).times(HALF);
    let c3 = (two - at_zero - c2.times(int(4)) - odd.times(int(2))).times(SIXTH);
    let c1 = odd - &c3;
    let high = (leading.clone() * x + c3) * x + c2;
    (high * x + c1) * x + at_zero
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Fr;

    #[test]
    fn interpolation_recovers_the_polynomial() {
        let coefficients: Vec<Fr> = [3, -7, 11, 5, -2].map(int).to_vec();
        let at = |x: Fr| coefficients.iter().rev().fold(Fr::from(0u64), |v, c| v * x + c);
        let x = int(123_456_789);
        let values = [at(int(0)), at(int(-1)), at(int(2)), coefficients[4]];
        assert_eq!(quartic_at(values.each_ref(), &at(int(1)), &x), at(x));
        let q = |x: Fr| int(3) + int(5) * x + int(9) * x * x;
        assert_eq!(quadratic_at(&q(int(0)), &q(int(1)), &int(9), &x), q(x));
    }

    /// The coefficient that is not sent follows from the claim, whatever the degree; both ways to run rounds of degree
    /// 2 are one.
    #[test]
    fn rounds_of_both_degrees() {
        for high in [vec![int(9)], vec![int(9), int(-4)]] {
            let g = |x: Fr| int(3) + int(5) * x + high.iter().rev().fold(Fr::from(0u64), |sum, c| sum * x + c) * x * x;
            let message: Vec<Fr> = [&[int(3)], &high[..]].concat();
            let (point, value) = rounds(g(int(0)) + g(int(1)), std::slice::from_ref(&message), &mut Transcript::new());
            assert_eq!(value, g(point[0]));
            if let [zero, leading] = message[..] {
                let squares = quadratic_rounds(g(int(0)) + g(int(1)), &[[zero, leading]], &mut Transcript::new());
                assert_eq!(squares, (point, value));
            }
        }
    }
}
