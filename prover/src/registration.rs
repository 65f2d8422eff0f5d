//! The proof of weights, made once for a model: [`assay_circuits::registration`] says what it shows.

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

use crate::control::Control;
use crate::inner::{self, Committed, Held, InnerError, InnerProver, Proved};
use crate::key::{KeyError, PublicModel};
use crate::native::Claim;
use crate::seller::{InputOpening, ProveError, Seller};
use crate::srs::Srs;
use crate::wrap::{self, WrapError, WrapProvingKey, WrappedProof};
use ark_bn254::G1Affine;
use ark_ec::AffineRepr;
use assay_circuits::Fr;
use assay_circuits::exec::Trace;
use assay_circuits::registration::{INPUT, trace};

/// Most leaves of the lookup tree that a proof is made of: one for each weight, each digit of a bias and each row of a
/// range. It needs about 150 bytes of memory for each.
pub const MAX_CELLS: usize = 1 << 26;

impl PublicModel {
    /// The same commitments to weights, and the shape of their proof. Errors: [`KeyError::Shape`].
    pub fn of_weights(&self) -> Result<Self, KeyError> {
        Ok(Self { shape: self.shape.of_weights()?, tables: Vec::new(), ..self.clone() })
    }
}

/// What a proof of weights claims besides what the model has: an input and an output that are always the same.
pub fn claim(context: Fr) -> Claim {
    Claim { input: vec![G1Affine::generator()], output: vec![INPUT as i16], clamps: 0, context }
}

/// Proves that the seller's weights are what their architecture says, under the key of the shape of
/// [`PublicModel::of_weights`]. The proof verifies. Errors: [`ProveError`].
pub fn prove(
    seller: &Seller,
    key: &WrapProvingKey,
    context: Fr,
    control: &Control<'_>,
) -> Result<WrappedProof, ProveError> {
    let model = seller.package.model.of_weights().map_err(WrapError::from)?;
    let cells = model.shape.layout.leaf_count;
    if cells > MAX_CELLS {
        return Err(ProveError::TooManyWeights { cells });
    }
    let trace = trace(&model.shape.architecture, &seller.package.weights);
    let proved = prove_trace(&seller.srs, &model, seller.held_weights(), &trace, context, true, control)?;
    let proof = wrap::prove(&model.shape, &seller.srs, key, proved, control)?;
    wrap::verify(&model, &key.verifying_key(), &claim(context), &proof)?;
    Ok(proof)
}

/// The inner proof of a given trace, true or false; a false one gives a proof that does not verify. Errors:
/// [`InnerError`].
pub fn prove_trace(
    srs: &Srs,
    model: &PublicModel,
    weights: &Held,
    trace: &Trace,
    context: Fr,
    hiding: bool,
    control: &Control<'_>,
) -> Result<Proved, InnerError> {
    let tables = Held::new(srs, Committed::default());
    let input = InputOpening::public(&model.shape, vec![INPUT]);
    let input = Committed::new(srs, model.shape.layout.log_chunk, input.cells.to_vec(), input.blinding);
    let prover = InnerProver { shape: &model.shape, srs, weights, tables: &tables, rows: &[] };
    inner::prove(&prover, &input, trace, context, hiding, control)
}
