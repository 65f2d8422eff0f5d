//! How integer outputs are compared with the float model's.

use crate::Sample;
use crate::net::{Kind, Net};
use crate::report::Accuracy;

/// What a model's outputs are, and the float model's on the samples.
pub struct Comparison {
    kinds: Vec<Kind>,
    /// How many of them the model gives. Then there may be one that only the search sees ([`super::scores`]): how far
    /// scores are below the largest.
    given: usize,
    /// Of a model with a list of scores, its first output or the one that only the search sees: the distances of the
    /// two largest scores of every sample, in order.
    gaps: Option<Vec<f64>>,
}

impl Comparison {
    /// Of a network. `float` is what it gives for all samples; `given` is how many of its outputs the model has.
    pub fn of(net: &Net, float: &[Sample], given: usize) -> Self {
        let kinds = net.output_kinds();
        let mut comparison = Self { kinds, given, gaps: None };
        let at = comparison.scores_at();
        let shape = net.output_tensors().nth(at).and_then(|digits| digits.first()).map_or(&[][..], |of| &of.shape);
        let is_list = shape.iter().filter(|length| **length > 1).count() == 1;
        if is_list && comparison.kinds.get(at) == Some(&Kind::Real) {
            let gap = |sample: &Sample| {
                let scores = comparison.scores(sample)?;
                largest_two(&scores).map(|(first, second)| distance(&scores, first, second))
            };
            let mut gaps: Vec<f64> = float.iter().filter_map(gap).collect();
            gaps.sort_by(f64::total_cmp);
            comparison.gaps = Some(gaps);
        }
        comparison
    }

    /// Whether there is an output that only the search sees.
    pub fn sees_more(&self) -> bool {
        self.kinds.len() > self.given
    }

    /// The output that holds scores, if any does.
    fn scores_at(&self) -> usize {
        if self.sees_more() { self.given } else { 0 }
    }

    /// The scores of a sample, or how far they are above the largest, which is as far from each other.
    fn scores(&self, sample: &Sample) -> Option<Vec<f32>> {
        let sign = if self.sees_more() { -1.0 } else { 1.0 };
        sample.get(self.scores_at()).map(|scores| scores.iter().map(|score| sign * score).collect())
    }

    /// Whether labels stand beside numbers that they are chosen by.
    pub fn has_labels(&self) -> bool {
        let given = &self.kinds[..self.given.min(self.kinds.len())];
        given.contains(&Kind::Integer) && given.contains(&Kind::Real)
    }

    /// What is said of the model's own outputs.
    pub fn of_given(&self, mut accuracy: Accuracy) -> Accuracy {
        accuracy.outputs.truncate(self.given);
        accuracy
    }

    /// Compares the outputs for some of the samples.
    pub fn accuracy(&self, exact: &[Sample], float: &[Sample]) -> Accuracy {
        Accuracy { other_labels: self.other_labels(exact, float), ..Accuracy::of(exact, float, &self.kinds) }
    }

    /// The share of inputs whose largest score is expected to be another one. Few samples show few such inputs or none.
    /// But the error of a distance has little to do with the distance, so the error at every sample is set against the
    /// distance at every other one: the share of these pairs whose error is larger, halved, since half of the errors
    /// make the distance larger.
    fn other_labels(&self, exact: &[Sample], float: &[Sample]) -> Option<f64> {
        let gaps = self.gaps.as_ref().filter(|gaps| !gaps.is_empty())?;
        let changed = |(exact, float): (&Sample, &Sample)| {
            let (need, have) = (self.scores(float)?, self.scores(exact)?);
            let (first, second) = largest_two(&need).filter(|_| have.len() == need.len())?;
            let error = (distance(&have, first, second) - distance(&need, first, second)).abs();
            Some(0.5 * share_below(gaps, error))
        };
        let changed: Vec<f64> = exact.iter().zip(float).filter_map(changed).collect();
        (!changed.is_empty()).then(|| changed.iter().sum::<f64>() / changed.len() as f64)
    }
}

/// The share of all distances that is below one. Below a twentieth of the samples' distances these are too few to be
/// counted: there the share grows in proportion.
fn share_below(sorted: &[f64], distance: f64) -> f64 {
    let few = sorted.len() / 20;
    let counted = |n: usize| n as f64 / sorted.len().max(1) as f64;
    match sorted.get(few) {
        Some(gap) if distance < *gap => counted(few + 1) * distance / gap,
        _ => counted(sorted.partition_point(|gap| *gap < distance)),
    }
}

fn distance(row: &[f32], first: usize, second: usize) -> f64 {
    f64::from(row[first]) - f64::from(row[second])
}

/// The places of the two largest elements; `None` if there are fewer.
fn largest_two(row: &[f32]) -> Option<(usize, usize)> {
    let place = |without: Option<usize>| {
        let others = row.iter().enumerate().filter(|(index, _)| Some(*index) != without);
        others.max_by(|(_, a), (_, b)| a.total_cmp(b)).map(|(index, _)| index)
    };
    let first = place(None)?;
    Some((first, place(Some(first))?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantise::samples::{Small, dense};
    use assay_circuits::model::Source;

    fn scores(rows: &[[f32; 2]]) -> Vec<Sample> {
        rows.iter().map(|row| vec![row.to_vec()]).collect()
    }

    fn comparison(float: &[Sample]) -> Comparison {
        let mut small = Small::new(8);
        small.add(dense(Source::Input, 3, 1, 0), false);
        Comparison::of(&small.net([vec![0.0; 16]]), float, 1)
    }

    /// Labels that are in danger are seen although none of the samples has another one: errors at one sample count at
    /// all distances.
    #[test]
    fn an_error_is_set_against_every_distance() {
        let float = scores(&[[1.0, 0.0], [0.0, 0.5], [0.3, 0.2], [0.0, 4.0]]);
        let comparison = comparison(&float);
        assert_eq!(comparison.accuracy(&float, &float).other_labels, Some(0.0));
        let mut exact = float.clone();
        exact[0][0][0] = 0.8;
        let accuracy = comparison.accuracy(&exact, &float);
        assert_eq!(accuracy.top1_agreement, 1.0);
        // the error 0.2 at the first sample is larger than one of four distances: one pair of sixteen, halved
        assert_eq!(accuracy.other_labels, Some(1.0 / 32.0));
        // of the first sample alone: one pair of four, halved
        assert_eq!(comparison.accuracy(&exact[..1], &float[..1]).other_labels, Some(1.0 / 8.0));
    }

    /// Where none of the distances is as small as an error, the share is not 0.
    #[test]
    fn small_distances_are_not_thought_impossible() {
        let sorted: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(share_below(&sorted, 50.5), 0.5);
        assert_eq!(share_below(&sorted, 3.0), 0.03);
        assert_eq!(share_below(&sorted, 0.5), 0.005);
        assert_eq!(share_below(&[], 1.0), 0.0);
    }

    /// A score that is wrong but not among the two largest changes no label.
    #[test]
    fn only_the_two_largest_count() {
        assert_eq!(largest_two(&[1.0, 3.0, -2.0, 3.5]), Some((3, 1)));
        assert!(largest_two(&[1.0]).is_none() && largest_two(&[]).is_none());
    }
}
