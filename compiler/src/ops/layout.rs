//! How values lie in blocks: the same atoms for two expressions, one atom for an axis, and copies where neither is
//! possible without.

use super::Refusal;
use super::expr::{Expr, log};
use super::lower::{Lowerer, Value, atoms_of};
use crate::net::{NetIndex, NetRun};
use assay_circuits::model::Source;

impl Lowerer {
    /// A value whose every logical axis is one run of its own, in its own block: a copy where it is not.
    pub fn natural(&mut self, value: &Value) -> Result<Expr, Refusal> {
        let column = self.column(value)?;
        let natural = Expr::column(Source::Input, atoms_of(&column.shape()), column.kind);
        let runs = |expr: &Expr| expr.as_operand().map(|operand| operand.runs.clone());
        if runs(&column) == runs(&natural) && column.axes == natural.axes {
            return Ok(column);
        }
        if column.axes == natural.axes {
            return self.copied(&column);
        }
        // atoms of one logical axis become one
        let mut expr = column.clone();
        for axis in 0..expr.axes.len() {
            expr = self.merged(expr, axis)?;
        }
        self.copied(&expr)
    }

    /// A column that a product can read, which reads one cell a place, and no sum of them: a copy where it is not.
    pub fn readable(&mut self, expr: Expr) -> Result<Expr, Refusal> {
        if expr.as_operand().is_some_and(super::expr::selects) { Ok(expr) } else { self.copied(&expr) }
    }

    /// Makes a logical axis of several atoms one atom, by a map over the neighbouring runs that they are.
    pub fn merged(&mut self, expr: Expr, axis: usize) -> Result<Expr, Refusal> {
        let atoms = expr.axes[axis].clone();
        if atoms.len() < 2 {
            return Ok(expr);
        }
        // a column whose runs are the atoms in order
        let mut column = self.copied(&expr)?;
        let first = column.first_atom(axis);
        let len: usize = atoms.iter().product();
        let logs: Vec<u8> = atoms.iter().map(|atom| log(*atom)).collect();
        if len > super::expr::MAX_ENTRIES {
            return Err(Refusal::TooLarge);
        }
        let cell = |flat: usize| {
            let (mut rest, mut cell, mut shift) = (flat, 0usize, 0u32);
            for (atom, log) in atoms.iter().zip(&logs).rev() {
                cell |= (rest % atom) << shift;
                rest /= atom;
                shift += u32::from(*log);
            }
            cell
        };
        let entries = (0..len).map(|flat| (flat as u32, cell(flat) as u32, 1.0)).collect();
        let operand = &mut column.terms[0].left;
        let at = operand
            .runs
            .iter()
            .position(|run| matches!(run.index, NetIndex::Axis(a) if usize::from(a) == first + atoms.len() - 1));
        let Some(at) = at else { return Err(Refusal::Layout) };
        let run = NetRun { log_len: logs.iter().sum(), index: NetIndex::Map { axis: Some(first as u8), entries } };
        operand.runs.splice(at..at + atoms.len(), [run]);
        let gone = atoms.len() as u8 - 1;
        for run in &mut operand.runs {
            if let NetIndex::Axis(a) = &mut run.index
                && usize::from(*a) >= first + atoms.len()
            {
                *a -= gone;
            }
        }
        column.axes[axis] = vec![len];
        Ok(column)
    }

    /// Both expressions with the same atoms: broadcast against each other, and split where either is.
    pub fn aligned(&mut self, a: Expr, b: Expr) -> Result<(Expr, Expr), Refusal> {
        let rank = a.axes.len().max(b.axes.len());
        let lead = self.lead();
        let padded = |expr: Expr| (expr.axes.len()..rank).fold(expr, |expr, _| expr.with_axis(lead, Vec::new()));
        let (mut a, mut b) = (padded(a), padded(b));
        for axis in 0..rank {
            if a.axes[axis].is_empty() || b.axes[axis].is_empty() || a.axes[axis] == b.axes[axis] {
                continue;
            }
            let atoms = super::expr::common(&a.axes[axis], &b.axes[axis])?;
            a = self.refined(a, axis, &atoms)?;
            b = self.refined(b, axis, &atoms)?;
        }
        let axes: Vec<Vec<usize>> =
            a.axes.iter().zip(&b.axes).map(|(a, b)| if a.is_empty() { b.clone() } else { a.clone() }).collect();
        Ok((a.broadcast(&axes), b.broadcast(&axes)))
    }

    /// An expression with these atoms in an axis.
    pub fn refined(&mut self, expr: Expr, axis: usize, atoms: &[usize]) -> Result<Expr, Refusal> {
        let mut expr = expr;
        for (at, len) in atoms.iter().enumerate() {
            let have = *expr.axes[axis].get(at).ok_or(Refusal::Layout)?;
            if have == *len {
                continue;
            }
            if have % len != 0 {
                return Err(Refusal::Layout);
            }
            // what is read through a window is not split again: a copy is
            expr = match expr.clone().split_atom(axis, at, have / len) {
                Some(done) => done,
                None => self.copied(&expr)?.split_atom(axis, at, have / len).ok_or(Refusal::Layout)?,
            };
        }
        Ok(expr)
    }
}
