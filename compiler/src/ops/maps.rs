//! Expressions read through maps of an axis, and sums over an axis.

use super::expr::{AxisMap, Expr, each_index, names, operand_names, renumber, restrict, selects};
use crate::net::{NetIndex, NetOperand, NetRun};

impl Expr {
    /// Reads an axis through a map, `len` places long. `None` where some term must be a column first. The axis has one
    /// atom, or none.
    pub fn mapped(mut self, axis: usize, map: &AxisMap, len: usize) -> Option<Self> {
        let atoms = self.axes[axis].len();
        if atoms > 1 {
            return None;
        }
        let whole = |entries: &AxisMap| {
            (0..len as u32).all(|to| entries.iter().filter(|e| e.0 == to).map(|e| e.2).sum::<f64>() == 1.0)
        };
        if self.constant != 0.0 && !whole(map) {
            return None;
        }
        if atoms == 0 {
            // a new atom, if the axis gets longer than 1
            self = self.without_axis(axis).with_axis(axis, if len == 1 { Vec::new() } else { vec![len] });
        }
        let id = self.first_atom(axis) as u8;
        let to_axis = (len > 1).then_some(id);
        let mut terms = std::mem::take(&mut self.terms);
        for term in &mut terms {
            let product = term.right.is_some();
            let operands: Vec<&mut NetOperand> = std::iter::once(&mut term.left).chain(&mut term.right).collect();
            let mut named = false;
            for operand in operands {
                let Some(run) = operand.runs.iter_mut().find(|run| atoms == 1 && names(&run.index, id)) else {
                    continue;
                };
                if product && named {
                    // the other operand selects already; both read the same places
                }
                named = true;
                let entries = match &run.index {
                    NetIndex::Axis(_) => map.clone(),
                    NetIndex::Map { entries, .. } => composed(map, entries),
                    NetIndex::Window { .. } => return None,
                };
                run.index = NetIndex::Map { axis: to_axis, entries };
            }
            if !named && !(whole(map)) {
                // what was broadcast is now there at some places only, or more than once
                let mut entries: AxisMap = Vec::new();
                for (to, _, c) in map {
                    match entries.iter_mut().find(|e| e.0 == *to) {
                        Some(entry) => entry.2 += c,
                        None => entries.push((*to, 0, *c)),
                    }
                }
                term.left.runs.push(NetRun { log_len: 0, index: NetIndex::Map { axis: to_axis, entries } });
            }
            if product && !(selects(&term.left) && term.right.as_ref().is_none_or(selects)) {
                return None;
            }
        }
        self.terms = terms;
        if atoms == 1 {
            if len == 1 {
                // runs name no axis any more; those behind move up
                let new = |a: u8| if a > id { a - 1 } else { a };
                self.terms.iter_mut().for_each(|term| each_index(term, &mut |index| renumber(index, &new)));
                self.axes[axis].clear();
            } else {
                self.axes[axis] = vec![len];
            }
        }
        Some(self)
    }

    /// The sum over a logical axis, which then has length 1. `None` where some term must be a column first.
    pub fn summed(mut self, axis: usize) -> Option<Self> {
        while let Some(len) = self.axes[axis].last().copied() {
            let id = self.first_atom(axis) + self.axes[axis].len() - 1;
            self = self.sum_atom(id as u8, len)?;
            self.axes[axis].pop();
        }
        Some(self)
    }

    fn sum_atom(mut self, id: u8, len: usize) -> Option<Self> {
        let outputs = self.atoms().len() as u8;
        self.constant *= len as f64;
        for term in &mut self.terms {
            let both =
                operand_names(&term.left, id) && term.right.as_ref().is_some_and(|right| operand_names(right, id));
            let any =
                operand_names(&term.left, id) || term.right.as_ref().is_some_and(|right| operand_names(right, id));
            if both {
                // one more summed axis; padding must count in one operand only
                let last = outputs + term.summed.len() as u8;
                let new = |a: u8| match a {
                    a if a == id => last,
                    a => a,
                };
                each_index(term, &mut |index| renumber(index, &new));
                term.summed.push(len);
                // a square stays one, which a root can see
                let square = term.right.as_ref() == Some(&term.left);
                restrict(&mut term.left, last, len);
                if square {
                    term.right = Some(term.left.clone());
                }
            } else if any && term.right.is_some() {
                return None;
            } else if any {
                let run = term.left.runs.iter_mut().find(|run| names(&run.index, id))?;
                let entries: AxisMap = match &run.index {
                    NetIndex::Axis(_) => (0..len as u32).map(|from| (0, from, 1.0)).collect(),
                    NetIndex::Map { entries, .. } => {
                        composed(&(0..len as u32).map(|to| (0, to, 1.0)).collect(), entries)
                    }
                    NetIndex::Window { .. } => return None,
                };
                run.index = NetIndex::Map { axis: None, entries };
            } else {
                term.coefficient *= len as f64;
            }
            // the atom is gone
            let new = |a: u8| if a > id { a - 1 } else { a };
            each_index(term, &mut |index| renumber(index, &new));
        }
        Some(self)
    }
}

/// `after`, then what `before` reads: entries of the same pair are added.
fn composed(after: &AxisMap, before: &AxisMap) -> AxisMap {
    let mut by_place: std::collections::BTreeMap<u32, Vec<(u32, f64)>> = std::collections::BTreeMap::new();
    before.iter().for_each(|(to, from, c)| by_place.entry(*to).or_default().push((*from, *c)));
    let mut entries: std::collections::BTreeMap<(u32, u32), f64> = std::collections::BTreeMap::new();
    for (to, middle, a) in after {
        for (from, b) in by_place.get(middle).map_or(&[][..], Vec::as_slice) {
            *entries.entry((*to, *from)).or_default() += a * b;
        }
    }
    entries.into_iter().filter(|(_, c)| *c != 0.0).map(|((to, from), c)| (to, from, c)).collect()
}
