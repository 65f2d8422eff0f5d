//! Powers of tau for buyers: from the service that proves a model, where they have none.

use crate::exit::Outcome;
use crate::files;
use crate::kept;
use crate::ui::Ui;
use alloy::primitives::B256;
use assay_api::client::Client;
use assay_prover::output::Readers;
use assay_prover::package::{BuyerKey, FileError, hex};
use assay_prover::srs::file;
use std::path::Path;

/// Whether a key needs powers of tau that the user neither names nor has imported.
pub fn are_missing(key: &BuyerKey, named: Option<&Path>) -> bool {
    let path = files::imported_srs(&key.model.srs.id);
    let bytes = 64 << key.wrap.srs_log(&key.model.shape);
    let there = kept::is_own(&path) && std::fs::metadata(&path).is_ok_and(|file| file.len() > bytes);
    !key.model.srs.development && named.is_none() && !there
}

/// Fetches the powers of a key's SRS from a service, checks them, and keeps them where `assay srs import` does. They are
/// found by the id that the key names, so they are no more the service's word than the key is.
///
/// # Errors
/// The service does not answer, its powers are not those of the key's SRS, or they cannot be kept.
pub async fn fetch(ui: &Ui, client: &Client, model: B256, key: &BuyerKey) -> Outcome {
    let bytes = ui.phase_async("fetch powers of tau", client.srs(model)).await?;
    let checked = ui.phase("check powers of tau", |_| {
        let srs = file::from_bytes(&bytes)?;
        srs.check().map(|()| srs)
    });
    let srs = checked.map_err(|e| files::name(Path::new("the service's powers of tau"), e))?;
    if srs.id() != key.model.srs.id {
        return Err(FileError::Srs { have: hex(&srs.id()), need: hex(&key.model.srs.id) }.into());
    }
    let path = files::imported_srs(&srs.id());
    path.parent().map_or(Ok(()), kept::create)?;
    files::write(ui, &path, Readers::Default, &bytes)
}
