//! Proof files: a claim and its proof, as JSON. Nothing in a file is believed: `verify` recomputes what can be recomputed.

use crate::batch::{self, BatchError};
use crate::exit::{Exit, Failure, Outcome};
use crate::files;
use crate::ui::Ui;
use alloy::primitives::{B256, Bytes, keccak256};
use assay_api::Prediction;
use assay_api::engine::Outputs;
use assay_api::engine::native::context_scalar;
use assay_prover::key::PublicModel;
use assay_prover::native::{self, Claim, NativeProof};
use assay_prover::output::Readers;
use assay_prover::package::{BuyerKey, points_from_bytes};
use assay_prover::pcs::encode;
use assay_prover::wrap::{self, WrapVerifyingKey, WrappedProof};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The version of the format.
const VERSION: u32 = 3;
/// No proof file is as large.
const MAX_BYTES: u64 = 64 << 20;

/// Which proof a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The wrapped proof: zero-knowledge, for contracts.
    Wrapped,
    /// The inner proof: not zero-knowledge.
    Inner,
}

/// A claim and its proof.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProofFile {
    /// Version of the format.
    pub version: u32,
    /// Which proof it is.
    pub kind: Kind,
    /// Digest of the shape and the weight commitments.
    pub model_commitment: B256,
    /// Hash of the verifying key of a wrapped proof.
    pub key_hash: Option<B256>,
    /// How many inferences the proof is of.
    pub inferences: usize,
    /// Whether each has input commitments of its own.
    pub separate_inputs: bool,
    /// What the proof is bound to, before reduction by the field's order.
    pub context: B256,
    /// Commitments to the inputs, 64 bytes each.
    pub input_commitments: Vec<Bytes>,
    /// Output cells of all inferences, one after the other.
    pub output: Vec<i16>,
    /// How many clamps the proof states, in all inferences: 0 exactly where no value had to be clamped to fit its width.
    pub clamps: u32,
    /// The outputs in real units, for each inference a list, or one for each output where the model has several.
    pub output_data: Vec<Outputs>,
    /// Of a proof that was bought together with others': which inference is the buyer's, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<usize>,
    /// The proof.
    pub proof: Bytes,
}

/// Input commitments as bytes.
pub fn commitment_bytes(claim: &Claim) -> Vec<Bytes> {
    claim.input.iter().map(|p| Bytes::copy_from_slice(&encode::g1_bytes(p))).collect()
}

/// A context as users write it: 0x and 64 digits, or a text.
pub fn context(text: Option<&str>) -> Outcome<B256> {
    match text {
        None => Ok(B256::ZERO),
        Some(hex) if hex.starts_with("0x") => hex
            .parse()
            .map_err(|_| Failure::message(Exit::Usage, "--context: after 0x there must be 64 hex digits; a text must not begin with 0x")),
        Some(text) => Ok(keccak256(text)),
    }
}

impl ProofFile {
    /// A file for a claim.
    pub fn new(model: &PublicModel, key: Option<&WrapVerifyingKey>, context: B256, claim: &Claim, proof: Vec<u8>) -> Self {
        Self::of_bytes(model, key, context, commitment_bytes(claim), (claim.output.clone(), claim.clamps), proof)
    }

    /// A file for a claim that is not decoded.
    pub fn of_bytes(
        model: &PublicModel,
        key: Option<&WrapVerifyingKey>,
        context: B256,
        input_commitments: Vec<Bytes>,
        (output, clamps): (Vec<i16>, u32),
        proof: Vec<u8>,
    ) -> Self {
        Self {
            version: VERSION,
            kind: if key.is_some() { Kind::Wrapped } else { Kind::Inner },
            model_commitment: model.commitment().into(),
            key_hash: key.map(|k| k.hash(model).into()),
            inferences: model.shape.batch.inferences(),
            separate_inputs: model.shape.batch.is_separate(),
            context,
            input_commitments,
            output_data: batch::outputs(&model.shape, &output),
            output,
            clamps,
            index: None,
            proof: proof.into(),
        }
    }

    /// The file of a prediction, as its service answers it. `key` is for as many inferences as the proof has.
    pub fn of_prediction(key: &BuyerKey, prediction: &Prediction, context: B256, proof: Vec<u8>) -> Outcome<Self> {
        let failed = |text: &str| Failure::message(Exit::Failed, format!("the service's proof does not hold: {text}"));
        let own = prediction.output_cells.clone().ok_or_else(|| failed("it gives no output"))?;
        let Some(batch) = &prediction.batch else {
            let commitments = prediction.input_commitments.clone();
            return Ok(Self::of_bytes(&key.model, Some(&key.wrap), context, commitments, (own, prediction.clamps), proof));
        };
        let (index, all) = (batch.index as usize, &batch.statement);
        let part = |len: usize| index.saturating_mul(len)..index.saturating_add(1).saturating_mul(len);
        if all.output_cells.get(part(own.len())) != Some(&own) {
            return Err(failed("the output is another inference's"));
        }
        if all.input_commitments.get(part(prediction.input_commitments.len())) != Some(&prediction.input_commitments) {
            return Err(failed("the input is another inference's"));
        }
        let output = (all.output_cells.clone(), all.clamps);
        let file = Self::of_bytes(&key.model, Some(&key.wrap), context, all.input_commitments.clone(), output, proof);
        Ok(Self { index: Some(index), ..file })
    }

    /// The buyer's output cells, where the proof is one that was bought.
    pub fn own_output(&self) -> &[i16] {
        let Some(index) = self.index else { return &self.output };
        let len = self.output.len() / self.inferences.max(1);
        self.output.get(index * len..(index + 1) * len).unwrap_or_default()
    }

    /// The same in real units.
    pub fn own_output_data(&self) -> &[Outputs] {
        let Some(index) = self.index else { return &self.output_data };
        self.output_data.get(index..index + 1).unwrap_or_default()
    }

    /// Writes the file; `-` is stdout. Returns its size.
    pub fn write(&self, ui: &Ui, path: &Path) -> Outcome<u64> {
        let text = serde_json::to_string_pretty(self).map_err(|e| Failure::new(Exit::Failed, e))? + "\n";
        files::write(ui, path, Readers::Default, text.as_bytes())?;
        Ok(text.len() as u64)
    }

    /// Reads a file.
    pub fn read(path: &Path) -> Outcome<Self> {
        let name = path.display();
        let io = |e: std::io::Error| Failure::message(Exit::Io, format!("cannot read {name}: {e}"));
        if std::fs::metadata(path).map_err(io)?.len() > MAX_BYTES {
            return Err(Failure::message(Exit::Input, format!("{name} is no proof file: it is too large")));
        }
        let text = std::fs::read(path).map_err(io)?;
        let file: Self = serde_json::from_slice(&text)
            .map_err(|e| Failure::message(Exit::Input, format!("{name} is no proof file, or is truncated: {e}")))?;
        if file.version != VERSION {
            return Err(Failure::message(
                Exit::Input,
                format!("{name} has the version {}, and this program reads {VERSION}", file.version),
            ));
        }
        Ok(file)
    }

    /// The claim, with its points decoded.
    fn claim(&self) -> Outcome<Claim> {
        let mut input = Vec::new();
        for bytes in &self.input_commitments {
            let point = points_from_bytes(bytes).filter(|p| p.len() == 1);
            input.extend(point.ok_or_else(|| Failure::message(Exit::Failed, "an input commitment is not a point of the curve"))?);
        }
        Ok(Claim { input, output: self.output.clone(), clamps: self.clamps, context: context_scalar(self.context) })
    }

    /// Verifies everything that the file says; `model` is the key's where there is one. Errors: [`Exit::Failed`] if it does not hold,
    /// [`Exit::Input`] if there is no key for it.
    pub fn verify(&self, model: &PublicModel, key: Option<&WrapVerifyingKey>) -> Outcome {
        let failed = |text: &str| Failure::message(Exit::Failed, text);
        if self.model_commitment != B256::from(model.commitment()) {
            return Err(failed("the proof is for another model"));
        }
        let claim = self.claim()?;
        let batch = batch::of(self.inferences, self.separate_inputs).map_err(|e| Failure::new(Exit::Failed, e))?;
        if batch.is_separate() != self.separate_inputs {
            return Err(failed("the input of one inference cannot be separate"));
        }
        match (self.kind, key) {
            (Kind::Wrapped, None) => {
                return Err(Failure::message(Exit::Input, "a wrapped proof is verified with the buyer's key: pass MODEL.key"));
            }
            (Kind::Wrapped, Some(key)) => {
                if batch != model.shape.batch {
                    return Err(BatchError::Key { proof: batch, key: model.shape.batch }.into());
                }
                if self.key_hash != Some(key.hash(model).into()) {
                    return Err(failed("the proof is for another key of the model"));
                }
                let proof = WrappedProof::from_bytes(&model.shape, key.system(), &self.proof)?;
                wrap::verify(model, key, &claim, &proof)?;
            }
            (Kind::Inner, _) => {
                let model = model.batched(batch)?;
                native::verify(&model, &claim, &NativeProof::from_bytes(&model, &self.proof)?)?;
            }
        }
        // the proof is about the cells: the real numbers beside them must say the same
        if self.output_data == batch::outputs(&model.shape, &self.output) {
            Ok(())
        } else {
            Err(failed("output_data is not what the output's cells say"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts() {
        assert_eq!(context(None).unwrap(), B256::ZERO);
        assert_eq!(context(Some("job 1")).unwrap(), keccak256("job 1"));
        let hex = format!("0x{}", "ab".repeat(32));
        assert_eq!(context(Some(&hex)).unwrap(), B256::repeat_byte(0xab));
        assert_eq!(context(Some("0x1234")).unwrap_err().exit, Exit::Usage);
    }
}
