//! Whose word a key is. Nothing of a key file is believed that the model's description and the SRS give; and which SRS
//! that is, is the user's choice and not the file's.

use crate::args::ShownArgs;
use crate::commands::phase2;
use crate::exit::{Exit, Failure, Outcome};
use crate::files::{self, ModelFile};
use crate::kept::Folder;
use crate::ui::Ui;
use assay_circuits::batch::Batch;
use assay_prover::ceremony;
use assay_prover::derived::{Derived, Recomputed};
use assay_prover::key::{KeyError, PublicModel};
use assay_prover::package::{BuyerKey, Metadata, Package, hex};
use assay_prover::wrap::{System, WrapVerifyingKey};
use std::path::Path;

/// A key that was compared with what its model's description and the user's SRS give.
pub struct Checked {
    /// The key.
    pub key: BuyerKey,
    recomputed: Recomputed,
    /// Whether its ceremony's transcript leads from its circuit to this Groth16 key.
    shown: bool,
}

impl Checked {
    /// Compares a key; what is derived for it is kept for the next time. `srs` is the SRS file that the user named;
    /// without one it must be the development SRS, which is marked.
    pub fn new(ui: &Ui, key: BuyerKey, srs: Option<&Path>) -> Outcome<Self> {
        files::is_srs_of(srs, &key.model.srs)?;
        let powers = |log| files::srs_of(ui, srs, &key.model.srs, log);
        let recomputed =
            ui.phase("recompute key", |_| key.model.recompute(Some(&key.wrap), powers, &Folder::of_user()))?;
        Ok(Self { key, recomputed, shown: false })
    }

    /// The key of a package with the universal wrap: it needs no file.
    pub fn derive(ui: &Ui, package: &Package, batch: Batch, srs: Option<&Path>) -> Outcome<Self> {
        Self::derived(ui, package.metadata.clone(), &package.model, batch, srs)
    }

    /// The universal key of a model for proofs of `batch`, where its key for another number of inferences is known.
    pub fn batched(ui: &Ui, key: &BuyerKey, batch: Batch, srs: Option<&Path>) -> Outcome<Self> {
        if key.wrap.system() != System::Universal {
            let text =
                "the key of a batch can be derived from a universal key only: with Groth16, order with --batch-max 1";
            return Err(Failure::message(Exit::Input, text));
        }
        Self::derived(ui, key.metadata.clone(), &key.model, batch, srs)
    }

    fn derived(ui: &Ui, metadata: Metadata, model: &PublicModel, batch: Batch, srs: Option<&Path>) -> Outcome<Self> {
        let model = model.batched(batch)?;
        let derived = derive(ui, &model, Some(System::Universal), srs)?;
        if derived.tables != model.tables {
            return Err(KeyError::Mismatch("a table commitment").into());
        }
        let wrap = derived.universal.map(WrapVerifyingKey::Universal).ok_or(KeyError::Mismatch("the wrap's key"))?;
        let key = BuyerKey { metadata, model, wrap, wrap_development: false };
        Ok(Self { key, recomputed: Recomputed { wrap: true }, shown: false })
    }

    /// What `--model` names, as a key for proofs of `batch`: a package without a key beside it has a universal one.
    pub fn of_model(ui: &Ui, model: ModelFile, batch: Batch, srs: Option<&Path>) -> Outcome<Self> {
        match model {
            ModelFile::Key(key) | ModelFile::Package(_, Some(key)) => Self::new(ui, *key, srs),
            ModelFile::Package(package, None) => Self::derive(ui, &package, batch, srs),
        }
    }

    /// With what shows that a Groth16 key is a ceremony's: powers of tau and transcript, from which everything in the
    /// key is computed once more. Nothing changes where they are not named. Errors: what is named does not verify, or
    /// the key needs none.
    pub fn with_transcript(self, ui: &Ui, shown: &ShownArgs) -> Outcome<Self> {
        let (Some(path), Some(powers)) = (&shown.transcript, &shown.powers) else { return Ok(self) };
        let WrapVerifyingKey::Groth16(wrap) = &self.key.wrap else {
            return Err(Failure::message(
                Exit::Usage,
                "a universal key has no ceremony of its own: leave --transcript and --powers out",
            ));
        };
        let model = &self.key.model;
        let powers = phase2::powers(ui, powers, model)?;
        let checked = ui.phase("verify transcript", |_| {
            let transcript = ceremony::files::read_transcript(path, model)?;
            transcript.check(&ceremony::files::circuit(model)?, wrap, &powers)
        });
        checked.map_err(|e: Failure| files::name(path, e))?;
        Ok(Self { shown: true, ..self })
    }

    /// Whether the wrap's key was derived, or shown to be a ceremony's; else it is the word of whoever made it.
    pub fn has_recomputed_wrap(&self) -> bool {
        self.recomputed.wrap || self.shown
    }

    /// Whether the key must not be used for real money.
    pub fn is_development(&self) -> bool {
        self.key.model.srs.development || (self.key.has_development_wrap() && !self.shown)
    }

    /// Says who could forge proofs under the key, if anybody could.
    pub fn warn(&self, ui: &Ui) {
        if !self.shown {
            files::warn_key(ui, &self.key);
        } else if self.key.model.srs.development {
            files::warn_development(ui);
        }
    }

    /// What of it is whose word.
    pub fn text(&self) -> String {
        let srs = hex(&self.key.model.srs.id);
        if self.shown {
            return format!(
                "recomputed from the model's description, the SRS {srs}, and the transcript of the key's ceremony"
            );
        }
        if self.has_recomputed_wrap() {
            return format!("recomputed from the model's description and the SRS {srs}");
        }
        format!(
            "shape and tables recomputed over the SRS {srs}; the {} key is its maker's word: only a ceremony's \
             transcript could show that it is this circuit's",
            self.key.wrap.system()
        )
    }
}

/// The tables of a model, and no wrap's key: what inner proofs are verified with.
pub fn tables(ui: &Ui, model: &PublicModel, srs: Option<&Path>) -> Outcome {
    let derived = derive(ui, model, None, srs)?;
    if derived.tables == model.tables { Ok(()) } else { Err(KeyError::Mismatch("a table commitment").into()) }
}

/// The universal key of the proofs of a model's weights, and the model as they have it.
pub fn of_weights(ui: &Ui, model: &PublicModel, srs: Option<&Path>) -> Outcome<(PublicModel, WrapVerifyingKey)> {
    files::is_srs_of(srs, &model.srs)?;
    let powers = |log| files::srs_of(ui, srs, &model.srs, log);
    ui.phase("derive key of weights", |_| model.derive_of_weights::<Failure>(powers, &Folder::of_user()))
}

fn derive(ui: &Ui, model: &PublicModel, system: Option<System>, srs: Option<&Path>) -> Outcome<Derived> {
    files::is_srs_of(srs, &model.srs)?;
    let powers = |log| files::srs_of(ui, srs, &model.srs, log);
    ui.phase("recompute key", |_| model.derive::<Failure>(system, powers, &Folder::of_user()))
}
