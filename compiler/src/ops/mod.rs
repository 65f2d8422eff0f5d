//! From an ONNX graph to a [`Net`].
//!
//! tract reads the graph, infers shapes and types, and folds what is constant; what is left are its typed operators,
//! which are fewer than ONNX's. One walk over them builds the network: values are sums of terms ([`expr`]) or functions
//! of one ([`lower`]), and become layers only when somebody must read a column. [`OPERATORS`] is the register: what is
//! supported is printed from it.

mod axes;
mod cells;
mod choose;
mod conv;
mod divide;
mod elementwise;
mod error;
mod expr;
mod gather;
mod layout;
mod linear;
mod lower;
mod maps;
mod movement;
mod normal;
mod pool;
mod ranges;
mod reduce;
mod reference;
mod register;
mod resize;
mod rounded;
mod scan;
mod scatter;
mod topk;

pub use error::{ImportError, Refusal, UnsupportedNode, UnsupportedNodes};
pub use reference::{Reference, ReferenceError};
pub use register::{OPERATORS, Operator, operators_page};

use crate::net::{Kind, Net, NetInput, NetOutput};
use expr::Expr;
pub use gather::MOST_PLACES;
pub use lower::numbers_of;
use lower::{Lowerer, Value, atoms_of, kind_of};
use std::collections::BTreeMap;
use tract_onnx::pb;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::cast::Cast;
use tract_onnx::tract_core::ops::change_axes::AxisOp;
use tract_onnx::tract_core::ops::element_wise::ElementWiseOp;
use tract_onnx::tract_core::ops::konst::Const;
use tract_onnx::tract_core::ops::logic::Iff;
use tract_onnx::tract_core::ops::scan::Scan;
use tract_onnx::tract_core::ops::source::TypedSource;
use tract_onnx::tract_core::ops::{array, cnn, downsample, einsum, nn};

/// A node with its operands looked up.
pub struct Node<'a> {
    model: &'a TypedModel,
    node: &'a TypedNode,
    operands: Vec<Value>,
}

impl Node<'_> {
    fn inputs(&self) -> usize {
        self.operands.len()
    }

    fn outputs(&self) -> usize {
        self.node.outputs.len()
    }

    fn input(&self, index: usize) -> Result<&Value, Refusal> {
        self.operands.get(index).ok_or(Refusal::Form("a missing operand"))
    }

    fn input_fact(&self, index: usize) -> Result<&TypedFact, Refusal> {
        let outlet = self.node.inputs.get(index).ok_or(Refusal::Form("a missing operand"))?;
        self.model.outlet_fact(*outlet).map_err(|_| Refusal::DynamicShape)
    }

    fn input_shape(&self, index: usize) -> Result<Vec<usize>, Refusal> {
        concrete(self.input_fact(index)?)
    }

    fn input_type(&self, index: usize) -> Result<DatumType, Refusal> {
        Ok(self.input_fact(index)?.datum_type)
    }

    fn input_kind(&self, index: usize) -> Result<Kind, Refusal> {
        Ok(kind_of(self.input_type(index)?))
    }

    /// Which of the model's inputs an operand is, in another type or shape at most.
    fn port(&self, index: usize) -> Option<usize> {
        let mut outlet = *self.node.inputs.get(index)?;
        loop {
            if let Some(port) = self.model.input_outlets().ok()?.iter().position(|input| *input == outlet) {
                return Some(port);
            }
            let node = self.model.nodes.get(outlet.node)?;
            outlet = *node.inputs.first().filter(|_| node.op_is::<Cast>() || node.op_is::<AxisOp>())?;
        }
    }

    fn output_shape(&self, index: usize) -> Result<Vec<usize>, Refusal> {
        concrete(&self.node.outputs.get(index).ok_or(Refusal::DynamicShape)?.fact)
    }

    fn output_type(&self, index: usize) -> Result<DatumType, Refusal> {
        Ok(self.node.outputs.get(index).ok_or(Refusal::DynamicShape)?.fact.datum_type)
    }
}

fn concrete(fact: &TypedFact) -> Result<Vec<usize>, Refusal> {
    let shape = fact.shape.as_concrete().ok_or(Refusal::DynamicShape)?.to_vec();
    if shape.contains(&0) { Err(Refusal::Form("a tensor without elements")) } else { Ok(shape) }
}

/// Lowers a guarded model. `dims` fixes symbolic axes by name; the batch, the first axis, is 1 unless it is named.
///
/// # Errors
/// Everything in [`ImportError`]; unsupported operators are all named at once.
pub fn import(model: &pb::ModelProto, dims: &BTreeMap<String, u64>) -> Result<(Net, Reference), ImportError> {
    let reference = Reference::new(model, dims)?;
    let typed = reference.typed();
    check_operators(typed)?;
    let mut lowerer = Lowerer::new();
    let (inputs, ports) = input_block(typed, reference.names())?;
    lowerer.net.inputs = ports;
    let log =
        lowerer.net.inputs.iter().flat_map(|port| port.cells.iter().max()).max().map_or(0, |cell| cell.max(&0) + 1);
    lowerer.net.input_log_size = assay_circuits::model::log2_ceil(log);
    let values = inputs.into_iter().map(|expr| lowerer.value(expr)).collect();
    let outputs = walk(&mut lowerer, typed, values).map_err(|refusal| lowerer_error(&lowerer, refusal))?;
    let names = reference.output_names().to_vec();
    for (value, (name, outlet)) in
        outputs.into_iter().zip(names.into_iter().zip(typed.output_outlets().map_err(|_| ImportError::Outputs)?))
    {
        lowerer.name = name.clone();
        let fact = typed.outlet_fact(*outlet).map_err(|_| ImportError::Outputs)?;
        for (digit, log_unit) in digits(&mut lowerer, &value) {
            let output =
                output(&mut lowerer, &digit, name.clone(), fact).map_err(|refusal| lowerer_error(&lowerer, refusal))?;
            lowerer.net.outputs.push(NetOutput { log_unit, ..output });
        }
    }
    if lowerer.net.outputs.is_empty() {
        return Err(ImportError::Outputs);
    }
    Ok((lowerer.net.without_unread(), reference))
}

fn lowerer_error(lowerer: &Lowerer, refusal: Refusal) -> ImportError {
    ImportError::Node { node: lowerer.name.clone(), refusal }
}

/// The input tensors side by side in one block, each aligned to its own padded size.
fn input_block(model: &TypedModel, names: &[String]) -> Result<(Vec<Expr>, Vec<NetInput>), ImportError> {
    let outlets = model.input_outlets().map_err(|_| ImportError::Inputs)?;
    let mut described = Vec::new();
    for (outlet, name) in outlets.iter().zip(names) {
        let fact = model.outlet_fact(*outlet).map_err(|_| ImportError::Inputs)?;
        let node = |refusal| ImportError::Node { node: name.clone(), refusal };
        let shape = concrete(fact).map_err(node)?;
        let axes = atoms_of(&shape);
        let log: u32 = axes.iter().flatten().map(|len| u32::from(expr::log(*len))).sum();
        if log > 24 {
            return Err(node(Refusal::TooLarge));
        }
        described.push((name.clone(), kind_of(fact.datum_type), shape, axes, log));
    }
    // the largest first, so that each begins at a multiple of its size
    let mut order: Vec<usize> = (0..described.len()).collect();
    order.sort_by_key(|i| std::cmp::Reverse(described[*i].4));
    let mut offsets = vec![0usize; described.len()];
    let mut end = 0;
    for i in order {
        offsets[i] = end;
        end += 1 << described[i].4;
    }
    let total = end.next_power_of_two().trailing_zeros();
    let (mut exprs, mut ports) = (Vec::new(), Vec::new());
    for ((name, kind, shape, axes, log), offset) in described.into_iter().zip(offsets) {
        let mut column = Expr::column(assay_circuits::model::Source::Input, axes.clone(), kind);
        if total > log {
            let place = (offset >> log) as u32;
            let index = crate::net::NetIndex::Map { axis: None, entries: vec![(0, place, 1.0)] };
            column.terms[0].left.runs.push(crate::net::NetRun { log_len: (total - log) as u8, index });
        }
        let cells = cells(&axes).into_iter().map(|cell| cell + offset as u32).collect();
        let shape = without_batch(&shape);
        ports.push(NetInput { name, kind, shape, cells, places: None, names_rows: false, unit: 0 });
        exprs.push(column);
    }
    Ok((exprs, ports))
}

/// The cells of all elements of a block whose axes these are, row-major.
fn cells(axes: &[Vec<usize>]) -> Vec<u32> {
    let atoms = axes.iter().flatten();
    atoms.fold(vec![0], |cells, len| {
        let log = expr::log(*len);
        cells.into_iter().flat_map(|cell| (0..*len as u32).map(move |i| (cell << log) | i)).collect()
    })
}

/// A shape without its batch axis.
fn without_batch(shape: &[usize]) -> Vec<u32> {
    let narrow: Vec<u32> = shape.iter().map(|len| *len as u32).collect();
    match &narrow[..] {
        [1, rest @ ..] if !rest.is_empty() => rest.to_vec(),
        [] => vec![1],
        _ => narrow,
    }
}

/// What an output consists of, with the log of what each counts: the two digits of an integer that may need more than
/// 16 bits, or the value alone.
fn digits(lowerer: &mut Lowerer, value: &Value) -> Vec<(Value, u8)> {
    let digits = || -> Option<[Expr; 2]> {
        let Value::Lazy(lazy) = value else { return None };
        let sum = lowerer.base(lazy);
        let whole = lazy.affine == Some((1.0, 0.0)) && lazy.kind == Kind::Integer && sum.constant == 0.0;
        let [low, high] = &sum.terms[..] else { return None };
        let is_sum = low.coefficient == 1.0 && high.coefficient == f64::from(reduce::DIGIT);
        let column =
            |term: &expr::Term| Expr { terms: vec![expr::Term { coefficient: 1.0, ..term.clone() }], ..sum.clone() };
        let digits = [column(low), column(high)];
        (whole && is_sum && digits.iter().all(|digit| digit.as_operand().is_some())).then_some(digits)
    };
    match digits() {
        Some([low, high]) => vec![(lowerer.value(low), 0), (lowerer.value(high), reduce::LOG_DIGIT)],
        None => vec![(value.clone(), 0)],
    }
}

fn output(lowerer: &mut Lowerer, value: &Value, name: String, fact: &TypedFact) -> Result<NetOutput, Refusal> {
    let column = match value {
        Value::Lazy(_) => lowerer.column(value)?,
        // what does not depend on the input is an output all the same
        Value::Constant(_) => {
            concrete(fact)?;
            let expr = lowerer.expr(value)?;
            lowerer.copied(&Expr { kind: kind_of(fact.datum_type), ..expr })?
        }
    };
    let plain = |expr: &Expr| {
        let operand = expr.as_operand()?;
        // an axis that no run reads is broadcast over: all its elements would be one cell
        let each = operand.runs.len() == expr.atoms().len();
        let whole = each && movement::is_plain(expr) && operand.source.layer().is_some();
        let exact = operand.source.layer().is_some_and(|layer| {
            let rule = &lowerer.net.layers[layer as usize].rule;
            // a reciprocal of a column is kept whole, like a root
            let whole = matches!(rule, crate::net::NetRule::Divide { .. })
                && lowerer.net.layers[layer as usize].terms.is_empty();
            whole || matches!(rule, crate::net::NetRule::Exact | crate::net::NetRule::SquareRoot)
        });
        (whole && !exact).then_some(operand.clone())
    };
    let (expr, operand) = match plain(&column) {
        Some(operand) => (column.clone(), operand),
        None => {
            let copy = lowerer.copied(&column)?;
            let operand = Lowerer::operand(&copy)?;
            (copy, operand)
        }
    };
    // each element's cell, by the runs of the column
    let atoms = expr.atoms();
    let mut shifts = vec![0u32; atoms.len()];
    let mut at = 0;
    for run in &operand.runs {
        if let crate::net::NetIndex::Axis(axis) = run.index {
            shifts[usize::from(axis)] = at;
        }
        at += u32::from(run.log_len);
    }
    let cells = atoms.iter().zip(&shifts).fold(vec![0u32], |cells, (len, shift)| {
        cells.into_iter().flat_map(|cell| (0..*len as u32).map(move |i| cell | i << shift)).collect()
    });
    let shape = fact.shape.as_concrete().ok_or(Refusal::DynamicShape)?;
    Ok(NetOutput {
        name,
        kind: kind_of(fact.datum_type),
        source: operand.source,
        shape: without_batch(shape),
        cells,
        log_unit: 0,
    })
}

/// Names every operator that has no lowering, in one error.
fn check_operators(model: &TypedModel) -> Result<(), ImportError> {
    let mut nodes = Vec::new();
    for node in &model.nodes {
        let constant = node.outputs.iter().all(|output| output.fact.konst.is_some());
        if !constant && !register::has_lowering(node) {
            nodes.push(UnsupportedNode { operator: node.op.name().into_owned(), node: node.name.clone() });
        }
    }
    if nodes.is_empty() { Ok(()) } else { Err(ImportError::Unsupported { nodes: UnsupportedNodes(nodes) }) }
}

/// Lowers all nodes of a graph, from its inputs to its outputs.
fn walk(lowerer: &mut Lowerer, model: &TypedModel, inputs: Vec<Value>) -> Result<Vec<Value>, Refusal> {
    let mut values: BTreeMap<OutletId, Value> = BTreeMap::new();
    let sources = model.input_outlets().map_err(|_| Refusal::DynamicShape)?;
    for (outlet, value) in sources.iter().zip(inputs) {
        values.insert(*outlet, value);
    }
    for id in model.eval_order().map_err(|_| Refusal::Form("a cycle"))? {
        let node = &model.nodes[id];
        if node.op_is::<TypedSource>() {
            for slot in 0..node.outputs.len() {
                share(lowerer, model, &values, OutletId::new(id, slot));
            }
            continue;
        }
        lowerer.name = node.name.clone();
        let made = lower_node(lowerer, model, node, &values)?;
        for (slot, value) in made.into_iter().enumerate() {
            values.insert(OutletId::new(id, slot), value);
            share(lowerer, model, &values, OutletId::new(id, slot));
        }
    }
    let outputs = model.output_outlets().map_err(|_| Refusal::DynamicShape)?;
    outputs.iter().map(|outlet| values.get(outlet).cloned().ok_or(Refusal::DynamicShape)).collect()
}

fn share(lowerer: &mut Lowerer, model: &TypedModel, values: &BTreeMap<OutletId, Value>, outlet: OutletId) {
    let readers = model.outlet_successors(outlet).len()
        + model.output_outlets().map_or(0, |all| all.iter().filter(|o| **o == outlet).count());
    if readers > 1
        && let Some(value) = values.get(&outlet)
    {
        lowerer.share(value);
    }
}

fn lower_node(
    lowerer: &mut Lowerer,
    model: &TypedModel,
    node: &TypedNode,
    values: &BTreeMap<OutletId, Value>,
) -> Result<Vec<Value>, Refusal> {
    if node.outputs.iter().all(|output| output.fact.konst.is_some()) {
        return Ok(node
            .outputs
            .iter()
            .filter_map(|output| Some(Value::Constant(output.fact.konst.clone()?)))
            .collect());
    }
    let mut operands = Vec::new();
    for outlet in &node.inputs {
        let fact = model.outlet_fact(*outlet).map_err(|_| Refusal::DynamicShape)?;
        operands.push(match &fact.konst {
            Some(tensor) => Value::Constant(tensor.clone()),
            None => values.get(outlet).cloned().ok_or(Refusal::Form("an operand that nothing makes"))?,
        });
    }
    let of = Node { model, node, operands };
    axes::check(&of)?;
    if let Some(op) = node.op_as::<Scan>() {
        return scan::scan(lowerer, &of, op);
    }
    if let Some(op) = node.op_as::<tract_onnx::tract_core::ops::lstm_cell::LstmEpilogue>() {
        return cells::lstm(lowerer, &of, op);
    }
    if let Some(op) = node.op_as::<tract_onnx::tract_core::ops::gru_cell::GruEpilogue>() {
        return cells::gru(lowerer, &of, op);
    }
    if let Some(op) = node.op_as::<tract_onnx::tract_core::ops::gru_seq::GruSeq>() {
        return cells::gru_sequence(lowerer, &of, op);
    }
    if let Some(op) = node.op_as::<array::Topk>() {
        return topk::top_k(lowerer, &of, op);
    }
    lower_one(lowerer, &of).map(|value| vec![value])
}

fn lower_one(lowerer: &mut Lowerer, of: &Node<'_>) -> Result<Value, Refusal> {
    let node = of.node;
    if let Some(op) = node.op_as::<einsum::EinSum>() {
        return linear::einsum(lowerer, of, op);
    }
    if let Some(op) = node.op_as::<cnn::Conv>() {
        return conv::conv(lowerer, of, op);
    }
    if let Some(op) = node.op_as::<cnn::Deconv>() {
        return conv::deconv(lowerer, of, op);
    }
    if let Some(op) = node.op_as::<TypedBinOp>() {
        return elementwise::binary(lowerer, of, op);
    }
    if let Some(op) = node.op_as::<ElementWiseOp>() {
        return elementwise::element_wise(lowerer, of, op);
    }
    if let Some(op) = node.op_as::<AxisOp>() {
        return movement::axis_op(lowerer, of, op);
    }
    if node.op_is::<Cast>() {
        return elementwise::cast(lowerer, of);
    }
    if node.op_is::<Iff>() {
        return choose::select(lowerer, of.input(0)?, of.input(1)?, of.input(2)?);
    }
    if let Some(op) = node.op_as::<array::Slice>() {
        return movement::slice(lowerer, of, op);
    }
    if let Some(op) = node.op_as::<array::StridedSlice>() {
        return movement::strided_slice(lowerer, of, op);
    }
    if let Some(op) = node.op_as::<array::Pad>() {
        return movement::pad(lowerer, of, op);
    }
    if let Some(op) = node.op_as::<array::TypedConcat>() {
        return movement::concat(lowerer, of, op);
    }
    if let Some(op) = node.op_as::<array::MultiBroadcastTo>() {
        return movement::broadcast(lowerer, of, op);
    }
    if let Some(op) = node.op_as::<array::Tile>() {
        return movement::tile(lowerer, of, op);
    }
    if let Some(op) = node.op_as::<array::Gather>() {
        return gather::gather(lowerer, of, op);
    }
    if let Some(op) = node.op_as::<array::GatherElements>() {
        return gather::gather_elements(lowerer, of, op);
    }
    if let Some(op) = node.op_as::<array::GatherNd>() {
        return gather::gather_nd(lowerer, of, op);
    }
    if let Some(op) = node.op_as::<array::ScatterNd>() {
        return scatter::scatter_nd(lowerer, of, op);
    }
    if let Some(op) = node.op_as::<array::ScatterElements>() {
        return scatter::scatter_elements(lowerer, of, op);
    }
    if let Some(op) = node.op_as::<array::OneHot>() {
        return gather::one_hot(lowerer, of, op);
    }
    if let Some(op) = node.op_as::<array::Trilu>() {
        return movement::triangle(lowerer, of, op.upper);
    }
    if let Some(op) = node.op_as::<downsample::Downsample>() {
        return movement::strided(lowerer, of, op.axis, op.stride, op.modulo);
    }
    if let Some(op) = node.op_as::<nn::resize::Resize>() {
        return resize::resize(lowerer, of, op);
    }
    if let Some(op) = node.op_as::<nn::resize::NearestUpsample>() {
        return resize::upsample(lowerer, of, &op.scales);
    }
    if let Some(op) = node.op_as::<array::CumSum>() {
        return movement::cumulative_sum(lowerer, of, op);
    }
    if let Some(op) = node.op_as::<cnn::MaxPool>() {
        return pool::max_pool(lowerer, of, op);
    }
    if let Some(op) = node.op_as::<cnn::SumPool>() {
        return pool::sum_pool(lowerer, of, op);
    }
    if let Some(op) = node.op_as::<nn::Reduce>() {
        return reduce::reduce(lowerer, of, op);
    }
    if let Some(op) = node.op_as::<nn::Softmax>() {
        return reduce::softmax(lowerer, of, op);
    }
    if let Some(op) = node.op_as::<nn::RmsNorm>() {
        return reduce::rms_norm(lowerer, of, op);
    }
    if node.op.name() == "Resize" {
        return resize::asked(lowerer, of);
    }
    if register::is_identity(node) {
        return Ok(of.input(0)?.clone());
    }
    if node.op_is::<Const>() {
        return Err(Refusal::Type);
    }
    Err(Refusal::Operator(node.op.name().into_owned()))
}
