//! A typed client of the service, for `assay request` and tests.

use std::ops::ControlFlow;
use std::time::Duration;

use alloy::primitives::{Address, B256, keccak256};
use futures_util::{Stream, StreamExt};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::engine::{Claim, ModelInfo};
use crate::error::Problem;
use crate::routes::{
    Completion, CompletionRequest, MarketHistory, MarketJob, MarketJobPage, Model, ModelPage, Prediction,
    PredictionPage, PredictionRequest, QuoteRequest, VerifyRequest, VerifyResponse,
};
use crate::store::{Event, State};
use crate::terms::Escrow;
use crate::tls::{ADDRESSES, client_builder, is_usable};

/// How often a broken event stream is taken up again without any news before the client gives up.
const RECONNECTS: u32 = 20;

/// Why a request did not succeed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The address is not a URL that this build can talk to.
    #[error("{url} is not an address that can be asked: it begins with {ADDRESSES}")]
    Url {
        /// The address.
        url: String,
    },
    /// The key holds characters that no key has.
    #[error("the key is none: it begins with assay_ and holds letters and digits")]
    Key,
    /// No answer, or a broken one.
    #[error("the service does not answer as it should")]
    Http(#[from] reqwest::Error),
    /// The service says no.
    #[error("{}: {}", .0.title, .0.detail)]
    Problem(Problem),
    /// An answer that is neither what was asked for nor a problem.
    #[error("the service answered with status {status}")]
    Status {
        /// HTTP status.
        status: u16,
    },
    /// The prediction has no proof to fetch.
    #[error("the prediction is {state}; it has no proof")]
    NoProof {
        /// Its state.
        state: crate::store::State,
    },
    /// The proof is not the one that the prediction names.
    #[error("the proof has hash {have}, the prediction names {need}")]
    WrongProof {
        /// Hash of what was fetched.
        have: B256,
        /// Hash that was named.
        need: B256,
    },
    /// The event stream broke again and again.
    #[error("the event stream broke {times} times")]
    Broken {
        /// How often.
        times: u32,
    },
}

/// A client's settings for a URL: a proxy that the environment names is not asked for what is on this machine.
pub(crate) fn http(url: &reqwest::Url) -> reqwest::ClientBuilder {
    let builder = client_builder();
    if is_here(url) { builder.no_proxy() } else { builder }
}

/// Whether a URL is of this machine.
pub(crate) fn is_here(url: &reqwest::Url) -> bool {
    matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"))
}

/// A client of one server.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: String,
}

impl Client {
    /// A client for the server at `url`.
    pub fn new(url: &str) -> Result<Self, ClientError> {
        Self::with_key(url, None)
    }

    /// A client that shows a key (`assay_…`) with each request, if it has one.
    pub fn with_key(url: &str, key: Option<&str>) -> Result<Self, ClientError> {
        let bad = || ClientError::Url { url: url.to_owned() };
        let parsed: reqwest::Url = url.parse().map_err(|_| bad())?;
        if !is_usable(&parsed) {
            return Err(bad());
        }
        let mut headers = HeaderMap::new();
        if let Some(key) = key {
            let mut shown = HeaderValue::try_from(format!("Bearer {key}")).map_err(|_| ClientError::Key)?;
            shown.set_sensitive(true);
            headers.insert(AUTHORIZATION, shown);
        }
        let http = http(&parsed).connect_timeout(Duration::from_secs(10)).default_headers(headers).build()?;
        Ok(Self { http, base: url.trim_end_matches('/').to_owned() })
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<reqwest::Response, ClientError> {
        let response = request.send().await?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        match response.json::<Problem>().await {
            Ok(problem) => Err(ClientError::Problem(problem)),
            Err(_) => Err(ClientError::Status { status: status.as_u16() }),
        }
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        Ok(self
            .send(self.http.get(format!("{}{path}", self.base)).timeout(Duration::from_secs(60)))
            .await?
            .json()
            .await?)
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, ClientError> {
        Ok(self.send(self.http.post(format!("{}{path}", self.base)).json(body)).await?.json().await?)
    }

    /// A prompt, continued without a proof.
    pub async fn complete(&self, request: &CompletionRequest) -> Result<Completion, ClientError> {
        self.post("/v1/completions", request).await
    }

    /// All models.
    pub async fn models(&self) -> Result<Vec<ModelInfo>, ClientError> {
        Ok(self.offers().await?.into_iter().map(|model| model.info).collect())
    }

    /// All models, with what their seller says of them and what they cost.
    pub async fn offers(&self) -> Result<Vec<Model>, ClientError> {
        let mut models: Vec<Model> = Vec::new();
        let mut path = "/v1/models?limit=100".to_owned();
        loop {
            let page: ModelPage = self.get(&path).await?;
            models.extend(page.data);
            match page.next {
                Some(next) => path = format!("/v1/models?limit=100&cursor={next}"),
                None => return Ok(models),
            }
        }
    }

    /// One model, in the same way.
    pub async fn offer(&self, id: B256) -> Result<Model, ClientError> {
        self.get(&format!("/v1/models/{id}")).await
    }

    /// The KEY file of a model: the service's word until it is recomputed.
    pub async fn key(&self, id: B256) -> Result<Vec<u8>, ClientError> {
        let request = self.http.get(format!("{}/v1/models/{id}/key", self.base)).timeout(Duration::from_secs(60));
        Ok(self.send(request).await?.bytes().await?.to_vec())
    }

    /// The powers of tau of a model's SRS, as many as computing its key again takes: the bytes of an SRS file.
    pub async fn srs(&self, id: B256) -> Result<Vec<u8>, ClientError> {
        let request = self.http.get(format!("{}/v1/models/{id}/srs", self.base)).timeout(Duration::from_secs(600));
        Ok(self.send(request).await?.bytes().await?.to_vec())
    }

    /// One model.
    pub async fn model(&self, id: B256) -> Result<ModelInfo, ClientError> {
        self.get(&format!("/v1/models/{id}")).await
    }

    /// A signed quote with the order that accepts it. Check it before you fund it.
    pub async fn quote(
        &self,
        model: B256,
        buyer: Option<Address>,
        input_commitment: Option<B256>,
    ) -> Result<Escrow, ClientError> {
        self.quote_for(&QuoteRequest { model, buyer, input_commitment, batch: None, jobs: None }).await
    }

    /// The same for a request that says more.
    pub async fn quote_for(&self, request: &QuoteRequest) -> Result<Escrow, ClientError> {
        self.post("/v1/quotes", request).await
    }

    /// Asks for a prediction. With a key, sending it again is harmless. `wait_secs`: how long the server may hold the
    /// request until it is over.
    pub async fn predict(
        &self,
        request: &PredictionRequest,
        key: Option<&str>,
        wait_secs: Option<u64>,
    ) -> Result<Prediction, ClientError> {
        let mut post = self.http.post(format!("{}/v1/predictions", self.base)).json(request);
        if let Some(key) = key {
            post = post.header("idempotency-key", key);
        }
        if let Some(secs) = wait_secs {
            post = post.header("prefer", format!("wait={secs}"));
        }
        Ok(self.send(post).await?.json().await?)
    }

    /// A prediction as it is now.
    pub async fn prediction(&self, id: &str) -> Result<Prediction, ClientError> {
        self.get(&format!("/v1/predictions/{id}")).await
    }

    /// What has happened in the market, as the service has it.
    pub async fn market(&self) -> Result<MarketHistory, ClientError> {
        self.get("/v1/market").await
    }

    /// The market's jobs at the block of `at`. `None`: the service has read on meanwhile, so that its pages do not
    /// belong together.
    pub async fn market_jobs(&self, at: &MarketHistory) -> Result<Option<Vec<MarketJob>>, ClientError> {
        let (mut jobs, mut path) = (Vec::new(), "/v1/market/jobs?limit=100".to_owned());
        loop {
            let page: MarketJobPage = self.get(&path).await?;
            if page.block_hash != at.block_hash {
                return Ok(None);
            }
            jobs.extend(page.data);
            match page.next {
                Some(next) => path = format!("/v1/market/jobs?limit=100&cursor={next}"),
                None => return Ok(Some(jobs)),
            }
        }
    }

    /// All predictions, or those in one state, for the operator.
    pub async fn list(&self, operator_token: &str, state: Option<State>) -> Result<Vec<Prediction>, ClientError> {
        let first = state.map_or_else(
            || "/v1/predictions?limit=100".to_owned(),
            |state| format!("/v1/predictions?limit=100&state={state}"),
        );
        let (mut predictions, mut path) = (Vec::new(), first.clone());
        loop {
            let request = self
                .http
                .get(format!("{}{path}", self.base))
                .timeout(Duration::from_secs(60))
                .bearer_auth(operator_token);
            let page: PredictionPage = self.send(request).await?.json().await?;
            predictions.extend(page.data);
            match page.next {
                Some(next) => path = format!("{first}&cursor={next}"),
                None => return Ok(predictions),
            }
        }
    }

    /// Has a prediction that failed run again, for the operator.
    pub async fn retry(&self, operator_token: &str, id: &str) -> Result<Prediction, ClientError> {
        let request =
            self.http.post(format!("{}/v1/predictions/{id}/retry", self.base)).timeout(Duration::from_secs(60));
        Ok(self.send(request.bearer_auth(operator_token)).await?.json().await?)
    }

    /// Withdraws a prediction.
    pub async fn cancel(&self, id: &str) -> Result<Prediction, ClientError> {
        self.post(&format!("/v1/predictions/{id}/cancel"), &serde_json::json!({})).await
    }

    /// Follows a prediction's events until its output is there or it is over, taking a broken stream up where it broke,
    /// and returns it as it is then.
    pub async fn follow(&self, id: &str, mut seen: impl FnMut(&Event)) -> Result<Prediction, ClientError> {
        let (mut last, mut broken) = (0i64, 0);
        loop {
            let url = format!("{}/v1/predictions/{id}/events", self.base);
            match self.send(self.http.get(url).header("last-event-id", last)).await {
                Ok(response) => {
                    let before = last;
                    read_events(response.bytes_stream(), &mut |event| {
                        last = last.max(event.id);
                        seen(&event);
                        // the output is shown from now on
                        if event.kind == "paid" { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                    })
                    .await;
                    let now = self.prediction(id).await;
                    match now {
                        Ok(prediction) if prediction.terminal || prediction.output.is_some() => return Ok(prediction),
                        Err(e @ ClientError::Problem(_)) => return Err(e),
                        _ => broken = if last > before { 0 } else { broken + 1 },
                    }
                }
                Err(ClientError::Http(_)) => broken += 1, // the server may be restarting
                Err(e) => return Err(e),
            }
            if broken > RECONNECTS {
                return Err(ClientError::Broken { times: broken });
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// The proof of a prediction that has one. Its hash is checked.
    pub async fn proof(&self, prediction: &Prediction) -> Result<Vec<u8>, ClientError> {
        let (Some(path), Some(need)) = (&prediction.proof_url, prediction.proof_hash) else {
            return Err(ClientError::NoProof { state: prediction.state });
        };
        let bytes = self.send(self.http.get(format!("{}{path}", self.base))).await?.bytes().await?.to_vec();
        let have = keccak256(&bytes);
        if have == need { Ok(bytes) } else { Err(ClientError::WrongProof { have, need }) }
    }

    /// Has the server verify a claim.
    pub async fn verify(&self, model: B256, claim: Claim) -> Result<VerifyResponse, ClientError> {
        self.post("/v1/verify", &VerifyRequest { model, claim }).await
    }
}

/// Reads server-sent events until the stream ends or breaks, or `seen` has seen enough. Only `data` lines matter: each
/// event carries its own id.
async fn read_events<B: AsRef<[u8]>, E>(
    stream: impl Stream<Item = Result<B, E>>,
    seen: &mut impl FnMut(Event) -> ControlFlow<()>,
) {
    let mut stream = std::pin::pin!(stream);
    let mut buffer: Vec<u8> = Vec::new();
    while let Some(Ok(chunk)) = stream.next().await {
        buffer.extend_from_slice(chunk.as_ref());
        while let Some(end) = buffer.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = buffer.drain(..=end).collect();
            if let Some(data) = line.strip_prefix(b"data:")
                && let Ok(event) = serde_json::from_slice(data)
                && seen(event).is_break()
            {
                return;
            }
        }
    }
}
