//! The strings of the interface, with the patterns that they follow.
#![allow(dead_code)] // described, and never made: what is sent are the types themselves

use utoipa::ToSchema;

/// 32 bytes.
#[derive(ToSchema)]
#[schema(value_type = String, pattern = "^0x[0-9a-fA-F]{64}$", examples("0x0000000000000000000000000000000000000000000000000000000000000001"))]
pub struct Hash(String);

/// An account or a contract.
#[derive(ToSchema)]
#[schema(value_type = String, pattern = "^0x[0-9a-fA-F]{40}$", examples("0x3c44cdddb6a900fa2b585dd299e03d12fa4293bc"))]
pub struct Account(String);

/// Bytes.
#[derive(ToSchema)]
#[schema(value_type = String, pattern = "^0x([0-9a-fA-F]{2})*$", examples("0x00ff"))]
pub struct Hex(String);

/// A commitment: 64 bytes.
#[derive(ToSchema)]
#[schema(value_type = String, pattern = "^0x[0-9a-fA-F]{128}$")]
pub struct Point(String);

/// An amount of a token in its smallest unit, in decimal.
#[derive(ToSchema)]
#[schema(value_type = String, pattern = "^[0-9]{1,39}$", examples("1000000"))]
pub struct Amount(String);
