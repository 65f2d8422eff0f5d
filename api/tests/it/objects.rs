//! Proofs and packages in a bucket: a store that speaks as much of S3's protocol as is needed here.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;

use assay_api::objects::{Bucket, ObjectError};
use assay_api::store::State as JobState;
use assay_api::{AppState, BlobError, Blobs};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use object_store::aws::AmazonS3ConfigKey;

use crate::fake::{Fake, get};
use crate::jobs::{request, until};

const MODIFIED: &str = "Wed, 01 Jan 2020 00:00:00 GMT";

/// Objects by their paths, bucket included.
#[derive(Default)]
struct Store {
    objects: Mutex<BTreeMap<String, Bytes>>,
    /// It answers nothing but errors.
    down: AtomicBool,
}

impl Store {
    /// Starts one. Returns it with what a bucket is told to find it.
    async fn start() -> (Arc<Self>, Vec<(AmazonS3ConfigKey, String)>) {
        let store = Arc::new(Self::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(store.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let settings = [
            (AmazonS3ConfigKey::Endpoint, url),
            (AmazonS3ConfigKey::AccessKeyId, "id".to_owned()),
            (AmazonS3ConfigKey::SecretAccessKey, "secret".to_owned()),
        ];
        (store, settings.into())
    }

    fn put(&self, path: &str, content: &'static [u8]) {
        self.objects.lock().unwrap().insert(path.to_owned(), Bytes::from_static(content));
    }

    fn names(&self) -> Vec<String> {
        self.objects.lock().unwrap().keys().cloned().collect()
    }

    fn list(&self, bucket: &str, prefix: &str) -> String {
        let mut xml = "<?xml version=\"1.0\"?><ListBucketResult><IsTruncated>false</IsTruncated>".to_owned();
        for (path, content) in self.objects.lock().unwrap().iter() {
            let Some(key) = path.strip_prefix(&format!("/{bucket}/")).filter(|key| key.starts_with(prefix)) else {
                continue;
            };
            let size = content.len();
            write!(xml, "<Contents><Key>{key}</Key><Size>{size}</Size><LastModified>2020-01-01T00:00:00.000Z</LastModified></Contents>")
                .unwrap();
        }
        xml + "</ListBucketResult>"
    }
}

async fn answer(State(store): State<Arc<Store>>, method: Method, uri: Uri, body: Bytes) -> Response {
    if store.down.load(SeqCst) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let path = uri.path().trim_end_matches('/').to_owned();
    let query = uri.query().unwrap_or_default();
    if query.contains("list-type=2") {
        let prefix =
            query.split('&').find_map(|part| part.strip_prefix("prefix=")).unwrap_or_default().replace("%2F", "/");
        return store.list(path.trim_start_matches('/'), &prefix).into_response();
    }
    let mut objects = store.objects.lock().unwrap();
    match method {
        Method::PUT => {
            objects.insert(path, body);
            [(header::ETAG, "\"1\"")].into_response()
        }
        Method::DELETE => {
            objects.remove(&path);
            StatusCode::NO_CONTENT.into_response()
        }
        _ => match objects.get(&path) {
            Some(content) => {
                ([(header::ETAG, "\"1\""), (header::LAST_MODIFIED, MODIFIED)], content.clone()).into_response()
            }
            None => StatusCode::NOT_FOUND.into_response(),
        },
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn proofs_are_kept_in_a_bucket() {
    let (store, settings) = Store::start().await;
    let dir = tempfile::tempdir().unwrap();
    let bucket = Bucket::with("s3://assay/proofs", settings).unwrap();
    assert_eq!(format!("{bucket:?}"), "Bucket { url: \"s3://assay/proofs\", .. }", "no credentials");
    let blobs = Blobs::in_bucket(bucket.clone(), dir.path()).unwrap();
    let hash = blobs.put(b"proof".to_vec()).await.unwrap();
    let path = format!("/assay/proofs/{hash:x}");
    assert_eq!(store.names(), [path.clone()]);
    assert_eq!(blobs.get(hash).await.unwrap().unwrap(), b"proof");
    store.put(&path, b"forged");
    assert!(matches!(blobs.get(hash).await, Err(BlobError::Corrupt { .. })));
    blobs.remove(hash).await.unwrap();
    blobs.remove(hash).await.unwrap(); // it is gone already
    assert_eq!(blobs.get(hash).await.unwrap(), None);

    // a service with it
    let mut config = assay_api::config::ServeConfig::free(dir.path());
    config.proofs = Some(bucket);
    let state = AppState::open(config, Fake::new()).await.unwrap();
    let workers = tokio::spawn(assay_api::run_workers(state.clone()));
    store.down.store(true, SeqCst);
    let made = crate::fake::post(&state, "/v1/predictions", &[], &request()).await.json();
    let id = made["id"].as_str().unwrap();
    crate::fake::eventually("it is being proven", async || {
        state.store.job(id).await.unwrap().state == JobState::Proving
    })
    .await;
    store.down.store(false, SeqCst);
    until(&state, id, JobState::Proven).await;
    assert_eq!(state.store.job(id).await.unwrap().attempts, 0, "a store that is away is nobody's fault");
    let proof = get(&state, &format!("/v1/predictions/{id}/proof")).await;
    assert_eq!(proof.status, 200);
    assert_eq!(store.names().len(), 1);
    let files = std::fs::read_dir(dir.path().join("proofs")).unwrap().count();
    assert_eq!(files, 0, "nothing of it is left on this machine");
    crate::jobs::stop(state, workers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn packages_are_copied_from_a_bucket() {
    let (store, settings) = Store::start().await;
    for (path, content) in [
        ("/assay/models/a.assay", &b"package"[..]),
        ("/assay/models/a.pk", b"proving key"),
        ("/assay/models/a.card.json", b"{}"),
        ("/assay/models/readme.txt", b"not a model's"),
        ("/assay/models/old/b.assay", b"in another folder"),
        ("/assay/modelsthatarenot/c.assay", b"under another prefix"),
    ] {
        store.put(path, content);
    }
    let dir = tempfile::tempdir().unwrap();
    let bucket = Bucket::with("s3://assay/models/", settings).unwrap();
    assert_eq!(bucket.fetch_models(dir.path()).await.unwrap(), 3);
    let mut names: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["a.assay", "a.card.json", "a.pk"]);
    assert_eq!(std::fs::read(dir.path().join("a.pk")).unwrap(), b"proving key");
    assert_eq!(bucket.fetch_models(dir.path()).await.unwrap(), 0, "what is here is not copied again");
    store.put("/assay/models/a.pk", b"another proving key");
    assert_eq!(bucket.fetch_models(dir.path()).await.unwrap(), 1);
    assert_eq!(std::fs::read(dir.path().join("a.pk")).unwrap(), b"another proving key");
}

#[test]
fn addresses_of_buckets() {
    assert!(
        Bucket::is_address("s3://assay/models") && !Bucket::is_address("models/s3") && !Bucket::is_address("/s3://")
    );
    for wrong in ["s3://", "s3:///models", "https://example.org", "models"] {
        assert!(matches!(Bucket::with(wrong, []), Err(ObjectError::Url { .. })), "{wrong}");
    }
}
