//! Keys of clients: scopes, quotas, revocation, and that none sees what another asked for.

use std::sync::Arc;

use assay_api::AppState;
use assay_api::config::ServeConfig;
use assay_api::store::{NewKey, News, Scope, Store, StoreError};
use axum::body::Body;
use serde_json::{Value, json};

use crate::fake::{Answer, Fake, free, get, model_id, post, send};
use crate::postgres::Postgres;

fn new(scopes: &[Scope]) -> NewKey {
    NewKey { name: "a client".into(), scopes: scopes.to_vec(), per_minute: None, per_day: None }
}

/// A new key of these scopes, as its owner sends it.
async fn header(state: &AppState, new: &NewKey) -> String {
    format!("Bearer {}", *state.store.make_key(new).await.unwrap().1)
}

fn request() -> Value {
    json!({ "model": model_id(1), "input": [1.0, 2.0, 3.0, -1.5] })
}

async fn ask(state: &AppState, key: &str) -> Answer {
    post(state, "/v1/predictions", &[("authorization", key)], &request()).await
}

async fn read(state: &AppState, key: &str, path: &str) -> Answer {
    send(state, "GET", path, &[("authorization", key)], Body::empty()).await
}

async fn with(change: impl FnOnce(&mut ServeConfig)) -> (tempfile::TempDir, AppState) {
    let dir = tempfile::tempdir().unwrap();
    let mut state = free(dir.path(), Fake::new()).await;
    let mut config = (*state.config).clone();
    change(&mut config);
    state.config = Arc::new(config);
    (dir, state)
}

#[tokio::test]
async fn a_key_reads_what_it_asked_for_and_nothing_else() {
    let (_dir, state) = with(|_| {}).await;
    let [one, two] = [
        header(&state, &new(&[Scope::Predict, Scope::Read])).await,
        header(&state, &new(&[Scope::Predict, Scope::Read])).await,
    ];
    let mine = ask(&state, &one).await.json()["id"].as_str().unwrap().to_owned();
    let theirs = ask(&state, &two).await.json()["id"].as_str().unwrap().to_owned();
    let open = post(&state, "/v1/predictions", &[], &request()).await.json()["id"].as_str().unwrap().to_owned();
    let ids = |page: Value| {
        page["data"].as_array().unwrap().iter().map(|p| p["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids(read(&state, &one, "/v1/predictions").await.json()), [mine.clone()]);
    assert_eq!(ids(read(&state, &two, "/v1/predictions").await.json()), [theirs.clone()]);
    assert_eq!(
        ids(read(&state, "Bearer secret", "/v1/predictions").await.json()),
        [open.clone(), theirs.clone(), mine.clone()]
    );
    // not by its id either, whoever knows it
    for path in [
        format!("/v1/predictions/{theirs}"),
        format!("/v1/predictions/{theirs}/proof"),
        format!("/v1/predictions/{theirs}/events"),
    ] {
        read(&state, &one, &path).await.is_problem(404, "no-such-prediction");
        get(&state, &path).await.is_problem(404, "no-such-prediction");
    }
    let cancel = format!("/v1/predictions/{theirs}/cancel");
    post(&state, &cancel, &[("authorization", &one)], &json!({})).await.is_problem(404, "no-such-prediction");
    assert_eq!(read(&state, &two, &format!("/v1/predictions/{theirs}")).await.status, 200);
    assert_eq!(
        read(&state, "Bearer secret", &format!("/v1/predictions/{theirs}")).await.status,
        200,
        "the operator reads all"
    );
    assert_eq!(
        get(&state, &format!("/v1/predictions/{open}")).await.status,
        200,
        "without a key, who knows the id reads it"
    );
    let page = get(&state, "/status").await.text();
    assert!(page.contains(&open[..6]) && !page.contains(&mine[..6]));
    assert_eq!(post(&state, &cancel, &[("authorization", &two)], &json!({})).await.status, 200);
}

#[tokio::test]
async fn idempotency_keys_of_two_clients_do_not_meet() {
    let (_dir, state) = with(|_| {}).await;
    let [one, two] = [header(&state, &new(&[Scope::Predict])).await, header(&state, &new(&[Scope::Predict])).await];
    let mut ids = Vec::new();
    for key in [&one, &two, &one] {
        let answer =
            post(&state, "/v1/predictions", &[("authorization", key), ("idempotency-key", "same")], &request()).await;
        ids.push(answer.json()["id"].clone());
    }
    assert!(ids[0] != ids[1] && ids[0] == ids[2], "{ids:?}");
    let open = post(&state, "/v1/predictions", &[("idempotency-key", "same")], &request()).await.json()["id"].clone();
    assert!(!ids.contains(&open));
}

#[tokio::test]
async fn a_key_does_what_its_scopes_say() {
    let (_dir, state) = with(|_| {}).await;
    let reader = header(&state, &new(&[Scope::Read])).await;
    ask(&state, &reader).await.is_problem(403, "scope-missing");
    post(&state, "/v1/quotes", &[("authorization", &reader)], &json!({ "model": model_id(1) }))
        .await
        .is_problem(403, "scope-missing");
    assert_eq!(read(&state, &reader, "/v1/predictions").await.status, 200);
    let asker = header(&state, &new(&[Scope::Predict])).await;
    let id = ask(&state, &asker).await.json()["id"].as_str().unwrap().to_owned();
    read(&state, &asker, "/v1/predictions").await.is_problem(403, "scope-missing");
    read(&state, &asker, &format!("/v1/predictions/{id}")).await.is_problem(403, "scope-missing");
    let retry = format!("/v1/predictions/{id}/retry");
    post(&state, &retry, &[("authorization", &asker)], &json!({})).await.is_problem(403, "scope-missing");
    post(&state, &retry, &[], &json!({})).await.is_problem(401, "unauthorized");
    let operator = header(&state, &new(&[Scope::Operate])).await;
    assert_eq!(read(&state, &operator, "/v1/predictions").await.json()["data"].as_array().unwrap().len(), 1);
    post(&state, &retry, &[("authorization", &operator)], &json!({})).await.is_problem(409, "wrong-state");
}

#[tokio::test]
async fn a_revoked_key_ends_at_once() {
    let (_dir, state) = with(|_| {}).await;
    let (key, secret) = state.store.make_key(&new(&[Scope::Predict, Scope::Read])).await.unwrap();
    let shown = format!("Bearer {}", *secret);
    assert_eq!(ask(&state, &shown).await.status, 202);
    state.store.revoke_key(&key.id).await.unwrap();
    let refused = ask(&state, &shown).await;
    refused.is_problem(401, "unauthorized");
    assert_eq!(refused.headers["www-authenticate"], "Bearer");
    // whatever else is shown there is refused as well, also where nothing is needed
    for wrong in ["Bearer assay_00_00", "Bearer assay_", "Bearer", "Basic abc", "Bearer ", &shown.to_uppercase()] {
        read(&state, wrong, "/v1/models").await.is_problem(401, "unauthorized");
    }
    assert_eq!(read(&state, "bearer secret", "/v1/predictions").await.status, 200, "the scheme's case means nothing");
    assert_eq!(read(&state, "Bearer nonsense", "/livez").await.status, 200);
}

#[tokio::test]
async fn requests_and_predictions_are_counted() {
    let (_dir, state) = with(|config| config.anonymous_per_minute = Some(2)).await;
    let limited = NewKey { per_minute: Some(4), per_day: Some(2), ..new(&[Scope::Predict, Scope::Read]) };
    let [one, two] = [header(&state, &limited).await, header(&state, &limited).await];
    let first = ask(&state, &one).await;
    assert_eq!(first.headers["ratelimit-policy"], "\"requests\";q=4;w=60, \"predictions\";q=2;w=86400");
    let said = first.headers["ratelimit"].to_str().unwrap().to_owned();
    assert!(said.starts_with("\"requests\";r=3;t=") && said.contains(", \"predictions\";r=1;t="), "{said}");
    assert_eq!(ask(&state, &one).await.status, 202);
    let spent = ask(&state, &one).await;
    spent.is_problem(429, "quota-spent");
    assert!(spent.headers["retry-after"].to_str().unwrap().parse::<u32>().unwrap() >= 1);
    assert_eq!(
        read(&state, &one, "/v1/predictions").await.json()["data"].as_array().unwrap().len(),
        2,
        "what is refused is not counted"
    );
    let fifth = read(&state, &one, "/v1/predictions").await;
    fifth.is_problem(429, "rate-limited");
    assert!(fifth.headers["ratelimit"].to_str().unwrap().starts_with("\"requests\";r=0;t="));
    assert_eq!(ask(&state, &two).await.status, 202, "another key has its own");
    for _ in 0..2 {
        assert_eq!(get(&state, "/v1/models").await.status, 200);
    }
    get(&state, "/v1/models").await.is_problem(429, "rate-limited");
    assert_eq!(get(&state, "/livez").await.status, 200, "health is not counted");
    let operator = read(&state, "Bearer secret", "/v1/models").await;
    assert!(operator.status == 200 && !operator.headers.contains_key("ratelimit"));
}

/// A quota holds among requests at the same time.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_quota_is_not_outrun() {
    let (_dir, state) = with(|_| {}).await;
    let key = header(&state, &NewKey { per_day: Some(3), ..new(&[Scope::Predict]) }).await;
    let tasks: Vec<_> = (0..12)
        .map(|_| {
            let (state, key) = (state.clone(), key.clone());
            tokio::spawn(async move { ask(&state, &key).await.status.as_u16() })
        })
        .collect();
    let mut accepted = 0;
    for task in tasks {
        accepted += u32::from(task.await.unwrap() == 202);
    }
    assert_eq!(accepted, 3);
}

#[tokio::test]
async fn a_server_may_want_a_key() {
    let (_dir, state) = with(|config| config.anonymous = false).await;
    post(&state, "/v1/predictions", &[], &request()).await.is_problem(401, "unauthorized");
    for path in ["/v1/quotes", "/v1/commitments"] {
        post(&state, path, &[], &request()).await.is_problem(
            if path == "/v1/quotes" { 422 } else { 401 },
            if path == "/v1/quotes" { "invalid-body" } else { "unauthorized" },
        );
    }
    assert_eq!(get(&state, "/v1/models").await.status, 200, "what is offered, everybody may see");
    let key = header(&state, &new(&[Scope::Predict])).await;
    assert_eq!(ask(&state, &key).await.status, 202);
}

#[tokio::test]
async fn pages_of_named_origins_may_call() {
    let (_dir, state) = with(|config| config.cors = vec!["https://shop.example".into()]).await;
    let preflight = [
        ("origin", "https://shop.example"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization"),
    ];
    let answer = send(&state, "OPTIONS", "/v1/predictions", &preflight, Body::empty()).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["access-control-allow-origin"], "https://shop.example");
    assert!(answer.headers["access-control-allow-headers"].to_str().unwrap().contains("payment-signature"));
    let shown = send(&state, "GET", "/v1/models", &preflight[..1], Body::empty()).await;
    assert_eq!(shown.headers["access-control-allow-origin"], "https://shop.example");
    assert!(shown.headers["access-control-expose-headers"].to_str().unwrap().contains("ratelimit"));
    let other = send(&state, "GET", "/v1/models", &[("origin", "https://else.example")], Body::empty()).await;
    assert!(!other.headers.contains_key("access-control-allow-origin"));
    let (_dir, closed) = with(|_| {}).await;
    let answer = send(&closed, "OPTIONS", "/v1/predictions", &preflight, Body::empty()).await;
    answer.is_problem(405, "method-not-allowed");
}

/// The same on both databases.
async fn keys_are_stored(store: &Store) {
    let wanted =
        NewKey { name: "Ann's \"shop\"".into(), scopes: Scope::ALL.to_vec(), per_minute: Some(7), per_day: None };
    let (key, secret) = store.make_key(&wanted).await.unwrap();
    assert_eq!(
        (&key.name, &key.scopes, key.per_minute, key.per_day, key.revoked_ms),
        (&wanted.name, &wanted.scopes, Some(7), None, None)
    );
    assert!(secret.starts_with(&format!("assay_{}_", key.id)) && secret.len() > 64);
    assert_eq!(store.key(&secret).await.unwrap(), Some(key.clone()));
    assert_eq!(store.key(&secret[..secret.len() - 1]).await.unwrap(), None);
    assert_eq!(store.keys().await.unwrap(), [key.clone()]);
    assert_eq!(store.used_today(&key.id).await.unwrap().used, 0);
    let revoked = store.revoke_key(&key.id).await.unwrap();
    assert!(revoked.revoked_ms.is_some());
    assert_eq!(store.revoke_key(&key.id).await.unwrap(), revoked, "once more changes nothing");
    assert_eq!(store.key(&secret).await.unwrap(), None);
    assert!(matches!(store.revoke_key("none").await, Err(StoreError::NoSuchKey)));
}

#[tokio::test]
async fn keys_are_stored_in_a_file_which_does_not_open_them() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("jobs.sqlite");
    let store = Store::open(&path).await.unwrap();
    keys_are_stored(&store).await;
    let (_, secret) = store.make_key(&new(&[Scope::Read])).await.unwrap();
    store.close().await;
    let secret = secret.rsplit('_').next().unwrap().to_owned();
    for file in std::fs::read_dir(dir.path()).unwrap().flatten() {
        let bytes = std::fs::read(file.path()).unwrap();
        assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()), "{:?}", file.path());
    }
}

#[tokio::test]
async fn keys_are_stored_in_postgres() {
    let Some((_server, url)) = Postgres::database() else { return };
    keys_are_stored(&Store::connect(&url, News::Events).await.unwrap()).await;
}
