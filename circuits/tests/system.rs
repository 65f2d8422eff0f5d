//! The elaborated system against the executor: an execution fulfils it, and nothing that differs from an execution in
//! one cell does. Families RQ and LU: this is what makes every rule's columns unique, before any cryptography.

#[path = "support/checked.rs"]
mod checked;
#[path = "support/loops.rs"]
mod loops;
mod support;

use assay_circuits::exec::execute;
use assay_circuits::model::{Architecture, Weights};
use assay_circuits::sample;
use assay_circuits::system::{ColumnId, View};
use checked::Checked;
use loops::every_rule_in_a_loop;

/// Whether the equations and lookups that name a column hold.
fn hold_about(checked: &Checked, id: ColumnId) -> bool {
    let names = |view: &View| view.column == id;
    let lookups = checked.system.lookups.iter().enumerate().filter(|(_, l)| l.keys.contains(&Some(id)));
    let equations = checked.system.equations.iter().enumerate();
    let mut equations =
        equations.filter(|(_, e)| e.summands.iter().any(|s| names(&s.left) || s.right.as_ref().is_some_and(names)));
    lookups.map(|(i, _)| i).all(|i| checked.lookup_holds(i)) && equations.all(|(i, _)| checked.equation_holds(i))
}

fn networks() -> Vec<(String, (Architecture, Weights))> {
    let named = [
        ("attention", sample::attention(3, 4, 2)),
        ("attention of powers of two", sample::attention(4, 4, 1)),
        ("layer norm", sample::layer_norm(3, 6)),
        ("recurrent", sample::recurrent(5, 3)),
        ("every rule in a loop", every_rule_in_a_loop()),
    ];
    let random = (0..120).map(|seed| (format!("seed {seed}"), sample::random_network(seed)));
    named.into_iter().map(|(name, network)| (name.to_owned(), network)).chain(random).collect()
}

/// RQ: what the executor writes fulfils every equation and every lookup, on random and on extreme inputs: every input
/// is provable.
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

/// RQ, LU: changing any one cell of any column of an execution, up or down, breaks an equation or a lookup. (That no
/// other change is possible either is argued in the headers of the rules.)
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
                assert!(!hold_about(&checked, id), "{name}: column {id:?}, cell {cell}, change {change}");
                checked.cells[id.0 as usize][cell] -= change;
            }
        }
        assert_eq!(checked.broken(), [0, 0], "{name}: every change was taken back");
    }
}
