//! A development chain on this machine: anvil, found and started, ended when dropped. One that keeps a file goes on
//! from there the next time.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use alloy::signers::local::PrivateKeySigner;

use super::{ChainError, Rpc};

/// Keys of anvil's first accounts. They are public: everybody has them.
pub const DEV_KEYS: [&str; 5] = [
    "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
    "7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
    "47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a",
];

/// Why there is no development chain.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DevChainError {
    /// No anvil.
    #[error("anvil was not found: `npm install -g @foundry-rs/anvil` installs it; or set ANVIL to its path")]
    NotFound,
    /// It does not start.
    #[error("cannot start {path}")]
    Start {
        /// The program.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It starts and does not answer.
    #[error("{path} does not answer")]
    Silent {
        /// The program.
        path: PathBuf,
        /// The last error.
        source: Option<ChainError>,
    },
}

/// How long a chain has to write its state down.
const STOPPING: Duration = Duration::from_secs(20);
/// Seconds between the times at which a running chain writes its state down, for the case that it is killed.
const STATE_INTERVAL_SECS: &str = "5";

/// A running anvil.
#[derive(Debug)]
pub struct DevChain {
    running: Running,
    url: String,
    /// Whether its state is kept: then it is asked to end, and not killed.
    kept: bool,
}

/// Who started it.
#[derive(Debug)]
enum Running {
    Child(Child),
    /// An earlier process of this program, which is gone.
    Other(u32),
}

/// anvil: `$ANVIL`, else the one that npm installed under `root/verifier-contracts`, else the one on the path.
///
/// npm's `node_modules/.bin/anvil` is a script that starts the real program: ending the script would leave the program
/// running.
pub fn find_anvil(root: &Path) -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("ANVIL") {
        return Some(path.into());
    }
    let installed = packaged(&root.join("verifier-contracts/node_modules/@foundry-rs"));
    installed.or_else(|| {
        std::env::split_paths(&std::env::var_os("PATH")?)
            .map(|dir| dir.join("anvil"))
            .find(|p| p.is_file())
            .map(program)
    })
}

/// The program among npm's packages of one publisher.
fn packaged(publisher: &Path) -> Option<PathBuf> {
    let packages = std::fs::read_dir(publisher).ok()?.flatten().map(|entry| entry.path());
    let ours = packages.filter(|p| p.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.starts_with("anvil-")));
    ours.map(|p| p.join("bin/anvil")).find(|p| p.is_file())
}

/// What stands behind npm's script, if it is that.
fn program(path: PathBuf) -> PathBuf {
    let script = std::fs::canonicalize(&path).ok().filter(|script| script.ends_with("anvil/bin.mjs"));
    let package = script.as_deref().and_then(Path::parent);
    let publishers =
        package.into_iter().flat_map(|package| [package.join("node_modules/@foundry-rs"), package.join("..")]);
    publishers.into_iter().find_map(|publisher| packaged(&publisher)).unwrap_or(path)
}

impl DevChain {
    /// Starts anvil on a free port and waits until it answers. `root` is the repository.
    pub async fn start(root: &Path) -> Result<Self, DevChainError> {
        Self::start_program(&find_anvil(root).ok_or(DevChainError::NotFound)?).await
    }

    /// The same with anvil at this path.
    pub async fn start_program(anvil: &Path) -> Result<Self, DevChainError> {
        Self::launch(anvil, 0, None).await
    }

    /// Starts anvil on a port, if that is free, else on another one, with the state that it kept in a file, an absolute
    /// path; it is kept there again when the chain ends. Signals from the terminal do not reach it, so that whoever
    /// needs it can end first.
    pub async fn start_kept(anvil: &Path, port: u16, state: &Path) -> Result<Self, DevChainError> {
        let free = std::net::TcpListener::bind(("127.0.0.1", port)).is_ok();
        Self::launch(anvil, if free { port } else { 0 }, Some(state)).await
    }

    /// A chain that [`Self::start_kept`] started in an earlier process, which was killed before it could end it. `None`
    /// if the process is no such chain of this file: its number may be another program's by now, and what answers at
    /// the address another chain.
    pub fn adopt(url: &str, pid: u32, state: &Path) -> Option<Self> {
        let listed = Command::new("ps").args(["-ww", "-o", "args=", "-p", &pid.to_string()]).output().ok()?;
        let port = url.rsplit_once(':')?.1;
        let command = String::from_utf8_lossy(&listed.stdout).into_owned();
        let is_it =
            command.contains(&format!("--port {port} ")) && command.contains(&format!("--state {} ", state.display()));
        is_it.then(|| Self { running: Running::Other(pid), url: url.to_owned(), kept: true })
    }

    async fn launch(anvil: &Path, port: u16, state: Option<&Path>) -> Result<Self, DevChainError> {
        let path = anvil.to_owned();
        let start = |source| DevChainError::Start { path: path.clone(), source };
        // the port is free when it is looked for; another program could be faster, and anvil would then not answer
        let port = std::net::TcpListener::bind(("127.0.0.1", port)).and_then(|l| l.local_addr()).map_err(start)?.port();
        let mut command = Command::new(&path);
        command
            .args(["--port", &port.to_string(), "--silent"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if let Some(state) = state {
            command.arg("--state").arg(state).args(["--state-interval", STATE_INTERVAL_SECS]);
            #[cfg(unix)]
            std::os::unix::process::CommandExt::process_group(&mut command, 0);
        }
        let running = Running::Child(command.spawn().map_err(start)?);
        let chain = Self { running, url: format!("http://127.0.0.1:{port}"), kept: state.is_some() };
        let began = Instant::now();
        let mut source = None;
        while began.elapsed() < Duration::from_secs(30) {
            match chain.rpc() {
                Ok(rpc) => match rpc.chain_id().await {
                    Ok(_) => return Ok(chain),
                    Err(e) => source = Some(e),
                },
                Err(e) => return Err(DevChainError::Silent { path, source: Some(e) }),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(DevChainError::Silent { path, source })
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        match &self.running {
            Running::Child(child) => child.id(),
            Running::Other(pid) => *pid,
        }
    }

    /// A client.
    pub fn rpc(&self) -> Result<Rpc, ChainError> {
        Rpc::new(&self.url)
    }

    /// Its first accounts, 10,000 coins each.
    pub fn accounts(&self) -> Vec<PrivateKeySigner> {
        DEV_KEYS.iter().filter_map(|key| key.parse().ok()).collect()
    }

    /// Lets time pass: the next block is `secs` later, and mined now.
    pub async fn pass_secs(&self, secs: u64) -> Result<(), ChainError> {
        use alloy::providers::Provider;
        let rpc = self.rpc()?;
        let _: serde_json::Value = rpc.provider().raw_request("evm_increaseTime".into(), (secs,)).await?;
        let _: serde_json::Value = rpc.provider().raw_request("evm_mine".into(), ()).await?;
        Ok(())
    }
}

impl DevChain {
    /// Asks it to end, and waits until it has written its state down. False where that cannot be, or takes too long.
    #[cfg(unix)]
    fn end(&mut self) -> bool {
        use rustix::process::{Pid, Signal, kill_process, test_kill_process};
        let Some(pid) = i32::try_from(self.pid()).ok().and_then(Pid::from_raw) else { return false };
        if kill_process(pid, Signal::TERM).is_err() {
            return true;
        }
        let began = Instant::now();
        while began.elapsed() < STOPPING {
            let gone = match &mut self.running {
                Running::Child(child) => child.try_wait().is_ok_and(|status| status.is_some()),
                Running::Other(_) => test_kill_process(pid).is_err(),
            };
            if gone {
                return true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }

    #[cfg(not(unix))]
    fn end(&mut self) -> bool {
        false
    }
}

impl Drop for DevChain {
    fn drop(&mut self) {
        if self.kept && self.end() {
            return;
        }
        if let Running::Child(child) = &mut self.running {
            // it may be gone already
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
