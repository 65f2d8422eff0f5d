//! From real numbers to integers: scales, shifts, tables, limbs, weights. `docs/compiler.md`, "Scales", says what is chosen and why.

mod function;
mod weights;

pub use weights::weights;

use crate::net::{Kind, Net, NetIndex, NetLayer, NetOperand, NetRule, NetTerm, Ranges};
use assay_circuits::clamps::Rails;
use assay_circuits::model::{
    Architecture, Divisor, Domain, Entry, Function, Index, Input, Layer, ModelError, Operand, Output, Port, Rule, Run, Source, Table, Term,
};
use std::collections::BTreeMap;

/// The three widths that a whole network shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
pub struct Widths {
    /// Width of the tables, that is, of every `q`.
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

    /// Bits of the limbs of remainders.
    fn limb_bits(self) -> u8 {
        self.shift.clamp(4, 16)
    }
}

/// An architecture, and what its weights are.
pub struct Plan {
    /// The public half.
    pub architecture: Architecture,
    /// By weight block of the architecture: block of the network, factor, log of the scale.
    matrices: Vec<(u32, f64, i32)>,
    /// The same of biases.
    biases: Vec<(u32, f64, i32)>,
    /// By layer of the network: logs of the scales of `pre`, `post` and `max`.
    pub scales: Vec<[i32; 3]>,
}

/// No scale is larger: enough for 16-bit cells of size 2^-15.
const MAX_SCALE: i32 = 30;
const MIN_SCALE: i32 = -30;
/// The largest shift of a layer.
const MAX_SHIFT: i32 = 16;
/// Bits of a public factor that is no fraction of a power of two.
const FACTOR_BITS: i32 = 12;
/// How often columns are made coarser until all shifts fit.
const ROUNDS: usize = 200;

/// The largest `s` with `size · 2^s <= limit`.
fn fitting_scale(size: f32, limit: f64) -> i32 {
    if size <= 0.0 { MAX_SCALE } else { ((limit / f64::from(size)).log2().floor() as i32).clamp(MIN_SCALE, MAX_SCALE) }
}

fn limit(bits: u8) -> f64 {
    f64::from((1u32 << (bits - 1)) - 1)
}

/// The least `k` with which `c · 2^k` is an integer, or, where that takes too long, is accurate to [`FACTOR_BITS`].
fn factor_bits(c: f64) -> i32 {
    let size = c.abs().log2().floor() as i32;
    (0..=FACTOR_BITS)
        .map(|k| k - size.min(0))
        .find(|k| (c * f64::from(*k).exp2()).fract() == 0.0)
        .unwrap_or(FACTOR_BITS - size)
        .max(-size)
        .max(if c.fract() == 0.0 { 0 } else { 1 })
}

/// What a layer's columns must be at most as fine as.
type Caps = BTreeMap<Source, i32>;

/// Why a plan does not work out.
enum Trouble {
    /// A column must be coarser by so much.
    Coarser(Source, i32),
    Model(ModelError),
}

struct Planner<'a> {
    net: &'a Net,
    ranges: &'a Ranges,
    widths: Widths,
    caps: &'a Caps,
    /// By input.
    inputs: Vec<i32>,
    scales: Vec<[i32; 3]>,
    /// How often each weight block is read, and whether ever in a product.
    uses: Vec<(usize, bool)>,
    /// Index in the architecture of weight blocks, with their scales.
    placed: BTreeMap<u32, (u32, i32)>,
    plan: Plan,
    functions: Vec<Option<Function>>,
}

/// Chooses every scale, shift, table and limb for the given widths, for columns of the given ranges ([`Ranges::widened`] adds headroom). Nothing here
/// depends on the weights but through the largest of each block.
///
/// # Errors
/// The architecture breaks a rule of [`Architecture::validate`] at these widths.
pub fn plan(net: &Net, ranges: &Ranges, widths: Widths) -> Result<Plan, ModelError> {
    let mut caps = Caps::new();
    for _ in 0..ROUNDS {
        match Planner::new(net, ranges, widths, &caps).run() {
            Ok(plan) => return Ok(plan),
            Err(Trouble::Coarser(source, scale)) => {
                let cap = caps.entry(source).or_insert(scale);
                *cap = (*cap - 1).min(scale);
            }
            Err(Trouble::Model(error)) => return Err(error),
        }
    }
    Err(ModelError::Shift { layer: 0, shift: u8::MAX })
}

impl<'a> Planner<'a> {
    fn new(net: &'a Net, ranges: &'a Ranges, widths: Widths, caps: &'a Caps) -> Self {
        let mut uses = vec![(0, false); net.weights.len()];
        for term in net.layers.iter().flat_map(|layer| &layer.terms) {
            for operand in std::iter::once(&term.left).chain(&term.right) {
                if let Source::Weight(w) = operand.source
                    && let Some((count, product)) = uses.get_mut(w as usize)
                {
                    *count += 1;
                    *product |= term.right.is_some();
                }
            }
        }
        let architecture = Architecture {
            input: Input { log_size: net.input_log_size, bits: widths.shift, ports: Vec::new() },
            weight_bits: widths.weight_bits,
            matrices: Vec::new(),
            biases: Vec::new(),
            tables: Vec::new(),
            layers: Vec::new(),
            loops: net.loops.clone(),
            outputs: Vec::new(),
        };
        let plan = Plan { architecture, matrices: Vec::new(), biases: Vec::new(), scales: Vec::new() };
        Self {
            net,
            ranges,
            widths,
            caps,
            inputs: Vec::new(),
            scales: Vec::new(),
            uses,
            placed: BTreeMap::new(),
            plan,
            functions: Vec::new(),
        }
    }

    fn run(mut self) -> Result<Plan, Trouble> {
        self.input_scales();
        self.column_scales();
        self.check_integers()?;
        self.weight_scales();
        for index in 0..self.net.layers.len() {
            self.layer(index)?;
        }
        self.outputs();
        self.tables();
        self.complete()?;
        self.plan.scales = self.scales;
        Ok(self.plan)
    }

    fn cap(&self, source: Source) -> i32 {
        self.caps.get(&source).copied().unwrap_or(MAX_SCALE)
    }

    fn input_scales(&mut self) {
        let size = |range: &(f32, f32)| range.1.max(-range.0);
        let real: Vec<i32> = self
            .net
            .inputs
            .iter()
            .zip(&self.ranges.inputs)
            .map(|(port, range)| match port.kind {
                Kind::Real => fitting_scale(size(range), limit(self.widths.shift)).min(self.cap(Source::Input)),
                Kind::Integer | Kind::Boolean => 0,
            })
            .collect();
        let half = 1i32 << (self.widths.shift - 1);
        for ((port, range), scale) in self.net.inputs.iter().zip(&self.ranges.inputs).zip(&real) {
            let integer =
                |v: f32| ((f64::from(v) * f64::from(*scale).exp2()).round() as i64).clamp((-half).into(), (half - 1).into()) as i32;
            let (low, high) = match port.kind {
                Kind::Boolean => (0, 1),
                Kind::Integer => (integer(range.0.min(0.0)), integer(range.1)),
                Kind::Real => (integer(range.0), integer(range.1)),
            };
            self.plan.architecture.input.ports.push(Port {
                name: port.name.clone(),
                scale: *scale as i8,
                range: (low.min(high), high),
                shape: port.shape.clone(),
                cells: port.cells.clone(),
            });
        }
        self.inputs = real;
    }

    /// Errors: an input of integers, or a layer with a function of integers, does not fit its width.
    fn check_integers(&self) -> Result<(), Trouble> {
        let size = |range: &(f32, f32)| f64::from(range.1.max(-range.0));
        for (index, (port, range)) in self.net.inputs.iter().zip(&self.ranges.inputs).enumerate() {
            if port.kind == Kind::Integer && size(range) > limit(self.widths.shift) {
                let (low, high) = (range.0 as i32, range.1 as i32);
                return Err(Trouble::Model(ModelError::PortRange { place: assay_circuits::model::Place::Port(index), low, high }));
            }
        }
        for (index, layer) in self.net.layers.iter().enumerate() {
            let tabled = matches!(layer.rule, NetRule::Requantise { .. });
            if tabled
                && layer.kind != Kind::Real
                && layer.function().is_some()
                && size(&self.ranges.pre[index]) > limit(self.widths.table_bits)
            {
                return Err(Trouble::Model(ModelError::TableRange { table: index, min: i32::MIN, max: i32::MAX }));
            }
        }
        Ok(())
    }

    /// The scales that calibration asks for, before sums are looked at.
    fn column_scales(&mut self) {
        let (net, ranges, widths) = (self.net, self.ranges, self.widths);
        let at = |list: &[(f32, f32)], l: usize| list.get(l).copied().unwrap_or_default();
        for (index, layer) in net.layers.iter().enumerate() {
            let l = index as u32;
            let (pre, post) = (at(&ranges.pre, index), at(&ranges.post, index));
            let both = |range: (f32, f32)| range.1.max(-range.0);
            // integers are exact where they fit; a function of integers, such as a comparison, needs that
            let fits = f64::from(both(pre)) <= limit(widths.table_bits);
            let pre_scale = if layer.kind == Kind::Real || (!fits && layer.function().is_none()) {
                let size = self.masked(l, pre).unwrap_or(both(pre));
                let plain = fitting_scale(size, limit(widths.table_bits));
                match layer.function() {
                    Some(program) if !net.reads(Source::Pre(l)) => {
                        function::relevant_scale(program, pre, plain, limit(widths.table_bits), both(post), widths.table_bits)
                    }
                    _ => plain,
                }
            } else {
                0
            };
            let pre_scale = pre_scale.min(self.cap(Source::Pre(l)));
            let post_scale = match layer.function() {
                Some(program) if function::is_relu(program) => pre_scale,
                Some(_) if layer.post_kind != Kind::Real => 0,
                Some(_) => fitting_scale(both(post), limit(widths.table_bits)).min(self.cap(Source::Post(l))),
                None => pre_scale,
            };
            self.scales.push([pre_scale, post_scale, pre_scale]);
        }
        // one table serves all layers of a function if they agree on its scales
        for index in 0..net.layers.len() {
            let Some(program) = net.layers[index].function().filter(|program| !function::is_relu(program)) else { continue };
            let alike = |other: &usize| {
                let layer = &net.layers[*other];
                layer.function() == Some(program)
                    && std::mem::discriminant(&layer.rule) == std::mem::discriminant(&net.layers[index].rule)
                    && layer.kind == net.layers[index].kind
            };
            let same: Vec<usize> = (0..net.layers.len()).filter(alike).collect();
            let least = |of: usize| same.iter().map(|l| self.scales[*l][of]).min().unwrap_or(0);
            let (pre, post) = (least(0), least(1));
            // sharing is worth two bits
            for l in same {
                if self.scales[l][0] - pre <= 2 && !net.reads(Source::Pre(l as u32)) {
                    self.scales[l][0] = pre;
                    self.scales[l][2] = pre;
                }
                if self.scales[l][1] - post <= 2 {
                    self.scales[l][1] = post;
                }
            }
        }
    }

    /// The size that matters of scores that only a softmax reads: what is far below every maximum is 0 in any case.
    fn masked(&self, l: u32, (low, high): (f32, f32)) -> Option<f32> {
        let readers: Vec<usize> =
            (0..self.net.layers.len()).filter(|i| self.net.layers[*i].terms.iter().any(|t| t.reads(Source::Pre(l)))).collect();
        let [reader] = readers[..] else { return None };
        let reader_layer = &self.net.layers[reader];
        let softmax = matches!(&reader_layer.rule, NetRule::Maximum { function: Some(_), .. }) && reader_layer.terms.len() == 1;
        let output = self.net.outputs.iter().any(|o| o.source == Source::Pre(l));
        if !softmax || output || self.net.layers[l as usize].function().is_some() {
            return None;
        }
        let maxima = self.ranges.max.get(reader)?;
        Some(high.max(-(low.max(maxima.0 - 12.0))).max(f32::MIN_POSITIVE))
    }

    /// Weight blocks of products, at the finest scale that fits and that every reader can use.
    fn weight_scales(&mut self) {
        for (w, block) in self.net.weights.iter().enumerate() {
            if !self.uses[w].1 {
                continue;
            }
            let factor = self.own_factor(w as u32);
            let size = block.iter().fold(0f32, |m, v| m.max(v.abs())) * factor.abs() as f32;
            let mut scale = fitting_scale(size, limit(self.widths.weight_bits));
            for (index, layer) in self.net.layers.iter().enumerate() {
                for term in &layer.terms {
                    let Some(right) = &term.right else { continue };
                    let other = match (term.left.source, right.source) {
                        (Source::Weight(a), other) if a as usize == w => self.scale_of(other, right),
                        (other, Source::Weight(b)) if b as usize == w => self.scale_of(other, &term.left),
                        _ => continue,
                    };
                    let wanted = match layer.rule {
                        NetRule::Requantise { .. } => self.scales[index][0] + i32::from(self.widths.shift),
                        _ => other + i32::from(self.widths.weight_bits) - 1,
                    };
                    scale = scale.min(wanted - other);
                }
            }
            let id = self.plan.architecture.matrices.len() as u32;
            self.plan.architecture.matrices.push(block.len().trailing_zeros() as u8);
            self.plan.matrices.push((w as u32, factor, scale));
            self.placed.insert(w as u32, (id, scale));
        }
    }

    /// The factor of the only product that reads a block, which the block takes in.
    fn own_factor(&self, w: u32) -> f64 {
        if self.uses[w as usize].0 != 1 {
            return 1.0;
        }
        let terms = self.net.layers.iter().flat_map(|layer| &layer.terms);
        terms.filter(|term| term.reads(Source::Weight(w))).map(|term| term.coefficient).next().unwrap_or(1.0)
    }

    fn scale_of(&self, source: Source, operand: &NetOperand) -> i32 {
        let at = |l: u32, of: usize| self.scales.get(l as usize).map_or(0, |s| s[of]);
        match source {
            Source::Input => self.inputs.get(self.port_of(operand)).copied().unwrap_or(0),
            Source::Pre(l) => at(l, 0),
            Source::Post(l) => at(l, 1),
            Source::Max(l) => at(l, 2),
            Source::Mark(_) => 0,
            Source::Weight(w) => self.placed.get(&w).map_or(0, |(_, scale)| *scale),
            Source::Bias(_) => 0,
        }
    }

    /// Which input an operand reads: the one in whose cells its fixed bits lie.
    fn port_of(&self, operand: &NetOperand) -> usize {
        let (mut first, mut shift) = (0u32, 0u32);
        for run in &operand.runs {
            if let NetIndex::Map { axis: None, entries } = &run.index
                && let [(_, from, _)] = entries[..]
            {
                first |= from << shift;
            }
            shift += u32::from(run.log_len);
        }
        self.net
            .inputs
            .iter()
            .position(|port| {
                port.cells.contains(&first)
                    || port
                        .cells
                        .iter()
                        .min()
                        .is_some_and(|low| *low <= first && port.cells.iter().max().is_some_and(|high| first <= *high))
            })
            .unwrap_or(0)
    }

    /// The log of what a term's integers are of, before its factor, and the least bits that the factor takes.
    fn natural(&self, term: &NetTerm) -> Option<(i32, i32)> {
        let own = [&term.left]
            .into_iter()
            .chain(&term.right)
            .any(|o| matches!(o.source, Source::Weight(w) if self.uses[w as usize] == (1, true)));
        let coefficient = if own { 1.0 } else { term.coefficient };
        let maps: i32 = [&term.left].into_iter().chain(&term.right).flat_map(|o| &o.runs).map(|run| map_bits(&run.index)).sum();
        if term.right.is_none() && matches!(term.left.source, Source::Weight(w) if !self.uses[w as usize].1) {
            // a bias has the scale of the sum
            return None;
        }
        let scale = self.scale_of(term.left.source, &term.left) + term.right.as_ref().map_or(0, |r| self.scale_of(r.source, r));
        Some((scale, factor_bits(coefficient) + maps))
    }

    fn layer(&mut self, index: usize) -> Result<(), Trouble> {
        let layer = &self.net.layers[index];
        let naturals: Vec<Option<(i32, i32)>> = layer.terms.iter().map(|term| self.natural(term)).collect();
        let finest = naturals.iter().flatten().map(|(scale, bits)| scale + bits).max();
        let wanted = self.scales[index][0];
        let shift = i32::from(self.widths.shift);
        let (sum_scale, rule) = match &layer.rule {
            NetRule::Requantise { .. } => {
                let linear = layer.terms.iter().all(|term| term.right.is_none());
                let biased = naturals.iter().any(Option::is_none) || layer.constant.fract() != 0.0;
                let finest = finest.unwrap_or(wanted);
                if linear && !biased && finest <= wanted {
                    (wanted, self.requantise(0))
                } else if linear
                    && !biased
                    && finest == wanted + 1
                    && layer.terms.iter().all(|t| matches!(t.left.source, Source::Pre(_) | Source::Post(_)) && t.coefficient.abs() == 1.0)
                {
                    // a sum that is one bit longer than its operands: they give the bit
                    let coarser = layer.terms.iter().find(|t| self.scale_of(t.left.source, &t.left) > wanted);
                    match coarser {
                        Some(term) if self.may_be_coarser(term.left.source) => {
                            return Err(Trouble::Coarser(self.capped(term.left.source), wanted));
                        }
                        _ => (wanted + shift, self.requantise(shift)),
                    }
                } else {
                    let sum = finest.max((wanted + shift).min(self.coarsest(layer, &naturals)).max(wanted));
                    if sum - wanted > MAX_SHIFT {
                        return Err(self.too_fine(index));
                    }
                    (sum, self.requantise(sum - wanted))
                }
            }
            NetRule::Exact => {
                let sum = finest.unwrap_or(wanted);
                (sum, Rule::Exact)
            }
            NetRule::Maximum { low, bits, len, .. } => (finest.unwrap_or(0), Rule::Maximum { low: *low, bits: *bits, len: *len, table: 0 }),
            NetRule::SquareRoot => {
                // some bits more, so that small roots are accurate too
                let sum = finest.unwrap_or(0);
                (sum + (sum & 1), Rule::SquareRoot { limb_bits: self.widths.limb_bits(), parts: 0 })
            }
            NetRule::Divide { axes, by, function } => {
                let divisor = Divisor { axes: axes.clone(), operand: self.operand(by)? };
                let of_divisor = self.scale_of(by.source, by);
                let limb_bits = self.widths.limb_bits();
                if layer.terms.is_empty() && layer.constant > 0.0 && function.is_none() {
                    // a quotient that is kept whole has as many bits as its readers can shift away
                    let range = self.ranges.pre.get(index).copied().unwrap_or_default();
                    let scale = fitting_scale(range.1, limit(16))
                        .min(MAX_SHIFT - 1)
                        .max(shift.min(fitting_scale(range.1, limit(16))))
                        .min(self.cap(Source::Pre(index as u32)));
                    (scale + of_divisor, Rule::Quotient { by: divisor, limb_bits, parts: 0 })
                } else {
                    let sum = finest.unwrap_or(0).max(wanted + of_divisor);
                    (sum, Rule::Divide { by: divisor, limb_bits, parts: 0, limbs: 0, table: 0 })
                }
            }
        };
        let pre = match &rule {
            Rule::Exact => sum_scale,
            Rule::Maximum { .. } => sum_scale,
            Rule::SquareRoot { .. } => sum_scale / 2,
            Rule::Quotient { .. } => sum_scale - self.divisor_scale(layer),
            Rule::Divide { .. } => sum_scale - self.divisor_scale(layer),
            Rule::Requantise { .. } => wanted,
        };
        let before = self.scales[index];
        self.scales[index] =
            [pre, if layer.function().is_some() && !layer.function().is_some_and(|p| function::is_relu(p)) { before[1] } else { pre }, pre];
        let terms =
            layer.terms.iter().zip(&naturals).map(|(term, natural)| self.term(term, *natural, sum_scale)).collect::<Result<_, _>>()?;
        let mut constant = (layer.constant * f64::from(sum_scale).exp2()).round();
        if constant.abs() >= f64::from(2u32).powi(60) {
            return Err(Trouble::Model(ModelError::AccumulatorTooWide { layer: index, bits: 61 }));
        }
        if self.divides(index as u32) && matches!(rule, Rule::Exact | Rule::SquareRoot { .. }) {
            // a divisor is never 0: one unit of a fine scale
            constant = constant.max(0.0) + if matches!(rule, Rule::Exact) { 1.0 } else { f64::from(u8::from(constant < 1.0)) };
        }
        self.functions.push(layer.function().map(|program| {
            let least = if self.divides(index as u32) { 1 } else { i16::MIN };
            function::quantised(program, self.scales[index][0] as i8, self.scales[index][1] as i8, least)
        }));
        self.plan.architecture.layers.push(Layer { log_size: layer.log_size(), terms, constant: constant as i64, rule });
        Ok(())
    }

    /// The finest scale of a sum at which all factors fit 31 bits.
    fn coarsest(&self, layer: &NetLayer, naturals: &[Option<(i32, i32)>]) -> i32 {
        let of = |(term, natural): (&NetTerm, &Option<(i32, i32)>)| {
            let size = term.coefficient.abs().log2().ceil() as i32;
            natural.map(|(scale, _)| scale + 30 - size.max(0))
        };
        layer.terms.iter().zip(naturals).filter_map(of).min().unwrap_or(MAX_SCALE * 2)
    }

    fn requantise(&self, shift: i32) -> Rule {
        Rule::Requantise { shift: shift as u8, limbs: 0, table: 0 }
    }

    fn divisor_scale(&self, layer: &NetLayer) -> i32 {
        match &layer.rule {
            NetRule::Divide { by, .. } => self.scale_of(by.source, by),
            _ => 0,
        }
    }

    /// Whether a column of this layer divides another.
    fn divides(&self, l: u32) -> bool {
        self.net.layers.iter().any(|layer| matches!(&layer.rule, NetRule::Divide { by, .. } if by.source.layer() == Some(l)))
    }

    fn may_be_coarser(&self, source: Source) -> bool {
        let Some(l) = source.layer() else { return false };
        self.net.layers.get(l as usize).is_some_and(|layer| matches!(layer.rule, NetRule::Requantise { .. }) && layer.kind == Kind::Real)
    }

    /// The column whose cap decides a column's scale.
    fn capped(&self, source: Source) -> Source {
        match source {
            Source::Post(l) if self.net.layers[l as usize].function().is_none_or(|p| function::is_relu(p)) => Source::Pre(l),
            source => source,
        }
    }

    /// The operand that gives way where a sum is finer than a layer can shift.
    fn too_fine(&self, index: usize) -> Trouble {
        let layer = &self.net.layers[index];
        let finest = layer
            .terms
            .iter()
            .filter_map(|term| Some((self.natural(term)?.0 + self.natural(term)?.1, term)))
            .max_by_key(|(scale, _)| *scale);
        let Some((_, term)) = finest else { return Trouble::Model(ModelError::Shift { layer: index, shift: 17 }) };
        let mut operands: Vec<&NetOperand> = std::iter::once(&term.left).chain(&term.right).collect();
        operands.sort_by_key(|o| std::cmp::Reverse(self.scale_of(o.source, o)));
        for operand in operands {
            let source = self.capped(operand.source);
            let real = match source.layer() {
                Some(l) => self.net.layers[l as usize].kind == Kind::Real && !matches!(source, Source::Mark(_)),
                None => source == Source::Input,
            };
            if real && !source.is_secret() {
                // exact sums are as fine as what they add up
                let l = source.layer().map(|l| &self.net.layers[l as usize]);
                if let Some(NetLayer { rule: NetRule::Exact | NetRule::SquareRoot | NetRule::Maximum { .. }, terms, .. }) = l
                    && matches!(source, Source::Pre(_) | Source::Max(_))
                    && let Some(inner) = terms.first()
                {
                    return Trouble::Coarser(self.capped(inner.left.source), self.scale_of(inner.left.source, &inner.left) - 1);
                }
                return Trouble::Coarser(source, self.scale_of(operand.source, operand) - 1);
            }
        }
        Trouble::Model(ModelError::Shift { layer: index, shift: 17 })
    }

    fn term(&mut self, term: &NetTerm, natural: Option<(i32, i32)>, sum_scale: i32) -> Result<Term, Trouble> {
        let Some((scale, _)) = natural else { return self.bias(term, sum_scale) };
        let own = [&term.left]
            .into_iter()
            .chain(&term.right)
            .any(|o| matches!(o.source, Source::Weight(w) if self.uses[w as usize] == (1, true)));
        let coefficient = if own { 1.0 } else { term.coefficient };
        let maps: i32 = std::iter::once(&term.left).chain(&term.right).flat_map(|o| &o.runs).map(|run| map_bits(&run.index)).sum();
        let scaled = (coefficient * f64::from(sum_scale - scale - maps).exp2()).round();
        if scaled.abs() > f64::from(i32::MAX) {
            return Err(Trouble::Model(ModelError::AccumulatorTooWide { layer: self.plan.architecture.layers.len(), bits: 64 }));
        }
        Ok(Term {
            // what rounds to nothing is kept as the least there is
            coefficient: if scaled == 0.0 { 1 } else { scaled as i32 },
            axes: term.axes.clone(),
            summed: term.summed,
            left: self.operand(&term.left)?,
            right: term.right.as_ref().map(|right| self.operand(right)).transpose()?,
        })
    }

    /// A block that is only added: at the scale of the sum, or as near to it as 32 bits allow.
    fn bias(&mut self, term: &NetTerm, sum_scale: i32) -> Result<Term, Trouble> {
        let Source::Weight(w) = term.left.source else { return Err(Trouble::Model(ModelError::SecretCount { have: 0 })) };
        let block = &self.net.weights[w as usize];
        let maps: i32 = term.left.runs.iter().map(|run| map_bits(&run.index)).sum();
        let size = block.iter().fold(0f32, |m, v| m.max(v.abs())) * term.coefficient.abs() as f32;
        let scale = (sum_scale - maps).min(fitting_scale(size, f64::from(i32::MAX)));
        let id = self.plan.architecture.biases.len() as u32;
        self.plan.architecture.biases.push(block.len().trailing_zeros() as u8);
        self.plan.biases.push((w, term.coefficient, scale));
        let mut left = self.operand(&NetOperand { source: Source::Input, ..term.left.clone() })?;
        left.source = Source::Bias(id);
        let coefficient = 1i64 << (sum_scale - maps - scale).clamp(0, 40);
        let coefficient = i32::try_from(coefficient)
            .map_err(|_| Trouble::Model(ModelError::AccumulatorTooWide { layer: self.plan.architecture.layers.len(), bits: 64 }))?;
        Ok(Term { coefficient, axes: term.axes.clone(), summed: 0, left, right: None })
    }

    fn operand(&self, operand: &NetOperand) -> Result<Operand, Trouble> {
        let source = match operand.source {
            Source::Weight(w) => Source::Weight(self.placed.get(&w).map_or(0, |(id, _)| *id)),
            source => source,
        };
        let runs = operand.runs.iter().map(|run| Run { log_len: run.log_len, index: quantised_index(&run.index) });
        Ok(Operand { source, runs: runs.collect() })
    }

    fn outputs(&mut self) {
        for output in &self.net.outputs {
            let scale = match output.source {
                Source::Pre(l) => self.scales[l as usize][0],
                Source::Post(l) => self.scales[l as usize][1],
                Source::Max(l) => self.scales[l as usize][2],
                _ => 0,
            };
            self.plan.architecture.outputs.push(Output {
                name: output.name.clone(),
                source: output.source,
                scale: scale as i8,
                shape: output.shape.clone(),
                cells: output.cells.clone(),
            });
        }
    }

    /// One table per function and domain. A layer without a function borrows one, and its readers read `q`: unless its unread column of `f(q)` would cost
    /// more cells than an identity table has rows.
    fn tables(&mut self) {
        let bits = self.widths.table_bits;
        let mut list: Vec<(Domain, Function)> = Vec::new();
        let tabled: Vec<usize> = (0..self.functions.len()).filter(|i| self.has_table(*i)).collect();
        let domain = |of: &Self, i: usize| {
            if matches!(of.plan.architecture.layers[i].rule, Rule::Maximum { .. }) { Domain::Unsigned } else { Domain::Signed }
        };
        for i in &tabled {
            if let Some(function) = &self.functions[*i] {
                let entry = (domain(self, *i), function.clone());
                if !list.contains(&entry) {
                    list.push(entry);
                }
            }
        }
        let plain: Vec<usize> = tabled.iter().copied().filter(|i| self.functions[*i].is_none()).collect();
        let signed: Vec<usize> = plain.iter().copied().filter(|i| domain(self, *i) == Domain::Signed).collect();
        let unread: usize = signed.iter().map(|i| 1usize << self.plan.architecture.layers[*i].log_size).sum();
        // a clamp that changes nothing of a ReLU would count if a layer whose `q` is read had the ReLU's table
        let counts = |function: &Function| {
            let rails = Rails::of_function(&Table { bits, domain: Domain::Signed, function: function.clone() });
            rails.low && rails.high
        };
        let hosts = |f: &&(Domain, Function)| f.0 == Domain::Signed && !matches!(f.1, Function::Real { least: 1, .. }) && counts(&f.1);
        let host = match list.iter().find(hosts) {
            Some(host) if unread <= 2 << bits => host.clone(),
            _ => (Domain::Signed, Function::Identity),
        };
        for i in plain {
            let entry = if domain(self, i) == Domain::Signed { host.clone() } else { (Domain::Unsigned, Function::Identity) };
            if !list.contains(&entry) {
                list.push(entry.clone());
            }
            self.functions[i] = Some(entry.1);
        }
        for i in tabled {
            let entry = (domain(self, i), self.functions[i].clone().unwrap_or(Function::Identity));
            let at = list.iter().position(|have| *have == entry).unwrap_or(0) as u32;
            match &mut self.plan.architecture.layers[i].rule {
                Rule::Requantise { table, .. } | Rule::Divide { table, .. } | Rule::Maximum { table, .. } => *table = at,
                Rule::Exact | Rule::SquareRoot { .. } | Rule::Quotient { .. } => {}
            }
        }
        self.plan.architecture.tables = list.into_iter().map(|(domain, function)| Table { bits, domain, function }).collect();
    }

    fn has_table(&self, index: usize) -> bool {
        self.plan.architecture.layers[index].rule.table().is_some()
    }

    /// Limbs and rails, and wider tables for maxima of what differs by more.
    fn complete(&mut self) -> Result<(), Trouble> {
        for _ in 0..64 {
            match self.plan.architecture.complete() {
                Ok(_) => return Ok(()),
                Err(ModelError::MaximumRange { layer, distance, .. }) if distance < 1 << 16 => {
                    let needed = 64 - (distance as u64).leading_zeros() as u8;
                    let table = self.plan.architecture.layers.get(layer).and_then(|l| l.rule.table());
                    if let Some(table) = table.and_then(|t| self.plan.architecture.tables.get_mut(t as usize)) {
                        table.bits = needed.max(table.bits + 1).min(16);
                    }
                }
                Err(error) => return Err(Trouble::Model(error)),
            }
        }
        Err(Trouble::Model(ModelError::TableCount { have: 0 }))
    }
}

/// Bits that a map's factors take.
fn map_bits(index: &NetIndex) -> i32 {
    match index {
        NetIndex::Map { entries, .. } => {
            entries.iter().map(|e| if e.2.fract() == 0.0 { 0 } else { factor_bits(e.2).min(FACTOR_BITS) }).max().unwrap_or(0)
        }
        _ => 0,
    }
}

fn quantised_index(index: &NetIndex) -> Index {
    match index {
        NetIndex::Axis(axis) => Index::Axis(*axis),
        NetIndex::Window { out, kernel, window } => Index::Window { out: *out, kernel: *kernel, window: *window },
        NetIndex::Map { axis, entries } => {
            let bits = f64::from(map_bits(index)).exp2();
            let entry = |(to, from, c): &(u32, u32, f64)| Entry { to: *to, from: *from, coefficient: (c * bits).round() as i32 };
            Index::Map { axis: *axis, entries: entries.iter().map(entry).filter(|e| e.coefficient != 0).collect() }
        }
    }
}
