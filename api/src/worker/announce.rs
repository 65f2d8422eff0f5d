//! Says of a process that proves that it is there, where several share a database.

use std::time::Duration;

use alloy::primitives::B256;

use crate::AppState;
use crate::quiet;
use crate::store::WorkerInfo;

/// How often a sign of life is given.
const BEAT: Duration = Duration::from_secs(10);

/// Memory of the machine in bytes, where the system says.
fn memory_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0).saturating_mul(1024)
}

/// Announces this process until the server stops.
pub(super) async fn run(state: &AppState) {
    if !state.store.is_shared() {
        return;
    }
    let me = WorkerInfo {
        id: alloy::hex::encode(&B256::random()[..8]),
        cores: std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(u32::MAX)),
        memory_bytes: memory_bytes(),
        device: state.config.device.clone(),
        models: state.models().iter().map(|model| model.id).collect(),
    };
    while !state.is_stopping() {
        if let Err(error) = state.store.announce(&me).await {
            quiet::warn("cannot announce this worker", &error);
        }
        state.pause(BEAT).await;
    }
    if let Err(error) = state.store.retire(&me.id).await {
        quiet::warn("cannot say that this worker is gone", &error);
    }
}
