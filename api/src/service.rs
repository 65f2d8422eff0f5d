//! The running server: HTTP and workers until a signal, then a drain.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::config::{Role, ServeConfig};
use crate::connections;
use crate::engine::Engine;
use crate::routes::{app, worker_app};
use crate::state::{AppState, ServeError};
use crate::worker;

/// How long workers have after the drain to write down where they are.
const GRACE: Duration = Duration::from_secs(5);

/// Serves until `shutdown` resolves, then lets requests and the proof at hand finish, within [`ServeConfig::drain`].
/// `ready` is called once, with the address that HTTP listens on.
pub async fn serve(
    config: ServeConfig,
    engine: Arc<dyn Engine>,
    shutdown: impl Future<Output = ()> + Send,
    ready: impl FnOnce(SocketAddr) + Send,
) -> Result<(), ServeError> {
    let bind = config.bind;
    let state = AppState::open(config, engine).await?;
    let (listener, address) = listen(bind).await?;
    ready(address);

    let mut http = tokio::spawn(connections::serve(listener, app(state.clone()), state.clone()));
    let mut workers = tokio::spawn(worker::run(state.clone()));
    tokio::select! {
        () = shutdown => tracing::info!("shutting down"),
        _ = &mut workers => {
            state.stopping.send_replace(true);
            return Err(ServeError::Died);
        }
    }
    drain(&state, &mut workers).await?;
    // connections that do not end by themselves are cut: everything that they could learn is in the database
    match tokio::time::timeout(state.config.drain, &mut http).await {
        Ok(done) => done.map_err(|_| ServeError::Died)?,
        Err(_) => http.abort(),
    }
    state.store.close().await;
    Ok(())
}

/// Proves and settles for a service whose database is shared, until `shutdown` resolves; then the proof at hand may
/// finish, within [`ServeConfig::drain`]. `ready` is called once, with the address of [`ServeConfig::worker_bind`].
pub async fn work(
    config: ServeConfig,
    engine: Arc<dyn Engine>,
    shutdown: impl Future<Output = ()> + Send,
    ready: impl FnOnce(Option<SocketAddr>) + Send,
) -> Result<(), ServeError> {
    let bind = config.worker_bind;
    let state = AppState::open(ServeConfig { role: Role::Worker, ..config }, engine).await?;
    let listener = match bind {
        Some(address) => Some(listen(address).await?),
        None => None,
    };
    ready(listener.as_ref().map(|(_, address)| *address));
    let http = listener
        .map(|(listener, _)| tokio::spawn(connections::serve(listener, worker_app(state.clone()), state.clone())));
    let mut workers = tokio::spawn(worker::run(state.clone()));
    tokio::select! {
        () = shutdown => tracing::info!("shutting down"),
        _ = &mut workers => {
            state.stopping.send_replace(true);
            return Err(ServeError::Died);
        }
    }
    drain(&state, &mut workers).await?;
    if let Some(http) = http {
        http.abort(); // nobody waits for more than a number
    }
    state.store.close().await;
    Ok(())
}

/// Listens on an address, and says on which, since its port may be any.
async fn listen(bind: SocketAddr) -> Result<(TcpListener, SocketAddr), ServeError> {
    let io = |source| ServeError::Io { path: bind.to_string(), source };
    let listener = TcpListener::bind(bind).await.map_err(io)?;
    let address = listener.local_addr().map_err(io)?;
    Ok((listener, address))
}

/// Lets the workers come to an end. One that waits for the chain is cut after the drain: every step can be taken up
/// again.
async fn drain(state: &AppState, workers: &mut JoinHandle<()>) -> Result<(), ServeError> {
    state.stopping.send_replace(true);
    match tokio::time::timeout(state.config.drain.saturating_add(GRACE), &mut *workers).await {
        Ok(done) => done.map_err(|_| ServeError::Died),
        Err(_) => {
            workers.abort();
            Ok(())
        }
    }
}

/// Resolves on SIGINT or SIGTERM. It listens from the call on, and not only once it is waited for: a signal between the
/// two would be lost. Call it in a runtime.
#[cfg(unix)]
pub fn signalled() -> impl Future<Output = ()> + Send + 'static {
    use tokio::signal::unix::{Signal, SignalKind, signal};
    async fn heard(signal: Option<Signal>) {
        match signal {
            Some(mut signal) => {
                signal.recv().await;
            }
            None => std::future::pending().await,
        }
    }
    let [interrupt, terminate] =
        [SignalKind::interrupt(), SignalKind::terminate()].map(|kind| heard(signal(kind).ok()));
    async {
        tokio::select! {
            () = interrupt => {}
            () = terminate => {}
        }
    }
}

/// Resolves on Ctrl-C.
#[cfg(not(unix))]
pub async fn signalled() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
