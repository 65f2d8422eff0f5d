//! The files of those who run a service: alerts and dashboards name metrics that there are, each alert has its section
//! in the runbook, the units call what there is, a backup is a service again, and logs and traces say which job they
//! are about.

use crate::money::Market;
use crate::otlp::Collector;
use crate::tool::{Running, assay, command, fixture, json, model, s};
use assay_api::store::{DeliveryState, State, WorkerInfo};
use assay_api::{Gauges, Metrics, PredictionTimes};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;

fn read(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)).unwrap()
}

/// The names of all metrics of a service.
fn metrics() -> BTreeSet<String> {
    let worker =
        WorkerInfo { id: "one".into(), cores: 1, memory_bytes: 1, device: "processor".into(), models: Vec::new() };
    let metrics = Metrics::default();
    metrics.solvent(true);
    let gauges = Gauges {
        jobs: vec![(State::Queued, 1)],
        oldest: vec![(State::Queued, 1)],
        workers: vec![worker],
        deliveries: vec![(DeliveryState::Pending, 1)],
        disk_free_bytes: Some(1),
    };
    let text = metrics.render(&gauges, &PredictionTimes::default());
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split(['{', ' ']).next().unwrap().to_owned())
        .collect()
}

/// The metrics of the service that an expression names.
fn named(expression: &str) -> BTreeSet<String> {
    let words = expression.split(|c: char| !(c.is_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("assay_")).map(str::to_owned).collect()
}

#[test]
fn alerts_and_dashboard_name_metrics_that_there_are() {
    let (known, runbook) = (metrics(), read("docs/runbook.md"));
    let alerts: Value = serde_saphyr::from_str(&read("deploy/alerts.yaml")).unwrap();
    let rules = alerts["groups"][0]["rules"].as_array().unwrap();
    assert!(rules.len() >= 8);
    for rule in rules {
        let (name, expression) = (rule["alert"].as_str().unwrap(), rule["expr"].as_str().unwrap());
        let used = named(expression);
        assert!(!used.is_empty() && used.is_subset(&known), "{name}: {:?}", used.difference(&known));
        assert!(runbook.contains(&format!("### {name}\n")), "the runbook says nothing of {name}");
        assert_eq!(rule["annotations"]["runbook"], format!("docs/runbook.md#{}", name.to_lowercase()));
        assert!(rule["annotations"]["summary"].is_string() && rule["labels"]["severity"].is_string());
    }
    let dashboard: Value = serde_json::from_str(&read("deploy/grafana.json")).unwrap();
    let mut shown = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            let used = named(target["expr"].as_str().unwrap());
            assert!(!used.is_empty() && used.is_subset(&known), "{}: {:?}", panel["title"], used.difference(&known));
            shown.extend(used);
        }
    }
    assert_eq!(shown, known, "the dashboard shows all there is");
}

#[test]
fn units_call_what_there_is() {
    for (file, command) in [("deploy/assay.service", "serve"), ("deploy/assay-backup.service", "backup")] {
        let unit = read(file);
        let line = unit.lines().find(|line| line.starts_with("ExecStart=")).unwrap();
        assert!(line.contains(&format!("/usr/local/bin/assay {command} ")), "{line}");
        let help = String::from_utf8(assay([command, "--help"]).stdout).unwrap();
        for option in line.split(' ').filter(|word| word.starts_with("--")) {
            assert!(help.contains(option), "assay {command} has no {option}");
        }
    }
    assert!(read("deploy/assay-backup.timer").contains("OnCalendar="));
    // systemd's own opinion, where it is installed
    let dir = tempfile::tempdir().unwrap();
    let units = ["assay.service", "assay-backup.service", "assay-backup.timer"].map(|name| {
        let path = dir.path().join(name);
        std::fs::write(
            &path,
            read(&format!("deploy/{name}")).replace("/usr/local/bin/assay", env!("CARGO_BIN_EXE_assay")),
        )
        .unwrap();
        path
    });
    match std::process::Command::new("systemd-analyze").arg("verify").args(&units).output() {
        Err(_) => println!("SKIPPED: systemd-analyze is not installed"),
        Ok(said) => assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr)),
    }
}

/// A free service on a data folder, and where it is.
fn serve(data: &Path, change: impl FnOnce(&mut std::process::Command)) -> (Running, String) {
    let mut server = command();
    server.args(["--json", "serve", "--models", s(model()), "--free", "--bind", "127.0.0.1:0", "--data", s(data)]);
    server.stderr(Stdio::null());
    change(&mut server);
    let (server, ready) = Running::start(&mut server);
    (server, ready["url"].as_str().unwrap().to_owned())
}

/// A prediction of a service, proven.
fn buy(url: &str) -> String {
    let key = model().with_extension("key");
    let bought =
        json(0, ["request", "--service", url, "--key", s(&key), "--input", s(&fixture("digit_7.json")), "--free"]);
    bought["prediction"].as_str().unwrap().to_owned()
}

/// What docs/runbook.md says of a backup: a copy that is made while the service runs is the service as it was, with its
/// keys, and its proofs verify.
#[test]
fn a_backup_is_a_service_again() {
    let dir = tempfile::tempdir().unwrap();
    let (data, copy) = (dir.path().join("data"), dir.path().join("copy"));
    let (mut server, url) = serve(&data, |_| {});
    let key = json(0, ["api-keys", "create", "shop", "--data", s(&data)])["key"].as_str().unwrap().to_owned();
    let id = buy(&url);
    let made = json(0, ["backup", "--data", s(&data), "-o", s(&copy)]);
    assert_eq!(made["proofs"], 1);
    server.kill();
    std::fs::remove_dir_all(&data).unwrap();
    let (_server, url) = serve(&copy, |_| {});
    let prediction = format!("{url}/v1/predictions/{id}");
    let verified = json(0, ["verify", "--prediction", &prediction, "--model", s(&model().with_extension("key"))]);
    assert_eq!(verified["valid"], true);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let listed = runtime.block_on(async {
        let client = assay_api::tls::client_builder().no_proxy().build().unwrap();
        client.get(format!("{url}/v1/predictions")).bearer_auth(&key).send().await.unwrap().status()
    });
    assert_eq!(listed, 200, "keys are restored too");
}

/// Log lines are JSON with the job's id, and spans of the job's way reach a collector in one trace.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_and_traces_follow_a_job() {
    let dir = tempfile::tempdir().unwrap();
    let collector = Collector::start().await;
    let log = dir.path().join("log");
    let file = std::fs::File::create(&log).unwrap();
    let data = dir.path().join("data");
    let (server, url) = tokio::task::block_in_place(|| {
        serve(&data, |server| {
            server.args(["--log-format", "json"]).stderr(file);
            server.envs(collector.variables());
        })
    });
    let id = tokio::task::block_in_place(|| buy(&url));
    collector.has(&["request", "queued", "proving", "inner proof", "wrap"], &id).await;
    drop(server);
    let lines: Vec<Value> =
        std::fs::read_to_string(&log).unwrap().lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let moves: Vec<&Value> =
        lines.iter().filter(|line| line["message"] == "a prediction moves" && line["job"] == id.as_str()).collect();
    assert!(moves.iter().any(|line| line["state"] == "proven"), "{lines:?}");
    assert!(moves.iter().all(|line| line["level"] == "INFO" && line["timestamp"].as_str().unwrap().ends_with('Z')));
}

/// From the request of a paid prediction to its settlement there is one trace, which says what took how long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_trace_leads_from_a_paid_request_to_its_settlement() {
    let Some(market) = Market::new().await else { return };
    let collector = Collector::start().await;
    let variables = collector.variables();
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let _server = market.serve_with(model(), &[], &variables);
    let (url, key, input) = (market.url(), model().with_extension("key"), fixture("digit_7.json"));
    let buy = ["request", "--service", &url, "--key", s(&key), "--input", s(&input), "--accept-development-key"];
    let bought = tokio::task::block_in_place(|| market.json(0, 2, &buy));
    let id = bought["prediction"].as_str().unwrap();
    let way = ["queued", "locking", "lock", "proving", "inner proof", "wrap", "settle"];
    let trace = collector.has(&way, id).await;
    let requests: Vec<_> = trace.iter().filter(|span| span.name == "request").collect();
    assert_eq!(requests.len(), 1, "the trace is that of the request which asked for the prediction");
    assert_eq!(
        (requests[0].attribute("method"), requests[0].attribute("path")),
        (Some("POST"), Some("/v1/predictions"))
    );
    let began = |name: &str| trace.iter().find(|span| span.name == name).unwrap().began_ns;
    let times: Vec<u64> = ["request", "locking", "proving", "settle"].map(began).to_vec();
    assert!(times.is_sorted(), "one step follows the other: {times:?}");
    assert_eq!(
        trace.iter().filter(|span| span.name == "settle" && span.attribute("hash").is_some()).count(),
        1,
        "one transaction settles"
    );
}
