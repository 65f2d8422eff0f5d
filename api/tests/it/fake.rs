//! An engine whose proofs are hashes, and helpers to talk to the router.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use alloy::primitives::{B256, Bytes, keccak256};
use assay_api::config::ServeConfig;
use assay_api::engine::{
    Cancel, Claim, Clamped, DecodeError, Engine, EngineError, Execution, InputOpening, ModelInfo, Progress,
    ProofBundle, Report, TensorInfo, Wrap,
};
use assay_api::{AppState, app};
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use serde_json::Value;
use tower::ServiceExt;

/// The fake's model: four numbers in, their sum and their maximum out, at scale 4.
pub fn model_id(n: u64) -> B256 {
    B256::left_padding_from(&n.to_be_bytes())
}

#[derive(Debug)]
pub struct Fake {
    pub models: Vec<ModelInfo>,
    /// Milliseconds per step of a proof of ten steps.
    pub step_ms: Arc<AtomicU64>,
    /// How many of the next proofs fail, panic.
    pub fail: AtomicU32,
    pub panic: AtomicU32,
    pub proofs: Arc<AtomicU32>,
}

impl Fake {
    pub fn new() -> Arc<Self> {
        let model = |n: u64| ModelInfo {
            id: model_id(n),
            name: format!("<fake {n}>"),
            shape_digest: keccak256("shape"),
            model_commitment: keccak256("weights"),
            key_hash: keccak256("key"),
            batches: Vec::new(),
            wrap: "fake".into(),
            inputs: vec![TensorInfo { name: "x".into(), shape: vec![2, 2], scale: 4, range: Some([-100.0, 100.0]) }],
            outputs: vec![TensorInfo { name: "y".into(), shape: vec![2], scale: 4, range: None }],
            input_chunks: 1,
            text_length: Some(4),
            parameters: 8,
            development: true,
        };
        Self::with_models((1..=3).map(model).collect())
    }

    /// A fake with one model of this description.
    pub fn with_model(model: ModelInfo) -> Arc<Self> {
        Self::with_models(vec![model])
    }

    fn with_models(models: Vec<ModelInfo>) -> Arc<Self> {
        Arc::new(Self { models, step_ms: Arc::default(), fail: 0.into(), panic: 0.into(), proofs: Arc::default() })
    }
}

/// Counts down; `false` at nought.
pub fn take(counter: &AtomicU32) -> bool {
    counter.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok()
}

fn fake_proof(model: B256, claim: (&B256, &[Bytes], &[i16])) -> Vec<u8> {
    let (context, commitments, cells) = claim;
    let mut bytes = [model.0, context.0].concat();
    commitments.iter().for_each(|c| bytes.extend(c));
    bytes.extend(cells.iter().flat_map(|c| c.to_be_bytes()));
    keccak256(bytes).to_vec()
}

/// Some of a proof's ten steps.
fn steps(steps: Range<u8>, step_ms: &AtomicU64, cancel: &Cancel, progress: Report<'_>) -> Result<(), EngineError> {
    for step in steps {
        if cancel.is_cancelled() {
            return Err(EngineError::Cancelled);
        }
        progress(Progress {
            phase: if step < 5 { "commit" } else { "wrap_quotient" },
            fraction: f32::from(step) / 10.0,
        });
        std::thread::sleep(Duration::from_millis(step_ms.load(Ordering::SeqCst)));
    }
    Ok(())
}

impl Engine for Fake {
    fn models(&self) -> Vec<ModelInfo> {
        self.models.clone()
    }

    fn execute(&self, model: B256, input: &InputOpening) -> Result<Execution, EngineError> {
        self.models.iter().find(|m| m.id == model).ok_or(EngineError::UnknownModel { id: model })?;
        let sum: f32 = input.data.iter().sum();
        let max = input.data.iter().copied().fold(f32::MIN, f32::max);
        let output_cells: Vec<i16> = [sum, max].iter().map(|v| (v * 16.0) as i16).collect();
        let opening: Vec<u8> =
            input.data.iter().flat_map(|v| v.to_le_bytes()).chain(input.blinding.iter().flat_map(|b| b.0)).collect();
        // like the real one's: nothing, not blinded, is the point at infinity
        let infinity = opening.iter().all(|b| *b == 0);
        let point =
            if infinity { vec![0; 64] } else { [keccak256(&opening).0, keccak256(keccak256(&opening)).0].concat() };
        let output_real = output_cells.iter().map(|c| f32::from(*c) / 16.0).collect();
        // a sum beyond 16 bits is cut off
        let cells = usize::from((sum * 16.0).abs() > f32::from(i16::MAX));
        let clamped = (cells > 0).then(|| Clamped { layer: "sum".into(), cells }).into_iter().collect();
        Ok(Execution {
            output_cells,
            output_real,
            input_commitments: vec![point.into()],
            clamped,
            clamps: cells as u32,
        })
    }

    /// Counts on from the prompt's last token.
    fn decode(&self, model: B256, prompt: &[f32], answer: usize, _cancel: &Cancel) -> Result<Vec<f32>, EngineError> {
        let info = self.models.iter().find(|m| m.id == model).ok_or(EngineError::UnknownModel { id: model })?;
        let length = info.text_length.ok_or(EngineError::Decode(DecodeError::NotGenerative))? as usize;
        let last = *prompt.last().ok_or(EngineError::Decode(DecodeError::NoPrompt))?;
        if prompt.len() + answer > length {
            return Err(EngineError::Decode(DecodeError::TooLong { prompt: prompt.len(), answer, length }));
        }
        let mut tokens = prompt.to_vec();
        tokens.extend((1..=answer).map(|n| last + n as f32));
        tokens.resize(length, 0.0);
        Ok(tokens)
    }

    fn prove_inner(
        &self,
        model: B256,
        inputs: &[InputOpening],
        context: B256,
        cancel: &Cancel,
        progress: Report<'_>,
    ) -> Result<Wrap, EngineError> {
        assert!(!take(&self.panic), "asked to panic");
        if take(&self.fail) {
            return Err(EngineError::Internal("asked to fail".into()));
        }
        steps(0..5, &self.step_ms, cancel, progress)?;
        let done = inputs.iter().map(|input| self.execute(model, input)).collect::<Result<Vec<_>, _>>()?;
        let (step_ms, proofs) = (self.step_ms.clone(), self.proofs.clone());
        Ok(Box::new(move |cancel, progress| {
            steps(5..10, &step_ms, cancel, progress)?;
            proofs.fetch_add(1, Ordering::SeqCst);
            let input_commitments: Vec<Bytes> = done.iter().flat_map(|one| one.input_commitments.clone()).collect();
            let output_cells: Vec<i16> = done.iter().flat_map(|one| one.output_cells.clone()).collect();
            let proof = fake_proof(model, (&context, &input_commitments, &output_cells));
            Ok(ProofBundle { proof, output_cells, clamps: done.iter().map(|one| one.clamps).sum(), input_commitments })
        }))
    }

    fn key(&self, model: B256) -> Result<Vec<u8>, EngineError> {
        self.models.iter().find(|m| m.id == model).ok_or(EngineError::UnknownModel { id: model })?;
        Ok(model.to_vec())
    }

    fn srs(&self, model: B256, _: Option<u32>) -> Result<Vec<u8>, EngineError> {
        self.key(model)
    }

    fn verify(&self, model: B256, claim: &Claim) -> Result<(), EngineError> {
        let need = fake_proof(model, (&claim.context, &claim.input_commitments, &claim.output_cells));
        if claim.proof == need { Ok(()) } else { Err(EngineError::Rejected("another hash".into())) }
    }
}

/// A free server's state in `dir`, with short delays.
pub async fn free(dir: &Path, engine: Arc<Fake>) -> AppState {
    let mut config = ServeConfig::free(dir);
    config.operator_token = Some("secret".into());
    config.drain = Duration::from_millis(300);
    AppState::open(config, engine).await.unwrap()
}

/// An answer of the router.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes)
            .unwrap_or_else(|_| panic!("not JSON: {}", String::from_utf8_lossy(&self.bytes)))
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.bytes.clone()).unwrap()
    }

    /// Asserts that this is a problem with this status and code, complete as RFC 9457 asks.
    #[track_caller]
    pub fn is_problem(&self, status: u16, code: &str) {
        let problem = self.json();
        assert_eq!((self.status.as_u16(), problem["code"].as_str()), (status, Some(code)), "{problem}");
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/problem+json");
        assert_eq!(problem["type"], format!("urn:assay:problem:{code}"));
        assert_eq!(problem["status"], status);
        assert!(problem["title"].as_str().is_some_and(|t| !t.is_empty()));
        assert!(problem["detail"].as_str().is_some_and(|d| !d.is_empty()));
    }
}

/// Every answer that a test gets is among those that the description names.
#[track_caller]
fn assert_described(method: &str, path: &str, status: u16) {
    let path = path.split('?').next().unwrap();
    let fits = |template: &str| {
        let (have, want): (Vec<_>, Vec<_>) = (path.split('/').collect(), template.split('/').collect());
        have.len() == want.len() && have.iter().zip(&want).all(|(a, b)| a == b || b.starts_with('{'))
    };
    let paths = assay_api::description()["paths"].as_object().unwrap();
    let route =
        paths.iter().find(|(template, _)| fits(template)).and_then(|(_, methods)| methods.get(method.to_lowercase()));
    if let Some(route) = route {
        assert!(
            route["responses"][status.to_string()].is_object(),
            "{method} {path} answers {status}, which is not described"
        );
    }
}

/// Sends a request to the router.
pub async fn send(
    state: &AppState,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = app(state.clone()).oneshot(request.body(body.into()).unwrap()).await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    assert_described(method, path, status.as_u16());
    Answer { status, headers, bytes: to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec() }
}

pub async fn get(state: &AppState, path: &str) -> Answer {
    send(state, "GET", path, &[], Body::empty()).await
}

pub async fn post(state: &AppState, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
    let headers = [&[("content-type", "application/json")], headers].concat();
    send(state, "POST", path, &headers, body.to_string()).await
}

/// Waits until `done` or panics.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut done: impl FnMut() -> F) {
    for _ in 0..2400 {
        if done().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("never: {what}");
}
