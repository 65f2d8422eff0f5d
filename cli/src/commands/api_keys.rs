//! `assay api-keys`: the keys of a service's clients.

use crate::args::{ApiKeysCommand, CreateKeyArgs, DatabaseArgs, RevokeKeyArgs};
use crate::exit::{Exit, Failure, Outcome};
use crate::ui::Ui;
use assay_api::ServeError;
use assay_api::store::{ApiKey, NewKey, News, Scope, Store};
use serde_json::json;

/// Opens a service's database, which must be there.
pub async fn database(args: &DatabaseArgs) -> Outcome<Store> {
    if let Some(url) = &args.database_url {
        return Ok(Store::connect(url, News::Work).await.map_err(ServeError::from)?);
    }
    let path = args.data.join("jobs.sqlite");
    if !path.is_file() {
        let text = format!(
            "{} is not there: --data DIR is the folder that `assay serve --data DIR` made, or set DATABASE_URL",
            path.display()
        );
        return Err(Failure::message(Exit::Io, text));
    }
    Ok(Store::open(&path).await.map_err(ServeError::from)?)
}

/// Makes, lists and revokes keys.
pub async fn api_keys(ui: &Ui, command: ApiKeysCommand) -> Outcome {
    match command {
        ApiKeysCommand::Create(args) => create(ui, args).await,
        ApiKeysCommand::List(args) => list(ui, &args).await,
        ApiKeysCommand::Revoke(args) => revoke(ui, args).await,
    }
}

async fn create(ui: &Ui, args: CreateKeyArgs) -> Outcome {
    let store = database(&args.database).await?;
    let new = NewKey { name: args.name, scopes: args.scope, per_minute: args.per_minute, per_day: args.per_day };
    let (key, whole) = store.make_key(&new).await.map_err(ServeError::from)?;
    store.close().await;
    let mut object = json!(key);
    object["key"] = json!(*whole);
    ui.warn("the key is shown this once: the service keeps only its hash");
    ui.finish(object, whole.as_str());
    Ok(())
}

fn line(key: &ApiKey) -> String {
    let scopes = key.scopes.iter().map(|scope| Scope::as_str(*scope)).collect::<Vec<_>>().join(",");
    let bound = |limit: Option<u32>, of: &str| limit.map(|n| format!("  {n} {of}")).unwrap_or_default();
    let state = if key.revoked_ms.is_some() { "  revoked" } else { "" };
    let (minute, day) = (bound(key.per_minute, "requests a minute"), bound(key.per_day, "predictions a day"));
    format!("{}  {:<20} {scopes}{minute}{day}{state}", key.id, key.name)
}

async fn list(ui: &Ui, args: &DatabaseArgs) -> Outcome {
    let store = database(args).await?;
    let keys = store.keys().await.map_err(ServeError::from)?;
    store.close().await;
    let lines: Vec<String> = keys.iter().map(line).collect();
    let text = if lines.is_empty() { "no keys were made".to_owned() } else { lines.join("\n") };
    ui.finish(json!({ "keys": keys }), text);
    Ok(())
}

async fn revoke(ui: &Ui, args: RevokeKeyArgs) -> Outcome {
    let store = database(&args.database).await?;
    let revoked = store.revoke_key(&args.id).await;
    store.close().await;
    let key = revoked.map_err(|error| Failure::message(Exit::Input, error))?;
    ui.finish(json!(key), format!("{} of {} is revoked", key.id, key.name));
    Ok(())
}
