//! A development chain on this machine: anvil, found and started, ended when dropped.

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
    #[error("anvil was not found: set ANVIL to its path, or run `npm ci` in verifier-contracts")]
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

/// A running anvil.
#[derive(Debug)]
pub struct DevChain {
    child: Child,
    url: String,
}

/// anvil: `$ANVIL`, else the one that npm installed under `root/verifier-contracts`, else the one on the path.
///
/// npm's `node_modules/.bin/anvil` is a script that starts the real program: ending the script would leave the program running.
pub fn find_anvil(root: &Path) -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("ANVIL") {
        return Some(path.into());
    }
    let packages = std::fs::read_dir(root.join("verifier-contracts/node_modules/@foundry-rs")).ok();
    let installed = packages.into_iter().flatten().flatten().map(|entry| entry.path());
    let installed = installed.filter(|p| p.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.starts_with("anvil-")));
    let installed = installed.map(|p| p.join("bin/anvil")).find(|p| p.is_file());
    installed.or_else(|| std::env::split_paths(&std::env::var_os("PATH")?).map(|dir| dir.join("anvil")).find(|p| p.is_file()))
}

impl DevChain {
    /// Starts anvil on a free port and waits until it answers. `root` is the repository.
    pub async fn start(root: &Path) -> Result<Self, DevChainError> {
        let path = find_anvil(root).ok_or(DevChainError::NotFound)?;
        let start = |source| DevChainError::Start { path: path.clone(), source };
        // the port is free when it is looked for; another program could be faster, and anvil would then not answer
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).map_err(start)?.port();
        let mut command = Command::new(&path);
        command.args(["--port", &port.to_string(), "--silent"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let chain = Self { child: command.spawn().map_err(start)?, url: format!("http://127.0.0.1:{port}") };
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

impl Drop for DevChain {
    fn drop(&mut self) {
        // it may be gone already
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
