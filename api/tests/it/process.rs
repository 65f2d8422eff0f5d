//! Processes that end with the test that started them, however it ends.

use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};

/// A process. It is killed when this is dropped. One that plays a part of the service also ends by itself when this
/// process is gone.
pub struct Process(Child);

impl Process {
    /// Starts a command.
    pub fn start(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    /// This test binary once more: it runs an ignored test, which plays a part of the service and finds in `variable`
    /// what it is told.
    pub fn of_test(test: &str, variable: &str, told: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        Self::start(command.args(["--exact", test, "--ignored", "--test-threads=1"]).env(variable, told))
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Kills it, and waits for its end.
    pub fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// Asks it to end.
    pub fn terminate(&self) {
        assert!(Command::new("kill").arg("-TERM").arg(self.id().to_string()).status().unwrap().success());
    }

    /// Waits for its end, without closing its stdin, which would be the end.
    pub fn wait(&mut self) -> ExitStatus {
        let _stdin = self.0.stdin.take();
        self.0.wait().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // it may be gone already
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Ends this process when the one that started it is gone: then nobody holds the other end of stdin any more.
pub fn end_with_parent() {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(1);
    });
}
