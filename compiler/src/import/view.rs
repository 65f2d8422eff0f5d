//! Views: a tensor of the graph is a shape and, for each element, the cell of a column. Reshapes and transpositions only make new views.

use super::{Form, Importer, MAX_LOG_BLOCK};
use crate::net::{NetTerm, RealAxis, Scaling};
use assay_circuits::model::{Dims, Source};
use std::sync::Arc;

/// A tensor: the element at row-major index `i` of `shape` is `cells[i]` of the column `source`.
///
/// While the input's layout is not settled, the cells of its views are indices of its elements.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub source: Source,
    /// ONNX's shape, batch included.
    pub shape: Vec<u32>,
    pub cells: Arc<[u32]>,
}

/// The natural block of a tensor: channels first; two axes after the batch are channels and width.
pub(super) fn dims_of_shape(shape: &[u32]) -> Option<Dims> {
    let of = |c: u32, h: u32, w: u32| {
        let small = [c, h, w].iter().all(|&n| (1..=1 << MAX_LOG_BLOCK).contains(&n));
        Some(Dims::new(c, h, w)).filter(|d| small && d.log_size() <= MAX_LOG_BLOCK)
    };
    match *shape {
        [1, c, h, w] => of(c, h, w),
        [1, c, l] => of(c, 1, l),
        _ => of(shape.iter().try_fold(1u32, |n, &d| n.checked_mul(d))?, 1, 1),
    }
}

/// The cells of a block in row-major order.
fn row_major(dims: Dims) -> Vec<u32> {
    let mut cells = Vec::with_capacity(dims.len());
    for c in 0..dims.channels {
        for h in 0..dims.height {
            cells.extend((0..dims.width).map(|w| dims.cell(c, h, w) as u32));
        }
    }
    cells
}

impl View {
    pub fn of_input(shape: &[u32]) -> Self {
        let len = shape.iter().product::<u32>();
        Self { source: Source::Input, shape: shape.to_vec(), cells: (0..len).collect() }
    }

    /// The whole of a column, in its own order.
    pub fn whole(source: Source, dims: Dims, shape: Vec<u32>) -> Self {
        Self { source, shape, cells: row_major(dims).into() }
    }

    /// The same elements in another shape.
    pub fn reshaped(&self, shape: Vec<u32>) -> Result<Self, Form> {
        let len = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d as usize));
        if len != Some(self.cells.len()) {
            return Err(Form::Shapes);
        }
        Ok(Self { source: self.source, shape, cells: self.cells.clone() })
    }

    /// Axis `i` of the result is axis `permutation[i]` of this.
    pub fn transposed(&self, permutation: &[usize]) -> Result<Self, Form> {
        let rank = self.shape.len();
        let mut sorted = permutation.to_vec();
        sorted.sort_unstable();
        if !sorted.iter().copied().eq(0..rank) {
            return Err(Form::Axes);
        }
        let (shape, order) = transposition(&self.shape, permutation);
        let cells = order.into_iter().filter_map(|i| self.cells.get(i).copied()).collect();
        Ok(Self { source: self.source, shape, cells })
    }
}

/// Shape of a transposed tensor and, for each of its elements, the index of the original. `permutation` is one.
pub(super) fn transposition(shape: &[u32], permutation: &[usize]) -> (Vec<u32>, Vec<usize>) {
    let mut strides = vec![1usize; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis] as usize;
    }
    let turned: Vec<u32> = permutation.iter().map(|&axis| shape[axis]).collect();
    let order = permutation.iter().fold(vec![0usize], |prefixes, &axis| {
        prefixes.into_iter().flat_map(|at| (0..shape[axis] as usize).map(move |i| (at, i))).map(|(at, i)| at + i * strides[axis]).collect()
    });
    (turned, order)
}

impl Importer {
    /// A view whose cells are cells. The first call on a view of the input chooses the input's layout: that view's natural block.
    pub(super) fn settle(&mut self, view: &View) -> View {
        if view.source != Source::Input {
            return view.clone();
        }
        let (_, layout) = self.input.settled.get_or_insert_with(|| {
            let dims = dims_of_shape(&view.shape).unwrap_or(Dims::vector(view.cells.len() as u32));
            let mut layout = vec![0; view.cells.len()];
            for (&element, cell) in view.cells.iter().zip(row_major(dims)) {
                if let Some(slot) = layout.get_mut(element as usize) {
                    *slot = cell;
                }
            }
            (dims, layout)
        });
        let cells = view.cells.iter().map(|&e| layout.get(e as usize).copied().unwrap_or(0)).collect();
        View { source: view.source, shape: view.shape.clone(), cells }
    }

    /// A column that holds exactly this image (N,C,H,W or N,C,L) in its natural block; gathers it into one if there is none.
    pub(super) fn image(&mut self, name: &str, view: &View) -> Result<(Source, Dims), Form> {
        if !matches!(view.shape[..], [1, _, _, _] | [1, _, _]) {
            return Err(Form::Rank);
        }
        let dims = dims_of_shape(&view.shape).ok_or(Form::TooLarge)?;
        let view = self.settle(view);
        let natural = row_major(dims);
        if self.dims(view.source) == dims && view.cells.iter().eq(&natural) {
            return Ok((view.source, dims));
        }
        let pairs = natural.into_iter().zip(view.cells.iter().copied()).collect();
        let terms = vec![NetTerm::Gather { source: view.source, pairs }];
        Ok((self.push(&format!("{name}/layout"), dims, terms, None, Scaling::Same(view.source))?, dims))
    }

    /// A layer that copies a column, for a function or a bias to be put on.
    pub(super) fn copy(&mut self, name: &str, source: Source, dims: Dims) -> Result<Source, Form> {
        let terms = vec![NetTerm::Stencil { source, rows: RealAxis::identity(dims.height), cols: RealAxis::identity(dims.width) }];
        self.push(name, dims, terms, None, Scaling::Same(source))
    }
}
