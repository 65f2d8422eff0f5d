//! The cost model: what an architecture costs to prove and to settle, *predicted* from sizes alone. It chooses the
//! widths, and the report shows it.
//!
//! The constants were fitted by hand to two-core runs of transformers, recurrences and convolutions, and are not a
//! promise; `docs/benchmarks.md` has measurements.

use assay_circuits::model::{Architecture, Layer, Rule, Source};
use assay_circuits::system::{ColumnId, LayerColumns, Lookup, Owner, System};

/// Predictions assume the smallest chunks, of 2^14 to 2^20 cells, that are at most this many.
const CHUNKS: u64 = 10;
/// Seconds of the inner proof whatever the network: opening, transcript.
const SECONDS_FIXED: f64 = 0.01;
/// Seconds per leaf of the lookup tree.
const SECONDS_PER_LEAF: f64 = 0.045e-6;
/// Seconds per committed witness cell.
const SECONDS_PER_CELL: f64 = 0.04e-6;
/// Seconds per weight cell: they are committed once, and only summed over in each proof.
const SECONDS_PER_WEIGHT: f64 = 0.01e-6;
/// Seconds per element of an elementwise product.
const SECONDS_PER_PRODUCT: f64 = 0.02e-6;
/// Seconds of the universal wrap, whatever its size.
const SECONDS_WRAP: f64 = 0.04;
/// Seconds of the wrap per row of its circuit.
const SECONDS_PER_ROW: f64 = 0.03 / 1024.0;
/// Seconds of the joint opening per cell of a chunk.
const SECONDS_PER_CHUNK_CELL: f64 = 0.3 / (1 << 18) as f64;
/// Log of the rows that most networks' wraps have; transformers and deep convolutions take one more.
const LOG_ROWS: u32 = 12;
/// Fitted to the contracts' own figures (`docs/contracts.md`).
const GAS_FIXED: u64 = 401_000;
/// One scalar multiplication and addition, calldata and hashing of a commitment.
pub(crate) const GAS_PER_CHUNK: u64 = 7_600;
const GAS_PER_OUTPUT: u64 = 110;

/// Seconds of the joint opening.
pub(crate) fn seconds_opening(log_chunk: u32) -> f64 {
    SECONDS_PER_CHUNK_CELL * f64::from(log_chunk).exp2()
}

/// Seconds of the wrap with its opening.
fn seconds_wrap(log_rows: u32, log_chunk: u32) -> f64 {
    SECONDS_WRAP + SECONDS_PER_ROW * f64::from(log_rows).exp2() + seconds_opening(log_chunk)
}

/// Sizes of an architecture and what they predict.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Cost {
    /// Cells that the prover commits per proof: layers' columns and multiplicities.
    pub witness_cells: u64,
    /// Cells of weights and biases, padded.
    pub weight_cells: u64,
    /// Lookups, padding included.
    pub lookups: u64,
    /// Rows of all tables.
    pub table_rows: u64,
    /// Activation tables, range tables and tables of rows.
    pub tables: u64,
    /// Chunks of all regions, of `2^log_chunk` cells.
    pub chunks: u64,
    /// Log of the chunk size that the predicted gas assumes.
    pub log_chunk: u32,
    /// Predicted, not measured.
    pub predicted_inner_seconds: f64,
    /// Predicted, not measured: inner proof and wrap.
    pub predicted_seconds: f64,
    /// Predicted, not measured: gas of settling.
    pub predicted_gas: u64,
}

impl Cost {
    /// Counts and predicts.
    pub fn of(architecture: &Architecture) -> Self {
        let system = System::new(architecture);
        let cells = |owners: &[Owner]| -> u64 {
            let mine =
                system.columns.iter().zip((0..).map(ColumnId)).filter(|(column, _)| owners.contains(&column.owner));
            mine.map(|(_, id)| system.stored(id) as u64).sum()
        };
        let (weights, committed, input) = (cells(&[Owner::Seller]), cells(&[Owner::Public]), cells(&[Owner::Buyer]));
        let witness_cells = cells(&[Owner::Prover, Owner::Multiplicity]);
        let rows = cells(&[Owner::Multiplicity]);
        let lookups: u64 = system.lookups.iter().map(|lookup| 1u64 << lookup.log_size).sum();
        let products: u64 = system
            .equations
            .iter()
            .map(|equation| {
                let of = |s: &&assay_circuits::system::Summand| s.right.is_some() && s.summed == 0;
                equation.summands.iter().filter(of).count() as u64 * (1 << equation.log_size)
            })
            .sum();
        let regions = [weights, committed, input, witness_cells];
        let count = |log: u32| regions.iter().map(|cells| cells.div_ceil(1 << log)).sum::<u64>();
        let log_chunk = (14..20).find(|log| count(*log) <= CHUNKS).unwrap_or(20);
        let chunks = count(log_chunk);
        let leaves = lookups + rows;
        // The tree is padded, but a smaller network is better even where padding hides it.
        let effective = (leaves.next_power_of_two() + leaves) as f64 / 2.0;
        let inner = SECONDS_FIXED
            + SECONDS_PER_LEAF * effective
            + SECONDS_PER_CELL * witness_cells as f64
            + SECONDS_PER_WEIGHT * weights as f64
            + SECONDS_PER_PRODUCT * products as f64;
        Self {
            witness_cells,
            weight_cells: weights,
            lookups,
            table_rows: rows,
            tables: (architecture.tables.len() + system.ranges.len() + system.row_tables.len()) as u64,
            chunks,
            log_chunk,
            predicted_inner_seconds: inner,
            predicted_seconds: inner + seconds_wrap(LOG_ROWS, log_chunk),
            predicted_gas: GAS_FIXED + GAS_PER_CHUNK * chunks + GAS_PER_OUTPUT * architecture.output_cells() as u64,
        }
    }

    /// The same where the chunk size is known, and with it the number of chunks.
    pub fn with_chunks(self, log_chunk: u32, chunks: u64) -> Self {
        let predicted_gas = self.predicted_gas.saturating_sub(GAS_PER_CHUNK * self.chunks) + GAS_PER_CHUNK * chunks;
        Self { chunks, log_chunk, predicted_gas, ..self }
    }

    /// The same where the wrap's circuit is known, and with it its rows.
    pub fn with_rows(self, log_rows: u32) -> Self {
        Self { predicted_seconds: self.predicted_inner_seconds + seconds_wrap(log_rows, self.log_chunk), ..self }
    }
}

/// What one layer takes of an inner proof.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct LayerCost {
    /// Cells that the prover commits for it in each proof.
    pub witness_cells: u64,
    /// Cells of the weights and biases that it is the first to read.
    pub weight_cells: u64,
    /// Its lookups.
    pub lookups: u64,
    /// Predicted, not measured: its part of the inner proof.
    pub predicted_seconds: f64,
}

impl LayerCost {
    /// By layer. What no layer has for itself, as the multiplicities of tables, is left out.
    pub fn of(architecture: &Architecture) -> Vec<Self> {
        let system = System::new(architecture);
        let size = |column: ColumnId| system.stored(column) as u64;
        let mut seen = std::collections::HashSet::new();
        let of = |(layer, columns): (&Layer, &LayerColumns)| {
            let span = columns.span.0..columns.span.1;
            let witness_cells: u64 = span.clone().map(|column| size(ColumnId(column))).sum();
            // a lookup of rows is of the layer that has them, and not of the one that names them
            let owned = |lookup: &&Lookup| match lookup.row {
                Some((rows, _)) => span.contains(&rows.0),
                None => lookup.keys.iter().flatten().any(|key| span.contains(&key.0)),
            };
            let mine = system.lookups.iter().filter(owned);
            let lookups: u64 = mine.map(|lookup| 1u64 << lookup.log_size).sum();
            let read = layer.terms.iter().flat_map(|term| std::iter::once(&term.left).chain(&term.right));
            let rows = match layer.rule {
                Rule::Rows { matrix, .. } => Some(Source::Weight(matrix)),
                _ => None,
            };
            let secret = read.map(|operand| operand.source).chain(rows).filter_map(|source| match source {
                Source::Weight(block) => system.weights.get(block as usize),
                Source::Bias(block) => system.biases.get(block as usize),
                _ => None,
            });
            let weight_cells: u64 = secret.filter(|column| seen.insert(**column)).map(|column| size(*column)).sum();
            let products = layer.terms.iter().filter(|term| term.right.is_some() && term.summed == 0).count() as u64
                * (1 << layer.log_size);
            let predicted_seconds = SECONDS_PER_LEAF * lookups as f64
                + SECONDS_PER_CELL * witness_cells as f64
                + SECONDS_PER_WEIGHT * weight_cells as f64
                + SECONDS_PER_PRODUCT * products as f64;
            Self { witness_cells, weight_cells, lookups, predicted_seconds }
        };
        architecture.layers.iter().zip(&system.layers).map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use assay_circuits::{sample, shape::Shape};

    /// Whole proofs as docs/benchmarks.md measured them on two idle cores: digits_gru, digits_vit, encoder_bool, llama,
    /// resnet18_quarter.
    #[test]
    fn seconds_are_right_within_a_factor_of_one_and_a_half() {
        for (inner, log_rows, log_chunk, measured) in [
            (0.013, 12, 14, 0.20),
            (0.032, 13, 17, 0.43),
            (0.15, 13, 18, 0.79),
            (0.18, 13, 18, 0.77),
            (0.07, 12, 18, 0.53),
        ] {
            let predicted = inner + seconds_wrap(log_rows, log_chunk);
            assert!(predicted / measured < 1.5 && measured / predicted < 1.5, "{predicted} s, and not {measured} s");
        }
        let (architecture, _) = sample::lenet5();
        let lenet = Cost::of(&architecture).with_chunks(16, 1).with_rows(12).predicted_seconds;
        assert!((0.16..0.34).contains(&lenet), "{lenet} s, and not 0.23 s");
    }

    /// Layers together take what the network takes, but for the input's lookups and what belongs to no layer.
    #[test]
    fn layers_add_up() {
        for (architecture, _) in [sample::lenet5(), sample::random_network(3)] {
            let (whole, layers) = (Cost::of(&architecture), LayerCost::of(&architecture));
            assert_eq!(layers.len(), architecture.layers.len());
            let sum = |of: fn(&LayerCost) -> u64| layers.iter().map(of).sum::<u64>();
            assert_eq!(sum(|layer| layer.witness_cells) + whole.table_rows, whole.witness_cells);
            // random networks have blocks that nothing reads
            assert!(sum(|layer| layer.weight_cells) <= whole.weight_cells);
            let input = 1 << architecture.input.log_size;
            assert!(
                sum(|layer| layer.lookups) <= whole.lookups && whole.lookups <= sum(|layer| layer.lookups) + 2 * input
            );
            assert!(layers.iter().map(|layer| layer.predicted_seconds).sum::<f64>() < whole.predicted_inner_seconds);
        }
    }

    /// The golden LeNet-5's settlement takes 448,346 gas.
    #[test]
    fn gas_follows_the_chosen_chunks() {
        let (architecture, _) = sample::lenet5();
        let cost = Cost::of(&architecture);
        let at = |log_chunk| {
            let chunks =
                Shape::new(architecture.clone(), log_chunk).unwrap().chunk_counts().iter().sum::<usize>() as u64;
            cost.with_chunks(log_chunk, chunks)
        };
        assert!(at(16).predicted_gas.abs_diff(448_346) < 5_000, "{:?}", at(16));
        assert_eq!((at(13).log_chunk, at(13).predicted_gas > at(16).predicted_gas), (13, true));
        assert_eq!(cost.with_chunks(cost.log_chunk, cost.chunks), cost);
    }
}
