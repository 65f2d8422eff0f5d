//! Jobs per second of the whole service with one and with two jobs at a time: `cargo bench -p assay-api --bench jobs`.
//! Eight free predictions of LeNet-5 over HTTP, from the first request to the last proof; in rounds, so that a busy
//! machine disturbs both alike; the ratio is the median of the rounds'.

use std::sync::Arc;
use std::time::Instant;

use assay_api::client::Client;
use assay_api::config::ServeConfig;
use assay_api::engine::Engine;
use assay_api::engine::native::NativeEngine;
use assay_api::serve;
use assay_api::store::State;
use assay_circuits::sample;
use assay_circuits::shape::Shape;
use assay_prover::package::{BuyerKey, Metadata, Package};
use assay_prover::seller::Seller;
use assay_prover::srs::Srs;
use assay_prover::wrap::{System, WrapProvingKey};
use serde_json::json;

const LOG_CHUNK: u32 = 16;
const JOBS: usize = 8;
const ROUNDS: usize = 5;

fn engine() -> NativeEngine {
    let (architecture, weights) = sample::lenet5();
    let shape = Shape::new(architecture.clone(), LOG_CHUNK).expect("a shape");
    let srs = Srs::development(WrapProvingKey::srs_log(System::Universal, &shape).expect("its powers"));
    let package = Package::new(Metadata::default(), architecture, weights, LOG_CHUNK, &srs).expect("a package");
    let proving = WrapProvingKey::universal(&package.model.shape, &srs).expect("a key");
    let key = BuyerKey::new(&package, proving.verifying_key(), false);
    let engine = NativeEngine::new();
    engine
        .add(None, Seller::new(package, srs).expect("its own SRS").with_wrap_key(proving), key)
        .expect("the first model");
    engine
}

/// Seconds for all jobs.
async fn round(engine: Arc<NativeEngine>, jobs_max: u32) -> f64 {
    let dir = tempfile::tempdir().expect("a folder");
    let config = ServeConfig { jobs_max, bind: ([127, 0, 0, 1], 0).into(), ..ServeConfig::free(dir.path()) };
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let (tell, told) = tokio::sync::oneshot::channel();
    let shutdown = async { drop(ended.await) };
    let ready = |address| tell.send(address).expect("somebody waits for it");
    let server = tokio::spawn(serve(config, engine, shutdown, ready));
    let client = Client::new(&format!("http://{}", told.await.expect("an address"))).expect("a client");
    let model = client.models().await.expect("models").remove(0);
    let input: Vec<f32> = (0..model.input_len().expect("a length")).map(|i| (i as f32 * 0.37).sin()).collect();
    let request = serde_json::from_value(json!({ "model": model.id, "input": input })).expect("a request");
    let start = Instant::now();
    let mut made = Vec::new();
    for _ in 0..JOBS {
        made.push(client.predict(&request, None, None).await.expect("a prediction"));
    }
    for job in made {
        assert_eq!(client.follow(&job.id, |_| ()).await.expect("its end").state, State::Proven);
    }
    let secs = start.elapsed().as_secs_f64();
    drop(client);
    end.send(()).expect("a server");
    server.await.expect("no panic").expect("an end");
    secs
}

#[tokio::main]
async fn main() {
    let engine = Arc::new(engine());
    println!(
        "{} parameters, {} threads",
        engine.models()[0].parameters,
        std::thread::available_parallelism().map_or(0, usize::from)
    );
    let mut rounds = Vec::new();
    for number in 1..=ROUNDS {
        let (one, two) = (round(engine.clone(), 1).await, round(engine.clone(), 2).await);
        println!(
            "round {number}: {JOBS} jobs in {one:.2} s one at a time, {two:.2} s two at a time, {:.2} times as many",
            one / two
        );
        rounds.push([one, two, one / two]);
    }
    let median = |column: usize| {
        let mut values: Vec<f64> = rounds.iter().map(|r| r[column]).collect();
        values.sort_by(f64::total_cmp);
        values[ROUNDS / 2]
    };
    let [one, two] = [0, 1].map(|column| JOBS as f64 / median(column));
    println!("median: {one:.2} jobs/s one at a time, {two:.2} two at a time, {:.2} times as many", median(2));
}
