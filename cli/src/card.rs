//! A model's card: what its seller says of it, and on which terms it is sold. `MODEL.card.json`, beside the package; a
//! buyer may have a copy beside the key.

use crate::exit::{Exit, Failure, Outcome};
use crate::files;
use crate::inputs::BadInput;
use crate::page::Page;
use alloy::primitives::Address;
use assay_api::config::{Card, Terms};
use assay_api::preparation::Preparation;
use assay_api::presentation::{DescribedTensor, Presentation};
use serde::Deserialize;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// What the name of a field begins with that is a comment: JSON has no others.
pub const COMMENT: &str = "//";

/// The file. What it leaves out is the service's.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    description: Option<String>,
    labels: Vec<String>,
    licence: Option<String>,
    prepare: Option<Preparation>,
    inputs: Vec<DescribedTensor>,
    outputs: Vec<DescribedTensor>,
    price: Option<String>,
    collateral: Option<String>,
    token: Option<Address>,
    prove_secs: Option<u32>,
    expire_secs: Option<u32>,
    quote_secs: Option<u64>,
}

fn amount(text: Option<&String>, name: &str, otherwise: u128) -> Outcome<u128> {
    let bad = || {
        Failure::on(
            Page::Market,
            Exit::Input,
            format!("{name} is no amount: write digits, in the token's smallest unit, as a string"),
        )
    };
    text.map_or(Ok(otherwise), |text| text.parse().map_err(|_| bad()))
}

impl File {
    fn card(self) -> Card {
        let presentation = Presentation { inputs: self.inputs, outputs: self.outputs };
        Card {
            description: self.description,
            labels: self.labels,
            licence: self.licence,
            prepare: self.prepare,
            presentation,
            drawing: None,
        }
    }

    fn terms(&self, of: &Terms) -> Outcome<Terms> {
        let price = amount(self.price.as_ref(), "price", of.price)?;
        // another price has the same share of itself as collateral
        let share = match of.price {
            0 => of.collateral,
            whole => of.collateral.saturating_mul(price).div_ceil(whole),
        };
        let terms = Terms {
            token: self.token.unwrap_or(of.token),
            price,
            collateral: amount(self.collateral.as_ref(), "collateral", share)?,
            prove_secs: self.prove_secs.unwrap_or(of.prove_secs),
            expire_secs: self.expire_secs.unwrap_or(of.expire_secs),
            quote_secs: self.quote_secs.unwrap_or(of.quote_secs),
        };
        if terms.prove_secs == 0 || terms.prove_secs >= terms.expire_secs {
            return Err(Failure::on(
                Page::Market,
                Exit::Input,
                "prove_secs must be at least 1 and less than expire_secs",
            ));
        }
        Ok(terms)
    }
}

/// The card beside a package or a key, if there is one.
fn file_beside(model: &Path) -> Outcome<Option<(PathBuf, File)>> {
    let path = files::beside(model, "card.json");
    let text = match std::fs::read(&path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(files::unreadable(&path))?,
    };
    // an object first: a list would be taken for the fields in their order
    let parsed = serde_json::from_slice::<serde_json::Map<_, _>>(&text).and_then(|mut fields| {
        fields.retain(|name, _| !name.starts_with(COMMENT));
        File::deserialize(Value::Object(fields))
    });
    let file = parsed
        .map_err(|e| Failure::on(Page::Market, Exit::Input, format!("{} is no model card: {e}", path.display())))?;
    if let Some(prepare) = &file.prepare {
        prepare.check().map_err(|e| BadInput::failure(format!("{}: prepare: {e}", path.display())))?;
    }
    Ok(Some((path, file)))
}

/// What the card beside a package or a key says of inputs and outputs; nothing, if there is none.
pub fn beside(model: &Path) -> Outcome<Card> {
    Ok(file_beside(model)?.map(|(_, file)| file.card()).unwrap_or_default())
}

/// Reads the card beside a package, if there is one. `outputs`: how many elements the model's outputs have. Returns the
/// terms, where they are its own.
pub fn read(package: &Path, outputs: usize, terms: &Terms) -> Outcome<(Card, Option<Terms>)> {
    let Some((path, file)) = file_beside(package)? else { return Ok((Card::default(), None)) };
    if !file.labels.is_empty() && file.labels.len() != outputs {
        let text = format!(
            "{} has {} labels, and the model's outputs have {outputs} elements",
            path.display(),
            file.labels.len()
        );
        return Err(Failure::on(Page::Market, Exit::Input, text));
    }
    let own = self::terms(package, terms)?;
    Ok((file.card(), own))
}

/// The terms of the card beside a package, where they are its own.
pub fn terms(package: &Path, of: &Terms) -> Outcome<Option<Terms>> {
    let Some((path, file)) = file_beside(package)? else { return Ok(None) };
    let own = file.terms(of).map_err(|e| files::name(&path, e))?;
    Ok((own != *of).then_some(own))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards() {
        let dir = tempfile::tempdir().unwrap();
        let (package, terms) = (dir.path().join("digits.assay"), Terms::default());
        assert_eq!(read(&package, 2, &terms).unwrap(), (Card::default(), None));
        let write = |text: &str| std::fs::write(dir.path().join("digits.card.json"), text).unwrap();
        write(r#"{"description": "two classes", "labels": ["a", "b"], "licence": "for research"}"#);
        let (card, own) = read(&package, 2, &terms).unwrap();
        assert_eq!(card.licence.as_deref(), Some("for research"));
        assert_eq!((card.description.as_deref(), card.labels.len(), own), (Some("two classes"), 2, None));
        assert_eq!(read(&package, 3, &terms).unwrap_err().exit, Exit::Input, "labels that are not the output's");
        write(r#"{"// price": "in wei", "//": ["more"], "licence": "none"}"#);
        assert_eq!(read(&package, 2, &terms).unwrap().0.licence.as_deref(), Some("none"), "comments are passed over");
        // a tenth of another price is another collateral
        write(r#"{"price": "5", "prove_secs": 60}"#);
        assert_eq!(
            read(&package, 2, &terms).unwrap().1,
            Some(Terms { price: 5, collateral: 1, prove_secs: 60, ..terms })
        );
        write(r#"{"inputs": [{"name": "x", "kind": "image"}], "outputs": [{"name": "y", "columns": ["a", "b"]}]}"#);
        let shown = beside(&package).unwrap().presentation;
        assert_eq!((shown.inputs[0].name.as_str(), shown.outputs[0].columns.len()), ("x", 2));
        write(r#"{"prepare": {"kind": "image", "width": 8, "height": 8, "channels": 1}}"#);
        assert_eq!(beside(&package).unwrap().prepare.unwrap().elements(), 64);
        for bad in [
            r#"{"price": 5}"#,
            r#"{"prepare": {"kind": "image", "width": 8, "height": 8, "channels": 2}}"#,
            r#"{"prepare": {"kind": "sound"}}"#,
            r#"{"price": "five"}"#,
            r#"{"prove_secs": 3600}"#,
            r#"{"cost": "5"}"#,
            r#"{"inputs": [{"name": "x", "kind": "sound"}]}"#,
            "[]",
            "",
        ] {
            write(bad);
            assert_eq!(read(&package, 2, &terms).unwrap_err().exit, Exit::Input, "{bad}");
        }
    }
}
