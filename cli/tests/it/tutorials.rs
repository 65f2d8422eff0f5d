//! The commands of the tutorials, run as a reader runs them: every `sh` block of a page, in order, in one shell and one
//! folder. A block `sh server` is the second terminal, and a block `sh worker` the third one: it ends what ran there
//! before, and is waited for until it serves.

use crate::postgres::Postgres;
use crate::tool::{command, s};
use assay_api::chain::dev::find_anvil;
use std::fmt::Write;
use std::path::{Path, PathBuf};

const FUNCTIONS: &str = r#"set -euo pipefail
server= worker=
close() { [ -z "$1" ] || { kill -TERM $1 2>/dev/null || true; wait $1 || true; }; }
trap 'close "$worker"; close "$server"' EXIT
# of a process, its log and its port
until_served() {
  for _ in $(seq 1200); do
    curl -sf "http://127.0.0.1:$3/livez" >/dev/null && return
    kill -0 $1 2>/dev/null || break
    sleep 0.1
  done
  cat $2 >&2
  exit 1
}
"#;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The terminals of a page.
#[derive(Clone, Copy)]
enum Terminal {
    First,
    /// With the port that is asked whether it serves.
    Other(&'static str, u16),
}

/// The blocks of a page that are run, and where.
fn blocks(page: &str, port: u16, worker_port: u16) -> Vec<(Terminal, String)> {
    let mut found: Vec<(Terminal, String)> = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        match (inside, line) {
            (false, "```sh" | "```sh server" | "```sh worker") => {
                let terminal = match line {
                    "```sh server" => Terminal::Other("server", port),
                    "```sh worker" => Terminal::Other("worker", worker_port),
                    _ => Terminal::First,
                };
                found.push((terminal, String::new()));
                inside = true;
            }
            (true, "```") => inside = false,
            (true, line) => found.last_mut().unwrap().1.push_str(&format!("{line}\n")),
            _ => {}
        }
    }
    assert!(!inside && !found.is_empty());
    found
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn run(page: &str) {
    run_with(page, &[]);
}

/// The same with settings that the page asks for.
fn run_with(page: &str, settings_of_page: &[(&str, &str)]) {
    let anvil = find_anvil(&root());
    let text = std::fs::read_to_string(root().join(format!("docs/tutorials/{page}.md"))).unwrap();
    if text.contains("assay up") && anvil.is_none() {
        return println!("SKIPPED: anvil is not installed");
    }
    // where npm puts Foundry's programs
    let tools = root().join("verifier-contracts/node_modules/.bin");
    if text.contains("cast call") && !tools.join("cast").exists() {
        return println!("SKIPPED: cast is not installed");
    }
    let [port, chain_port, worker_port] = [free_port(), free_port(), free_port()];
    let dir = tempfile::tempdir().unwrap();
    let mut script = FUNCTIONS.to_owned();
    for (terminal, block) in blocks(&text, port, worker_port) {
        // the ports of the page may be taken on this machine
        let ports = [("127.0.0.1:8080", port), ("127.0.0.1:8545", chain_port), ("127.0.0.1:9090", worker_port)];
        let block = ports.iter().fold(block, |block, (there, here)| block.replace(there, &format!("127.0.0.1:{here}")));
        let block = block.replace(
            "assay up",
            &format!("assay up --bind 127.0.0.1:{port} --chain-port {chain_port} --root \"$ROOT\""),
        );
        let block = block.trim_end();
        match terminal {
            Terminal::First => writeln!(script, "{block}").unwrap(),
            Terminal::Other(name, port) => {
                write!(
                    script,
                    "close \"${name}\"\n{block} > {name}.log 2>&1 &\n{name}=$!\nuntil_served ${name} \
                    {name}.log {port}\n"
                )
                .unwrap();
            }
        }
    }
    std::fs::write(dir.path().join("script"), script).unwrap();
    std::os::unix::fs::symlink(root().join("fixtures").canonicalize().unwrap(), dir.path().join("fixtures")).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_assay")).parent().unwrap().to_owned();
    let path = std::env::join_paths(
        [program, tools].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    )
    .unwrap();
    // the settings of the command's tests
    let settings = command();
    let mut bash = std::process::Command::new("bash");
    for (name, value) in settings.get_envs() {
        match value {
            Some(value) => bash.env(name, value),
            None => bash.env_remove(name),
        };
    }
    let orders = dir.path().join("home");
    let done = bash
        .arg("script")
        .current_dir(dir.path())
        .env("PATH", path)
        .env("ROOT", s(&root()))
        .envs(settings_of_page.iter().copied());
    let done = done.env("ASSAY_HOME", orders).output().unwrap();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(done.status.success(), "{page}: {}\n{}", said(&done.stdout), said(&done.stderr));
    assert!(!said(&done.stderr).contains("panicked"), "{}", said(&done.stderr));
}

#[test]
fn seller() {
    run("seller");
}

#[test]
fn buyer() {
    run("buyer");
}

#[test]
fn data_owner() {
    run("data-owner");
}

#[test]
fn contract_author() {
    run("contract-author");
}

#[test]
fn operator() {
    run("operator");
}

#[test]
fn agent() {
    run("agent");
}

#[test]
fn workers() {
    let Some((_database, url)) = Postgres::database() else { return };
    run_with("workers", &[("DATABASE_URL", &url)]);
}
