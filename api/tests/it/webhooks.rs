//! Webhooks: who is told, with which signature, how often, and that nothing private is ever asked.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use assay_api::config::ServeConfig;
use assay_api::store::{Attempt, DeliveryState, NewKey, News, Patch, Scope, State, Store};
use assay_api::webhooks::{Leave, signature};
use assay_api::{AppState, run_workers};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::any;
use serde_json::{Value, json};

use crate::fake::{Fake, eventually, model_id, post, send};
use crate::postgres::Postgres;

/// A message as its receiver got it.
#[derive(Clone, Debug)]
struct Message {
    headers: HeaderMap,
    body: String,
}

impl Message {
    fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    /// Asserts that a library of Standard Webhooks would take it.
    #[track_caller]
    fn is_signed_with(&self, secret: &str) {
        let [id, at, signed] = ["webhook-id", "webhook-timestamp", "webhook-signature"].map(|name| self.header(name));
        assert_eq!(signature(secret, id, at.parse().unwrap(), &self.body).as_deref(), Some(signed));
        let now = assay_api::store::now_ms() / 1000;
        assert!((now - at.parse::<i64>().unwrap()).abs() < 300, "libraries refuse old messages");
        assert!(id.starts_with("msg_") && !id.contains('.'));
    }
}

/// A receiver that answers with these statuses, the last one for ever.
#[derive(Clone, Debug)]
struct Receiver {
    url: String,
    got: Arc<Mutex<Vec<Message>>>,
    answers: Arc<Mutex<Vec<u16>>>,
}

impl Receiver {
    async fn start(answers: &[u16]) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let (got, answers) = (Arc::default(), Arc::new(Mutex::new(answers.to_vec())));
        let receiver = Self { url, got, answers };
        let inside = receiver.clone();
        let take = move |headers: HeaderMap, body: Bytes| {
            let inside = inside.clone();
            async move {
                inside.got.lock().unwrap().push(Message { headers, body: String::from_utf8(body.to_vec()).unwrap() });
                let mut answers = inside.answers.lock().unwrap();
                let status = if answers.len() > 1 { answers.remove(0) } else { answers[0] };
                (StatusCode::from_u16(status).unwrap(), [("location", "/elsewhere")]).into_response()
            }
        };
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(any(take))).await.unwrap() });
        receiver
    }

    fn messages(&self) -> Vec<Message> {
        self.got.lock().unwrap().clone()
    }
}

struct Shop {
    dir: tempfile::TempDir,
    state: AppState,
    key: String,
}

fn config(dir: &std::path::Path) -> ServeConfig {
    let mut config = ServeConfig::free(dir);
    config.webhooks.leave = Leave { loopback: true };
    config.webhooks.delays = [50, 50, 50].map(Duration::from_millis).to_vec();
    config.drain = Duration::from_millis(300);
    config
}

impl Shop {
    async fn open() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let state = AppState::open(config(dir.path()), Fake::new()).await.unwrap();
        let key = key(&state).await;
        Self { dir, state, key }
    }

    async fn hook(&self, url: &str) -> Value {
        let answer = post(&self.state, "/v1/webhooks", &[("authorization", &self.key)], &json!({ "url": url })).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()
    }

    async fn ask(&self) -> String {
        let body = json!({ "model": model_id(1), "input": [1.0, 2.0, 3.0, -1.5] });
        let answer = post(&self.state, "/v1/predictions", &[("authorization", &self.key)], &body).await;
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    async fn deliveries(&self, hook: &Value) -> Vec<Value> {
        let path = format!("/v1/webhooks/{}/deliveries", hook["id"].as_str().unwrap());
        let answer = send(&self.state, "GET", &path, &[("authorization", &self.key)], Body::empty()).await;
        answer.json()["data"].as_array().unwrap().clone()
    }

    async fn stop(self, workers: tokio::task::JoinHandle<()>) -> tempfile::TempDir {
        self.state.stopping.send_replace(true);
        workers.await.unwrap();
        self.dir
    }
}

async fn key(state: &AppState) -> String {
    let new = NewKey { name: "shop".into(), scopes: Scope::ALL[..3].to_vec(), per_minute: None, per_day: None };
    format!("Bearer {}", *state.store.make_key(&new).await.unwrap().1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_a_prediction_is_told_to_its_own_key_and_signed() {
    let (mine, theirs) = (Receiver::start(&[200]).await, Receiver::start(&[204]).await);
    let shop = Shop::open().await;
    let hook = shop.hook(&mine.url).await;
    let secret = hook["secret"].as_str().unwrap();
    assert!(secret.starts_with("whsec_"));
    let other = key(&shop.state).await;
    let answer = post(&shop.state, "/v1/webhooks", &[("authorization", &other)], &json!({ "url": theirs.url })).await;
    assert_eq!(answer.status, 201);
    let workers = tokio::spawn(run_workers(shop.state.clone()));
    let id = shop.ask().await;
    eventually("the message is delivered", async || {
        shop.deliveries(&hook).await.iter().any(|d| d["state"] == "delivered")
    })
    .await;
    let messages = mine.messages();
    assert_eq!(messages.len(), 1, "{messages:?}");
    messages[0].is_signed_with(secret);
    assert_eq!(messages[0].header("content-type"), "application/json");
    let body: Value = serde_json::from_str(&messages[0].body).unwrap();
    assert_eq!(
        (&body["type"], &body["data"]["id"], &body["data"]["state"]),
        (&json!("prediction.proven"), &json!(id), &json!("proven"))
    );
    assert!(body["timestamp"].as_str().unwrap().ends_with('Z'));
    assert!(!messages[0].body.contains("output"), "what the answer is, the service itself says");
    assert_eq!(theirs.messages().len(), 0, "another key is told nothing");
    let listed = send(&shop.state, "GET", "/v1/webhooks", &[("authorization", &shop.key)], Body::empty()).await;
    assert_eq!(listed.json()["data"][0]["id"], hook["id"]);
    assert!(!listed.text().contains("whsec_"), "the secret is shown once");
    shop.stop(workers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_taken_is_sent_again_with_the_same_id_until_it_is_given_up() {
    let (slow, never, gone) =
        (Receiver::start(&[500, 302, 200]).await, Receiver::start(&[503]).await, Receiver::start(&[410]).await);
    let shop = Shop::open().await;
    let hooks = [shop.hook(&slow.url).await, shop.hook(&never.url).await, shop.hook(&gone.url).await];
    let workers = tokio::spawn(run_workers(shop.state.clone()));
    shop.ask().await;
    let is = async |hook: &Value, state: &str| shop.deliveries(hook).await.first().is_some_and(|d| d["state"] == state);
    eventually("the first one takes it", async || is(&hooks[0], "delivered").await).await;
    eventually("the second one never does", async || is(&hooks[1], "failed").await).await;
    eventually("the third one is gone", async || is(&hooks[2], "failed").await).await;
    let messages = slow.messages();
    assert_eq!(messages.len(), 3, "a redirect is not followed: it is another attempt");
    for message in &messages {
        message.is_signed_with(hooks[0]["secret"].as_str().unwrap());
        assert_eq!(
            (message.header("webhook-id"), &message.body),
            (messages[0].header("webhook-id"), &messages[0].body)
        );
    }
    assert_eq!(never.messages().len(), 4, "one attempt and three more");
    let failed = &shop.deliveries(&hooks[1]).await[0];
    assert_eq!((&failed["attempts"], &failed["error"]), (&json!(4), &json!("the receiver answered with status 503")));
    let listed = send(&shop.state, "GET", "/v1/webhooks", &[("authorization", &shop.key)], Body::empty()).await.json();
    assert!(listed["data"][2]["disabled_ms"].is_i64() && listed["data"][0]["disabled_ms"].is_null());
    shop.ask().await;
    eventually("the next one is taken", async || slow.messages().len() == 4).await;
    assert_eq!(gone.messages().len(), 1, "whoever is gone is left alone");
    shop.stop(workers).await;
}

/// The message is written with the prediction's end: a server that dies in between loses none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_message_is_lost_in_a_crash() {
    let receiver = Receiver::start(&[200]).await;
    let shop = Shop::open().await;
    let hook = shop.hook(&receiver.url).await;
    let id = shop.ask().await;
    shop.state.store.transition(&id, None, &[State::Queued], State::Cancelled, Patch::default()).await.unwrap();
    // a message that was taken, and whose sender died before it could send it
    assert!(shop.state.store.claim_delivery(1).await.unwrap().is_some());
    let Shop { dir, state, key } = shop;
    drop(state);
    let mut state = None;
    for _ in 0..200 {
        match AppState::open(config(dir.path()), Fake::new()).await {
            Ok(opened) => state = Some(opened),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
        if state.is_some() {
            break;
        }
    }
    let shop = Shop { dir, state: state.unwrap(), key };
    let workers = tokio::spawn(run_workers(shop.state.clone()));
    eventually("the message comes", async || !receiver.messages().is_empty()).await;
    let body: Value = serde_json::from_str(&receiver.messages()[0].body).unwrap();
    assert_eq!((&body["type"], &body["data"]["id"]), (&json!("prediction.cancelled"), &json!(id)));
    eventually("and is taken", async || shop.deliveries(&hook).await[0]["state"] == "delivered").await;
    shop.stop(workers).await;
}

#[tokio::test]
async fn private_addresses_are_not_asked() {
    let dir = tempfile::tempdir().unwrap();
    let state = AppState::open(ServeConfig::free(dir.path()), Fake::new()).await.unwrap();
    let key = key(&state).await;
    for url in [
        "http://127.0.0.1/",
        "http://169.254.169.254/latest/meta-data",
        "http://[::1]/",
        "ftp://shop.example",
        "x",
        "http://shop.example",
    ] {
        let answer = post(&state, "/v1/webhooks", &[("authorization", &key)], &json!({ "url": url })).await;
        answer.is_problem(422, "webhook-url");
    }
    // one that was let in by other settings, or whose name leads elsewhere by now, is refused when it is due
    let receiver = Receiver::start(&[200]).await;
    let tenant = state.store.keys().await.unwrap()[0].id.clone();
    state.store.make_webhook(&tenant, &receiver.url, "whsec_AAAA").await.unwrap();
    let body = json!({ "model": model_id(1), "input": [1.0, 2.0, 3.0, -1.5] });
    let workers = tokio::spawn(run_workers(state.clone()));
    assert_eq!(post(&state, "/v1/predictions", &[("authorization", &key)], &body).await.status, 202);
    let hook = state.store.webhooks(&tenant).await.unwrap()[0].id.clone();
    eventually("it is refused", async || {
        state.store.deliveries(&tenant, &hook, 10).await.unwrap().first().is_some_and(|d| d.error.is_some())
    })
    .await;
    assert!(receiver.messages().is_empty());
    state.stopping.send_replace(true);
    workers.await.unwrap();
}

#[tokio::test]
async fn webhooks_belong_to_keys() {
    let shop = Shop::open().await;
    let hook = shop.hook("http://127.0.0.1:1/").await;
    let path = format!("/v1/webhooks/{}", hook["id"].as_str().unwrap());
    post(&shop.state, "/v1/webhooks", &[], &json!({ "url": "http://127.0.0.1:1/" }))
        .await
        .is_problem(401, "unauthorized");
    let other = key(&shop.state).await;
    send(&shop.state, "DELETE", &path, &[("authorization", &other)], Body::empty())
        .await
        .is_problem(404, "no-such-webhook");
    let deliveries = format!("{path}/deliveries");
    send(&shop.state, "GET", &deliveries, &[("authorization", &other)], Body::empty())
        .await
        .is_problem(404, "no-such-webhook");
    assert_eq!(send(&shop.state, "DELETE", &path, &[("authorization", &shop.key)], Body::empty()).await.status, 204);
    for _ in 0..10 {
        shop.hook("http://127.0.0.1:1/").await;
    }
    let more =
        post(&shop.state, "/v1/webhooks", &[("authorization", &shop.key)], &json!({ "url": "http://127.0.0.1:1/" }))
            .await;
    more.is_problem(409, "too-many-webhooks");
}

/// The queue of messages, the same on both databases.
async fn messages_are_queued(store: &Store) {
    let new = NewKey { name: "shop".into(), scopes: vec![Scope::Webhooks], per_minute: None, per_day: None };
    let (key, _) = store.make_key(&new).await.unwrap();
    let hook = store.make_webhook(&key.id, "https://shop.example/", "whsec_AAAA").await.unwrap();
    assert_eq!(store.webhooks(&key.id).await.unwrap(), [hook.clone()]);
    for n in 0..2 {
        let mut job = crate::store::new(n, false);
        job.tenant = Some(assay_api::store::Tenant { key: key.id.clone(), per_day: None });
        let id = store.create(&job, State::Queued).await.unwrap().job.id;
        store.transition(&id, None, &[State::Queued], State::Cancelled, Patch::default()).await.unwrap();
    }
    let first = store.claim_delivery(60_000).await.unwrap().unwrap();
    assert_eq!((first.attempts, first.url.as_str()), (1, "https://shop.example/"));
    assert!(store.claim_delivery(60_000).await.unwrap().is_none(), "one at a time to each receiver");
    store.close_delivery(&first, Attempt::Again { after_ms: 60_000, error: "busy".into() }).await.unwrap();
    let second = store.claim_delivery(60_000).await.unwrap().unwrap();
    assert_ne!(second.id, first.id);
    store.close_delivery(&second, Attempt::Delivered).await.unwrap();
    assert!(store.claim_delivery(60_000).await.unwrap().is_none(), "the first one is not due");
    let mut counts = store.delivery_counts().await.unwrap();
    counts.sort_by_key(|(state, _)| state.as_str());
    assert_eq!(counts, [(DeliveryState::Delivered, 1), (DeliveryState::Pending, 1)]);
    assert_eq!(store.forget_deliveries(0).await.unwrap(), 1, "what waits is kept");
    // a key that is revoked is told nothing any more
    store.revoke_key(&key.id).await.unwrap();
    let mut job = crate::store::new(9, false);
    job.tenant = Some(assay_api::store::Tenant { key: key.id.clone(), per_day: None });
    let id = store.create(&job, State::Queued).await.unwrap().job.id;
    store.transition(&id, None, &[State::Queued], State::Cancelled, Patch::default()).await.unwrap();
    assert_eq!(store.deliveries(&key.id, &hook.id, 10).await.unwrap().len(), 1, "only the one that waits");
    store.remove_webhook(&key.id, &hook.id).await.unwrap();
    assert_eq!(store.delivery_counts().await.unwrap(), []);
}

#[tokio::test]
async fn messages_are_queued_in_a_file() {
    let dir = tempfile::tempdir().unwrap();
    messages_are_queued(&Store::open(&dir.path().join("jobs.sqlite")).await.unwrap()).await;
}

#[tokio::test]
async fn messages_are_queued_in_postgres() {
    let Some((_server, url)) = Postgres::database() else { return };
    messages_are_queued(&Store::connect(&url, News::Events).await.unwrap()).await;
}
