//! Widths with which the largest of a list of scores stays the largest, on inputs that are not among the samples
//! either.

use super::{Measured, Search};
use crate::chunks::log_chunk_for_gas;
use crate::quantise::{self, Widths};
use crate::report::Accuracy;
use crate::{CompileError, Phase};

/// Where no label stands beside scores: of the samples whose label may be another one, the share that is expected to be
/// on other inputs. By default one of 5,000, since classes are nearer to each other on inputs that a model was not
/// trained on.
const OTHER_LABELS: f64 = 0.02;
/// The same where fewer would need larger commitments, which take longer to open: one of 2,000.
const OTHER_LABELS_IF_COSTLY: f64 = 0.05;
/// Where so many times more labels are expected to be others, no widths that are left will do.
const OUT_OF_REACH: f64 = 50.0;
/// Bits by which widths grow at most to keep labels.
const MORE_BITS: u8 = 6;

impl Search<'_> {
    /// Whether the largest score is the float model's for as many inputs as it shall be, or will not be with wider
    /// integers either.
    pub(super) fn keeps_labels(&self, accuracy: &Accuracy) -> bool {
        let allowed = self.allowed(OTHER_LABELS);
        let wanted = self.options.min_agreement > 0.0;
        !wanted || accuracy.other_labels.is_none_or(|share| share <= allowed || share > allowed * OUT_OF_REACH)
    }

    /// The share of other inputs whose largest score may be another one.
    fn allowed(&self, part: f64) -> f64 {
        (1.0 - self.options.min_agreement) * part
    }

    /// Where what is enough does not keep labels: the cheapest at least as wide that does, near enough; or if none
    /// does, what keeps most, if half as many are others. Where that needs larger commitments than a few more labels
    /// would, those are let go. `plans` are in the order of their cost.
    pub(super) fn wider(
        &mut self,
        plans: &[Widths],
        progress: &mut dyn FnMut(Phase),
    ) -> Result<Option<Measured>, CompileError> {
        let (narrow, others) = match &self.enough {
            Some((found, _)) if !self.keeps_labels(&found.accuracy) => {
                (found.widths, found.accuracy.other_labels.unwrap_or(0.0))
            }
            _ => return Ok(None),
        };
        let mut chosen = self.widths_for(OTHER_LABELS, narrow, others, plans, progress)?;
        let chunk = chosen.map(|widths| self.log_chunk(widths));
        if chunk > Some(self.log_chunk(narrow)) {
            let enough = others <= self.allowed(OTHER_LABELS_IF_COSTLY);
            let less = if enough {
                Some(narrow)
            } else {
                self.widths_for(OTHER_LABELS_IF_COSTLY, narrow, others, plans, progress)?
            };
            chosen = less.filter(|less| Some(self.log_chunk(*less)) < chunk).or(chosen);
        }
        let Some(found) = chosen.filter(|found| *found != narrow) else { return Ok(None) };
        progress(Phase::Measure);
        let plan = quantise::plan(self.net, &self.ranges, found).map_err(CompileError::NoWidths)?;
        let found = self.measured(plan, found)?;
        Ok(self.is_enough(&found.accuracy).then_some(found))
    }

    /// Widths of which no more labels than this part are others, or else those with the fewest, if these are half as
    /// many as with the `narrow` ones, of which `others` are. All widths grow together until labels are kept, so that a
    /// few trials tell. Then each shrinks again as far as labels allow.
    fn widths_for(
        &mut self,
        part: f64,
        narrow: Widths,
        others: f64,
        plans: &[Widths],
        progress: &mut dyn FnMut(Phase),
    ) -> Result<Option<Widths>, CompileError> {
        let most = plans.iter().fold(narrow, |most, widths| most.union(*widths));
        let mut wide = (others / 2.0, None);
        for bits in 1..=MORE_BITS {
            let least = narrow.and_more(bits, most);
            let Some(widths) = plans.iter().find(|widths| least.within(**widths)) else { continue };
            let Some(share) = self.other_labels(*widths, progress)? else { continue };
            if share <= wide.0 {
                wide = (share, Some(*widths));
            }
            if share <= self.allowed(part) {
                break;
            }
        }
        let (share, Some(wide)) = wide else { return Ok(None) };
        let wanted = share.max(self.allowed(part));
        let mut found = wide;
        for narrower in [shift_less, table_less, weights_less] {
            // one width after the other, what costs most first
            while let Some(next) = narrower(found).filter(|next| narrow.within(*next) && plans.contains(next)) {
                if self.other_labels(next, progress)?.is_none_or(|share| share > wanted) {
                    break;
                }
                found = next;
            }
        }
        Ok(Some(found))
    }

    /// The log of the chunks that a network of these widths would be committed in.
    fn log_chunk(&self, widths: Widths) -> u32 {
        let plan = quantise::plan(self.net, &self.ranges, widths).ok();
        plan.and_then(|plan| log_chunk_for_gas(&plan.architecture).ok()).unwrap_or(u32::MAX)
    }

    /// The share of labels that are expected to be others with these widths, from a few samples. `None` if they are not
    /// accurate enough.
    fn other_labels(&mut self, widths: Widths, progress: &mut dyn FnMut(Phase)) -> Result<Option<f64>, CompileError> {
        self.tried += 1;
        progress(Phase::Search { tried: self.tried });
        let Ok(plan) = quantise::plan(self.net, &self.ranges, widths) else { return Ok(None) };
        let weights = quantise::weights(self.net, &plan);
        let (accuracy, _) = self.trial(&plan, &weights, |_, _| true)?;
        Ok(accuracy.other_labels.filter(|_| self.is_enough(&accuracy)))
    }
}

fn shift_less(widths: Widths) -> Option<Widths> {
    Some(Widths { shift: widths.shift.checked_sub(1)?, ..widths })
}

fn table_less(widths: Widths) -> Option<Widths> {
    Some(Widths { table_bits: widths.table_bits.checked_sub(1)?, ..widths })
}

/// Candidates have an even number of bits, or the largest that is allowed.
fn weights_less(widths: Widths) -> Option<Widths> {
    Some(Widths { weight_bits: widths.weight_bits.checked_sub(1)? & !1, ..widths })
        .filter(|less| less.weight_bits < widths.weight_bits)
}
