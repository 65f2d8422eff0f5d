//! A real PostgreSQL on a free port, for as long as a test needs it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use sqlx::{Connection, PgConnection};

/// A server. It ends with the last test that has it, and with this process.
pub struct Postgres {
    /// A shell that holds the server, and stops it at once when nobody holds the other end of its stdin any more.
    keeper: Mutex<Child>,
    port: u16,
    dir: tempfile::TempDir,
}

/// What the shell does: its arguments are the server's command.
/// Whenever it is told something, it stops the server, whose connections end, and starts it again after a second.
const KEEP: &str = r#"trap '' INT TERM; "$@" & server=$!
while read -r word; do kill -INT $server; wait $server; sleep 1; "$@" & server=$!; done
kill -QUIT $server; wait $server"#;

/// One for all tests that run at the same time.
static RUNNING: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());
static NAMES: AtomicU32 = AtomicU32::new(0);

/// A program of PostgreSQL's: on the path, or where Debian puts it.
fn program(name: &str) -> Option<PathBuf> {
    let on_path = std::env::split_paths(&std::env::var_os("PATH")?).map(|dir| dir.join(name)).find(|p| p.is_file());
    let versions = || std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    on_path.or_else(|| versions().map(|version| version.path().join("bin").join(name)).find(|p| p.is_file()))
}

/// PostgreSQL does not run as root: there it runs as its own user.
fn command(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(program);
    command
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout.starts_with(b"0\n"))
}

impl Postgres {
    fn start() -> Option<Self> {
        let (Some(initdb), Some(postgres)) = (program("initdb"), program("postgres")) else {
            println!("SKIPPED: PostgreSQL is not installed: apt-get install postgresql");
            return None;
        };
        let dir = tempfile::tempdir().unwrap();
        if is_root() {
            assert!(Command::new("chown").arg("postgres").arg(dir.path()).status().unwrap().success());
        }
        let data = dir.path().join("data");
        let made = command(&initdb)
            .arg("-D")
            .arg(&data)
            .args(["-U", "assay", "-A", "trust", "-E", "UTF8", "--no-sync"])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = command(&postgres);
        server.arg("-D").arg(&data).arg("-k").arg(dir.path());
        server.args([
            "-p",
            &port.to_string(),
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            "fsync=off",
            "-c",
            "max_connections=300",
        ]);
        let keeper = Command::new("sh")
            .args(["-c", KEEP, "sh"])
            .arg(server.get_program())
            .args(server.get_args())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Some(Self { keeper: Mutex::new(keeper), port, dir })
    }

    /// A new, empty database: the server that it is on, and its address. `None` where PostgreSQL is not installed.
    pub fn database() -> Option<(Arc<Self>, String)> {
        let mut running = RUNNING.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let server = match running.upgrade() {
            Some(server) => server,
            None => {
                let server = Arc::new(Self::start()?);
                *running = Arc::downgrade(&server);
                server
            }
        };
        drop(running);
        Some(server.make())
    }

    /// The same on a server of the caller's own.
    pub fn alone() -> Option<(Arc<Self>, String)> {
        Some(Arc::new(Self::start()?).make())
    }

    pub fn make(self: Arc<Self>) -> (Arc<Self>, String) {
        let name = format!("test_{}", NAMES.fetch_add(1, Ordering::Relaxed));
        let base = format!("postgres://assay@127.0.0.1:{}", self.port);
        // on a thread of its own, since the caller may be inside a runtime
        let (admin, create) = (format!("{base}/postgres"), format!("CREATE DATABASE {name}"));
        std::thread::spawn(move || run(&admin, &create)).join().unwrap();
        (self, format!("{base}/{name}"))
    }

    /// Stops the server and starts it again: all connections end, and for a while there is nobody to connect to.
    pub async fn restart(&self) {
        let before = self.process();
        let mut keeper = self.keeper.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        writeln!(keeper.stdin.as_mut().unwrap(), "again").unwrap();
        drop(keeper);
        while self.process().is_none_or(|now| Some(now) == before) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The server's process, while there is one.
    fn process(&self) -> Option<String> {
        let noted = std::fs::read_to_string(self.dir.path().join("data/postmaster.pid")).ok()?;
        Some(noted.lines().next()?.trim().to_owned())
    }

    /// Writes a database to a file, as `pg_dump` does, and reads it into another, empty one.
    pub fn copy(from: &str, to: &str, file: &Path) {
        let run = |name: &str, arguments: &[&str]| {
            let said = Command::new(program(name).unwrap()).args(arguments).output().unwrap();
            assert!(said.status.success(), "{name}: {}", String::from_utf8_lossy(&said.stderr));
        };
        let file = file.to_str().unwrap();
        run("pg_dump", &["--format=custom", "--file", file, from]);
        run("pg_restore", &["--exit-on-error", "--dbname", to, file]);
    }

    /// The server's processes.
    fn processes(&self) -> Vec<String> {
        let id = self.process().unwrap();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
        children.split_whitespace().map(str::to_owned).chain([id.clone()]).collect()
    }

    /// Stops all of the server's processes where they are, for a while.
    pub async fn pause(&self, time: Duration) {
        let all = self.processes();
        let tell = |signal: &str| assert!(Command::new("kill").arg(signal).args(&all).status().is_ok());
        tell("-STOP");
        tokio::time::sleep(time).await;
        tell("-CONT");
    }
}

/// One statement, once the server answers.
#[tokio::main(flavor = "current_thread")]
async fn run(url: &str, statement: &str) {
    for _ in 0..600 {
        if let Ok(mut connection) = PgConnection::connect(url).await {
            sqlx::query(sqlx::AssertSqlSafe(statement.to_owned())).execute(&mut connection).await.unwrap();
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("PostgreSQL does not answer");
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let keeper = self.keeper.get_mut().unwrap_or_else(|poisoned| poisoned.into_inner());
        drop(keeper.stdin.take());
        let _ = keeper.wait();
    }
}
