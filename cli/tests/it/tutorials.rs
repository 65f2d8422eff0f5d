//! The commands of the tutorials, run as a reader runs them: every `sh` block of a page, in order, in one shell and one folder. A block `sh server` is the
//! second terminal: it ends what ran there before, and is waited for until it serves.

use crate::tool::{command, s};
use assay_api::chain::dev::find_anvil;
use std::fmt::Write;
use std::path::{Path, PathBuf};

const FUNCTIONS: &str = r#"set -euo pipefail
second_terminal=
close_second_terminal() { [ -z "$second_terminal" ] || { kill -TERM $second_terminal 2>/dev/null || true; wait $second_terminal || true; }; }
trap close_second_terminal EXIT
until_served() {
  for _ in $(seq 1200); do
    curl -sf "http://127.0.0.1:$PORT/livez" >/dev/null && return
    kill -0 $second_terminal 2>/dev/null || break
    sleep 0.1
  done
  cat server.log >&2
  exit 1
}
"#;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The blocks of a page that are run, and whether each is the second terminal's.
fn blocks(page: &str) -> Vec<(bool, String)> {
    let mut found: Vec<(bool, String)> = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        match (inside, line) {
            (false, "```sh" | "```sh server") => {
                found.push((line.ends_with("server"), String::new()));
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
    let (port, chain_port, dir) = (free_port(), free_port(), tempfile::tempdir().unwrap());
    let mut script = FUNCTIONS.to_owned();
    for (server, block) in blocks(&text) {
        // the ports of the page may be taken on this machine
        let block =
            block.replace("127.0.0.1:8080", &format!("127.0.0.1:{port}")).replace("127.0.0.1:8545", &format!("127.0.0.1:{chain_port}"));
        let block = block.replace("assay up", &format!("assay up --bind 127.0.0.1:{port} --chain-port {chain_port} --root \"$ROOT\""));
        if server {
            write!(script, "close_second_terminal\n{} > server.log 2>&1 &\nsecond_terminal=$!\nuntil_served\n", block.trim_end()).unwrap();
        } else {
            script += &block;
        }
    }
    std::fs::write(dir.path().join("script"), script).unwrap();
    std::os::unix::fs::symlink(root().join("fixtures").canonicalize().unwrap(), dir.path().join("fixtures")).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_assay")).parent().unwrap().to_owned();
    let path = std::env::join_paths([program, tools].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap()))).unwrap();
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
    let done = bash.arg("script").current_dir(dir.path()).env("PATH", path).env("PORT", port.to_string()).env("ROOT", s(&root()));
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
