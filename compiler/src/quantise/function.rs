//! Functions of tables: which scale of the argument matters, and what the table is.

use assay_circuits::model::{Binary, Function, Instruction};

/// Points at which a function is tried.
const POINTS: usize = 400;

/// Whether a program is `max(x, 0)`.
pub fn is_relu(program: &[Instruction]) -> bool {
    let zero = |i: &Instruction| matches!(i, Instruction::Constant(bits) if f32::from_bits(*bits) == 0.0);
    match program {
        [a, b, Instruction::Binary(Binary::Max)] => {
            (*a == Instruction::Argument && zero(b)) || (zero(a) && *b == Instruction::Argument)
        }
        _ => false,
    }
}

/// The finest scale of the argument at which clamping it to `limit` changes the function by less than half a unit of
/// its table's width, on the calibrated range: beyond it sigmoid is 1, and ReLU of what is negative is 0.
pub fn relevant_scale(
    program: &[Instruction],
    (low, high): (f32, f32),
    plain: i32,
    limit: f64,
    size: f32,
    bits: u8,
) -> i32 {
    let f = |x: f64| Instruction::run(program, x);
    let tolerance = f64::from(size) * (-f64::from(bits) - 1.0).exp2();
    let points = (0..=POINTS).map(|i| f64::from(low) + (f64::from(high) - f64::from(low)) * i as f64 / POINTS as f64);
    let points: Vec<f64> = points.collect();
    let mut scale = plain;
    while scale < plain + 12 {
        let most = limit * (-f64::from(scale + 1)).exp2();
        let same = |x: &f64| {
            let (a, b) = (f(*x), f(x.clamp(-most, most)));
            (a - b).abs() <= tolerance || (a.is_nan() && b.is_nan())
        };
        if !points.iter().all(same) {
            break;
        }
        scale += 1;
    }
    scale
}

/// The table's function.
pub fn quantised(program: &[Instruction], scale_in: i8, scale_out: i8, least: i16) -> Function {
    if is_relu(program) && scale_in == scale_out && least < 1 {
        return Function::Relu;
    }
    Function::Real { program: program.to_vec(), scale_in, scale_out, least }
}
