//! What the operators build with: values of the graph, and the layers that they become when somebody must read a
//! column.

use super::Refusal;
use super::expr::{Expr, log};
use crate::net::{Kind, Net, NetLayer, NetOperand, NetRule, rounding};
use assay_circuits::model::{Binary, Instruction, MAX_LAYERS, MAX_LOG_BLOCK, Source, Unary, log2_ceil};
use std::collections::BTreeMap;
use std::sync::Arc;
use tract_onnx::prelude::*;

/// Constants beyond it stand for infinity.
const INFINITE: f32 = 1e9;
/// What becomes of them.
const LARGE: f32 = 1e4;
/// Most steps of a function, which leaves room for those that join two.
pub const MAX_STEPS: usize = 48;

/// A tensor of the graph.
#[derive(Clone)]
pub enum Value {
    /// Known at compile time.
    Constant(Arc<Tensor>),
    /// Depends on the input.
    Lazy(Lazy),
}

/// A function of one expression, element by element. Nothing is made of it until it is read.
#[derive(Clone)]
pub struct Lazy {
    /// Index of the expression.
    pub base: usize,
    /// The function of it.
    pub program: Vec<Instruction>,
    /// Where the function is `a·x + b`: both.
    pub affine: Option<(f64, f64)>,
    /// Where the function is `(a·x + b)²`: both. Sums read it as a product, which is exact; functions take it into
    /// their table.
    pub square: Option<(f64, f64)>,
    /// What its values are.
    pub kind: Kind,
}

/// An expression that values are functions of.
struct Base {
    expr: Expr,
    /// The layer that holds it, if it has been made.
    layer: Option<u32>,
    /// Whether the graph reads it more than once, so that it is made before products copy it.
    shared: bool,
    /// Functions of it that layers hold.
    functions: Vec<(Vec<Instruction>, u32)>,
}

/// The network under construction.
pub struct Lowerer {
    /// What there is so far.
    pub net: Net,
    bases: Vec<Base>,
    /// Name of the node whose layers are made.
    pub name: String,
    /// Inside a loop: the steps, which are the first logical axis of every value.
    pub steps: Option<usize>,
    /// Columns of a loop that are yet to be made: a placeholder, and what it will be.
    pub promised: u32,
    /// Blocks of weights whose rows are read, with the numbers of rows and of cells in a row: a head that is tied to an
    /// embedding is the same block.
    pub embeddings: Vec<(Source, [usize; 2])>,
    /// Columns that are two: the second is what the first rounds down.
    pub wide: Vec<(Source, Source)>,
    /// By base that has become two columns: the sum that they are.
    pub wide_sums: BTreeMap<usize, Expr>,
}

/// The program that is its argument.
pub fn argument() -> Vec<Instruction> {
    vec![Instruction::Argument]
}

/// [`floats`], where what stands for infinity is a large number: only a softmax's mask has such, and there both are 0.
pub fn bounded(tensor: &Tensor) -> Result<Vec<f32>, Refusal> {
    Ok(floats(tensor)?.into_iter().map(|v| if v.abs() > INFINITE { LARGE.copysign(v) } else { v }).collect())
}

/// A constant's elements.
pub fn floats(tensor: &Tensor) -> Result<Vec<f32>, Refusal> {
    let cast = tensor.cast_to::<f32>().map_err(|_| Refusal::Type)?;
    let view = cast.to_plain_array_view::<f32>().map_err(|_| Refusal::Type)?;
    Ok(view.iter().copied().collect())
}

/// A constant's elements in double precision, if they are numbers.
pub fn numbers_of(tensor: &Tensor) -> Option<Vec<f64>> {
    let cast = tensor.cast_to::<f64>().ok()?;
    let view = cast.to_plain_array_view::<f64>().ok()?;
    Some(view.iter().copied().collect())
}

/// A constant's elements as integers.
pub fn integers(tensor: &Tensor) -> Result<Vec<i64>, Refusal> {
    let cast = tensor.cast_to::<i64>().map_err(|_| Refusal::Type)?;
    let view = cast.to_plain_array_view::<i64>().map_err(|_| Refusal::Type)?;
    Ok(view.iter().copied().collect())
}

/// The atoms of a shape: one an axis.
pub fn atoms_of(shape: &[usize]) -> Vec<Vec<usize>> {
    shape.iter().map(|len| if *len == 1 { Vec::new() } else { vec![*len] }).collect()
}

pub fn kind_of(dt: DatumType) -> Kind {
    if dt == bool::datum_type() {
        Kind::Boolean
    } else if dt.is_integer() || dt.is_tdim() {
        Kind::Integer
    } else {
        Kind::Real
    }
}

impl Lowerer {
    /// An empty network.
    pub fn new() -> Self {
        Self {
            net: Net::default(),
            bases: Vec::new(),
            name: String::new(),
            steps: None,
            promised: 0,
            embeddings: Vec::new(),
            wide: Vec::new(),
            wide_sums: BTreeMap::new(),
        }
    }

    /// How many logical axes stand before those that the graph knows.
    pub fn lead(&self) -> usize {
        usize::from(self.steps.is_some())
    }

    /// Puts a column that has been made where its placeholder was read: in the layers from `first` on, and in
    /// expressions that are not layers yet, such as an output of a loop.
    pub fn resolve(&mut self, first: u32, placeholder: Source, column: Source) {
        let layers = self.net.layers[first as usize..].iter_mut().flat_map(|layer| &mut layer.terms);
        let layers = layers.flat_map(|term| std::iter::once(&mut term.left).chain(&mut term.right));
        let open = self.bases.iter_mut().flat_map(|base| &mut base.expr.terms);
        let open = open.flat_map(|term| std::iter::once(&mut term.left).chain(&mut term.right));
        layers.chain(open).filter(|operand| operand.source == placeholder).for_each(|operand| operand.source = column);
    }

    /// A value that is an expression.
    pub fn value(&mut self, expr: Expr) -> Value {
        Value::Lazy(self.lazy(expr))
    }

    /// The same, as what it is.
    pub fn lazy(&mut self, expr: Expr) -> Lazy {
        let kind = expr.kind;
        self.bases.push(Base { expr, layer: None, shared: false, functions: Vec::new() });
        Lazy { base: self.bases.len() - 1, program: argument(), affine: Some((1.0, 0.0)), square: None, kind }
    }

    /// Marks a value that several nodes read. A rounding of a quotient is a column of its own, and the quotient may
    /// still have no other reader.
    pub fn share(&mut self, value: &Value) {
        if let Value::Lazy(lazy) = value
            && rounding::ends(&lazy.program).is_none()
        {
            self.bases[lazy.base].shared = true;
        }
    }

    /// Whether several nodes read the expression.
    pub fn is_shared(&self, lazy: &Lazy) -> bool {
        self.bases[lazy.base].shared
    }

    /// The shape of a value, with the steps of a loop in front.
    pub fn axes(&self, lazy: &Lazy) -> &[Vec<usize>] {
        &self.bases[lazy.base].expr.axes
    }

    /// The expression that a value is a function of.
    pub fn base(&self, lazy: &Lazy) -> &Expr {
        &self.bases[lazy.base].expr
    }

    /// `f(value)`, by a program of `f`.
    pub fn apply(&self, lazy: &Lazy, steps: &[Instruction], kind: Kind) -> Lazy {
        let mut program = Vec::with_capacity(lazy.program.len() + steps.len());
        for step in steps {
            match step {
                Instruction::Argument => program.extend(lazy.program.iter().copied()),
                step => program.push(*step),
            }
        }
        Lazy { base: lazy.base, program, affine: None, square: None, kind }
    }

    /// A function of a value, which is made a column first where the program would get too long.
    pub fn function(&mut self, lazy: &Lazy, steps: &[Instruction], kind: Kind) -> Result<Value, Refusal> {
        let uses = steps.iter().filter(|step| **step == Instruction::Argument).count();
        if lazy.program.len() * uses + steps.len() > MAX_STEPS {
            let column = self.column(&Value::Lazy(lazy.clone()))?;
            let lazy = self.lazy(column);
            return Ok(Value::Lazy(self.apply(&lazy, steps, kind)));
        }
        Ok(Value::Lazy(self.apply(lazy, steps, kind)))
    }

    /// `f(a, b)` of two functions of the same expression.
    pub fn joined(&mut self, a: &Lazy, b: &Lazy, f: Binary, kind: Kind) -> Option<Value> {
        if a.base != b.base || a.program.len() + b.program.len() + 1 > MAX_STEPS {
            return None;
        }
        let program = [a.program.as_slice(), b.program.as_slice(), &[Instruction::Binary(f)]].concat();
        let affine = match (f, a.affine, b.affine) {
            (Binary::Add, Some(a), Some(b)) => Some((a.0 + b.0, a.1 + b.1)),
            (Binary::Sub, Some(a), Some(b)) => Some((a.0 - b.0, a.1 - b.1)),
            _ => None,
        };
        let square = a.affine.filter(|of| f == Binary::Mul && b.affine == Some(*of));
        Some(Value::Lazy(Lazy { base: a.base, program, affine, square, kind }))
    }

    /// `factor · value + shift`.
    pub fn scaled(&self, lazy: &Lazy, factor: f64, shift: f64) -> Lazy {
        let kind = if factor.fract() == 0.0 && shift.fract() == 0.0 && lazy.kind != Kind::Real {
            Kind::Integer
        } else {
            Kind::Real
        };
        let constant = |v: f64| Instruction::constant(v as f32);
        let steps = [
            Instruction::Argument,
            constant(factor),
            Instruction::Binary(Binary::Mul),
            constant(shift),
            Instruction::Binary(Binary::Add),
        ];
        let affine = lazy.affine.map(|(a, b)| (a * factor, b * factor + shift));
        Lazy { affine, ..self.apply(lazy, &steps, kind) }
    }

    /// A value as a sum of terms. Constants become blocks of weights.
    pub fn expr(&mut self, value: &Value) -> Result<Expr, Refusal> {
        match value {
            Value::Constant(tensor) => self.constant_expr(tensor),
            Value::Lazy(lazy) => match lazy.affine {
                Some((a, b)) => {
                    let base = &self.bases[lazy.base];
                    let expr = &base.expr;
                    let cheap = expr.terms.iter().all(|t| t.right.is_none()) && expr.terms.len() <= 2;
                    if base.shared && base.layer.is_none() && !cheap {
                        self.make(lazy.base)?;
                    }
                    let expr = self.bases[lazy.base].expr.clone();
                    let kind = if (a, b) == (1.0, 0.0) { lazy.kind } else { expr.kind };
                    Ok(Expr { kind, ..expr }.affine(a, b))
                }
                None => match lazy.square {
                    Some(affine) => self.squared(
                        &Lazy { program: argument(), affine: Some((1.0, 0.0)), square: None, ..lazy.clone() },
                        affine,
                    ),
                    None => self.column(value),
                },
            },
        }
    }

    /// `(a·x + b)²` as a product of a column with itself.
    fn squared(&mut self, x: &Lazy, (a, b): (f64, f64)) -> Result<Expr, Refusal> {
        if (a, b) == (1.0, 0.0)
            && let Some(square) = super::normal::exact_square(self, x)?
        {
            return self.expr(&square);
        }
        let column = self.column(&Value::Lazy(self.scaled(x, a, b)))?;
        let product = super::elementwise::product_of(self, column.clone(), column)?;
        self.expr(&product)
    }

    fn constant_expr(&mut self, tensor: &Tensor) -> Result<Expr, Refusal> {
        let values = bounded(tensor)?;
        let mut axes = atoms_of(tensor.shape());
        // integers written as floats are as exact
        let kind = if values.iter().all(|v| v.fract() == 0.0) { Kind::Integer } else { Kind::Real };
        let first = values.first().copied().unwrap_or(0.0);
        let uniform = values.iter().all(|v| *v == first);
        let source = if uniform { None } else { Some(self.weight(tensor.shape(), &values)?) };
        let axes = {
            if self.steps.is_some() {
                axes.insert(0, Vec::new());
            }
            axes
        };
        Ok(match source {
            None => Expr { kind, ..Expr::constant(first.into(), axes.iter().map(|_| Vec::new()).collect()) }
                .broadcast(&axes),
            Some(source) => Expr::column(source, axes, kind),
        })
    }

    /// Whether a matrix is an embedding, or one transposed.
    pub fn is_embedding(&self, matrix: &Tensor) -> bool {
        let shape: Vec<usize> = matrix.shape().iter().copied().filter(|len| *len > 1).collect();
        let [a, b] = shape[..] else { return false };
        let of = |source: &Source| match source {
            Source::Weight(w) => self.net.weights.get(*w as usize),
            _ => None,
        };
        let mut alike = self.embeddings.iter().filter(|(_, of)| *of == [a, b] || *of == [b, a]).peekable();
        if alike.peek().is_none() {
            return false;
        }
        let Ok(values) = bounded(matrix) else { return false };
        let same = |block: &[f32], width: usize, transposed: bool| {
            values.iter().enumerate().all(|(i, v)| {
                let (row, at) = if transposed { (i % b, i / b) } else { (i / b, i % b) };
                block.get(row << log(width) | at) == Some(v)
            })
        };
        alike.any(|(source, [rows, width])| {
            let any = |block: &Vec<f32>| {
                (*rows == a && same(block, *width, false)) || (*rows == b && same(block, *width, true))
            };
            of(source).is_some_and(any)
        })
    }

    /// A block of weights, row-major, each axis padded to a power of two. One that is an embedding is that embedding.
    pub fn weight(&mut self, shape: &[usize], values: &[f32]) -> Result<Source, Refusal> {
        let logs: Vec<u8> = shape.iter().map(|len| log(*len)).collect();
        let total: u32 = logs.iter().map(|l| u32::from(*l)).sum();
        if total > MAX_LOG_BLOCK.into() {
            return Err(Refusal::TooLarge);
        }
        let mut block = vec![0.0; 1 << total];
        for (index, value) in values.iter().enumerate() {
            let (mut rest, mut cell, mut shift) = (index, 0, 0);
            for (len, log) in shape.iter().zip(&logs).rev() {
                cell |= (rest % len) << shift;
                rest /= len;
                shift += u32::from(*log);
            }
            block[cell] = *value;
        }
        let tied = |(source, of): &&(Source, [usize; 2])| {
            of[..] == *shape && matches!(source, Source::Weight(w) if self.net.weights[*w as usize] == block)
        };
        if let Some((source, _)) = self.embeddings.iter().find(tied) {
            return Ok(*source);
        }
        self.net.parameters += values.len() as u64;
        self.net.weights.push(block);
        self.net.lengths.push(shape.iter().rev().copied().collect());
        Ok(Source::Weight(self.net.weights.len() as u32 - 1))
    }

    /// Appends a layer; its index.
    pub fn layer(&mut self, expr: &Expr, rule: NetRule) -> Result<u32, Refusal> {
        let axes = expr.block_axes();
        let total: u32 = axes.iter().map(|axis| u32::from(axis.log)).sum();
        if total > MAX_LOG_BLOCK.into() || self.net.layers.len() >= MAX_LAYERS {
            return Err(Refusal::TooLarge);
        }
        for term in expr.terms.iter().filter(|term| term.right.is_some()) {
            self.net.macs += expr.len() as u64 * term.summed.iter().product::<usize>() as u64;
        }
        let (terms, kind) = (expr.net_terms(), expr.kind);
        self.net.layers.push(NetLayer {
            name: self.name.clone(),
            axes,
            terms,
            constant: expr.constant,
            rule,
            kind,
            post_kind: kind,
        });
        Ok(self.net.layers.len() as u32 - 1)
    }

    /// Makes the layer of an expression, unless it is a column already.
    fn make(&mut self, base: usize) -> Result<u32, Refusal> {
        if let Some(layer) = self.bases[base].layer {
            return Ok(layer);
        }
        let expr = self.bases[base].expr.clone();
        let layer = self.layer(&expr, NetRule::Requantise { function: None })?;
        self.bases[base].layer = Some(layer);
        self.bases[base].expr = Expr::column(Source::Pre(layer), expr.axes, expr.kind);
        Ok(layer)
    }

    /// Puts another expression in the place of the one that a value, and every other function of it, is made of.
    pub fn replace(&mut self, lazy: &Lazy, expr: Expr) {
        self.bases[lazy.base].expr = expr;
    }

    /// A value as one column, which products and windows can read.
    pub fn column(&mut self, value: &Value) -> Result<Expr, Refusal> {
        let Value::Lazy(lazy) = value else {
            let expr = self.expr(value)?;
            return if expr.as_operand().is_some() { Ok(expr) } else { self.copied(&expr) };
        };
        if let Some((a, b)) = lazy.affine {
            let expr = Expr { kind: lazy.kind, ..self.bases[lazy.base].expr.clone() };
            if (a, b) == (1.0, 0.0) {
                if expr.as_operand().is_some() {
                    return Ok(expr);
                }
                self.make(lazy.base)?;
                return Ok(self.bases[lazy.base].expr.clone());
            }
            let expr = self.expr(value)?;
            return self.copied(&expr);
        }
        self.function_column(lazy)
    }

    /// A layer that holds an expression, as a column.
    pub fn copied(&mut self, expr: &Expr) -> Result<Expr, Refusal> {
        let layer = self.layer(expr, NetRule::Requantise { function: None })?;
        Ok(Expr::column(Source::Pre(layer), expr.axes.clone(), expr.kind))
    }

    fn function_column(&mut self, lazy: &Lazy) -> Result<Expr, Refusal> {
        let known = self.bases[lazy.base]
            .functions
            .iter()
            .find(|(program, _)| *program == lazy.program)
            .map(|(_, layer)| *layer);
        let layer = match known {
            Some(layer) => layer,
            None => {
                let layer = self.function_layer(lazy)?;
                self.bases[lazy.base].functions.push((lazy.program.clone(), layer));
                layer
            }
        };
        let kind = if rounding::ends(&lazy.program).is_some() { Kind::Integer } else { lazy.kind };
        Ok(Expr::column(Source::Post(layer), self.bases[lazy.base].expr.axes.clone(), kind))
    }

    fn function_layer(&mut self, lazy: &Lazy) -> Result<u32, Refusal> {
        let program = Some(lazy.program.clone());
        // the layer that holds the expression gets the function, if it has none
        let in_step = |of: &Self, layer: u32| {
            of.steps.is_none() == of.net.loops.iter().all(|l| layer < l.first || layer >= l.first + l.layers)
        };
        let layer = match self.bases[lazy.base].layer {
            Some(layer) if in_step(self, layer) => layer,
            Some(_) => self.fresh(lazy.base)?,
            None if let Some(quotient) = self.quotient_to_round(lazy) => quotient,
            None => {
                let layer = self.fresh(lazy.base)?;
                // the expression stays what it was: whoever reads it linearly reads its terms, or this layer
                let (axes, kind) = (self.bases[lazy.base].expr.axes.clone(), self.bases[lazy.base].expr.kind);
                self.bases[lazy.base].layer = Some(layer);
                self.bases[lazy.base].expr = Expr::column(Source::Pre(layer), axes, kind);
                layer
            }
        };
        let layer = match self.function_slot(layer) {
            Some(slot) if slot.is_none() => {
                *slot = program;
                layer
            }
            _ => {
                let layer = self.fresh(lazy.base)?;
                if let Some(slot) = self.function_slot(layer) {
                    *slot = program;
                }
                layer
            }
        };
        if let Some(layer) = self.net.layers.get_mut(layer as usize) {
            layer.post_kind = if rounding::ends(&lazy.program).is_some() { Kind::Integer } else { lazy.kind };
        }
        Ok(layer)
    }

    /// The layer of a division, where the value is the quotient rounded and clamped: it rounds once.
    fn quotient_to_round(&self, lazy: &Lazy) -> Option<u32> {
        let base = &self.bases[lazy.base];
        let expr = &base.expr;
        let Some(Source::Pre(l)) = expr.as_operand().map(|operand| operand.source) else { return None };
        let free = matches!(self.net.layers.get(l as usize)?.rule, NetRule::Divide { function: None, .. });
        let whole = *expr == Expr::column(Source::Pre(l), expr.axes.clone(), expr.kind);
        (free && whole && !base.shared && rounding::ends(&lazy.program).is_some()).then_some(l)
    }

    /// A new layer of an expression.
    fn fresh(&mut self, base: usize) -> Result<u32, Refusal> {
        let expr = self.bases[base].expr.clone();
        self.layer(&expr, NetRule::Requantise { function: None })
    }

    fn function_slot(&mut self, layer: u32) -> Option<&mut Option<Vec<Instruction>>> {
        match &mut self.net.layers.get_mut(layer as usize)?.rule {
            NetRule::Requantise { function } | NetRule::Divide { function, .. } | NetRule::Maximum { function, .. } => {
                Some(function)
            }
            NetRule::Exact | NetRule::SquareRoot | NetRule::Rows { .. } => None,
        }
    }

    /// A column's operand.
    pub fn operand(column: &Expr) -> Result<NetOperand, Refusal> {
        column.as_operand().cloned().ok_or(Refusal::Layout)
    }

    /// Log of a block for `steps`.
    pub fn log_steps(steps: usize) -> u8 {
        log2_ceil(steps as u32)
    }
}

/// A program of one function.
pub fn unary(f: Unary) -> Vec<Instruction> {
    vec![Instruction::Argument, Instruction::Unary(f)]
}
