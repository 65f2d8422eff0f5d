//! HTTP connections: how many there are at a time, and how long each may take over what it sends and reads.
//!
//! A client that dribbles its request, or reads no answer, holds a file descriptor for as long as it is let. So there
//! is a time for the head of a request (and for silence between two), one for its body (`error::Body`) and one for a
//! write that does not go on; and connections are counted, all together and by client. What comes when all places are
//! taken is still read for a moment: `/livez` answers, everything else is a 503.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::IntoResponse;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio_io_timeout::TimeoutStream;
use tower::ServiceExt;

use crate::config::HttpLimits;
use crate::error::ApiError;
use crate::routes::network;
use crate::{AppState, quiet};

/// File descriptors that are not for connections: the database's, the chain's, proofs, the process's own.
const DESCRIPTORS_KEPT: u64 = 48;
/// Connections beyond the places. When another one comes, the oldest of them ends.
const SPARE: usize = 8;
/// How long one of them lives.
const SPARE_TIME: Duration = Duration::from_secs(3);
/// Delay after a connection could not be accepted.
const PAUSE: Duration = Duration::from_millis(50);

/// How many connections there may be: what the settings say, or what the system's limit on open files leaves.
fn places(limits: &HttpLimits) -> u32 {
    let spare = u64::try_from(SPARE).unwrap_or(u64::MAX);
    match open_files_max() {
        Some(files) => limits
            .connections_max
            .min(u32::try_from(files.saturating_sub(DESCRIPTORS_KEPT + spare)).unwrap_or(u32::MAX))
            .max(4),
        None => limits.connections_max,
    }
}

#[cfg(unix)]
fn open_files_max() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

#[cfg(not(unix))]
fn open_files_max() -> Option<u64> {
    None
}

/// Who has how many connections.
#[derive(Debug)]
struct Places {
    all: u32,
    each: u32,
    taken: Mutex<HashMap<IpAddr, u32>>,
}

/// One connection's place, until it is dropped.
#[derive(Debug)]
struct Place(Arc<Places>, IpAddr);

impl Places {
    fn take(self: &Arc<Self>, client: IpAddr) -> Option<Place> {
        let mut taken = self.taken.lock().ok()?;
        let (all, mine) = (taken.values().sum::<u32>(), taken.get(&client).copied().unwrap_or_default());
        if all >= self.all || mine >= self.each {
            return None;
        }
        taken.insert(client, mine + 1);
        Some(Place(self.clone(), client))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Ok(mut taken) = self.0.taken.lock() {
            let left = taken.get_mut(&self.1).map(|n| {
                *n = n.saturating_sub(1);
                *n
            });
            if left == Some(0) {
                taken.remove(&self.1);
            }
        }
    }
}

/// Serves one connection to its end.
async fn serve_one(
    stream: TcpStream,
    peer: SocketAddr,
    app: Router,
    limits: HttpLimits,
    keep_alive: bool,
    watcher: Watcher,
) {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limits.write_timeout));
    let app = app.map_request(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        request.map(Body::new)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .keep_alive(keep_alive)
        .serve_connection(TokioIo::new(Box::pin(stream)), TowerToHyperService::new(app));
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, %peer, "a connection ended early");
    }
}

/// The routes of a connection without a place.
fn crowded(app: &Router) -> Router {
    let app = app.clone();
    Router::new().fallback(async move |request: axum::extract::Request| {
        if request.uri().path() == "/livez" {
            // a router's error type has no values
            return app.oneshot(request).await.unwrap_or_else(|never| match never {});
        }
        ApiError::Crowded.into_response()
    })
}

/// Accepts connections until the server stops, then lets those with a request finish it.
pub(crate) async fn serve(listener: TcpListener, app: Router, state: AppState) {
    let limits = state.config.http;
    let all = places(&limits);
    let each = if state.config.behind_proxy { all } else { limits.connections_per_client.min(all.div_ceil(2)) };
    tracing::debug!(all, each, "places for connections");
    let places = Arc::new(Places { all, each, taken: Mutex::default() });
    let crowded = crowded(&app);
    let (graceful, mut tasks, mut spare) = (GracefulShutdown::new(), JoinSet::new(), VecDeque::<AbortHandle>::new());
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = tasks.join_next() => continue, // it is over, however it ended
            () = state.stopped() => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                quiet::warn("cannot accept a connection", &error);
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let watcher = graceful.watcher();
        match places.take(network(peer.ip())) {
            Some(place) => {
                let app = app.clone();
                tasks.spawn(async move {
                    serve_one(stream, peer, app, limits, true, watcher).await;
                    drop(place);
                });
            }
            None => {
                if spare.len() >= SPARE
                    && let Some(oldest) = spare.pop_front()
                {
                    oldest.abort();
                }
                let one = serve_one(stream, peer, crowded.clone(), limits, false, watcher);
                spare.push_back(tasks.spawn(async move {
                    // an error: its time is over
                    let _ = tokio::time::timeout(SPARE_TIME, one).await;
                }));
            }
        }
    }
    drop(listener);
    graceful.shutdown().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_and_given_back() {
        let places = Arc::new(Places { all: 3, each: 2, taken: Mutex::default() });
        let [one, two] = [1, 2].map(|n| IpAddr::from([127, 0, 0, n]));
        let first = places.take(one);
        let second = places.take(one);
        assert!(first.is_some() && second.is_some());
        assert!(places.take(one).is_none(), "one client has its share");
        let third = places.take(two);
        assert!(third.is_some() && places.take(two).is_none(), "all are taken");
        drop(first);
        assert!(places.take(two).is_some());
        drop((second, third));
        assert!(places.taken.lock().unwrap().is_empty());
    }
}
