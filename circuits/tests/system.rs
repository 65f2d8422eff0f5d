//! The elaborated system against the executor: an execution fulfils it, and nothing that differs from an execution in one cell does.
//! Families RQ and LU: this is what makes every rule's columns unique, before any cryptography.

mod support;

use assay_circuits::exec::{Trace, execute};
use assay_circuits::model::{Architecture, Weights};
use assay_circuits::sample;
use assay_circuits::system::{ColumnId, Owner, System, TableId, View};
use std::collections::HashSet;
use support::{Naive, summand};

struct Checked {
    system: System,
    cells: Vec<Vec<i64>>,
    rows: Vec<HashSet<(i64, i64, i64)>>,
}

impl Checked {
    fn new(arch: &Architecture, weights: &Weights, trace: &Trace) -> Self {
        let system = System::new(arch);
        let mut secrets = weights.matrices.iter().map(|m| m.iter().map(|v| i64::from(*v)).collect::<Vec<i64>>()).collect::<Vec<_>>();
        secrets.extend(weights.biases.iter().map(|b| b.iter().map(|v| i64::from(*v)).collect::<Vec<i64>>()));
        let of = |id: u32| {
            let id = ColumnId(id);
            match system.column(id).owner {
                Owner::Seller => secrets[id.0 as usize].clone(),
                _ => trace.column(id).iter().map(|v| i64::from(*v)).collect(),
            }
        };
        let cells = (0..system.columns.len() as u32).map(of).collect();
        let row = |(q, y, v): (i32, i32, i32)| (i64::from(q), i64::from(y), i64::from(v));
        let rows = arch.tables.iter().map(|table| table.rows().into_iter().map(row).collect()).collect();
        Self { system, cells, rows }
    }

    /// The first cell in which an equation does not hold, by equation.
    fn equation_holds(&self, index: usize) -> bool {
        let equation = &self.system.equations[index];
        let naive = |view: &'_ View| -> Naive<'_> {
            // the borrow is of the equation, which lives as long as `self`
            let cells = &self.cells[view.column.0 as usize];
            let runs = equation
                .summands
                .iter()
                .flat_map(|s| std::iter::once(&s.left).chain(&s.right))
                .find(|v| *v == view)
                .map_or(&[][..], |v| &v.runs[..]);
            Naive { cells, runs }
        };
        (0..1usize << equation.log_size).all(|cell| {
            let sum: i128 = equation
                .summands
                .iter()
                .map(|s| s.coefficient * summand(&s.axes, s.summed.into(), cell, &naive(&s.left), s.right.as_ref().map(&naive).as_ref()))
                .sum();
            sum + equation.constant == 0
        })
    }

    fn lookup_holds(&self, index: usize) -> bool {
        let lookup = &self.system.lookups[index];
        (0..1usize << lookup.log_size).all(|cell| {
            let key = |i: usize| lookup.keys[i].map_or(0, |id| self.cells[id.0 as usize][cell]);
            let row = (key(0) + lookup.offset, key(1), key(2));
            match lookup.table {
                TableId::Activation(table) => self.rows[table as usize].contains(&row),
                TableId::Range(range) => row.1 == 0 && row.2 == 0 && (0..1i64 << self.system.ranges[range as usize]).contains(&row.0),
            }
        })
    }

    fn holds(&self) -> bool {
        (0..self.system.lookups.len()).all(|i| self.lookup_holds(i)) && (0..self.system.equations.len()).all(|i| self.equation_holds(i))
    }

    /// Whether the equations and lookups that name a column hold.
    fn holds_about(&self, id: ColumnId) -> bool {
        let names = |view: &View| view.column == id;
        let lookups = self.system.lookups.iter().enumerate().filter(|(_, l)| l.keys.contains(&Some(id)));
        let equations = self.system.equations.iter().enumerate();
        let mut equations = equations.filter(|(_, e)| e.summands.iter().any(|s| names(&s.left) || s.right.as_ref().is_some_and(names)));
        lookups.map(|(i, _)| i).all(|i| self.lookup_holds(i)) && equations.all(|(i, _)| self.equation_holds(i))
    }
}

fn networks() -> Vec<(String, (Architecture, Weights))> {
    let named = [
        ("attention", sample::attention(3, 4, 2)),
        ("attention of powers of two", sample::attention(4, 4, 1)),
        ("layer norm", sample::layer_norm(3, 6)),
        ("recurrent", sample::recurrent(5, 3)),
    ];
    let random = (0..120).map(|seed| (format!("seed {seed}"), sample::random_network(seed)));
    named.into_iter().map(|(name, network)| (name.to_owned(), network)).chain(random).collect()
}

/// RQ: what the executor writes fulfils every equation and every lookup, on random and on extreme inputs: every input is provable.
#[test]
fn executions_fulfil_the_system() {
    for (name, (arch, weights)) in networks() {
        for input in [
            sample::random_input(&arch, 1),
            sample::extreme_input(&arch, 0),
            sample::extreme_input(&arch, 1),
            sample::extreme_input(&arch, 3),
        ] {
            let trace = execute(&arch, &weights, &input).expect("every input is executed");
            let checked = Checked::new(&arch, &weights, &trace);
            for (index, lookup) in checked.system.lookups.iter().enumerate() {
                assert!(checked.lookup_holds(index), "{name}: lookup {index} {lookup:?}");
            }
            for (index, equation) in checked.system.equations.iter().enumerate() {
                assert!(checked.equation_holds(index), "{name}: equation {index} {equation:?}");
            }
        }
    }
}

/// RQ, LU: changing any one cell of any column of an execution, up or down, breaks an equation or a lookup. (That no other change is possible either is
/// argued in the headers of the rules.)
#[test]
fn no_cell_of_an_execution_is_free() {
    let mut random = sample::Random::new(5);
    for (name, (arch, weights)) in networks() {
        let input = sample::random_input(&arch, 2);
        let trace = execute(&arch, &weights, &input).expect("every input is executed");
        let mut checked = Checked::new(&arch, &weights, &trace);
        let columns: Vec<ColumnId> = checked.system.executed().skip(1).collect();
        for id in columns {
            let len = checked.cells[id.0 as usize].len();
            for change in [1i64, -1, random.within(-300, 300) | 1] {
                let cell = random.within(0, len as i64 - 1) as usize;
                checked.cells[id.0 as usize][cell] += change;
                assert!(!checked.holds_about(id), "{name}: column {id:?}, cell {cell}, change {change}");
                checked.cells[id.0 as usize][cell] -= change;
            }
        }
        assert!(checked.holds(), "{name}: every change was taken back");
    }
}
