//! Several jobs at a time: which halves of their proofs overlap, which never do, and who is next.

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use alloy::primitives::{Address, B256};
use assay_api::chain::Market;
use assay_api::config::ServeConfig;
use assay_api::engine::{
    Cancel, Claim, Engine, EngineError, Execution, InputOpening, ModelInfo, ProofBundle, Report, Wrap,
};
use assay_api::store::{Purpose, State};
use assay_api::{AppState, run_workers};
use serde_json::json;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use crate::fake::{Fake, eventually, get, model_id, post};
use crate::market::{until, world};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    InnerBegins,
    InnerEnds,
    WrapBegins,
    WrapEnds,
}

use Step::{InnerBegins, InnerEnds, WrapBegins, WrapEnds};

/// One half of all proofs: waits for the test's word, and counts how many are in it at once.
#[derive(Debug)]
struct Half {
    word: Mutex<mpsc::Receiver<()>>,
    running: AtomicU32,
    most: AtomicU32,
}

impl Half {
    fn new() -> (mpsc::Sender<()>, Arc<Self>) {
        let (sender, word) = mpsc::channel();
        (sender, Arc::new(Self { word: Mutex::new(word), running: 0.into(), most: 0.into() }))
    }

    fn pass(&self) -> Result<(), EngineError> {
        self.most.fetch_max(self.running.fetch_add(1, SeqCst) + 1, SeqCst);
        // an error: the test is over
        let word = self.word.lock().unwrap().recv();
        self.running.fetch_sub(1, SeqCst);
        word.map_err(|_| EngineError::Cancelled)
    }
}

/// A fake whose halves are told to the test and wait for its word. A job is the first number of its input.
struct Gated {
    fake: Arc<Fake>,
    told: UnboundedSender<(u32, Step)>,
    inner: Arc<Half>,
    wrap: Arc<Half>,
}

impl Engine for Gated {
    fn models(&self) -> Vec<ModelInfo> {
        self.fake.models()
    }

    fn execute(&self, model: B256, input: &InputOpening) -> Result<Execution, EngineError> {
        self.fake.execute(model, input)
    }

    fn prove_inner(
        &self,
        model: B256,
        inputs: &[InputOpening],
        context: B256,
        cancel: &Cancel,
        progress: Report<'_>,
    ) -> Result<Wrap, EngineError> {
        let (job, told, half) = (inputs[0].data[0] as u32, self.told.clone(), self.wrap.clone());
        let tell = move |step| {
            let _ = told.send((job, step)); // an error: the test is over
        };
        tell(InnerBegins);
        self.inner.pass()?;
        let rest = self.fake.prove_inner(model, inputs, context, cancel, progress)?;
        tell(InnerEnds);
        Ok(Box::new(move |cancel, progress| -> Result<ProofBundle, EngineError> {
            tell(WrapBegins);
            half.pass()?;
            let proof = rest(cancel, progress)?;
            tell(WrapEnds);
            Ok(proof)
        }))
    }

    fn key(&self, model: B256) -> Result<Vec<u8>, EngineError> {
        self.fake.key(model)
    }

    fn srs(&self, model: B256, log: Option<u32>) -> Result<Vec<u8>, EngineError> {
        self.fake.srs(model, log)
    }

    fn verify(&self, model: B256, claim: &Claim) -> Result<(), EngineError> {
        self.fake.verify(model, claim)
    }
}

/// A free server with a gated engine. A word lets one half end.
struct Line {
    state: AppState,
    workers: JoinHandle<()>,
    engine: Arc<Gated>,
    steps: UnboundedReceiver<(u32, Step)>,
    inner: mpsc::Sender<()>,
    wrap: mpsc::Sender<()>,
    _dir: tempfile::TempDir,
}

impl Line {
    async fn new(jobs_max: u32, change: impl FnOnce(&mut ServeConfig)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let ((inner, inner_half), (wrap, wrap_half)) = (Half::new(), Half::new());
        let (told, steps) = unbounded_channel();
        let engine = Arc::new(Gated { fake: Fake::new(), told, inner: inner_half, wrap: wrap_half });
        let mut config = ServeConfig { jobs_max, ..ServeConfig::free(dir.path()) };
        change(&mut config);
        let state = AppState::open(config, engine.clone()).await.unwrap();
        let workers = tokio::spawn(run_workers(state.clone()));
        Self { state, workers, engine, steps, inner, wrap, _dir: dir }
    }

    async fn submit(&self, job: u32) -> String {
        let request = json!({ "model": model_id(1), "input": [job, 0.0, 0.0, 0.0] });
        post(&self.state, "/v1/predictions", &[], &request).await.json()["id"].as_str().unwrap().to_owned()
    }

    /// The next step of any job.
    async fn next(&mut self) -> (u32, Step) {
        tokio::time::timeout(Duration::from_secs(60), self.steps.recv()).await.expect("a step").unwrap()
    }

    /// The next two steps, which may come in either order.
    async fn both(&mut self) -> [(u32, Step); 2] {
        let mut both = [self.next().await, self.next().await];
        both.sort();
        both
    }

    async fn waiting(&self, jobs: usize) {
        let line = format!("assay_proofs_waiting {jobs}\n");
        eventually(&line, async || get(&self.state, "/metrics").await.text().contains(&line)).await;
    }

    async fn cancel(&self, id: &str) {
        assert_eq!(post(&self.state, &format!("/v1/predictions/{id}/cancel"), &[], &json!({})).await.status, 202);
        until(&self.state, id, State::Cancelled).await;
    }

    async fn state_of(&self, id: &str) -> State {
        self.state.store.job(id).await.unwrap().state
    }

    /// Waits for the jobs, then ends the server. Never were two halves of one kind made at once.
    async fn end(self, proven: &[String]) {
        for id in proven {
            until(&self.state, id, State::Proven).await;
        }
        self.state.stopping.send_replace(true);
        self.workers.await.unwrap();
        assert_eq!((self.engine.inner.most.load(SeqCst), self.engine.wrap.most.load(SeqCst)), (1, 1));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_inner_proof_is_made_during_a_wrap() {
    let mut line = Line::new(2, |_| {}).await;
    let first = line.submit(1).await;
    assert_eq!(line.next().await, (1, InnerBegins));
    let second = line.submit(2).await;
    line.waiting(1).await;
    let third = line.submit(3).await;
    line.inner.send(()).unwrap();
    assert_eq!(line.next().await, (1, InnerEnds));
    assert_eq!(line.both().await, [(1, WrapBegins), (2, InnerBegins)]);
    line.inner.send(()).unwrap();
    assert_eq!(line.next().await, (2, InnerEnds), "the first is still being wrapped");
    line.waiting(1).await;
    assert_eq!(line.state_of(&third).await, State::Queued, "two jobs at a time");
    line.wrap.send(()).unwrap();
    assert_eq!(line.next().await, (1, WrapEnds));
    assert_eq!(line.both().await, [(2, WrapBegins), (3, InnerBegins)]);
    assert_eq!(line.state_of(&first).await, State::Proven);
    line.inner.send(()).unwrap();
    line.wrap.send(()).unwrap();
    line.wrap.send(()).unwrap();
    line.end(&[first, second, third]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn turns_go_round_in_order_and_two_proofs_are_in_memory() {
    let mut line = Line::new(4, |_| {}).await;
    let mut ids = vec![line.submit(1).await];
    let mut steps = vec![line.next().await];
    for job in 2..=4 {
        ids.push(line.submit(job).await);
        line.waiting(job as usize - 1).await;
    }
    for _ in 0..4 {
        line.inner.send(()).unwrap();
    }
    while steps.last() != Some(&(2, InnerEnds)) {
        steps.push(line.next().await);
    }
    line.waiting(3).await; // one to wrap, two to begin
    for _ in 0..4 {
        line.wrap.send(()).unwrap();
    }
    while steps.last() != Some(&(4, WrapEnds)) {
        steps.push(line.next().await);
    }
    for step in [InnerBegins, InnerEnds, WrapBegins, WrapEnds] {
        let order: Vec<u32> = steps.iter().filter(|s| s.1 == step).map(|s| s.0).collect();
        assert_eq!(order, [1, 2, 3, 4], "{step:?}");
    }
    let at = |job, step| steps.iter().position(|s| *s == (job, step)).unwrap();
    for job in 1..=2 {
        assert!(at(job + 2, InnerBegins) > at(job, WrapEnds), "three proofs at once: {steps:?}");
    }
    line.end(&ids).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_cancelled_in_line_takes_no_turn() {
    let mut line = Line::new(2, |_| {}).await;
    let first = line.submit(1).await;
    assert_eq!(line.next().await, (1, InnerBegins));
    let second = line.submit(2).await;
    line.waiting(1).await;
    line.cancel(&second).await; // while the first has the turn
    line.waiting(0).await;
    let third = line.submit(3).await;
    line.waiting(1).await;
    line.inner.send(()).unwrap();
    assert_eq!(line.next().await, (1, InnerEnds));
    assert_eq!(line.both().await, [(1, WrapBegins), (3, InnerBegins)], "nothing of the second");
    line.inner.send(()).unwrap();
    assert_eq!(line.next().await, (3, InnerEnds));
    line.waiting(1).await;
    line.cancel(&third).await; // while it waits for the wrap, with the inner turn
    let fourth = line.submit(4).await;
    assert_eq!(line.next().await, (4, InnerBegins), "its turn went on, and the first is still being wrapped");
    line.inner.send(()).unwrap();
    assert_eq!(line.next().await, (4, InnerEnds));
    line.wrap.send(()).unwrap();
    line.wrap.send(()).unwrap();
    assert_eq!(line.next().await, (1, WrapEnds));
    assert_eq!([line.next().await, line.next().await], [(4, WrapBegins), (4, WrapEnds)]);
    line.end(&[first, fourth]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_proof_begins_after_a_shutdown_was_asked_for() {
    let mut line = Line::new(2, |config| config.drain = Duration::from_secs(3600)).await;
    let first = line.submit(1).await;
    assert_eq!(line.next().await, (1, InnerBegins));
    let second = line.submit(2).await;
    line.waiting(1).await;
    line.state.stopping.send_replace(true);
    line.waiting(0).await;
    line.inner.send(()).unwrap();
    line.wrap.send(()).unwrap();
    line.workers.await.unwrap();
    let steps = [line.steps.recv().await, line.steps.recv().await, line.steps.recv().await];
    assert_eq!(steps, [Some((1, InnerEnds)), Some((1, WrapBegins)), Some((1, WrapEnds))]);
    assert!(line.steps.try_recv().is_err(), "nothing of the second");
    assert_eq!(line.state.store.job(&first).await.unwrap().state, State::Proven);
    let second = line.state.store.job(&second).await.unwrap();
    assert_eq!((second.state, second.attempts), (State::Proving, 0), "it goes on after the next start");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_lasts_as_long_as_its_thread() {
    let mut line = Line::new(2, |config| config.lease = Duration::from_secs(3)).await;
    let first = line.submit(1).await;
    assert_eq!(line.next().await, (1, InnerBegins));
    line.state.store.break_leases().await.unwrap(); // nobody waits for the proof any more, and it still takes memory
    line.waiting(1).await; // the same job, taken up again
    let second = line.submit(2).await;
    line.waiting(2).await;
    line.inner.send(()).unwrap();
    assert_eq!(line.next().await, (1, InnerBegins), "the first attempt was told to stop, and has no end");
    for half in [&line.inner, &line.wrap] {
        half.send(()).unwrap();
        half.send(()).unwrap();
    }
    line.end(&[first, second]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proof_is_made_while_a_lock_is_in_flight() {
    let w = world!(false);
    let mut config = w.config();
    config.free = true;
    Market::new(config.chain.clone().unwrap()).unwrap().ensure_credit(Address::ZERO, 200_000).await.unwrap();
    let state = AppState::open(config, w.engine.clone()).await.unwrap();
    let escrows = [w.escrow(&state).await, w.escrow(&state).await];
    let mut paid = Vec::new();
    for escrow in &escrows {
        paid.push(w.submit(&state, escrow).await);
        w.fund(escrow).await;
    }
    let input = w.input();
    let request = json!({ "model": w.model.id, "input": input.data });
    w.anvil_call("evm_setAutomine", json!([false])).await;
    let workers = tokio::spawn(run_workers(state.clone()));
    // both jobs that are driven come to their locks, and locks are made one after the other: which one is first is not
    // said
    let pending = async |id: &str| state.store.pending_transaction(id, Purpose::Lock).await.unwrap();
    eventually("a lock is signed", async || pending(&paid[0]).await.is_some() || pending(&paid[1]).await.is_some())
        .await;
    if pending(&paid[0]).await.is_none() {
        paid.swap(0, 1);
    }
    w.in_mempool(pending(&paid[0]).await.unwrap().hash).await;
    until(&state, &paid[1], State::Locking).await;
    assert_eq!(pending(&paid[1]).await, None);
    let free = post(&state, "/v1/predictions", &[], &request).await.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(state.store.job(&free).await.unwrap().state, State::Queued);
    w.anvil_call("evm_mine", json!([])).await;
    until(&state, &paid[0], State::SettlementPending).await;
    until(&state, &free, State::Proven).await;
    assert_eq!(state.store.job(&paid[1]).await.unwrap().state, State::Locking, "its lock is not mined");
    w.anvil_call("evm_setAutomine", json!([true])).await;
    w.anvil_call("evm_mine", json!([])).await;
    for id in &paid {
        until(&state, id, State::Settled).await;
        assert_eq!(state.store.job(id).await.unwrap().attempts, 0);
    }
    crate::market::stop(state, workers).await;
}
