//! Room on the disk.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;

/// How long an answer of the system holds.
const FRESH: Duration = Duration::from_secs(1);

/// Bytes that are free for this process where `path` is; `None` if the system does not say. A disk that hangs hangs the
/// call.
#[cfg(unix)]
pub fn free_bytes(path: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(path).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// See the other one.
#[cfg(not(unix))]
pub fn free_bytes(_: &Path) -> Option<u64> {
    None
}

/// The disk did not answer in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hangs;

/// What the system said of a disk, and when.
type Answer = Option<(Instant, Option<u64>)>;

/// A disk that is asked now and then, and waited for only so long. Clones share what they know.
#[derive(Clone)]
pub struct Disk {
    ask: Arc<dyn Fn() -> Option<u64> + Send + Sync>,
    /// Whether a thread waits for the system: one that hangs is not joined by others.
    asking: Arc<AtomicBool>,
    answer: watch::Sender<Answer>,
}

impl Disk {
    /// The disk on which a folder is.
    pub fn of(folder: &Path) -> Self {
        let folder: PathBuf = folder.to_owned();
        Self::asked(move || free_bytes(&folder))
    }

    /// A disk that `ask` asks.
    pub fn asked(ask: impl Fn() -> Option<u64> + Send + Sync + 'static) -> Self {
        Self { ask: Arc::new(ask), asking: Arc::default(), answer: watch::Sender::new(None) }
    }

    /// Bytes that are free, as they were a moment ago; `None` if the system does not say.
    pub async fn free_bytes(&self, limit: Duration) -> Result<Option<u64>, Hangs> {
        let mut answer = self.answer.subscribe();
        if let Some((at, free)) = *answer.borrow_and_update()
            && at.elapsed() < FRESH
        {
            return Ok(free);
        }
        if !self.asking.swap(true, Ordering::AcqRel) {
            let disk = self.clone();
            tokio::task::spawn_blocking(move || {
                let free = (disk.ask)();
                // in this order: whoever finds nobody asking asks, and whoever finds somebody hears the answer
                disk.asking.store(false, Ordering::Release);
                disk.answer.send_replace(Some((Instant::now(), free)));
            });
        }
        match tokio::time::timeout(limit, answer.changed()).await {
            Ok(Ok(())) => Ok(answer.borrow().and_then(|(_, free)| free)),
            // the sender lives as long as this disk
            Ok(Err(_)) | Err(_) => Err(Hangs),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use std::sync::atomic::AtomicU32;
    use std::sync::mpsc;

    const SHORT: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_disk_that_hangs_is_waited_for_by_one_thread() {
        let (let_go, hang) = mpsc::channel();
        let (hang, asked) = (Mutex::new(hang), Arc::new(AtomicU32::new(0)));
        let count = asked.clone();
        let disk = Disk::asked(move || {
            count.fetch_add(1, Ordering::SeqCst);
            hang.lock().unwrap().recv().ok()
        });
        for _ in 0..3 {
            assert_eq!(disk.free_bytes(SHORT).await, Err(Hangs));
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        let_go.send(7).unwrap();
        let later = disk.clone();
        assert_eq!(later.free_bytes(LONG).await, Ok(Some(7)));
        assert_eq!(asked.load(Ordering::SeqCst), 1, "an answer holds for a while");
    }

    #[tokio::test]
    async fn the_system_is_asked_about_a_folder() {
        let dir = tempfile::tempdir().unwrap();
        let free = Disk::of(dir.path()).free_bytes(LONG).await.unwrap();
        assert!(!cfg!(unix) || free.is_some_and(|free| free > 0));
        assert_eq!(Disk::of(&dir.path().join("nothing")).free_bytes(LONG).await, Ok(None));
    }
}
