//! What the demo shows: the picture, balances, transactions.

use super::transactions::Mined;
use crate::exit::{Exit, Failure, Outcome};
use crate::ui::Ui;
use alloy::primitives::U256;
use alloy::primitives::utils::format_ether;
use assay_api::engine::Outputs;
use assay_verifier::ProofFile;
use serde::Serialize;

/// Coins and credits, in wei.
#[derive(Clone, Debug, Serialize)]
pub struct Balances {
    /// The buyer's coins.
    pub buyer_coins: U256,
    /// The buyer's credit in the market.
    pub buyer_credit: U256,
    /// The seller's coins.
    pub seller_coins: U256,
    /// The seller's credit in the market.
    pub seller_credit: U256,
    /// All coins that the market holds.
    pub escrow: U256,
}

/// Wei as coins.
pub fn coins(wei: U256) -> String {
    let text = format_ether(wei);
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text} ETH")
}

/// Draws the 8 × 8 picture.
pub fn digit(ui: &Ui, pixels: &[f32]) {
    const SHADES: [&str; 6] = ["  ", "··", "░░", "▒▒", "▓▓", "██"];
    ui.line("\nThe buyer's picture:");
    for row in pixels.chunks(8) {
        let shade = |v: &f32| SHADES.get((v.clamp(0.0, 1.0) * 5.0).round() as usize).copied().unwrap_or("??");
        ui.line(format!("    |{}|", row.iter().map(shade).collect::<String>()));
    }
    ui.line("");
}

/// Outputs that are shown; the proof file has all.
const SHOWN: usize = 10;

/// Shows the first scores and returns the winner.
pub fn prediction(ui: &Ui, file: &ProofFile) -> Outcome<usize> {
    let scores = file.output_data.first().map(Outputs::elements).filter(|s| !s.is_empty());
    let scores = scores.ok_or_else(|| Failure::message(Exit::Failed, "the proof has no output"))?;
    let winner = scores
        .iter()
        .enumerate()
        .fold((0, f32::NEG_INFINITY), |best, (i, s)| if *s > best.1 { (i, *s) } else { best })
        .0;
    let text: Vec<String> = scores.iter().enumerate().take(SHOWN).map(|(i, s)| format!("{i}: {s:.2}")).collect();
    let more = if scores.len() > SHOWN { format!("  … {} numbers", scores.len()) } else { String::new() };
    ui.line(format!("\nThe proven output: {}{more}\nThe largest: {winner}", text.join("  ")));
    Ok(winner)
}

/// Balances before and after.
pub fn balances(ui: &Ui, before: &Balances, after: &Balances) {
    ui.line(format!("  {:<24} {:>28} {:>28}", "balance", "before", "after"));
    let row = |name: &str, a: U256, b: U256| ui.line(format!("  {name:<24} {:>28} {:>28}", coins(a), coins(b)));
    row("buyer", before.buyer_coins, after.buyer_coins);
    row("buyer's credit", before.buyer_credit, after.buyer_credit);
    row("seller", before.seller_coins, after.seller_coins);
    row("seller's credit", before.seller_credit, after.seller_credit);
    row("held by the market", before.escrow, after.escrow);
}

/// All transactions with their gas.
pub fn transactions(ui: &Ui, all: &[Mined]) {
    ui.line("\nAll transactions:");
    for mined in all {
        ui.line(format!(
            "  {:<12} {:>10} gas{}",
            mined.call,
            mined.gas,
            if mined.ok { "" } else { "  (reverted, as it must)" }
        ));
    }
}
