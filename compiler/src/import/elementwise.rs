//! Functions of one element, arithmetic with constants, residual additions.

use super::view::View;
use super::{Form, Importer, Op, Value};
use crate::net::{Activation, NetTerm, RealAxis, Scaling};
use crate::onnx::Constant;
use assay_circuits::model::Source;
use std::collections::HashMap;

impl Importer {
    /// Gives the function to the layer that made the operand, or else to a copy of the operand's column.
    pub(super) fn activation(&mut self, op: &Op<'_>) -> Result<View, Form> {
        let view = self.settle(op.view(0)?);
        let function = match op.attributes.0.op_type.as_str() {
            "Relu" => Activation::Relu,
            "Sigmoid" => Activation::Sigmoid,
            "Tanh" => Activation::Tanh,
            _ => Activation::LeakyRelu(op.attributes.float("alpha", 0.01)),
        };
        if matches!(function, Activation::LeakyRelu(alpha) if !(-1.0..=1.0).contains(&alpha)) {
            return Err(Form::Alpha);
        }
        let free = |of: &Self, source| match source {
            Source::Pre(l) => of.layers.get(l as usize).is_some_and(|l| l.activation.is_none() || l.activation == Some(function)),
            _ => false,
        };
        let source = if free(self, view.source) { view.source } else { self.copy(op.name(), view.source, self.dims(view.source))? };
        let Source::Pre(index) = source else { return Err(Form::Shapes) };
        if let Some(layer) = self.layers.get_mut(index as usize) {
            layer.activation = Some(function);
        }
        Ok(View { source: Source::Post(index), ..view })
    }

    pub(super) fn arithmetic(&mut self, op: &Op<'_>) -> Result<View, Form> {
        let operator = op.attributes.0.op_type.as_str();
        let (view, constant, swapped) = match (op.operand(0), op.operand(1)) {
            (Some(Value::View(a)), Some(Value::View(b))) if operator == "Add" => return self.residual(op.name(), a, b),
            (Some(Value::View(_)), Some(Value::View(_))) => return Err(Form::TwoActivations),
            (Some(Value::View(v)), Some(Value::Constant(c))) => (v, c, false),
            (Some(Value::Constant(c)), Some(Value::View(v))) => (v, c, true),
            _ => return Err(Form::NoActivation),
        };
        let map = |f: &dyn Fn(f32) -> f32| Constant {
            shape: constant.shape.clone(),
            floats: constant.floats.iter().map(|&v| f(v)).collect(),
            ints: None,
        };
        let scalar = |v: f32| Constant { shape: vec![], floats: vec![v], ints: None };
        self.parameters += constant.floats.len() as u64;
        match (operator, swapped) {
            ("Add", _) => self.affine(op.name(), view, &scalar(1.0), constant),
            ("Sub", false) => self.affine(op.name(), view, &scalar(1.0), &map(&|v| -v)),
            ("Sub", true) => self.affine(op.name(), view, &scalar(-1.0), constant),
            ("Mul", _) => self.affine(op.name(), view, constant, &scalar(0.0)),
            ("Div", false) if constant.floats.iter().all(|v| (1.0 / v).is_finite()) => {
                self.affine(op.name(), view, &map(&|v| 1.0 / v), &scalar(0.0))
            }
            _ => Err(Form::Attribute),
        }
    }

    /// `x·factor + shift`, both broadcast as in ONNX, both constant over each channel of the column. Folded into the layer that made
    /// `x` where that is possible.
    pub(super) fn affine(&mut self, name: &str, view: &View, factor: &Constant, shift: &Constant) -> Result<View, Form> {
        let view = self.settle(view);
        let dims = self.dims(view.source);
        let factors = per_channel(&view, factor, dims.log_positions(), dims.channels as usize, 1.0)?;
        let shifts = per_channel(&view, shift, dims.log_positions(), dims.channels as usize, 0.0)?;
        let plain = factors.iter().all(|&f| f == 1.0);
        if let Some(layer) = self.foldable(&view)
            && (plain || layer.terms.iter().all(|t| t.weight().is_some()))
            && (layer.scaling == Scaling::Own || (plain && shifts.iter().all(|&s| s == 0.0)))
        {
            for weight in layer.terms.iter_mut().filter(|_| !plain).filter_map(NetTerm::weight_mut) {
                let row = (weight.len() >> dims.log_channels()).max(1);
                weight.chunks_exact_mut(row).zip(&factors).for_each(|(row, f)| row.iter_mut().for_each(|w| *w *= f));
            }
            let old = layer.bias.take().unwrap_or_else(|| vec![0.0; factors.len()]);
            layer.bias = Some(old.iter().zip(&factors).zip(&shifts).map(|((b, f), s)| b * f + s).collect());
            return Ok(view);
        }
        let uniform = factor.floats.len() == 1;
        let source = if uniform {
            let rows = RealAxis::identity(dims.height);
            let rows = RealAxis::default().plus(&rows, f64::from(factor.floats.first().copied().unwrap_or(1.0)));
            if rows.entries().is_empty() {
                return Err(Form::Attribute);
            }
            let terms = vec![NetTerm::Stencil { source: view.source, rows, cols: RealAxis::identity(dims.width) }];
            self.push(name, dims, terms, Some(shifts), Scaling::Own)?
        } else {
            self.channel_factors(name, view.source, dims, &factors, shifts)?
        };
        Ok(View { source, ..view })
    }

    /// Sum of two activations: another term of the layer that made the later one, or else a layer of its own.
    fn residual(&mut self, name: &str, a: &View, b: &View) -> Result<View, Form> {
        if a.shape != b.shape {
            return Err(Form::Shapes);
        }
        let order = |v: &View| match v.source {
            Source::Input => 0,
            Source::Pre(l) | Source::Post(l) => l + 1,
        };
        let (later, earlier) = if order(a) >= order(b) { (a, b) } else { (b, a) };
        // The later one's layout rules; an input that is still free takes it from its own shape.
        let (later, earlier) = (self.settle(later), self.settle(earlier));
        let dims = self.dims(later.source);
        let same = dims == self.dims(earlier.source) && later.cells == earlier.cells;
        let other = if same {
            NetTerm::Stencil { source: earlier.source, rows: RealAxis::identity(dims.height), cols: RealAxis::identity(dims.width) }
        } else {
            let mut pairs: Vec<(u32, u32)> = later.cells.iter().copied().zip(earlier.cells.iter().copied()).collect();
            pairs.sort_unstable();
            NetTerm::Gather { source: earlier.source, pairs }
        };
        if order(&later) > order(&earlier)
            && let Some(layer) = self.foldable(&later)
            && layer.scaling == Scaling::Own
        {
            layer.terms.push(other);
            return Ok(later);
        }
        if later.source == earlier.source && same {
            return self.affine(
                name,
                &later,
                &Constant { shape: vec![], floats: vec![2.0], ints: None },
                &Constant { shape: vec![], floats: vec![0.0], ints: None },
            );
        }
        let this = NetTerm::Stencil { source: later.source, rows: RealAxis::identity(dims.height), cols: RealAxis::identity(dims.width) };
        let source = self.push(name, dims, vec![this, other], None, Scaling::Own)?;
        Ok(View { source, ..later })
    }
}

/// A broadcast constant as one value per channel of the view's column; `rest` where the view has no element.
fn per_channel(view: &View, constant: &Constant, log_positions: u32, channels: usize, rest: f32) -> Result<Vec<f32>, Form> {
    if let [one] = constant.floats[..] {
        return Ok(vec![one; channels]);
    }
    let rank = view.shape.len();
    let skipped = rank.checked_sub(constant.shape.len()).ok_or(Form::Broadcast)?;
    // For each axis of the view, the constant's stride along it.
    let mut strides = vec![0usize; rank];
    let mut stride = 1;
    for axis in (skipped..rank).rev() {
        let (have, need) = (constant.shape[axis - skipped], view.shape[axis] as usize);
        if have != 1 && have != need {
            return Err(Form::Broadcast);
        }
        strides[axis] = if have == 1 { 0 } else { stride };
        stride *= have;
    }
    let mut found: HashMap<usize, f32> = HashMap::new();
    for (i, &cell) in view.cells.iter().enumerate() {
        let (at, _) = (0..rank)
            .rev()
            .fold((0, i), |(at, rest), axis| (at + rest % view.shape[axis] as usize * strides[axis], rest / view.shape[axis] as usize));
        let value = *constant.floats.get(at).ok_or(Form::Broadcast)?;
        if *found.entry((cell >> log_positions) as usize).or_insert(value) != value {
            return Err(Form::Broadcast);
        }
    }
    Ok((0..channels).map(|c| found.get(&c).copied().unwrap_or(rest)).collect())
}
