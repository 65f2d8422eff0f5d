//! Builds ONNX files with tract's protobuf types.

use assay_compiler::{Calibration, CompileError, Compiled, Lowering, Options, compile, lowering};
use prost::Message;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tract_onnx::pb::{self, attribute_proto::AttributeType, tensor_proto::DataType};

/// A small deterministic generator: SplitMix64.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// Uniform in `[-1, 1)`.
    pub fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    pub fn vector(&mut self, len: usize, scale: f32) -> Vec<f32> {
        (0..len).map(|_| self.unit() * scale).collect()
    }
}

/// A graph under construction.
#[derive(Clone)]
pub struct Graph {
    pub model: pb::ModelProto,
    /// Type and shape of each input.
    pub inputs: Vec<(DataType, Vec<i64>)>,
    /// Sizes of symbolic axes.
    pub dims: BTreeMap<String, u64>,
    /// Random integers are below it.
    pub below: usize,
}

pub fn value(name: &str, shape: &[i64]) -> pb::ValueInfoProto {
    typed(name, DataType::Float, shape)
}

pub fn typed(name: &str, kind: DataType, shape: &[i64]) -> pb::ValueInfoProto {
    let dimension = |&d: &i64| pb::tensor_shape_proto::Dimension {
        denotation: String::new(),
        value: Some(pb::tensor_shape_proto::dimension::Value::DimValue(d)),
    };
    let shape = pb::TensorShapeProto { dim: shape.iter().map(dimension).collect() };
    let tensor = pb::type_proto::Tensor { elem_type: kind as i32, shape: Some(shape) };
    let kind = pb::TypeProto { denotation: String::new(), value: Some(pb::type_proto::Value::TensorType(tensor)) };
    pb::ValueInfoProto { name: name.to_owned(), r#type: Some(kind), doc_string: String::new() }
}

pub fn ints(name: &str, values: &[i64]) -> pb::AttributeProto {
    pb::AttributeProto {
        name: name.to_owned(),
        r#type: AttributeType::Ints as i32,
        ints: values.to_vec(),
        ..Default::default()
    }
}

pub fn int(name: &str, i: i64) -> pb::AttributeProto {
    pb::AttributeProto { name: name.to_owned(), r#type: AttributeType::Int as i32, i, ..Default::default() }
}

pub fn float(name: &str, f: f32) -> pb::AttributeProto {
    pb::AttributeProto { name: name.to_owned(), r#type: AttributeType::Float as i32, f, ..Default::default() }
}

pub fn text(name: &str, s: &str) -> pb::AttributeProto {
    pb::AttributeProto {
        name: name.to_owned(),
        r#type: AttributeType::String as i32,
        s: s.as_bytes().to_vec(),
        ..Default::default()
    }
}

impl Graph {
    pub fn new(input: &[i64]) -> Self {
        let graph = pb::GraphProto { name: "test".to_owned(), input: vec![value("x", input)], ..Default::default() };
        let opset = pb::OperatorSetIdProto { domain: String::new(), version: 13 };
        let model =
            pb::ModelProto { ir_version: 8, opset_import: vec![opset], graph: Some(graph), ..Default::default() };
        Self { model, inputs: vec![(DataType::Float, input.to_vec())], dims: BTreeMap::new(), below: 5 }
    }

    /// A graph whose only input, `x`, is of another type.
    pub fn of(kind: DataType, input: &[i64]) -> Self {
        let mut g = Self::new(input);
        g.graph().input = vec![typed("x", kind, input)];
        g.inputs = vec![(kind, input.to_vec())];
        g
    }

    /// One more input.
    pub fn input(&mut self, name: &str, kind: DataType, shape: &[i64]) -> &mut Self {
        self.graph().input.push(typed(name, kind, shape));
        self.inputs.push((kind, shape.to_vec()));
        self
    }

    pub fn opset(&mut self, version: i64) -> &mut Self {
        self.model.opset_import[0].version = version;
        self
    }

    pub fn graph(&mut self) -> &mut pb::GraphProto {
        self.model.graph.as_mut().expect("the graph is always there")
    }

    pub fn weight(&mut self, name: &str, dims: &[i64], values: Vec<f32>) -> &mut Self {
        let raw_data = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let tensor = pb::TensorProto {
            name: name.to_owned(),
            dims: dims.to_vec(),
            data_type: DataType::Float as i32,
            raw_data,
            ..Default::default()
        };
        self.graph().initializer.push(tensor);
        self
    }

    pub fn integers(&mut self, name: &str, values: &[i64]) -> &mut Self {
        self.shaped(name, &[values.len() as i64], values)
    }

    pub fn shaped(&mut self, name: &str, dims: &[i64], values: &[i64]) -> &mut Self {
        let tensor = pb::TensorProto {
            name: name.to_owned(),
            dims: dims.to_vec(),
            data_type: DataType::Int64 as i32,
            int64_data: values.to_vec(),
            ..Default::default()
        };
        self.graph().initializer.push(tensor);
        self
    }

    pub fn node(
        &mut self,
        operator: &str,
        inputs: &[&str],
        output: &str,
        attribute: Vec<pb::AttributeProto>,
    ) -> &mut Self {
        self.nodes(operator, inputs, &[output], attribute)
    }

    /// A node of several outputs.
    pub fn nodes(
        &mut self,
        operator: &str,
        inputs: &[&str],
        outputs: &[&str],
        attribute: Vec<pb::AttributeProto>,
    ) -> &mut Self {
        let node = pb::NodeProto {
            op_type: operator.to_owned(),
            name: format!("{}_node", outputs.iter().find(|o| !o.is_empty()).unwrap_or(&"")),
            input: inputs.iter().map(|s| (*s).to_owned()).collect(),
            output: outputs.iter().map(|s| (*s).to_owned()).collect(),
            attribute,
            ..Default::default()
        };
        self.graph().node.push(node);
        self
    }

    /// Makes `name` the only output. Its shape is left to inference.
    pub fn output(&mut self, name: &str) -> &mut Self {
        self.graph().output.clear();
        self.also(name)
    }

    /// One more output.
    pub fn also(&mut self, name: &str) -> &mut Self {
        let info = pb::ValueInfoProto { name: name.to_owned(), ..value(name, &[]) };
        self.graph().output.push(pb::ValueInfoProto {
            r#type: info.r#type.map(|mut t| {
                if let Some(pb::type_proto::Value::TensorType(tensor)) = &mut t.value {
                    tensor.shape = None;
                }
                t
            }),
            ..info
        });
        self
    }

    pub fn write(&self, folder: &Path) -> PathBuf {
        let path = folder.join("model.onnx");
        std::fs::write(&path, self.model.encode_to_vec()).expect("the temporary folder is writable");
        path
    }

    /// Random inputs: reals in [-1, 1), integers from 0, truth values. All inputs of a sample in one list.
    pub fn samples(&self, count: usize, rng: &mut Rng) -> Vec<Vec<f32>> {
        let list = |rng: &mut Rng, kind: DataType, shape: &[i64]| -> Vec<f32> {
            let len = shape.iter().map(|d| (*d).max(1) as usize).product();
            match kind {
                DataType::Float | DataType::Double => rng.vector(len, 1.0),
                DataType::Bool => (0..len).map(|_| rng.below(2) as f32).collect(),
                _ => (0..len).map(|_| rng.below(self.below) as f32).collect(),
            }
        };
        let one = |rng: &mut Rng| self.inputs.iter().flat_map(|(kind, shape)| list(rng, *kind, shape)).collect();
        (0..count).map(|_| one(rng)).collect()
    }

    /// The model lowered, in real numbers.
    pub fn lower(&self) -> Result<Lowering, CompileError> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        lowering(&self.write(folder.path()), &Calibration::from_samples(self.samples(6, &mut Rng(1))), &self.dims)
    }

    pub fn compile(&self, options: &Options) -> Result<Compiled, CompileError> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let samples = self.samples(24, &mut Rng(1));
        compile(&self.write(folder.path()), &Calibration::from_samples(samples), options, &mut |_| ())
    }
}

pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/models").join(name)
}
