//! Functions that round their argument before anything else, and clamp it: what quantised networks do between two sums.

use assay_circuits::model::{Binary, Instruction, Unary};

/// Beyond all bounds of a clamp.
const FAR: f64 = 1e9;

/// The least and the largest value of a function that rounds its argument and clamps it to integers of 16 bits. `None`
/// for every other function.
pub fn ends(program: &[Instruction]) -> Option<(f64, f64)> {
    let [Instruction::Argument, Instruction::Unary(Unary::Round), clamps @ ..] = program else { return None };
    let clamp = |steps: &[Instruction]| match steps {
        [Instruction::Constant(bits), Instruction::Binary(Binary::Max | Binary::Min)] => {
            f32::from_bits(*bits).fract() == 0.0
        }
        _ => false,
    };
    if clamps.len() % 2 == 1 || !clamps.chunks(2).all(clamp) {
        return None;
    }
    let (low, high) = (Instruction::run(program, -FAR), Instruction::run(program, FAR));
    (low >= f64::from(i16::MIN) && high <= f64::from(i16::MAX)).then_some((low, high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rounded_and_clamped_arguments_have_ends() {
        let c = Instruction::constant;
        let round = [Instruction::Argument, Instruction::Unary(Unary::Round)];
        let clamped = |low: f32, high: f32| {
            let clamps = [c(low), Instruction::Binary(Binary::Max), c(high), Instruction::Binary(Binary::Min)];
            [&round[..], &clamps].concat()
        };
        assert_eq!(ends(&clamped(-128.0, 127.0)), Some((-128.0, 127.0)));
        assert_eq!(ends(&round), None, "not clamped");
        assert_eq!(ends(&clamped(0.0, 65535.0)), None, "too wide");
        assert_eq!(ends(&clamped(-0.5, 127.0)), None, "no integers");
        assert_eq!(ends(&clamped(-128.0, 127.0)[..4]), None, "clamped on one side");
        assert_eq!(ends(&clamped(-128.0, 127.0)[2..]), None, "not rounded");
    }
}
