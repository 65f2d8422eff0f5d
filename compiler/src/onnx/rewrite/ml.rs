//! Linear models and what stands around them in scikit-learn's exports.
//!
//! Classes that are strings become their numbers in the list of classes, since a proof is about numbers. A ZipMap's
//! maps become the tensor that they were made of.

use super::{Writer, attribute, input, integer, integers, real, reals, strings, text};
use crate::onnx::GuardError;
use tract_onnx::pb::{self, tensor_proto::DataType};

impl Writer<'_> {
    /// What a classifier makes of its scores.
    pub(super) fn post_transform(&mut self, node: &pb::NodeProto, scores: &str) -> Result<String, GuardError> {
        Ok(match text(node, "post_transform", "NONE") {
            "NONE" => scores.to_owned(),
            "SOFTMAX" => self.node("Softmax", &[scores], vec![super::int("axis", 1)]),
            "LOGISTIC" => self.node("Sigmoid", &[scores], Vec::new()),
            _ => return self.refused("this post_transform"),
        })
    }

    /// How many classes there are, and their labels where they are integers.
    pub(super) fn classes(&self, node: &pb::NodeProto) -> (usize, Vec<i64>) {
        let labels = [integers(node, "classlabels_int64s"), integers(node, "classlabels_ints")].concat();
        (labels.len().max(strings(node, "classlabels_strings")), labels)
    }

    /// The label of a class by its number. Strings stay numbers.
    pub(super) fn label(&mut self, index: &str, labels: &[i64]) -> String {
        if labels.iter().enumerate().all(|(i, label)| *label == i as i64) {
            return index.to_owned();
        }
        let table = self.ints(labels);
        self.node("Gather", &[&table, index], vec![super::int("axis", 0)])
    }

    /// The number of the first largest score.
    pub(super) fn winner(&mut self, scores: &str) -> String {
        self.node("ArgMax", &[scores], vec![super::int("axis", 1), super::int("keepdims", 0)])
    }

    /// Of one score for two classes: 1 where it is above `limit`, and the two scores.
    pub(super) fn two_classes(
        &mut self,
        node: &pb::NodeProto,
        score: &str,
        limit: f32,
        probability: bool,
    ) -> Result<(String, String), GuardError> {
        let bound = self.number(limit);
        let above = self.node("Greater", &[score, &bound], Vec::new());
        let index = self.cast(&above, DataType::Int64);
        let index = self.reshaped(&index, &[-1]);
        let logistic = match text(node, "post_transform", "NONE") {
            "NONE" => false,
            "LOGISTIC" => true,
            _ => return self.refused("this post_transform for one score and two classes"),
        };
        let other = if probability {
            let one = self.number(1.0);
            self.node("Sub", &[&one, score], Vec::new())
        } else {
            self.node("Neg", &[score], Vec::new())
        };
        let both = self.node("Concat", &[&other, score], vec![super::int("axis", 1)]);
        let both = if logistic && !probability { self.node("Sigmoid", &[&both], Vec::new()) } else { both };
        Ok((index, both))
    }

    /// `x · coefficientsᵀ + intercepts`, the coefficients one row a target.
    fn linear(&mut self, node: &pb::NodeProto, targets: usize) -> Result<String, GuardError> {
        let (coefficients, intercepts) = (reals(node, "coefficients"), reals(node, "intercepts"));
        if targets == 0 || coefficients.is_empty() || !coefficients.len().is_multiple_of(targets) {
            return self.refused("coefficients that do not fit its targets");
        }
        if !intercepts.is_empty() && intercepts.len() != targets {
            return self.refused("intercepts that do not fit its targets");
        }
        let features = coefficients.len() / targets;
        let turned: Vec<f32> =
            (0..coefficients.len()).map(|i| coefficients[(i % targets) * features + i / targets]).collect();
        let weights = self.floats(&[features, targets], &turned);
        let x = self.cast(input(node, 0), DataType::Float);
        let product = self.node("MatMul", &[&x, &weights], Vec::new());
        if intercepts.is_empty() {
            return Ok(product);
        }
        let bias = self.floats(&[targets], intercepts);
        Ok(self.node("Add", &[&product, &bias], Vec::new()))
    }

    pub(super) fn linear_classifier(&mut self, node: &pb::NodeProto) -> Result<(), GuardError> {
        let (classes, labels) = self.classes(node);
        let intercepts = reals(node, "intercepts").len();
        let targets = if intercepts > 0 { intercepts } else { classes };
        let scores = self.linear(node, targets)?;
        let (index, scores) = if targets == 1 && classes == 2 {
            self.two_classes(node, &scores, 0.0, false)?
        } else if targets == classes {
            (self.winner(&scores), self.post_transform(node, &scores)?)
        } else {
            return self.refused("another number of scores than of classes");
        };
        let label = self.label(&index, &labels);
        self.output(node, 0, &label);
        self.output(node, 1, &scores);
        Ok(())
    }

    pub(super) fn linear_regressor(&mut self, node: &pb::NodeProto) -> Result<(), GuardError> {
        let targets = usize::try_from(integer(node, "targets", 1)).unwrap_or(0);
        let scores = self.linear(node, targets)?;
        let scores = self.post_transform(node, &scores)?;
        self.output(node, 0, &scores);
        Ok(())
    }

    /// `(x - offset) · scale`.
    pub(super) fn scaler(&mut self, node: &pb::NodeProto) -> Result<(), GuardError> {
        let mut x = self.cast(input(node, 0), DataType::Float);
        for (name, operator) in [("offset", "Sub"), ("scale", "Mul")] {
            let values = reals(node, name);
            if !values.is_empty() {
                let values = self.floats(&[values.len()], values);
                x = self.node(operator, &[&x, &values], Vec::new());
            }
        }
        self.output(node, 0, &x);
        Ok(())
    }

    /// Rows divided by their norm. A row of zeros stays one.
    pub(super) fn normalizer(&mut self, node: &pb::NodeProto) -> Result<(), GuardError> {
        let x = self.cast(input(node, 0), DataType::Float);
        let norm = match text(node, "norm", "MAX") {
            "L1" => self.reduced("ReduceL1", &x, &[1]),
            "L2" => self.reduced("ReduceL2", &x, &[1]),
            "MAX" => self.reduced("ReduceMax", &x, &[1]),
            _ => return self.refused("this norm"),
        };
        let y = self.node("Div", &[&x, &norm], Vec::new());
        self.output(node, 0, &y);
        Ok(())
    }

    pub(super) fn binarizer(&mut self, node: &pb::NodeProto) -> Result<(), GuardError> {
        let bound = self.number(real(node, "threshold", 0.0));
        let x = self.cast(input(node, 0), DataType::Float);
        let above = self.node("Greater", &[&x, &bound], Vec::new());
        let y = self.cast(&above, DataType::Float);
        self.output(node, 0, &y);
        Ok(())
    }

    /// Replaces one number. Inputs are never NaN, so an imputer of NaN changes nothing.
    pub(super) fn imputer(&mut self, node: &pb::NodeProto) -> Result<(), GuardError> {
        let replaced = attribute(node, "replaced_value_float").map(|a| a.f).filter(|v| !v.is_nan());
        let (imputed, whole) = (reals(node, "imputed_value_floats"), integers(node, "imputed_value_int64s"));
        if !whole.is_empty() {
            return self.refused("integers to impute");
        }
        let x = self.cast(input(node, 0), DataType::Float);
        let y = match replaced {
            None => x,
            Some(replaced) => {
                let (replaced, imputed) = (self.number(replaced), self.floats(&[imputed.len()], imputed));
                let missing = self.node("Equal", &[&x, &replaced], Vec::new());
                self.node("Where", &[&missing, &imputed, &x], Vec::new())
            }
        };
        self.output(node, 0, &y);
        Ok(())
    }

    pub(super) fn feature_vectorizer(&mut self, node: &pb::NodeProto) -> Result<(), GuardError> {
        let parts: Vec<String> = (0..node.input.len()).map(|i| self.cast(input(node, i), DataType::Float)).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let y = self.node("Concat", &parts, vec![super::int("axis", 1)]);
        self.output(node, 0, &y);
        Ok(())
    }

    /// One more axis: 1 where the number is the category, else 0.
    fn matches_of(&mut self, tensor: &str, keys: &[f32]) -> String {
        let x = self.cast(tensor, DataType::Float);
        let x = self.unsqueezed(&x, &[-1]);
        let keys = self.floats(&[keys.len()], keys);
        let equal = self.node("Equal", &[&x, &keys], Vec::new());
        self.cast(&equal, DataType::Float)
    }

    pub(super) fn one_hot_encoder(&mut self, node: &pb::NodeProto) -> Result<(), GuardError> {
        if strings(node, "cats_strings") > 0 {
            return self.refused("categories that are strings");
        }
        // integers up to 2^24 are themselves as reals
        let keys: Vec<f32> = integers(node, "cats_int64s").iter().map(|v| *v as f32).collect();
        let y = self.matches_of(input(node, 0), &keys);
        self.output(node, 0, &y);
        Ok(())
    }

    /// A table from numbers to numbers.
    pub(super) fn label_encoder(&mut self, node: &pb::NodeProto) -> Result<(), GuardError> {
        let list = |name: &str| -> Vec<f32> {
            let whole = integers(node, &format!("{name}_int64s")).iter().map(|v| *v as f32);
            reals(node, &format!("{name}_floats")).iter().copied().chain(whole).collect()
        };
        let (keys, values) = (list("keys"), list("values"));
        if keys.is_empty() || keys.len() != values.len() {
            return self.refused("keys or values that are strings or tensors");
        }
        let whole = !integers(node, "values_int64s").is_empty();
        let default = if whole { integer(node, "default_int64", -1) as f32 } else { real(node, "default_float", 0.0) };
        let hot = self.matches_of(input(node, 0), &keys);
        let differences: Vec<f32> = values.iter().map(|v| v - default).collect();
        let table = self.floats(&[differences.len()], &differences);
        let found = self.node("MatMul", &[&hot, &table], Vec::new());
        let default = self.number(default);
        let found = self.node("Add", &[&found, &default], Vec::new());
        let y = if whole { self.cast(&found, DataType::Int64) } else { found };
        self.output(node, 0, &y);
        Ok(())
    }

    /// Columns by their numbers.
    pub(super) fn array_feature_extractor(&mut self, node: &pb::NodeProto) -> Result<(), GuardError> {
        let list = self.reshaped(input(node, 1), &[-1]);
        let y = self.node("Gather", &[input(node, 0), &list], vec![super::int("axis", -1)]);
        // one row of data is a row of a matrix
        let single = self.constant(input(node, 0)).is_some_and(|tensor| tensor.dims.len() == 1);
        let y = if single { self.unsqueezed(&y, &[0]) } else { y };
        self.output(node, 0, &y);
        Ok(())
    }

    pub(super) fn zip_map(&mut self, node: &pb::NodeProto) -> Result<(), GuardError> {
        self.output(node, 0, input(node, 0));
        Ok(())
    }
}
