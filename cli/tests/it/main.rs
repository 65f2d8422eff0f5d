//! The command, run as users run it.

mod agents;
mod api_keys;
mod bad_input;
mod batch;
mod ceremony;
mod clamping;
mod contract_buyer;
mod demo;
mod deploy;
mod deployments;
mod doctor;
mod forged;
mod generate;
mod govern;
mod help;
mod init;
mod kill;
mod money;
mod operations;
mod otlp;
mod outputs;
mod pages;
mod people;
#[path = "../../../api/tests/it/postgres.rs"]
#[allow(dead_code)] // not all of it is needed here
mod postgres;
mod round_trip;
mod sell;
mod shared;
mod tls;
mod tool;
mod tutorials;
mod up;
