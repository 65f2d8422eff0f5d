//! From real numbers to integers: scales, shifts, tables, limbs, weights. `docs/compiler.md`, "Scales", says what is chosen and why.

use crate::net::{Activation, Net, NetLayer, NetTerm, Port, Ranges, Scaling};
use assay_circuits::model::{Architecture, Function, Input, Layer, ModelError, Output, Source, Table, Term, Weights};

/// The three widths that a whole network shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
pub struct Widths {
    /// Width of the activation tables, that is, of every `q`.
    pub table_bits: u8,
    /// Common requantisation shift, and width of the input.
    pub shift: u8,
    /// Width of weights.
    pub weight_bits: u8,
}

impl Widths {
    /// Whether every width is at most the other's.
    pub fn within(self, other: Widths) -> bool {
        self.table_bits <= other.table_bits && self.shift <= other.shift && self.weight_bits <= other.weight_bits
    }
}

/// An architecture, and what the weights have to be multiplied by.
pub struct Plan {
    /// The public half.
    pub architecture: Architecture,
    /// Per layer: log of the scale of `z`.
    accumulator_scales: Vec<i32>,
    /// Per layer and term: log of the scale of the term's coefficients.
    term_scales: Vec<Vec<i32>>,
}

/// No scale is larger: enough for 16-bit cells of size 2^-15.
const MAX_SCALE: i32 = 30;
const MIN_SCALE: i32 = -30;

/// The largest `s` with `size · 2^s <= limit`.
fn fitting_scale(size: f32, limit: f64) -> i32 {
    if size <= 0.0 { MAX_SCALE } else { ((limit / f64::from(size)).log2().floor() as i32).clamp(MIN_SCALE, MAX_SCALE) }
}

fn limit(bits: u8) -> f64 {
    f64::from((1u32 << (bits - 1)) - 1)
}

/// Scales of all columns.
struct Scales {
    input: i32,
    pre: Vec<i32>,
    post: Vec<i32>,
}

impl Scales {
    fn of(&self, source: Source) -> i32 {
        let at = |list: &[i32], l: u32| list.get(l as usize).copied().unwrap_or(0);
        match source {
            Source::Input => self.input,
            Source::Pre(l) => at(&self.pre, l),
            Source::Post(l) => at(&self.post, l),
        }
    }

    fn lower(&mut self, source: Source, to: i32) {
        let slot = match source {
            Source::Input => Some(&mut self.input),
            Source::Pre(l) => self.pre.get_mut(l as usize),
            Source::Post(l) => self.post.get_mut(l as usize),
        };
        if let Some(slot) = slot {
            *slot = (*slot).min(to);
        }
    }

    /// The largest scales at which every column's calibrated range fits its width. A layer that has the scale of its source
    /// restricts its source.
    fn largest(net: &Net, ranges: &Ranges, widths: Widths) -> Self {
        let count = net.layers.len();
        let size = ranges.input.1.max(-ranges.input.0);
        let mut scales =
            Scales { input: fitting_scale(size, limit(widths.shift)), pre: vec![MAX_SCALE; count], post: vec![MAX_SCALE; count] };
        for (index, layer) in net.layers.iter().enumerate().rev() {
            let range = ranges.pre.get(index).copied().unwrap_or_default();
            let size = relevant_size(net, index as u32, layer, range);
            scales.lower(Source::Pre(index as u32), fitting_scale(size, limit(widths.table_bits)));
            if keeps_scale(layer.activation) {
                scales.lower(Source::Pre(index as u32), scales.of(Source::Post(index as u32)));
            }
            if let Scaling::Same(source) = layer.scaling {
                scales.lower(source, scales.of(Source::Pre(index as u32)));
            }
        }
        // One table per function serves all layers if they agree on its scale.
        for function in [Activation::Sigmoid, Activation::Tanh] {
            let own = |l: &NetLayer| l.activation == Some(function) && l.scaling == Scaling::Own;
            let least = net.layers.iter().zip(&scales.pre).filter(|(l, _)| own(l)).map(|(_, s)| *s).min();
            for (layer, scale) in net.layers.iter().zip(&mut scales.pre) {
                *scale = least.filter(|_| own(layer)).unwrap_or(*scale);
            }
        }
        scales
    }
}

/// Whether `y` has the scale of `q`.
fn keeps_scale(activation: Option<Activation>) -> bool {
    !matches!(activation, Some(Activation::Sigmoid | Activation::Tanh))
}

/// The size up to which a layer's `q` must not be clamped.
fn relevant_size(net: &Net, index: u32, layer: &NetLayer, (low, high): (f32, f32)) -> f32 {
    let both = high.max(-low);
    match layer.activation {
        _ if net.reads(Source::Pre(index)) => both,
        // What is negative becomes 0 anyway.
        Some(Activation::Relu) => high,
        // sigmoid(10) is 1 - 5e-5, tanh(6) is 1 - 1.2e-5.
        Some(Activation::Sigmoid) => both.min(10.0),
        Some(Activation::Tanh) => both.min(6.0),
        _ => both,
    }
}

/// Scales and shape of one layer's arithmetic.
struct Requantisation {
    shift: i32,
    output: i32,
    terms: Vec<i32>,
}

fn requantisation(layer: &NetLayer, scales: &Scales, output: i32, widths: Widths) -> Requantisation {
    let sources: Vec<i32> = layer.terms.iter().map(|t| scales.of(t.source())).collect();
    let at = |shift: i32, output: i32| Requantisation { shift, output, terms: sources.iter().map(|s| shift + output - s).collect() };
    let exact = layer.terms.iter().all(|t| match t {
        NetTerm::Stencil { rows, cols, .. } => rows.is_integral() && cols.is_integral(),
        NetTerm::Gather { .. } => true,
        NetTerm::Dense { .. } | NetTerm::Conv { .. } => false,
    });
    if let Scaling::Same(source) = layer.scaling {
        return at(0, scales.of(source));
    }
    if exact && sources.iter().all(|s| *s <= output) {
        return at(0, output);
    }
    // What the weights' and the bias's widths allow.
    let largest = |values: &[f32]| values.iter().fold(0f32, |m, v| m.max(v.abs()));
    let weights =
        layer.terms.iter().zip(&sources).filter_map(|(t, s)| Some(fitting_scale(largest(t.weight()?), limit(widths.weight_bits)) + s));
    let bias = layer.bias.iter().map(|b| fitting_scale(largest(b), f64::from(i32::MAX)));
    let accumulator = weights.chain(bias).min().unwrap_or(MAX_SCALE * 2).min(output + i32::from(widths.shift));
    // Public coefficients are integers: the accumulator's scale is at least their sources'.
    let public = layer.terms.iter().zip(&sources).filter(|(t, _)| t.weight().is_none()).map(|(_, s)| *s).max();
    let accumulator = accumulator.max(public.unwrap_or(accumulator));
    let output = output.min(accumulator);
    at(accumulator - output, output)
}

/// Chooses every scale, shift, table and limb for the given widths. Nothing here depends on the weights but through the largest of each layer.
///
/// # Errors
/// The architecture breaks a rule of [`Architecture::validate`] at these widths.
pub fn plan(net: &Net, ranges: &Ranges, widths: Widths) -> Result<Plan, ModelError> {
    let mut scales = Scales::largest(net, ranges, widths);
    let mut plan = Plan {
        architecture: Architecture {
            input: input(&net.input, &scales, widths),
            weight_bits: widths.weight_bits,
            tables: Vec::new(),
            layers: Vec::with_capacity(net.layers.len()),
            output: Output { source: net.output.source, scale: 0, shape: net.output.shape.clone(), cells: net.output.cells.clone() },
        },
        accumulator_scales: Vec::new(),
        term_scales: Vec::new(),
    };
    let mut matrices = 0;
    let mut functions = Vec::with_capacity(net.layers.len());
    for (index, layer) in net.layers.iter().enumerate() {
        let wanted = scales.of(Source::Pre(index as u32));
        let r = requantisation(layer, &scales, wanted, widths);
        let scale_out = if keeps_scale(layer.activation) {
            r.output
        } else {
            (i32::from(widths.table_bits) - 1).min(14).min(scales.of(Source::Post(index as u32)))
        };
        if let (Some(pre), Some(post)) = (scales.pre.get_mut(index), scales.post.get_mut(index)) {
            (*pre, *post) = (r.output, scale_out);
        }
        functions.push(layer.activation.map(|a| function(a, r.output as i8, scale_out as i8)));
        let terms = layer.terms.iter().zip(&r.terms).map(|(t, &s)| term(t, s, &mut matrices)).collect();
        plan.architecture.layers.push(Layer {
            dims: layer.dims,
            terms,
            bias: layer.bias.is_some(),
            shift: r.shift.clamp(0, 255) as u8,
            limbs: 0,
            table: 0,
        });
        plan.accumulator_scales.push(r.output + r.shift);
        plan.term_scales.push(r.terms);
    }
    plan.architecture.output.scale = scales.of(net.output.source) as i8;
    assign_tables(&mut plan.architecture, &functions, widths.table_bits);
    let bounds = plan.architecture.analyse()?;
    for (layer, &limbs) in plan.architecture.layers.iter_mut().zip(&bounds.limbs) {
        layer.limbs = limbs;
        if let Some(table) = plan.architecture.tables.get_mut(layer.table as usize) {
            table.saturating |= limbs > 0;
        }
    }
    plan.architecture.validate()?;
    Ok(plan)
}

fn input(port: &Port, scales: &Scales, widths: Widths) -> Input {
    Input { dims: port.dims, bits: widths.shift, scale: scales.input as i8, shape: port.shape.clone(), cells: port.cells.clone() }
}

fn function(activation: Activation, scale_in: i8, scale_out: i8) -> Function {
    match activation {
        Activation::Relu => Function::Relu,
        Activation::LeakyRelu(alpha) => Function::LeakyRelu { slope: (f64::from(alpha) * 65536.0).round() as i32 },
        Activation::Sigmoid => Function::Sigmoid { scale_in, scale_out },
        Activation::Tanh => Function::Tanh { scale_in, scale_out },
    }
}

fn term(term: &NetTerm, scale: i32, matrices: &mut u32) -> Term {
    let mut weight = || {
        *matrices += 1;
        *matrices - 1
    };
    match term {
        NetTerm::Dense { source, .. } => Term::Dense { source: *source, weight: weight() },
        NetTerm::Conv { source, window, .. } => Term::Conv { source: *source, weight: weight(), window: *window },
        NetTerm::Gather { source, pairs } => Term::Gather { source: *source, coefficient: 1 << scale.clamp(0, 30), pairs: pairs.clone() },
        NetTerm::Stencil { source, rows, cols } => {
            // The factor 2^scale goes where the fractions are; to both axes where both have some.
            let (down, across) = match (rows.is_integral(), cols.is_integral()) {
                (false, false) => (scale - scale / 2, scale / 2),
                (true, false) => (0, scale),
                _ => (scale, 0),
            };
            Term::Stencil { source: *source, rows: rows.quantise(down), cols: cols.quantise(across) }
        }
    }
}

/// One table per function. A layer without a function borrows one, and its readers read `q`: unless its unread column of `f(q)` would cost
/// more cells than an identity table.
fn assign_tables(architecture: &mut Architecture, functions: &[Option<Function>], bits: u8) {
    let mut list: Vec<Function> = Vec::new();
    functions.iter().flatten().for_each(|f| {
        if !list.contains(f) {
            list.push(*f)
        }
    });
    let plain = architecture.layers.iter().zip(functions).filter(|(_, f)| f.is_none());
    let unread: usize = plain.map(|(l, _)| l.dims.block_len()).sum();
    let host = if list.is_empty() || unread > 2 << bits {
        Function::Identity
    } else {
        list.iter().copied().find(|f| *f == Function::Relu).unwrap_or(list[0])
    };
    if unread > 0 && !list.contains(&host) {
        list.push(host);
    }
    for (layer, f) in architecture.layers.iter_mut().zip(functions) {
        layer.table = list.iter().position(|have| *have == f.unwrap_or(host)).unwrap_or(0) as u32;
    }
    architecture.tables = list.into_iter().map(|function| Table { bits, saturating: false, function }).collect();
}

/// The secret half: weights and biases rounded to the plan's scales.
pub fn weights(net: &Net, plan: &Plan) -> Weights {
    let max = limit(plan.architecture.weight_bits);
    let mut weights = Weights::default();
    for ((layer, terms), &accumulator) in net.layers.iter().zip(&plan.term_scales).zip(&plan.accumulator_scales) {
        for (values, &scale) in layer.terms.iter().zip(terms).filter_map(|(t, s)| Some((t.weight()?, s))) {
            let factor = f64::from(scale).exp2();
            weights.matrices.push(values.iter().map(|&w| (f64::from(w) * factor).round().clamp(-max, max) as i16).collect());
        }
        let factor = f64::from(accumulator).exp2();
        let round = |b: f32| (f64::from(b) * factor).round().clamp(f64::from(i32::MIN), f64::from(i32::MAX)) as i32;
        weights.biases.push(layer.bias.as_ref().map_or_else(Vec::new, |bias| {
            let mut block: Vec<i32> = bias.iter().map(|&b| round(b)).collect();
            block.resize(1 << layer.dims.log_channels(), 0);
            block
        }));
    }
    weights
}
