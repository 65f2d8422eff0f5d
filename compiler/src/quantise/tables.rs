//! Tables, and what follows from the bounds.

use super::plan::{Planner, Trouble};
use assay_circuits::clamps::Rails;
use assay_circuits::model::{Bounds, Domain, Function, MAX_RAIL_BITS, ModelError, Rule, Table};

/// What a cell of a saturation limb costs, in rows of a table.
const LIMB_CELL: f64 = 1.5;
/// What a limb costs whatever its length, in rows of a table: the wrap evaluates its column and its lookup.
const LIMB_COLUMN: f64 = 4096.0;

impl Planner<'_> {
    /// One table per function and domain. A layer without a function borrows one, and its readers read `q`: unless its
    /// unread column of `f(q)` would cost more cells than an identity table has rows.
    pub(super) fn tables(&mut self) {
        let bits = self.widths.table_bits;
        let mut list: Vec<(Domain, Function)> = Vec::new();
        let tabled: Vec<usize> = (0..self.functions.len()).filter(|i| self.has_table(*i)).collect();
        let domain = |of: &Self, i: usize| {
            if matches!(of.plan.architecture.layers[i].rule, Rule::Maximum { .. }) {
                Domain::Unsigned
            } else {
                Domain::Signed
            }
        };
        for i in &tabled {
            if let Some(function) = &self.functions[*i] {
                let entry = (domain(self, *i), function.clone());
                if !list.contains(&entry) {
                    list.push(entry);
                }
            }
        }
        let plain: Vec<usize> = tabled.iter().copied().filter(|i| self.functions[*i].is_none()).collect();
        let signed: Vec<usize> = plain.iter().copied().filter(|i| domain(self, *i) == Domain::Signed).collect();
        let unread: usize = signed.iter().map(|i| 1usize << self.plan.architecture.layers[*i].log_size).sum();
        // a clamp that changes nothing of a ReLU would count if a layer whose `q` is read had the ReLU's table
        let counts = |function: &Function| {
            let rails = Rails::of_function(&Table { bits, domain: Domain::Signed, function: function.clone() });
            rails.low && rails.high
        };
        let hosts = |f: &&(Domain, Function)| {
            f.0 == Domain::Signed && !matches!(f.1, Function::Real { least: 1, .. }) && counts(&f.1)
        };
        let host = match list.iter().find(hosts) {
            Some(host) if unread <= 2 << bits => host.clone(),
            _ => (Domain::Signed, Function::Identity),
        };
        for i in plain {
            let entry =
                if domain(self, i) == Domain::Signed { host.clone() } else { (Domain::Unsigned, Function::Identity) };
            if !list.contains(&entry) {
                list.push(entry.clone());
            }
            self.functions[i] = Some(entry.1);
        }
        for i in tabled {
            let entry = (domain(self, i), self.functions[i].clone().unwrap_or(Function::Identity));
            let at = list.iter().position(|have| *have == entry).unwrap_or(0) as u32;
            match &mut self.plan.architecture.layers[i].rule {
                Rule::Requantise { table, .. } | Rule::Divide { table, .. } | Rule::Maximum { table, .. } => {
                    *table = at
                }
                Rule::Exact | Rule::SquareRoot { .. } | Rule::Quotient { .. } | Rule::Rows { .. } => {}
            }
        }
        self.plan.architecture.tables =
            list.into_iter().map(|(domain, function)| Table { bits, domain, function }).collect();
    }

    fn has_table(&self, index: usize) -> bool {
        self.plan.architecture.layers[index].rule.table().is_some()
    }

    /// Limbs and rails, and wider tables for maxima of what differs by more.
    pub(super) fn complete(&mut self) -> Result<(), Trouble> {
        for _ in 0..64 {
            match self.plan.architecture.complete() {
                Ok(bounds) => return self.widen_rails(&bounds),
                Err(ModelError::MaximumRange { layer, distance, .. }) if distance < 1 << 16 => {
                    let needed = 64 - (distance as u64).leading_zeros() as u8;
                    let table = self.plan.architecture.layers.get(layer).and_then(|l| l.rule.table());
                    if let Some(table) = table.and_then(|t| self.plan.architecture.tables.get_mut(t as usize)) {
                        table.bits = needed.max(table.bits + 1).min(16);
                    }
                }
                Err(error) => return Err(Trouble::Model(error)),
            }
        }
        Err(Trouble::Model(ModelError::TableCount { have: 0 }))
    }

    /// Gives every table the rails that cost least: each row is a leaf and a multiplicity, and rails that are too
    /// narrow for what a clamp can cut off cost a layer another limb, which is a lookup and a column.
    fn widen_rails(&mut self, bounds: &Bounds) -> Result<(), Trouble> {
        let architecture = &mut self.plan.architecture;
        for (index, table) in architecture.tables.iter_mut().enumerate().filter(|(_, table)| table.is_saturating()) {
            let clamped = architecture.layers.iter().zip(&bounds.cuts);
            let clamped: Vec<(f64, i64)> = clamped
                .filter(|(layer, _)| layer.rule.table() == Some(index as u32))
                .map(|(layer, cut)| (f64::from(layer.log_size).exp2(), *cut))
                .collect();
            let wider = |limb_bits: u8| Table { domain: Domain::Saturating { limb_bits }, ..table.clone() };
            let price = |table: &Table| {
                let limbs =
                    clamped.iter().map(|(cells, cut)| f64::from(table.limbs(*cut)) * (LIMB_COLUMN + LIMB_CELL * cells));
                f64::from(table.log_rows()).exp2() + limbs.sum::<f64>()
            };
            let choices = (table.limb_bits() as u8..=MAX_RAIL_BITS).map(wider);
            if let Some(best) = choices.min_by(|a, b| price(a).total_cmp(&price(b))) {
                *table = best;
            }
        }
        architecture.complete().map(|_| ()).map_err(Trouble::Model)
    }
}
