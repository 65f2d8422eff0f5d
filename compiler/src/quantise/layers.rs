//! Layers: the scale of each sum, its shift, and its terms in integers.

use super::factors::{LEAST_FACTOR_BITS, MAX_SCALE, factor_accuracy, fitting_scale, limit, map_bits, quantised_index};
use super::function;
use super::plan::{Planner, Trouble};
use super::quotients::ROOM_BITS;
use super::thresholds::Side;
use crate::net::{Kind, NetLayer, NetOperand, NetRule, NetTerm};
use assay_circuits::model::{BiasBlock, Divisor, Layer, ModelError, Operand, Rule, Run, Source, Term};

/// The largest shift that is planned for most layers: the remainder of a larger one takes a second lookup.
const MAX_SHIFT: i32 = 16;
/// The largest for small sums of columns, such as the means of rows, which would otherwise take bits from these
/// columns: a factor like 1/192 has many bits. What their second lookups cost is not seen.
const MAX_SHIFT_OF_SMALL: i32 = 32;
/// The same for products. Their factors, such as the root of a number of features that is no power of 4, would take
/// bits from both operands.
const MAX_SHIFT_OF_SMALL_PRODUCTS: i32 = 24;
/// Log of the largest small layer's cells.
const SMALL: u8 = 12;

impl Planner<'_> {
    pub(super) fn layer(&mut self, index: usize) -> Result<(), Trouble> {
        let layer = &self.net.layers[index];
        let mut wanted = self.scales[index][0];
        let naturals_at =
            |accuracy| layer.terms.iter().map(|term| self.natural(layer, term, accuracy)).collect::<Vec<_>>();
        let finest_of =
            |naturals: &[Option<(i32, i32)>]| naturals.iter().flatten().map(|(scale, bits)| scale + bits).max();
        // factors give way first where a sum would be finer than a layer can shift
        let mut accuracy = factor_accuracy(self.widths.table_bits);
        let mut naturals: Vec<Option<(i32, i32)>> = naturals_at(accuracy);
        let mut most_shift = MAX_SHIFT;
        let rounds = layer.rounds();
        if rounds.is_some() {
            let finest_at = |accuracy| finest_of(&naturals_at(accuracy)).unwrap_or(0);
            accuracy = super::rounding::accuracy(&finest_at);
            naturals = naturals_at(accuracy);
        } else if let Some(bits) = self.factors_of_sums(layer, wanted) {
            accuracy = bits;
            naturals = naturals_at(accuracy);
            most_shift = assay_circuits::model::MAX_SHIFT.into();
        } else if matches!(layer.rule, NetRule::Requantise { .. }) {
            let too_fine = |naturals: &[Option<(i32, i32)>], most: i32| {
                finest_of(naturals).is_some_and(|finest| finest > wanted + most)
            };
            let linear = layer.terms.iter().all(|term| term.right.is_none());
            if layer.log_size() <= SMALL && too_fine(&naturals_at(LEAST_FACTOR_BITS), MAX_SHIFT) {
                most_shift = if linear { MAX_SHIFT_OF_SMALL } else { MAX_SHIFT_OF_SMALL_PRODUCTS };
            }
            while accuracy > LEAST_FACTOR_BITS && too_fine(&naturals, most_shift) {
                accuracy -= 1;
                naturals = naturals_at(accuracy);
            }
        }
        let finest = finest_of(&naturals);
        if let Some(finest) = finest
            && self.is_always_0(index)
        {
            // what was 0 in every sample, such as by how much a place is above the largest before it, is no finer than
            // what it is a sum of
            wanted = wanted.min(finest);
        }
        wanted = self.scale_of_rest(index).unwrap_or(wanted) - if self.has_rest(index) { ROOM_BITS } else { 0 };
        let shift = i32::from(self.widths.shift);
        let (sum_scale, rule) = match &layer.rule {
            NetRule::Requantise { .. } if let Some(ends) = rounds => {
                let sum = self.rounded_sum(layer, &naturals);
                wanted = self.rounded_scale(index, ends, accuracy, sum)?;
                (sum, self.requantise(sum - wanted))
            }
            NetRule::Requantise { .. } if self.rest_of(index).is_some() || self.has_rest(index) => {
                let sum = finest.unwrap_or(wanted).max(wanted);
                if sum - wanted > most_shift {
                    return Err(self.too_fine(index));
                }
                (sum, self.requantise(sum - wanted))
            }
            NetRule::Requantise { .. } => {
                let linear = layer.terms.iter().all(|term| term.right.is_none());
                let biased = naturals.iter().any(Option::is_none) || layer.constant.fract() != 0.0;
                let finest = finest.unwrap_or(wanted);
                if let Some(finer) = self.finer_than_its_companion(layer) {
                    return Err(finer);
                }
                if linear && !biased && finest <= wanted {
                    (wanted, self.requantise(0))
                } else if linear
                    && !biased
                    && finest == wanted + 1
                    && layer.terms.iter().all(|t| {
                        matches!(t.left.source, Source::Pre(_) | Source::Post(_)) && t.coefficient.abs() == 1.0
                    })
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
                    if sum - wanted > most_shift {
                        return Err(self.too_fine(index));
                    }
                    (sum, self.requantise(sum - wanted))
                }
            }
            NetRule::Exact => {
                let sum = finest.unwrap_or(wanted) + self.finer_divisor(index);
                (sum, Rule::Exact)
            }
            NetRule::Rows { weights, bits, index } => {
                let (matrix, scale) = self.rows_of(*weights);
                let index = self.operand(index, accuracy)?.source;
                (scale, Rule::Rows { matrix, bits: *bits, index, index_bits: self.plan.architecture.input.bits })
            }
            NetRule::Maximum { low, bits, len, .. } => {
                (finest.unwrap_or(0), Rule::Maximum { low: *low, bits: *bits, len: *len, table: 0 })
            }
            NetRule::SquareRoot => {
                // an even scale, since the root's is half of it
                let sum = finest.unwrap_or(0);
                (sum + (sum & 1), Rule::SquareRoot { limb_bits: self.widths.limb_bits(), parts: 0 })
            }
            NetRule::Divide { axes, by, function } => {
                let divisor = Divisor { axes: axes.clone(), operand: self.operand(by, accuracy)? };
                let of_divisor = self.scale_of(by.source, by);
                let limb_bits = self.widths.limb_bits();
                if layer.terms.is_empty() && layer.constant > 0.0 && function.is_none() {
                    // a quotient that is kept whole has as many bits as its readers can shift away
                    let range = self.ranges.pre.get(index).copied().unwrap_or_default();
                    let column = Source::Pre(index as u32);
                    let most = self.room(column).map_or(MAX_SHIFT - 1, |room| MAX_SHIFT - 1 + room);
                    // the quotient by the least divisor has 31 bits
                    let most = most.min(30 - of_divisor + self.least_divisor_bits(by.source));
                    let scale = fitting_scale(range.1, limit(16)).min(most).min(self.cap(column));
                    (scale + of_divisor, Rule::Quotient { by: divisor, limb_bits, parts: 0 })
                } else {
                    let least = wanted + of_divisor;
                    let sum = finest.unwrap_or(least).max(least);
                    if sum > least && layer.kind == Kind::Real {
                        // the quotient would be finer than its column holds
                        return Err(self.too_fine(index));
                    }
                    (sum, Rule::Divide { by: divisor, limb_bits, parts: 0, limbs: 0, table: 0 })
                }
            }
        };
        let pre = match &rule {
            Rule::Exact | Rule::Maximum { .. } | Rule::Rows { .. } => sum_scale,
            Rule::SquareRoot { .. } => sum_scale / 2,
            Rule::Quotient { .. } => sum_scale - self.divisor_scale(layer),
            Rule::Divide { .. } => sum_scale - self.divisor_scale(layer),
            Rule::Requantise { .. } => wanted,
        };
        let before = self.scales[index];
        self.scales[index] = [
            pre,
            if layer.function().is_some() && !layer.function().is_some_and(|p| function::is_relu(p)) {
                before[1]
            } else {
                pre
            },
            pre,
        ];
        let terms = layer
            .terms
            .iter()
            .zip(&naturals)
            .map(|(term, natural)| self.term(term, *natural, sum_scale, accuracy))
            .collect::<Result<_, _>>()?;
        let mut constant = (layer.constant * f64::from(sum_scale).exp2()).round();
        if constant.abs() >= f64::from(2u32).powi(60)
            || self.scales[index].iter().any(|scale| i8::try_from(*scale).is_err())
        {
            return Err(self.too_fine(index));
        }
        if let (Rule::Requantise { shift, .. }, Some(side)) = (&rule, Side::of(self.net, index)) {
            constant += side.offset(*shift) as f64;
        }
        constant +=
            self.offset(index, if let Rule::Requantise { shift, .. } = &rule { (*shift).into() } else { 0 }) as f64;
        let counted = layer.kind == Kind::Integer && constant >= 1.0;
        if self.divides(index as u32) && !counted && matches!(rule, Rule::Exact | Rule::SquareRoot { .. }) {
            // a divisor is never 0: one unit of a fine scale
            constant =
                constant.max(0.0) + if matches!(rule, Rule::Exact) { 1.0 } else { f64::from(u8::from(constant < 1.0)) };
        }
        self.functions.push(layer.function().map(|program| {
            let least = if self.divides(index as u32) { 1 } else { i16::MIN };
            function::quantised(program, self.scales[index][0] as i8, self.scales[index][1] as i8, least)
        }));
        self.plan.architecture.layers.push(Layer {
            log_size: layer.log_size(),
            terms,
            constant: constant as i64,
            rule,
        });
        Ok(())
    }

    /// Whether a column was 0 in every sample: what a function reads, or what is left of it by a ReLU.
    fn is_always_0(&self, index: usize) -> bool {
        let zero = |ranges: &[(f32, f32)]| ranges.get(index) == Some(&(0.0, 0.0));
        match &self.net.layers[index].rule {
            NetRule::Requantise { function: None } => zero(&self.ranges.pre),
            NetRule::Requantise { function: Some(program) } => {
                zero(&self.ranges.pre) || (function::is_relu(program) && zero(&self.ranges.post))
            }
            _ => false,
        }
    }

    /// Of a sum of two products with one factor in common, such as `x·r - mean·r`, a column that is finer than what the
    /// other one multiplies: that is of no use, and takes bits from the common factor.
    fn finer_than_its_companion(&self, layer: &NetLayer) -> Option<Trouble> {
        let products: Vec<(&NetOperand, &NetOperand)> =
            layer.terms.iter().filter_map(|term| Some((&term.left, term.right.as_ref()?))).collect();
        let [(a, common), (b, other)] = products[..] else { return None };
        if common.source != other.source || common.source.is_secret() || layer.terms.len() != 2 {
            return None;
        }
        let scale = |operand: &NetOperand| self.scale_of(operand.source, operand);
        let (finer, least) = if scale(a) > scale(b) { (a, scale(b)) } else { (b, scale(a)) };
        (scale(finer) > least && self.may_be_coarser(finer.source))
            .then(|| Trouble::Coarser(self.capped(finer.source), least))
    }

    /// Bits of the least value of a divisor: of a root, that of the constant in its sum.
    fn least_divisor_bits(&self, source: Source) -> i32 {
        let Some(l) = source.layer() else { return 0 };
        let planned = self.plan.architecture.layers.get(l as usize);
        match planned {
            Some(Layer { constant, rule: Rule::SquareRoot { .. }, .. }) if *constant > 0 => {
                constant.isqrt().max(1).ilog2() as i32
            }
            _ => 0,
        }
    }

    /// By how many bits the results of a column's products are finer than what it is multiplied with: the least of its
    /// readers.
    fn room(&self, column: Source) -> Option<i32> {
        let of = |(index, term): (usize, &NetTerm)| {
            let right = term.right.as_ref()?;
            let other = if term.left.source == column { right } else { &term.left };
            Some(self.scales[index][0] - self.scale_of(other.source, other))
        };
        let terms = self
            .net
            .layers
            .iter()
            .enumerate()
            .flat_map(|(index, layer)| layer.terms.iter().map(move |term| (index, term)));
        terms.filter(|(_, term)| term.reads(column)).filter_map(of).min()
    }

    /// The finest scale of a sum at which all factors fit 31 bits.
    pub(super) fn coarsest(&self, layer: &NetLayer, naturals: &[Option<(i32, i32)>]) -> i32 {
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
        self.net
            .layers
            .iter()
            .any(|layer| matches!(&layer.rule, NetRule::Divide { by, .. } if by.source.layer() == Some(l)))
    }

    fn may_be_coarser(&self, source: Source) -> bool {
        let Some(l) = source.layer() else { return false };
        self.net
            .layers
            .get(l as usize)
            .is_some_and(|layer| matches!(layer.rule, NetRule::Requantise { .. }) && layer.kind == Kind::Real)
    }

    /// The column whose cap decides a column's scale.
    fn capped(&self, source: Source) -> Source {
        match source {
            Source::Post(l) if self.net.layers[l as usize].function().is_none_or(|p| function::is_relu(p)) => {
                Source::Pre(l)
            }
            source => source,
        }
    }

    /// The block of weights whose rows are read, in the architecture, and its scale.
    fn rows_of(&self, w: u32) -> (u32, i32) {
        match self.placed.get(&w) {
            Some((Source::Weight(id), scale)) => (*id, *scale),
            _ => (0, 0),
        }
    }

    /// The operand that gives way where a sum is finer than a layer can shift.
    fn too_fine(&self, index: usize) -> Trouble {
        let layer = &self.net.layers[index];
        let finest = layer
            .terms
            .iter()
            .filter_map(|term| self.natural(layer, term, LEAST_FACTOR_BITS).map(|(scale, bits)| (scale + bits, term)))
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
                if let Some(NetLayer {
                    rule: NetRule::Exact | NetRule::SquareRoot | NetRule::Maximum { .. },
                    terms,
                    ..
                }) = l
                    && matches!(source, Source::Pre(_) | Source::Max(_))
                    && let Some(inner) = terms.first()
                {
                    return Trouble::Coarser(
                        self.capped(inner.left.source),
                        self.scale_of(inner.left.source, &inner.left) - 1,
                    );
                }
                return Trouble::Coarser(source, self.scale_of(operand.source, operand) - 1);
            }
        }
        Trouble::Model(ModelError::Shift { layer: index, shift: 17 })
    }

    fn term(
        &mut self,
        term: &NetTerm,
        natural: Option<(i32, i32)>,
        sum_scale: i32,
        accuracy: i32,
    ) -> Result<Term, Trouble> {
        let Some((scale, _)) = natural else { return self.bias(term, sum_scale, accuracy) };
        let coefficient = self.coefficient(term);
        let maps: i32 = std::iter::once(&term.left)
            .chain(&term.right)
            .flat_map(|o| &o.runs)
            .map(|run| map_bits(&run.index, accuracy))
            .sum();
        let scaled = (coefficient * f64::from(sum_scale - scale - maps).exp2()).round();
        if scaled.abs() > f64::from(i32::MAX) {
            return Err(Trouble::Model(ModelError::AccumulatorTooWide {
                layer: self.plan.architecture.layers.len(),
                bits: 64,
            }));
        }
        Ok(Term {
            // what rounds to nothing is kept as the least there is
            coefficient: if scaled == 0.0 { 1 } else { scaled as i32 },
            axes: term.axes.clone(),
            summed: term.summed,
            left: self.operand(&term.left, accuracy)?,
            right: term.right.as_ref().map(|right| self.operand(right, accuracy)).transpose()?,
        })
    }

    /// A block that is only added: at the scale of the sum, or as near to it as 32 bits allow.
    fn bias(&mut self, term: &NetTerm, sum_scale: i32, accuracy: i32) -> Result<Term, Trouble> {
        let Source::Weight(w) = term.left.source else {
            return Err(Trouble::Model(ModelError::SecretCount { have: 0 }));
        };
        let block = &self.net.weights[w as usize];
        let maps: i32 = term.left.runs.iter().map(|run| map_bits(&run.index, accuracy)).sum();
        let size = block.iter().fold(0f32, |m, v| m.max(v.abs())) * term.coefficient.abs() as f32;
        let finest = if size > 0.0 { (f64::from(i32::MAX) / f64::from(size)).log2().floor() as i32 } else { i32::MAX };
        let scale = (sum_scale - maps).min(finest);
        let id = self.plan.architecture.biases.len() as u32;
        let rounded = super::weights::biases(block, term.coefficient, scale);
        self.plan
            .architecture
            .biases
            .push(BiasBlock { log_size: block.len().trailing_zeros() as u8, bits: BiasBlock::bits_of(&rounded) });
        self.plan.biases.push((w, term.coefficient, scale));
        let mut left = self.operand(&NetOperand { source: Source::Input, ..term.left.clone() }, accuracy)?;
        left.source = Source::Bias(id);
        let coefficient = 1i64 << (sum_scale - maps - scale).clamp(0, 40);
        let coefficient = i32::try_from(coefficient).map_err(|_| {
            Trouble::Model(ModelError::AccumulatorTooWide { layer: self.plan.architecture.layers.len(), bits: 64 })
        })?;
        Ok(Term { coefficient, axes: term.axes.clone(), summed: 0, left, right: None })
    }

    fn operand(&self, operand: &NetOperand, accuracy: i32) -> Result<Operand, Trouble> {
        let source = match operand.source {
            Source::Weight(w) => self.placed.get(&w).map_or(Source::Weight(0), |(source, _)| *source),
            source => source,
        };
        let runs =
            operand.runs.iter().map(|run| Run { log_len: run.log_len, index: quantised_index(&run.index, accuracy) });
        Ok(Operand { source, runs: runs.collect() })
    }
}
