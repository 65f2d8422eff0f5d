//! Orders that were made here, as commands find them: what cannot be read is warned of.

use crate::exit::Outcome;
use crate::ui::Ui;
use assay_api::orders;

pub use assay_api::orders::{Saved, amount, home, keep_key, perhaps, whereabouts};

/// All saved orders, oldest first. One that cannot be read is warned of.
pub fn all(ui: &Ui) -> Outcome<Vec<Saved>> {
    let (found, unreadable) = orders::all()?;
    for error in unreadable {
        ui.warn(crate::exit::Failure::from(error).text());
    }
    Ok(found)
}

/// The saved order whose job id begins so. `None` if there is none; an error if there are several.
pub fn find(ui: &Ui, job: &str) -> Outcome<Option<Saved>> {
    Ok(orders::beginning(all(ui)?, job)?)
}

/// The orders that are paid for together under a name, in the order of their inputs.
pub fn together(ui: &Ui, batch: &str) -> Outcome<Vec<Saved>> {
    let mut found: Vec<Saved> = all(ui)?.into_iter().filter(|order| order.batch.as_deref() == Some(batch)).collect();
    found.sort_by(|a, b| a.output.cmp(&b.output));
    Ok(found)
}
