//! Checks of one term of a layer.

use super::super::{Architecture, Entry, Index, Operand, Term, Window};
use super::{MAX_AXES, MAX_LOG_BLOCK, MAX_LOG_WINDOW, MAX_LOG_WORK, ModelError, repeated};

/// Checks one term.
pub(super) struct LayerCheck<'a> {
    pub(super) arch: &'a Architecture,
    pub(super) layer: usize,
    pub(super) term: usize,
    pub(super) log_size: u8,
}

impl LayerCheck<'_> {
    pub(super) fn term(&self, term: &Term) -> Result<(), ModelError> {
        let (layer, at) = (self.layer, self.term);
        let sum = |axes: &[u8]| axes.iter().map(|log| u32::from(*log)).sum::<u32>();
        let outputs = term.axes.get(..term.outputs()).unwrap_or_default();
        if term.axes.len() > MAX_AXES
            || usize::from(term.summed) > term.axes.len()
            || sum(outputs) != self.log_size.into()
        {
            return Err(ModelError::Axes { layer, term: at });
        }
        if sum(&term.axes) > 40 || (term.right.is_none() && term.summed > 0) {
            return Err(ModelError::Summed { layer, term: at });
        }
        if term.coefficient == 0 {
            return Err(ModelError::ZeroCoefficient { layer, term: at });
        }
        for operand in term.operands() {
            self.operand(term, operand)?;
            let named =
                |axis: usize| operand.runs.iter().flat_map(|run| run.index.axes()).any(|a| usize::from(a) == axis);
            if !(outputs.len()..term.axes.len()).all(named) {
                return Err(ModelError::Summed { layer, term: at });
            }
        }
        self.order(term)
    }

    fn operand(&self, term: &Term, operand: &Operand) -> Result<(), ModelError> {
        let runs = ModelError::Runs { layer: self.layer, term: self.term, of: operand.source };
        let missing = ModelError::UnknownSource { layer: self.layer, missing: operand.source };
        let log_size = self.arch.log_size(operand.source).ok_or(missing)?;
        let bits: u32 = operand.runs.iter().map(|run| u32::from(run.log_len)).sum();
        let mut named = [false; MAX_AXES];
        let fresh = operand.runs.iter().flat_map(|run| run.index.axes()).all(|axis| {
            let slot = named.get_mut(usize::from(axis)).filter(|_| usize::from(axis) < term.axes.len());
            slot.is_some_and(|slot| !std::mem::replace(slot, true))
        });
        if bits != u32::from(log_size) || !fresh || operand.runs.len() > 2 * MAX_AXES {
            return Err(runs);
        }
        let mut work = 1u64;
        for run in &operand.runs {
            let axis = |axis: u8| 1u64 << term.axes[usize::from(axis)];
            match &run.index {
                Index::Axis(a) if term.axes[usize::from(*a)] != run.log_len => return Err(runs),
                Index::Axis(_) => {}
                Index::Map { axis: a, entries } => {
                    self.entries(entries, a.map_or(1, axis), 1 << run.log_len, term.right.is_some())?;
                    if term.right.is_none() {
                        work = work.saturating_mul(most_entries(entries));
                    }
                }
                Index::Window { out, kernel, window } => {
                    self.window(window, [axis(*out), axis(*kernel), 1 << run.log_len])?
                }
            }
        }
        // what a linear term reads, over all of its cells
        if work.saturating_mul(1 << self.log_size.min(MAX_LOG_BLOCK)) > 1 << MAX_LOG_WORK {
            return Err(ModelError::TermWork { layer: self.layer, term: self.term });
        }
        Ok(())
    }

    fn entries(&self, entries: &[Entry], places: u64, numbers: u64, product: bool) -> Result<(), ModelError> {
        let (layer, term) = (self.layer, self.term);
        if let Some(e) = entries.iter().find(|e| u64::from(e.to) >= places || u64::from(e.from) >= numbers) {
            return Err(ModelError::Entry { layer, term, to: e.to, from: e.from });
        }
        if entries.iter().any(|e| e.coefficient == 0) {
            return Err(ModelError::ZeroCoefficient { layer, term });
        }
        if let Some((to, from)) = repeated(entries.iter().map(|e| (e.to, e.from))) {
            return Err(ModelError::Entry { layer, term, to, from });
        }
        if product {
            let several = repeated(entries.iter().map(|e| e.to));
            if let Some(to) = several.or(entries.iter().find(|e| e.coefficient != 1).map(|e| e.to)) {
                return Err(ModelError::Selection { layer, term, to });
            }
        }
        Ok(())
    }

    fn window(&self, window: &Window, [outputs, kernel, numbers]: [u64; 3]) -> Result<(), ModelError> {
        let Window { outputs: o, kernel: k, inputs, stride, dilation, padding } = *window;
        let fit = (1..=outputs).contains(&o.into())
            && (1..=kernel).contains(&k.into())
            && (1..=numbers).contains(&inputs.into());
        // 2^26 bounds the work on an axis, and keeps places from overflowing
        let small = [stride, dilation, padding].iter().all(|v| *v <= 1 << MAX_LOG_WINDOW)
            && u64::from(o) * u64::from(k) <= 1 << MAX_LOG_WINDOW;
        if fit && small && stride > 0 && dilation > 0 {
            return Ok(());
        }
        Err(ModelError::Window { layer: self.layer, term: self.term })
    }

    /// A layer reads what is computed before it: earlier layers, and in a loop earlier steps.
    fn order(&self, term: &Term) -> Result<(), ModelError> {
        let here = self.arch.loop_of(self.layer as u32);
        let steps = term.outputs().checked_sub(1).map(|axis| axis as u8);
        if let Some(of) = here
            && steps.is_none_or(|axis| term.axes[usize::from(axis)] != of.log_steps)
        {
            return Err(ModelError::Axes { layer: self.layer, term: self.term });
        }
        for operand in term.operands() {
            let Some(read) = operand.source.layer() else { continue };
            let same = here.filter(|of| self.arch.loop_of(read) == Some(of));
            let earlier = (read as usize) < self.layer;
            let good = match (same, operand.runs.last()) {
                (None, _) => earlier,
                (Some(_), None) => false,
                // the highest bits number the steps on both sides
                (Some(of), Some(run)) => {
                    run.log_len == of.log_steps
                        && match &run.index {
                            Index::Axis(axis) => earlier && Some(*axis) == steps,
                            Index::Map { axis, entries } => {
                                *axis == steps && entries.iter().all(|e| e.from < e.to || (earlier && e.from == e.to))
                            }
                            Index::Window { .. } => false,
                        }
                }
            };
            if !good {
                return Err(ModelError::UnknownSource { layer: self.layer, missing: operand.source });
            }
        }
        Ok(())
    }
}

/// How many entries a place has at most.
fn most_entries(entries: &[Entry]) -> u64 {
    let mut places: Vec<u32> = entries.iter().map(|e| e.to).collect();
    places.sort_unstable();
    places.chunk_by(|a, b| a == b).map(|run| run.len() as u64).max().unwrap_or(0)
}
