//! The files of deploy/ and compose.yaml: they are YAML, and name only commands and options that there are.

use crate::tool::{assay, command, fixture, json, s};
use alloy::primitives::Address;
use assay_api::chain::abi::InferenceMarket;
use assay_api::chain::dev::{DEV_KEYS, DevChain, DevChainError};
use serde_json::Value;
use std::path::Path;
use std::process::{Child, Command, Stdio};

fn read(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)).unwrap()
}

/// Whether `assay COMMAND --help` knows these options.
fn options_are_known(command: &str, options: &[&str]) {
    let help = assay([command, "--help"]);
    assert!(help.status.success(), "there is no command {command}");
    let help = String::from_utf8(help.stdout).unwrap();
    for option in options {
        let name = option.split('=').next().unwrap();
        assert!(help.split([' ', ',', '\n']).any(|word| word == name), "assay {command} has no {name}");
    }
}

/// Calls of `assay` in a script, each on a line of its own.
fn calls_are_known(script: &str) -> usize {
    let mut calls = 0;
    for line in script.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split([' ', '(', ')', '|']).collect();
        let Some(at) = words.iter().position(|word| *word == "assay") else { continue };
        let mut words = words[at + 1..].iter().copied();
        let command = words.find(|word| !word.starts_with('-')).unwrap();
        options_are_known(command, &words.filter(|word| word.starts_with("--")).collect::<Vec<_>>());
        calls += 1;
    }
    calls
}

#[test]
fn compose_starts_what_there_is() {
    let compose: Value = serde_saphyr::from_str(&read("compose.yaml")).unwrap();
    let services = compose["services"].as_object().unwrap();
    for (service, part) in [("api", "serve"), ("worker", "worker")] {
        let script = services[service]["command"][0].as_str().unwrap();
        assert!(script.contains(&format!("exec assay {part} ")) && calls_are_known(script) == 1, "{script}");
        for (other, _) in services[service]["depends_on"].as_object().unwrap() {
            assert!(services.contains_key(other), "{service} waits for {other}");
        }
    }
    assert_eq!(services["worker"]["deploy"]["replicas"], 2);
    assert!(services["database"]["image"].as_str().unwrap().contains("postgres"));
    assert!(services["chain"]["entrypoint"][0] == "anvil");
    let script = read("deploy/shop.sh");
    assert!(calls_are_known(&script) >= 5, "{script}");
    assert!(read("deploy/Containerfile").contains("COPY deploy/shop.sh /usr/local/bin/assay-shop"));
}

/// A shell with the tests' settings, where `assay` is this build's.
fn shell() -> Command {
    let tools = Path::new(env!("CARGO_BIN_EXE_assay")).parent().unwrap();
    let path = std::env::join_paths(
        std::iter::once(tools.to_owned()).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let mut shell = Command::new("sh");
    for (name, value) in command().get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell.env("PATH", path.unwrap());
    shell
}

/// Runs the script that makes what is sold.
fn open_shop(root: &Path, rpc: &str, dir: &Path) {
    let mut script = shell();
    script.env("MODELS", root.join("fixtures/models")).env("ASSAY_RPC", rpc).env("ASSAY_PRIVATE_KEY", DEV_KEYS[0]);
    let output = script.arg(root.join("deploy/shop.sh")).arg(dir).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A process of `compose.yaml`, killed when dropped.
struct Service(Child);

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where a composition's parts are on this machine.
struct Places<'a> {
    shared: &'a Path,
    rpc: &'a str,
    database: &'a str,
}

impl Places<'_> {
    /// Starts a service by its own command line. In a container it has a machine of its own; here its port is `port`.
    fn start(&self, compose: &Value, name: &str, port: u16) -> Service {
        let service = &compose["services"][name];
        let script = service["command"][0]
            .as_str()
            .unwrap()
            .replace("$$", "$")
            .replace("/shared", self.shared.to_str().unwrap());
        let (before, after) = script.split_once("--bind 0.0.0.0:").unwrap();
        let rest = after.split_once(' ').unwrap().1;
        let mut process = shell();
        for (setting, value) in service["environment"].as_object().unwrap() {
            process.env(setting, value.as_str().unwrap());
        }
        process.env("ASSAY_RPC", self.rpc).env("DATABASE_URL", self.database).env("ASSAY_OPERATOR_TOKEN", "operator");
        let log = std::fs::File::create(self.shared.join(format!("{name}-{port}.log"))).unwrap();
        let script = format!("{before}--bind 127.0.0.1:{port} {rest}");
        Service(process.args(["-c", &script]).stdout(Stdio::null()).stderr(log).spawn().unwrap())
    }
}

/// Waits until an address answers with 200.
async fn until_it_answers(url: &str) {
    let client = assay_api::tls::client_builder().no_proxy().build().unwrap();
    for _ in 0..1200 {
        if client.get(url).send().await.is_ok_and(|answer| answer.status() == 200) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("{url} does not answer");
}

/// The command lines of `compose.yaml` as processes of this machine: paid answers, also after one of the workers was
/// killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_compose_starts_sells() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let chain = match DevChain::start(&root).await {
        Ok(chain) => chain,
        Err(e @ DevChainError::NotFound) => return println!("SKIPPED: {e}"),
        Err(e) => panic!("{e}"),
    };
    let Some((_database, database)) = crate::postgres::Postgres::database() else { return };
    let compose: Value = serde_saphyr::from_str(&read("compose.yaml")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    open_shop(&root, chain.url(), dir.path());
    let [api, one, two] =
        [(); 3].map(|()| std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port());
    let places = Places { shared: dir.path(), rpc: chain.url(), database: &database };
    let _server = places.start(&compose, "api", api);
    let mut workers = [one, two].map(|port| places.start(&compose, "worker", port));
    for port in [api, one, two] {
        until_it_answers(&format!("http://127.0.0.1:{port}/livez")).await;
    }
    until_it_answers(&format!("http://127.0.0.1:{api}/readyz")).await;
    let market = std::fs::read_to_string(dir.path().join("market")).unwrap();
    let (service, key, input) =
        (format!("http://127.0.0.1:{api}"), dir.path().join("models/digits.key"), fixture("digit_7.json"));
    let place = ["--service", &service, "--rpc", chain.url(), "--market", market.trim(), "--private-key", DEV_KEYS[2]];
    let buy = [&["request", "--key", s(&key), "--input", s(&input), "--accept-development-key"], &place[..]].concat();
    let bought = || json(0, &buy);
    for killed in [false, true] {
        if killed {
            workers[0].0.kill().unwrap();
        }
        let answer = tokio::task::block_in_place(bought);
        assert_eq!((&answer["state"], &answer["verified"]), (&Value::from("settled"), &Value::from(true)), "{answer}");
    }
}

/// The script that makes what `compose.yaml` sells, on a development chain.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shop_opens_once() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let chain = match DevChain::start(&root).await {
        Ok(chain) => chain,
        Err(e @ DevChainError::NotFound) => return println!("SKIPPED: {e}"),
        Err(e) => panic!("{e}"),
    };
    let dir = tempfile::tempdir().unwrap();
    let open = || open_shop(&root, chain.url(), dir.path());
    open();
    let market: Address = std::fs::read_to_string(dir.path().join("market")).unwrap().trim().parse().unwrap();
    let keys = chain.rpc().unwrap().call(market, &InferenceMarket::keysCall {}).await.unwrap();
    assert!(!keys.is_zero(), "a market is there");
    for name in ["digits.assay", "digits.pk", "digits.key", "digits.x8s.pk", "digits.x8s.key"] {
        assert!(dir.path().join("models").join(name).is_file(), "{name}");
    }
    let block = chain.rpc().unwrap().block_number().await.unwrap();
    open();
    assert_eq!(chain.rpc().unwrap().block_number().await.unwrap(), block, "the second time it does nothing");
    // a chain that begins anew gets everything again, where it was
    let package = std::fs::read(dir.path().join("models/digits.assay")).unwrap();
    drop(chain);
    let chain = DevChain::start(&root).await.unwrap();
    open_shop(&root, chain.url(), dir.path());
    assert_eq!(std::fs::read_to_string(dir.path().join("market")).unwrap().trim().parse(), Ok(market));
    assert_eq!(chain.rpc().unwrap().call(market, &InferenceMarket::keysCall {}).await.unwrap(), keys);
    assert!(std::fs::read(dir.path().join("models/digits.assay")).unwrap() == package, "the model stays as it is");
}

#[test]
fn kubernetes_starts_what_there_is() {
    let documents: Vec<Value> = serde_saphyr::from_multiple(&read("deploy/kubernetes.yaml")).unwrap();
    let kinds: Vec<&str> = documents.iter().map(|document| document["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["ConfigMap", "Service", "Deployment", "Deployment", "ScaledObject"]);
    let settings = ["ASSAY_RPC", "ASSAY_RPC_FALLBACK", "ASSAY_MARKET"];
    let help = String::from_utf8(assay(["worker", "--help"]).stdout).unwrap();
    for name in settings {
        assert!(documents[0]["data"][name].is_string() && help.contains(&format!("{name}=")), "{name}");
    }
    for deployment in &documents[2..4] {
        let pod = &deployment["spec"]["template"];
        assert_eq!(deployment["spec"]["selector"]["matchLabels"], pod["metadata"]["labels"]);
        let arguments: Vec<&str> = pod["spec"]["containers"][0]["args"]
            .as_array()
            .unwrap()
            .iter()
            .map(|argument| argument.as_str().unwrap())
            .collect();
        options_are_known(arguments[0], &arguments[1..]);
    }
    assert_eq!(documents[1]["spec"]["selector"], documents[2]["spec"]["template"]["metadata"]["labels"]);
    // whoever watches finds both, and is let in where they listen
    for (deployment, port) in [(&documents[2], "8080"), (&documents[3], "9090")] {
        let pod = &deployment["spec"]["template"];
        let container = &pod["spec"]["containers"][0];
        let bind = format!("--bind=0.0.0.0:{port}");
        assert!(container["args"].as_array().unwrap().iter().any(|argument| *argument == *bind), "{container}");
        assert_eq!(container["ports"][0]["containerPort"].to_string(), port);
        for probe in ["livenessProbe", "startupProbe"] {
            let asked = &container[probe]["httpGet"];
            assert_eq!(
                (&asked["path"], &asked["port"]),
                (&Value::from("/livez"), &container["ports"][0]["name"]),
                "{probe}"
            );
        }
        let annotations = &pod["metadata"]["annotations"];
        assert_eq!(
            (&annotations["prometheus.io/scrape"], &annotations["prometheus.io/port"]),
            (&Value::from("true"), &Value::from(port))
        );
    }
    let scaled = &documents[4]["spec"];
    assert_eq!(scaled["scaleTargetRef"]["name"], documents[3]["metadata"]["name"]);
    let trigger = &scaled["triggers"][0];
    assert_eq!(trigger["metadata"]["connectionFromEnv"], "DATABASE_URL");
    // what it asks the database is a query that the database takes
    let Some((_database, url)) = crate::postgres::Postgres::database() else { return };
    let query = trigger["metadata"]["query"].as_str().unwrap().to_owned();
    let length = tokio::runtime::Runtime::new().unwrap().block_on(async {
        let store = assay_api::store::Store::connect(&url, assay_api::store::News::Work).await.unwrap();
        store.close().await;
        let mut connection = <sqlx::PgConnection as sqlx::Connection>::connect(&url).await.unwrap();
        sqlx::query_scalar::<_, i64>(sqlx::AssertSqlSafe(query)).fetch_one(&mut connection).await.unwrap()
    });
    assert_eq!(length, 0);
}
