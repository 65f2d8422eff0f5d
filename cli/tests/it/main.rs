//! The command, run as users run it.

mod agents;
mod bad_input;
mod batch;
mod clamping;
mod demo;
mod forged;
mod generate;
mod help;
mod kill;
mod money;
mod outputs;
mod people;
mod round_trip;
mod tool;
mod up;
