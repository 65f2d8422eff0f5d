//! Objects in S3 or what speaks its protocol, over the same HTTP client as everything else here.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::http::Response;
use futures_util::{StreamExt, TryStreamExt};
use http_body_util::BodyExt;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::client::{
    ClientOptions, HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody,
    HttpService,
};
use object_store::path::Path as Key;
use object_store::{BackoffConfig, ObjectStore, ObjectStoreExt, RetryConfig};

use crate::tls::client_builder;

/// How long one request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a request that fails is tried again before its caller hears of it; jobs then wait and come back.
const RETRIES: Duration = Duration::from_secs(10);
/// What belongs to a model: package, proving keys, buyers' keys, card.
const OF_MODELS: [&str; 4] = [".assay", ".pk", ".key", ".card.json"];

/// What objects are refused or cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectError {
    /// The address is none.
    #[error("{url} is no address of objects: write s3://BUCKET or s3://BUCKET/PREFIX")]
    Url {
        /// The address.
        url: String,
    },
    /// The store did not do what it was asked to.
    #[error("{url} does not give or take an object")]
    Store {
        /// The address.
        url: String,
        /// What it said.
        source: object_store::Error,
    },
    /// A file for an object cannot be written.
    #[error("cannot write {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// A bucket, and a prefix of all names in it. Clones share the connection. Debug output shows no credentials.
#[derive(Clone)]
pub struct Bucket {
    store: Arc<dyn ObjectStore>,
    prefix: Key,
    url: String,
}

impl std::fmt::Debug for Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bucket").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Bucket {
    /// Whether a text is the address of objects, and not a folder's.
    pub fn is_address(text: &str) -> bool {
        text.starts_with("s3://")
    }

    /// The bucket at `s3://BUCKET/PREFIX`, with the settings that AWS's own tools read from the environment:
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, and for other stores `AWS_ENDPOINT`.
    pub fn from_env(url: &str) -> Result<Self, ObjectError> {
        Self::build(url, AmazonS3Builder::from_env())
    }

    /// The same with these settings and no others.
    pub fn with(
        url: &str,
        settings: impl IntoIterator<Item = (AmazonS3ConfigKey, String)>,
    ) -> Result<Self, ObjectError> {
        let builder =
            settings.into_iter().fold(AmazonS3Builder::new(), |builder, (key, value)| builder.with_config(key, value));
        Self::build(url, builder)
    }

    fn build(url: &str, builder: AmazonS3Builder) -> Result<Self, ObjectError> {
        let bad = || ObjectError::Url { url: url.to_owned() };
        let (bucket, prefix) = match url.strip_prefix("s3://").ok_or_else(bad)?.split_once('/') {
            Some((bucket, prefix)) => (bucket, prefix),
            None => (url.trim_start_matches("s3://"), ""),
        };
        if bucket.is_empty() {
            return Err(bad());
        }
        let retry = RetryConfig { backoff: BackoffConfig::default(), max_retries: 5, retry_timeout: RETRIES };
        let store = builder.with_bucket_name(bucket).with_retry(retry).with_http_connector(Connector);
        // not every store that speaks S3 knows the request that deletes several objects
        let store = store.with_disable_bulk_delete(true).build();
        let store = store.map_err(|source| ObjectError::Store { url: url.to_owned(), source })?;
        Ok(Self {
            store: Arc::new(store),
            prefix: Key::parse(prefix.trim_matches('/')).map_err(|_| bad())?,
            url: url.to_owned(),
        })
    }

    fn failed(&self, source: object_store::Error) -> ObjectError {
        ObjectError::Store { url: self.url.clone(), source }
    }

    fn key(&self, name: &str) -> Key {
        self.prefix.clone().join(name)
    }

    /// Stores an object whole, or not at all.
    pub async fn put(&self, name: &str, bytes: Vec<u8>) -> Result<(), ObjectError> {
        self.store.put(&self.key(name), bytes.into()).await.map(drop).map_err(|e| self.failed(e))
    }

    /// An object's bytes, `None` if it is not there.
    pub async fn get(&self, name: &str) -> Result<Option<Vec<u8>>, ObjectError> {
        let found = async { self.store.get(&self.key(name)).await?.bytes().await };
        match found.await {
            Ok(bytes) => Ok(Some(bytes.to_vec())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(e) => Err(self.failed(e)),
        }
    }

    /// Removes an object, if it is there.
    pub async fn remove(&self, name: &str) -> Result<(), ObjectError> {
        match self.store.delete(&self.key(name)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(e) => Err(self.failed(e)),
        }
    }

    /// Copies what belongs to models to a folder: packages, keys and cards that lie directly under the prefix. A file
    /// that is there in the object's size and was written after it is kept. Returns how many were copied.
    pub async fn fetch_models(&self, dir: &Path) -> Result<usize, ObjectError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| ObjectError::Io { path, source }
        };
        std::fs::create_dir_all(dir).map_err(io(dir))?;
        let found: Vec<_> = self.store.list(Some(&self.prefix)).try_collect().await.map_err(|e| self.failed(e))?;
        let mut copied = 0;
        for object in found {
            let parts: Vec<_> = object.location.prefix_match(&self.prefix).into_iter().flatten().collect();
            let [name] = &parts[..] else { continue };
            if !OF_MODELS.iter().any(|end| name.as_ref().ends_with(end)) {
                continue;
            }
            let path = dir.join(name.as_ref());
            let fresh = std::fs::metadata(&path).is_ok_and(|file| {
                let written = file.modified().map(|at| at > object.last_modified.into());
                file.len() == object.size && written.unwrap_or(false)
            });
            if !fresh {
                self.copy(&object.location, &path).await?;
                copied += 1;
            }
        }
        Ok(copied)
    }

    /// Copies an object to a file, which is there only when it is whole.
    async fn copy(&self, key: &Key, path: &Path) -> Result<(), ObjectError> {
        let part = path.with_added_extension("part");
        let io = |source| ObjectError::Io { path: part.clone(), source };
        let mut file = std::fs::File::create(&part).map_err(io)?;
        let mut chunks = self.store.get(key).await.map_err(|e| self.failed(e))?.into_stream();
        while let Some(chunk) = chunks.next().await {
            file.write_all(&chunk.map_err(|e| self.failed(e))?).map_err(io)?;
        }
        file.sync_all().map_err(io)?;
        std::fs::rename(&part, path).map_err(io)
    }
}

/// Connects the store to this crate's HTTP client, which has TLS where the feature `tls` is on.
#[derive(Debug)]
struct Connector;

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        let build = |builder: reqwest::ClientBuilder| {
            builder
                .timeout(REQUEST_TIMEOUT)
                .build()
                .map_err(|e| object_store::Error::Generic { store: "S3", source: Box::new(e) })
        };
        let (here, elsewhere) = (build(client_builder().no_proxy())?, build(client_builder())?);
        Ok(HttpClient::new(Http { here, elsewhere }))
    }
}

/// A proxy that the environment names is not asked for what is on this machine.
#[derive(Debug)]
struct Http {
    here: reqwest::Client,
    elsewhere: reqwest::Client,
}

/// What kind of failure it is, which decides whether the store tries again.
fn failure(error: reqwest::Error) -> HttpError {
    let kind = match &error {
        e if e.is_connect() => HttpErrorKind::Connect,
        e if e.is_timeout() => HttpErrorKind::Timeout,
        e if e.is_request() => HttpErrorKind::Request,
        e if e.is_body() => HttpErrorKind::Interrupted,
        _ => HttpErrorKind::Unknown,
    };
    HttpError::new(kind, error.without_url())
}

#[async_trait]
impl HttpService for Http {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (parts, body) = request.into_parts();
        let url: reqwest::Url = parts.uri.to_string().parse().map_err(|e| HttpError::new(HttpErrorKind::Unknown, e))?;
        let client = if crate::client::is_here(&url) { &self.here } else { &self.elsewhere };
        let mut sent = reqwest::Request::new(parts.method, url);
        *sent.headers_mut() = parts.headers;
        *sent.body_mut() = Some(reqwest::Body::wrap(body));
        let (parts, body) = Response::<reqwest::Body>::from(client.execute(sent).await.map_err(failure)?).into_parts();
        Ok(HttpResponse::from_parts(parts, HttpResponseBody::new(body.map_err(failure))))
    }
}
