//! Sums of terms that are not yet layers: what most operators make.
//!
//! A tensor has logical axes, as ONNX has them, and each is made of *atoms*, outermost first: the axes of blocks. So
//! merging and regrouping axes moves nothing, and operators that move data only change how terms read their blocks. A
//! logical axis of length 1 has no atoms. An atom that no run names is broadcast over.

use super::Refusal;
use crate::net::{Axis, Kind, NetIndex, NetOperand, NetRun, NetTerm};
use assay_circuits::model::{Source, Window, log2_ceil};

/// Most entries of one map: what is proven grows with them.
pub const MAX_ENTRIES: usize = 1 << 16;

/// A summand: `coefficient · Σ left · right`. Axes are numbered like the expression's atoms, summed ones behind them.
#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    /// The factor.
    pub coefficient: f64,
    /// What is read.
    pub left: NetOperand,
    /// What it is multiplied with.
    pub right: Option<NetOperand>,
    /// Lengths of the axes that are summed over.
    pub summed: Vec<usize>,
}

/// A sum of terms and a constant, over logical axes made of atoms.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// By logical axis, outermost first: the lengths of its atoms, outermost first, none of them 1.
    pub axes: Vec<Vec<usize>>,
    /// The terms.
    pub terms: Vec<Term>,
    /// Added everywhere.
    pub constant: f64,
    /// What its values are.
    pub kind: Kind,
}

/// A sparse matrix from places of a new axis to places of an old one: `(to, from, coefficient)`.
pub type AxisMap = Vec<(u32, u32, f64)>;

/// Log of a padded length.
pub fn log(len: usize) -> u8 {
    log2_ceil(len as u32)
}

/// Applies `f` to every index of a term.
pub fn each_index(term: &mut Term, f: &mut dyn FnMut(&mut NetIndex)) {
    let operands = std::iter::once(&mut term.left).chain(&mut term.right);
    operands.flat_map(|operand| &mut operand.runs).for_each(|run| f(&mut run.index));
}

pub fn renumber(index: &mut NetIndex, new: &dyn Fn(u8) -> u8) {
    match index {
        NetIndex::Axis(axis) => *axis = new(*axis),
        NetIndex::Map { axis, .. } => *axis = axis.map(new),
        NetIndex::Window { out, kernel, .. } => (*out, *kernel) = (new(*out), new(*kernel)),
    }
}

pub fn names(index: &NetIndex, axis: u8) -> bool {
    match index {
        NetIndex::Axis(a) => *a == axis,
        NetIndex::Map { axis: a, .. } => *a == Some(axis),
        NetIndex::Window { out, kernel, .. } => *out == axis || *kernel == axis,
    }
}

pub fn operand_names(operand: &NetOperand, axis: u8) -> bool {
    operand.runs.iter().any(|run| names(&run.index, axis))
}

/// Whether an operand may stand in a product: every place reads one cell at most, times 1.
pub fn selects(operand: &NetOperand) -> bool {
    operand.runs.iter().all(|run| match &run.index {
        NetIndex::Map { entries, .. } => {
            let mut seen: Vec<u32> = entries.iter().map(|e| e.0).collect();
            seen.sort_unstable();
            entries.iter().all(|e| e.2 == 1.0) && seen.windows(2).all(|pair| pair[0] != pair[1])
        }
        _ => true,
    })
}

impl Expr {
    /// A column whose axes are these atoms, the innermost in the lowest bits.
    pub fn column(source: Source, axes: Vec<Vec<usize>>, kind: Kind) -> Self {
        let atoms: Vec<usize> = axes.iter().flatten().copied().collect();
        let runs = atoms
            .iter()
            .enumerate()
            .rev()
            .map(|(id, len)| NetRun { log_len: log(*len), index: NetIndex::Axis(id as u8) });
        let left = NetOperand { source, runs: runs.collect() };
        Self {
            axes,
            terms: vec![Term { coefficient: 1.0, left, right: None, summed: Vec::new() }],
            constant: 0.0,
            kind,
        }
    }

    /// The same number everywhere.
    pub fn constant(value: f64, axes: Vec<Vec<usize>>) -> Self {
        Self { axes, terms: Vec::new(), constant: value, kind: Kind::Real }
    }

    /// Lengths of the atoms.
    pub fn atoms(&self) -> Vec<usize> {
        self.axes.iter().flatten().copied().collect()
    }

    /// Lengths of the logical axes.
    pub fn shape(&self) -> Vec<usize> {
        self.axes.iter().map(|atoms| atoms.iter().product()).collect()
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.axes.iter().flatten().product()
    }

    /// The number of a logical axis's first atom.
    pub fn first_atom(&self, axis: usize) -> usize {
        self.axes[..axis].iter().map(Vec::len).sum()
    }

    /// As a layer's block has them, lowest bits first.
    pub fn block_axes(&self) -> Vec<Axis> {
        self.atoms().iter().rev().map(|len| Axis { log: log(*len), len: *len as u32 }).collect()
    }

    /// The terms for a layer: axes numbered from the innermost.
    pub fn net_terms(&self) -> Vec<NetTerm> {
        let atoms = self.atoms();
        let outputs = atoms.len();
        let new = |axis: u8| if usize::from(axis) < outputs { (outputs - 1 - usize::from(axis)) as u8 } else { axis };
        let term = |term: &Term| {
            let mut term = term.clone();
            each_index(&mut term, &mut |index| renumber(index, &new));
            let axes = atoms.iter().rev().chain(&term.summed).map(|len| log(*len)).collect();
            NetTerm {
                coefficient: term.coefficient,
                axes,
                summed: term.summed.len() as u8,
                left: term.left,
                right: term.right,
            }
        };
        self.terms.iter().map(term).collect()
    }

    /// The single column that it is, times 1: what products, windows and maxima read.
    pub fn as_operand(&self) -> Option<&NetOperand> {
        match &self.terms[..] {
            [Term { left, right: None, coefficient, .. }] if *coefficient == 1.0 && self.constant == 0.0 => Some(left),
            _ => None,
        }
    }

    /// Whether an atom's places are a run's numbers, in every term.
    pub fn is_plain(&self, atom: usize) -> bool {
        let plain = |operand: &NetOperand| {
            operand.runs.iter().all(|run| !names(&run.index, atom as u8) || matches!(run.index, NetIndex::Axis(_)))
        };
        self.terms.iter().all(|term| plain(&term.left) && term.right.as_ref().is_none_or(plain))
    }

    /// `self · factor + shift`.
    pub fn affine(mut self, factor: f64, shift: f64) -> Self {
        if factor == 0.0 {
            self.terms.clear();
        }
        self.terms.iter_mut().for_each(|term| term.coefficient *= factor);
        self.constant = self.constant * factor + shift;
        if factor.fract() != 0.0 || shift.fract() != 0.0 {
            self.kind = Kind::Real;
        } else if self.kind == Kind::Boolean && (factor, shift) != (1.0, 0.0) {
            self.kind = Kind::Integer;
        }
        self
    }

    /// The sum with another expression over the same atoms.
    pub fn plus(mut self, other: Self) -> Self {
        self.terms.extend(other.terms);
        self.constant += other.constant;
        self.kind = if self.kind == Kind::Real || other.kind == Kind::Real { Kind::Real } else { Kind::Integer };
        self
    }

    /// Reorders logical axes: `order[i]` is the old number of the new axis `i`.
    pub fn transposed(mut self, order: &[usize]) -> Self {
        let firsts: Vec<usize> = (0..self.axes.len()).map(|axis| self.first_atom(axis)).collect();
        let ids: Vec<usize> =
            order.iter().flat_map(|axis| firsts[*axis]..firsts[*axis] + self.axes[*axis].len()).collect();
        let new = |axis: u8| ids.iter().position(|id| *id == usize::from(axis)).map_or(axis, |at| at as u8);
        self.terms.iter_mut().for_each(|term| each_index(term, &mut |index| renumber(index, &new)));
        self.axes = order.iter().map(|axis| self.axes[*axis].clone()).collect();
        self
    }

    /// Inserts a logical axis of these atoms, over which everything is broadcast.
    pub fn with_axis(mut self, at: usize, atoms: Vec<usize>) -> Self {
        let first = if at == self.axes.len() { self.atoms().len() } else { self.first_atom(at) };
        let more = atoms.len() as u8;
        let new = |axis: u8| if usize::from(axis) < first { axis } else { axis + more };
        self.terms.iter_mut().for_each(|term| each_index(term, &mut |index| renumber(index, &new)));
        self.axes.insert(at, atoms);
        self
    }

    /// Removes a logical axis of length 1.
    pub fn without_axis(mut self, at: usize) -> Self {
        debug_assert!(self.axes[at].is_empty(), "only axes of length 1 are removed");
        self.axes.remove(at);
        self
    }

    /// Broadcasts to other atoms: axes of length 1 become as long as these.
    pub fn broadcast(self, axes: &[Vec<usize>]) -> Self {
        axes.iter().enumerate().fold(self, |expr, (at, atoms)| {
            if expr.axes[at].is_empty() && !atoms.is_empty() {
                expr.without_axis(at).with_axis(at, atoms.clone())
            } else {
                expr
            }
        })
    }

    /// Splits an atom of a logical axis into an outer one and an inner one of length `inner`. `None` where a term reads
    /// the atom through a map or a window.
    pub fn split_atom(mut self, axis: usize, atom: usize, inner: usize) -> Option<Self> {
        let id = self.first_atom(axis) + atom;
        let len = self.axes[axis][atom];
        if !self.is_plain(id) {
            return None;
        }
        let outer = len / inner;
        let new = |a: u8| if usize::from(a) <= id { a } else { a + 1 };
        for term in &mut self.terms {
            each_index(term, &mut |index| renumber(index, &new));
            for operand in std::iter::once(&mut term.left).chain(&mut term.right) {
                let Some(at) = operand.runs.iter().position(|run| names(&run.index, id as u8)) else { continue };
                let (out, kernel) = (id as u8, id as u8 + 1);
                if inner.is_power_of_two() && operand.runs[at].log_len == log(outer) + log(inner) {
                    let run = |log_len, axis| NetRun { log_len, index: NetIndex::Axis(axis) };
                    operand.runs.splice(at..=at, [run(log(inner), kernel), run(log(outer), out)]);
                } else {
                    let window = Window {
                        outputs: outer as u32,
                        kernel: inner as u32,
                        inputs: len as u32,
                        stride: inner as u32,
                        dilation: 1,
                        padding: 0,
                    };
                    operand.runs[at].index = NetIndex::Window { out, kernel, window };
                }
            }
        }
        self.axes[axis].splice(atom..=atom, [outer, inner]);
        Some(self)
    }

    /// Another shape with the same elements in the same order. `None` where that takes a copy first.
    pub fn reshaped(self, shape: &[usize]) -> Option<Self> {
        let old = self.atoms();
        let (mut expr, mut groups) = (self.flat(), Vec::with_capacity(shape.len()));
        let mut rest: Vec<usize> = old;
        let mut at = 0;
        for len in shape {
            let (mut group, mut left) = (Vec::new(), *len);
            while left > 1 {
                let atom = *rest.get(at)?;
                if left % atom == 0 {
                    group.push(atom);
                    left /= atom;
                } else if atom % left == 0 {
                    expr = expr.split_atom(0, at, atom / left)?;
                    rest.splice(at..=at, [left, atom / left]);
                    group.push(left);
                    left = 1;
                } else {
                    return None;
                }
                at += 1;
            }
            groups.push(group);
        }
        expr.axes = groups;
        Some(expr)
    }

    /// All atoms in one logical axis.
    fn flat(mut self) -> Self {
        self.axes = vec![self.atoms()];
        self
    }
}

/// Reads no padding of an axis: the places of a run that count.
pub fn restrict(operand: &mut NetOperand, axis: u8, len: usize) {
    if len.is_power_of_two() {
        return;
    }
    for run in &mut operand.runs {
        if run.index == NetIndex::Axis(axis) {
            let entries = (0..len as u32).map(|i| (i, i, 1.0)).collect();
            run.index = NetIndex::Map { axis: Some(axis), entries };
        }
    }
}

/// Atoms that refine two lists of atoms of the same length: where the boundaries of either are.
pub fn common(a: &[usize], b: &[usize]) -> Result<Vec<usize>, Refusal> {
    let boundaries = |atoms: &[usize]| -> Vec<usize> {
        atoms
            .iter()
            .rev()
            .scan(1, |size, atom| {
                *size *= atom;
                Some(*size)
            })
            .collect()
    };
    let mut sizes = [boundaries(a), boundaries(b)].concat();
    sizes.sort_unstable();
    sizes.dedup();
    let (mut atoms, mut last) = (Vec::new(), 1);
    for size in sizes {
        if size % last != 0 {
            return Err(Refusal::Layout);
        }
        atoms.push(size / last);
        last = size;
    }
    atoms.reverse();
    Ok(atoms)
}
