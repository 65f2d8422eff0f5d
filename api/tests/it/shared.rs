//! Several processes of one service, which share a PostgreSQL database: servers that take requests and watch the chain,
//! workers that prove.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use alloy::primitives::{Address, B256};
use alloy::providers::Provider;
use assay_api::chain::abi::Erc20;
use assay_api::chain::abi::InferenceMarket::State as ChainState;
use assay_api::chain::account;
use assay_api::chain::deploy::{AUTHORIZED_TOKEN, Deployment};
use assay_api::chain::dev::DEV_KEYS;
use assay_api::config::{Role, ServeConfig, Terms};
use assay_api::engine::ModelInfo;
use assay_api::store::State;
use assay_api::x402::{PaymentRequired, Requirements, X402Config};
use assay_api::{AppState, run_workers};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::batches::{Wish, input, wishes};
use crate::fake::{Fake, eventually, post};
use crate::market::{World, config, crash, stop, until};
use crate::postgres::Postgres;
use crate::process::{Process, end_with_parent};
use crate::x402::{PRICE, authorised, header, mint, read};

/// A market, a database, and what the processes of a service are told.
struct Shop {
    world: World,
    database: Arc<Postgres>,
    url: String,
}

impl Shop {
    async fn new() -> Option<Self> {
        Some(Self::at(Postgres::database()?, World::new(false).await?))
    }

    fn at((database, url): (Arc<Postgres>, String), world: World) -> Self {
        Self { world, database, url }
    }

    fn config(&self, role: Role) -> ServeConfig {
        shared(self.world.config(), &self.url, role)
    }

    async fn start(&self, role: Role) -> (AppState, JoinHandle<()>) {
        let state = AppState::open(self.config(role), self.world.engine.clone()).await.unwrap();
        (state.clone(), tokio::spawn(run_workers(state)))
    }

    /// Sends `orders` paid predictions to servers in turn. Returns their ids.
    async fn order(&self, servers: &[&AppState], orders: usize) -> Vec<String> {
        let mut ids = Vec::new();
        for i in 0..orders {
            let server = servers[i % servers.len()];
            let escrow = self.world.escrow(server).await;
            ids.push(self.world.submit(server, &escrow).await);
            self.world.fund(&escrow).await;
        }
        ids
    }

    /// All are settled, each ended once, and the prover was paid for each once.
    async fn settled(&self, server: &AppState, ids: &[String]) {
        for id in ids {
            until(server, id, State::Settled).await;
            assert_eq!(self.ends(server, id).await, [State::Settled], "{id} ends once");
        }
        self.world.paid_for(ids.len() as u64).await;
    }
}

fn shared(config: ServeConfig, url: &str, role: Role) -> ServeConfig {
    let lease = Duration::from_secs(2);
    ServeConfig { database_url: Some(url.to_owned().into()), role, lease, drain: Duration::from_secs(5), ..config }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_and_two_workers_share_the_work() {
    let Some(shop) = Shop::new().await else { return };
    shop.world.engine.step_ms.store(20, SeqCst);
    let [(one, one_task), (two, two_task)] = [shop.start(Role::Api).await, shop.start(Role::Api).await];
    let mut workers = Vec::new();
    for _ in 0..2 {
        workers.push(shop.start(Role::Worker).await);
    }
    eventually("both workers are known", async || one.store.workers(60_000).await.unwrap().len() == 2).await;
    let known = one.store.workers(60_000).await.unwrap();
    assert!(
        known.iter().all(|w| w.cores > 0 && w.models == [shop.world.model.id] && w.device == "processor"),
        "{known:?}"
    );
    let ids = shop.order(&[&one, &two], 8).await;
    shop.settled(&two, &ids).await;
    // what one server was asked, the other one answers, and each knows a repeated request
    let free = json!({ "model": shop.world.model.id, "input": [1, 2, 3, 4] });
    let refused = post(&two, "/v1/predictions", &[("idempotency-key", "a")], &free).await;
    refused.is_problem(402, "payment-required");
    assert_eq!(shop.world.engine.proofs.load(SeqCst), 8, "each is proven once");
    for (state, task) in workers {
        stop(state, task).await;
    }
    eventually("the workers have said goodbye", async || one.store.workers(60_000).await.unwrap().is_empty()).await;
    stop(one, one_task).await;
    stop(two, two_task).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dead_worker_had_begun_another_one_ends() {
    let Some(shop) = Shop::new().await else { return };
    shop.world.engine.step_ms.store(300, SeqCst);
    let (server, watching) = shop.start(Role::Api).await;
    let (first, proving) = shop.start(Role::Worker).await;
    let ids = shop.order(&[&server], 2).await;
    until(&server, &ids[0], State::Proving).await;
    crash(first, proving).await;
    shop.world.engine.step_ms.store(5, SeqCst);
    // the server, too, is started again
    crash(server, watching).await;
    let (server, watching) = shop.start(Role::Api).await;
    let (second, proving) = shop.start(Role::Worker).await;
    shop.settled(&server, &ids).await;
    stop(second, proving).await;
    stop(server, watching).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_may_pause() {
    // a server of its own: others' tests do not wait
    let Some(database) = Postgres::alone() else { return };
    let Some(world) = World::new(false).await else { return };
    let shop = Shop::at(database, world);
    shop.world.engine.step_ms.store(100, SeqCst);
    let (server, watching) = shop.start(Role::Api).await;
    let workers = [shop.start(Role::Worker).await, shop.start(Role::Worker).await];
    let ids = shop.order(&[&server], 4).await;
    until(&server, &ids[0], State::Proving).await;
    // longer than a lease: whoever held a job may have lost it, and finds that out
    shop.database.pause(Duration::from_secs(4)).await;
    shop.settled(&server, &ids).await;
    for (state, task) in workers {
        stop(state, task).await;
    }
    stop(server, watching).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_may_be_restarted() {
    let Some(database) = Postgres::alone() else { return };
    let Some(world) = World::new(false).await else { return };
    let shop = Shop::at(database, world);
    shop.world.engine.step_ms.store(100, SeqCst);
    let (server, watching) = shop.start(Role::Api).await;
    let workers = [shop.start(Role::Worker).await, shop.start(Role::Worker).await];
    let ids = shop.order(&[&server], 4).await;
    until(&server, &ids[0], State::Proving).await;
    shop.database.restart().await;
    eventually("the store answers again", async || server.store.job(&ids[3]).await.is_ok()).await;
    shop.settled(&server, &ids).await;
    let proofs = shop.world.engine.proofs.load(SeqCst);
    assert!((4..=6).contains(&proofs), "at most what the two workers were at is proven again: {proofs}");
    for (state, task) in workers {
        stop(state, task).await;
    }
    stop(server, watching).await;
}

/// `kill -9` of a worker's process while it proves: nobody lets go of the job, and its lease has to run out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_killed_in_the_middle_of_a_proof_is_replaced() {
    let Some(shop) = Shop::new().await else { return };
    let (server, watching) = shop.start(Role::Api).await;
    let mut slow = shop.spawn(300); // three seconds for a proof
    let ids = shop.order(&[&server], 1).await;
    let begun = async || {
        let events = server.store.events(&ids[0], 0, 1000).await.unwrap();
        events.iter().filter(|event| event.kind == "progress" && event.data["phase"] == "commit").count()
    };
    eventually("it proves", async || begun().await > 0).await;
    slow.kill();
    assert_eq!(server.store.job(&ids[0]).await.unwrap().state, State::Proving);
    let before = begun().await;
    let other = shop.spawn(5);
    shop.settled(&server, &ids).await;
    assert!(begun().await > before, "another worker began the proof anew");
    drop(other);
    stop(server, watching).await;
}

/// What a worker's process is told.
#[derive(Serialize, Deserialize)]
struct Told {
    dir: String,
    rpc: String,
    at: Deployment,
    model: ModelInfo,
    url: String,
    step_ms: u64,
}

/// A worker that is killed: this test binary, started again with [`Told`] in its environment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it is a worker of other tests"]
async fn worker() {
    let Ok(told) = std::env::var("ASSAY_TEST_WORKER") else { return };
    end_with_parent();
    let told: Told = serde_json::from_str(&told).unwrap();
    let terms = Terms { price: 1_000_000, collateral: 100_000, ..Terms::default() };
    let config = config(Path::new(&told.dir), &told.rpc, &told.at, &DEV_KEYS[1].parse().unwrap(), terms);
    let engine = Fake::with_model(told.model);
    engine.step_ms.store(told.step_ms, SeqCst);
    let config = ServeConfig { free: true, ..shared(config, &told.url, Role::Worker) };
    assay_api::work(config, engine, assay_api::signalled(), |_| {}).await.unwrap();
}

impl Shop {
    fn spawn(&self, step_ms: u64) -> Process {
        let told = Told {
            dir: self.world.dir.path().display().to_string(),
            rpc: self.world.anvil.url().to_owned(),
            at: self.world.at.clone(),
            model: self.world.model.clone(),
            url: self.url.clone(),
            step_ms,
        };
        Process::of_test("shared::worker", "ASSAY_TEST_WORKER", &serde_json::to_string(&told).unwrap())
    }
}

/// Jobs of all kinds.
#[derive(Default)]
struct Mixed {
    /// Paid, each proven alone.
    alone: Vec<String>,
    /// Paid, proven with others where there are.
    together: Vec<String>,
    /// Paid by x402.
    captured: Vec<String>,
    /// Free, proven with others where there are.
    free: Vec<String>,
    /// Free, and withdrawn at once: whoever is quicker.
    withdrawn: Vec<String>,
}

impl Shop {
    /// A server, and `jobs` jobs of all kinds on `workers` workers, of which one is killed and replaced every `every`.
    /// Returns how long it took.
    async fn mixed(&self, jobs: usize, workers: usize, every: Duration) -> Duration {
        let mut config =
            ServeConfig { free: true, unfunded_per_client: 1000, queue_max: 100_000, ..self.config(Role::Api) };
        let token = self.token(jobs).await;
        config.chain.as_mut().unwrap().x402 = Some(X402Config { token, price: Some(PRICE) });
        let offer = self.offer(&config).await;
        let server = AppState::open(config, self.world.engine.clone()).await.unwrap();
        let watching = tokio::spawn(run_workers(server.clone()));
        let began = std::time::Instant::now();
        let work = async {
            let all = self.ask(&server, &offer, jobs).await;
            self.all_end(&server, &all, token).await;
        };
        let mut running: Vec<Process> = (0..workers).map(|_| self.spawn(20)).collect();
        let killing = async {
            for turn in 0.. {
                tokio::time::sleep(every).await;
                let victim = turn % workers;
                running[victim].kill();
                running[victim] = self.spawn(20);
            }
        };
        tokio::select! {
            () = work => {}
            () = killing => {}
        }
        let took = began.elapsed();
        drop(running);
        stop(server, watching).await;
        took
    }

    /// A token, of which the buyer has enough for so many payments.
    async fn token(&self, payments: usize) -> Address {
        let world = &self.world;
        let (token, _) = AUTHORIZED_TOKEN.deploy(&world.rpc, &world.seller, Vec::new()).await.unwrap();
        mint(world, token, world.buyer.address(), PRICE * payments as u128).await;
        token
    }

    /// What is asked for where nothing is free.
    async fn offer(&self, config: &ServeConfig) -> Requirements {
        let strict =
            AppState::open(ServeConfig { free: false, ..config.clone() }, self.world.engine.clone()).await.unwrap();
        let body = json!({ "model": self.world.model.id, "input": [1, 2, 3, 4] });
        let answer = post(&strict, "/v1/predictions", &[], &body).await;
        read::<PaymentRequired>(&answer, "payment-required").accepts.remove(0)
    }

    async fn ask(&self, server: &AppState, offer: &Requirements, jobs: usize) -> Mixed {
        let (mut all, buyers) = (Mixed::default(), self.world.anvil.accounts());
        for n in 0..jobs {
            match n % 5 {
                0 => {
                    let wish = Wish::new(server, self.world.engine.as_ref(), &buyers[2], input(1), 1).await;
                    all.alone.push(wish.send(server).await);
                    wish.fund(server).await;
                }
                1 | 2 => {
                    let wish =
                        wishes(server, self.world.engine.as_ref(), &buyers[2..4], vec![input(2)]).await.remove(0);
                    all.together.push(wish.send(server).await);
                    wish.fund(server).await;
                }
                3 => {
                    let header =
                        header(&authorised(&self.world.buyer, offer, B256::left_padding_from(&n.to_be_bytes())));
                    let body = json!({ "model": self.world.model.id, "input": [1, 2, 3, 3] });
                    let answer = post(server, "/v1/predictions", &[("payment-signature", &header)], &body).await;
                    all.captured.push(answer.json()["id"].as_str().unwrap().to_owned());
                }
                _ => {
                    let body = json!({ "model": self.world.model.id, "input": [1, 2, 3, n % 50], "batch": 64 });
                    let id =
                        post(server, "/v1/predictions", &[], &body).await.json()["id"].as_str().unwrap().to_owned();
                    if n % 10 == 9 {
                        post(server, &format!("/v1/predictions/{id}/cancel"), &[], &json!({})).await;
                        all.withdrawn.push(id);
                    } else {
                        all.free.push(id);
                    }
                }
            }
        }
        all
    }

    /// Every job ends once, in the state that it must, and each paid one is paid once.
    async fn all_end(&self, server: &AppState, all: &Mixed, token: Address) {
        let paid: Vec<String> = all.alone.iter().chain(&all.together).cloned().collect();
        self.settled(server, &paid).await;
        for id in &paid {
            let job = server.store.job(id).await.unwrap().chain_job.unwrap();
            let record = account::job(&self.world.rpc, self.world.at.market, job).await.unwrap();
            assert_eq!(record.state, ChainState::Settled, "what was funded is not forgotten");
        }
        for id in &all.captured {
            until(server, id, State::Settled).await;
            assert_eq!(self.ends(server, id).await, [State::Settled], "{id} ends once");
        }
        let payee = Erc20::balanceOfCall { account: self.world.seller.address() };
        let paid: u128 = self.world.rpc.call(token, &payee).await.unwrap().to();
        assert_eq!(paid, PRICE * all.captured.len() as u128, "each is captured once");
        for id in &all.free {
            until(server, id, State::Proven).await;
            let hash: B256 = server.store.job(id).await.unwrap().proof_hash.unwrap();
            assert!(server.blobs.get(hash).await.unwrap().is_some(), "its proof is there");
        }
        for id in &all.withdrawn {
            eventually("it ends", async || server.store.job(id).await.unwrap().state.is_terminal()).await;
        }
        for id in all.free.iter().chain(&all.withdrawn) {
            assert_eq!(self.ends(server, id).await.len(), 1, "{id} ends once");
        }
    }

    /// The ends of a job, in the order in which they were written.
    async fn ends(&self, server: &AppState, id: &str) -> Vec<State> {
        let events = server.store.events(id, 0, 10_000).await.unwrap();
        let states = events.iter().filter(|event| event.kind == "state");
        states
            .map(|event| event.data["state"].as_str().unwrap().parse::<State>().unwrap())
            .filter(|state| state.is_terminal())
            .collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_of_all_kinds_while_one_worker_after_the_other_is_killed() {
    let Some(database) = Postgres::database() else { return };
    let Some(world) = World::with_batch(2).await else { return };
    Shop::at(database, world).mixed(40, 4, Duration::from_millis(1500)).await;
}

/// `make scale`: the same with a thousand, and how many jobs a second there are without kills.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it takes many minutes"]
async fn a_thousand_jobs() {
    let jobs = std::env::var("ASSAY_SCALE_JOBS").map_or(1000, |text| text.parse().unwrap());
    let Some(database) = Postgres::alone() else { return };
    let Some(world) = World::with_batch(2).await else { return };
    let took = Shop::at(database, world).mixed(jobs, 4, Duration::from_secs(3)).await.as_secs_f64();
    println!("{jobs} mixed jobs, 4 workers, one killed every 3 s: {took:.1} s, {:.1} jobs/s", jobs as f64 / took);
}

/// `make scale`: jobs per second with proofs that only sleep, for 250 ms each, so that what is measured is what is
/// around them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it measures"]
async fn jobs_per_second() {
    for workers in [1, 2, 4] {
        let Some(database) = Postgres::alone() else { return };
        let Some(world) = World::new(false).await else { return };
        let shop = Shop::at(database, world);
        let config =
            ServeConfig { free: true, queue_max: 100_000, unfunded_per_client: 1000, ..shop.config(Role::Api) };
        let server = AppState::open(config, shop.world.engine.clone()).await.unwrap();
        let watching = tokio::spawn(run_workers(server.clone()));
        let body = json!({ "model": shop.world.model.id, "input": [1, 2, 3, 4] });
        let mut free = Vec::new();
        for _ in 0..200 {
            free.push(post(&server, "/v1/predictions", &[], &body).await.json()["id"].as_str().unwrap().to_owned());
        }
        let measured = shop.measure(&server, workers, &free, State::Proven).await;
        println!("{workers} workers: {measured:.1} free jobs/s");
        let paid = shop.order(&[&server], 60).await;
        let measured = shop.measure(&server, workers, &paid, State::Settled).await;
        println!("{workers} workers: {measured:.1} paid jobs/s");
        stop(server, watching).await;
    }
}

impl Shop {
    /// Jobs per second from the first worker's start to the last job's end.
    async fn measure(&self, server: &AppState, workers: usize, ids: &[String], end: State) -> f64 {
        let began = std::time::Instant::now();
        let running: Vec<Process> = (0..workers).map(|_| self.spawn(25)).collect();
        for id in ids {
            until(server, id, end).await;
        }
        drop(running);
        ids.len() as f64 / began.elapsed().as_secs_f64()
    }
}

/// The chain takes back a lock while two servers watch it: each sees its events twice, and nothing happens twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_watch_a_chain_that_is_reorganised() {
    let Some(shop) = Shop::new().await else { return };
    let [(one, one_task), (two, two_task)] = [shop.start(Role::Api).await, shop.start(Role::Api).await];
    shop.world.engine.step_ms.store(150, SeqCst);
    let ids = shop.order(&[&one, &two], 2).await;
    eventually("both are funded", async || {
        let counts = one.store.counts().await.unwrap();
        counts.iter().any(|(state, n)| *state == State::Queued && *n == 2)
    })
    .await;
    let provider = shop.world.rpc.provider();
    let before: Value = provider.raw_request("evm_snapshot".into(), ()).await.unwrap();
    let (worker, proving) = shop.start(Role::Worker).await;
    until(&one, &ids[0], State::Proving).await;
    let reverted: bool = provider.raw_request("evm_revert".into(), [before]).await.unwrap();
    assert!(reverted);
    shop.settled(&two, &ids).await;
    stop(worker, proving).await;
    stop(one, one_task).await;
    stop(two, two_task).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_drains_on_sigterm() {
    let Some(shop) = Shop::new().await else { return };
    let (server, watching) = shop.start(Role::Api).await;
    let mut slow = shop.spawn(150); // a second and a half for a proof
    let ids = shop.order(&[&server], 2).await;
    until(&server, &ids[0], State::Proving).await;
    slow.terminate();
    let ended = tokio::task::spawn_blocking(move || slow.wait()).await.unwrap();
    assert!(ended.success(), "it ends by itself");
    // what it let go of is free at once, and another one goes on
    let (other, proving) = shop.start(Role::Worker).await;
    shop.settled(&server, &ids).await;
    stop(other, proving).await;
    stop(server, watching).await;
}
