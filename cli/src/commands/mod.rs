//! One module per command.

pub mod api_keys;
pub mod ceremony;
pub mod chain;
pub mod compile;
pub mod demo;
pub mod deploy;
pub mod doctor;
pub mod explain;
pub mod govern;
pub mod inspect;
pub mod keys;
pub mod market;
pub mod mcp;
pub mod money;
mod operator;
pub mod operators;
pub mod phase2;
pub mod prove;
pub mod recommit;
pub mod request;
pub mod request_many;
pub mod serve;
pub mod shelf;
pub mod srs;
pub mod up;
pub mod weights;
