//! The service's tests: routes without a socket, the store through crashes, the workers, the chain.

mod batches;
mod chain;
mod clamping;
mod disk;
mod explore;
mod failed;
mod fake;
mod gateway;
mod http;
mod jobs;
mod keys;
mod kill;
mod late;
mod market;
mod market_index;
mod native;
mod nodes;
mod objects;
mod pipeline;
mod postgres;
mod process;
mod ready;
mod recover;
mod reorganised;
mod restored;
mod sell;
mod shared;
mod slow;
mod store;
#[path = "store.rs"]
mod store_on_postgres;
mod unfunded;
mod webhooks;
mod x402;
mod x402_held;
mod x402_permit2;
