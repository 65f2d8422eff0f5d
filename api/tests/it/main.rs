//! The service's tests: routes without a socket, the store through crashes, the workers, the chain.

mod batches;
mod chain;
mod clamping;
mod disk;
mod fake;
mod http;
mod jobs;
mod kill;
mod late;
mod market;
mod native;
mod pipeline;
mod ready;
mod recover;
mod slow;
mod store;
mod unfunded;
