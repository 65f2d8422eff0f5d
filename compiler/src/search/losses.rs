//! Which layers lose most.

use super::Runner;
use crate::Sample;
use crate::net::{Net, Run};
use crate::quantise::Plan;
use crate::report::Loss;
use assay_circuits::exec::ExecError;
use assay_circuits::model::{Source, Weights};

/// Samples that are looked at.
const SAMPLES: usize = 2;

/// What each layer adds to the error: the largest distance of a column that is read from the float run's, as a share of
/// the column's largest value, less the same of the columns that the layer reads. A column that nothing reads may be as
/// wrong as it likes, and one that is 0 throughout has no size to be wrong by.
pub fn losses(net: &Net, plan: &Plan, weights: &Weights, samples: &[Sample]) -> Result<Vec<Loss>, ExecError> {
    let runner = Runner::new(&plan.architecture, weights);
    let mut errors = vec![0f64; net.layers.len()];
    for sample in samples.iter().take(SAMPLES) {
        let (trace, float) = (runner.trace(sample)?, Run::of(net, sample));
        for (index, layer) in net.layers.iter().enumerate() {
            let Some(columns) = float.columns(index) else { continue };
            let (ids, post) =
                (&runner.system.layers[index], if columns.post.is_empty() { &columns.pre } else { &columns.post });
            let l = index as u32;
            for (source, id, real, of) in
                [(Source::Pre(l), ids.pre, &columns.pre, 0), (Source::Post(l), ids.post, post, 1)]
            {
                if !net.reads(source) {
                    continue;
                }
                let unit = (-f64::from(plan.scales[index][of])).exp2();
                // what a table clamps on purpose, as a softmax's masked scores, is no loss; clamps are counted by
                // themselves
                let table = plan
                    .architecture
                    .layers
                    .get(index)
                    .and_then(|layer| plan.architecture.table(layer))
                    .filter(|_| of == 0);
                let (low, high) = table.map_or((f64::NEG_INFINITY, f64::INFINITY), |table| {
                    (f64::from(table.min()) * unit, f64::from(table.max()) * unit)
                });
                let cells = trace.column(id).iter().zip(real).enumerate();
                let (worst, size) = cells.filter(|(cell, _)| layer.counts(*cell)).fold(
                    (0f64, 0f64),
                    |(worst, size), (_, (int, real))| {
                        let real = f64::from(*real).clamp(low, high);
                        (worst.max((f64::from(*int) * unit - real).abs()), size.max(real.abs()))
                    },
                );
                if size > 0.0 {
                    errors[index] = errors[index].max(worst / size);
                }
            }
        }
    }
    let inherited = |index: usize| {
        let layer = &net.layers[index];
        let reads =
            layer.terms.iter().flat_map(|t| std::iter::once(&t.left).chain(&t.right)).filter_map(|o| o.source.layer());
        reads.filter(|l| (*l as usize) < index).map(|l| errors[l as usize]).fold(0.0, f64::max)
    };
    let mut losses: Vec<Loss> = (0..net.layers.len())
        .map(|i| Loss {
            index: i,
            layer: net.layers[i].name.clone(),
            error: errors[i],
            added: (errors[i] - inherited(i)).max(0.0),
        })
        .collect();
    losses.sort_by(|a, b| b.added.total_cmp(&a.added));
    Ok(losses)
}
