//! Support vector machines: kernels of the input with each support vector, and sums of them.

use super::{Writer, input, integer, integers, reals, strings, text};
use crate::onnx::GuardError;
use tract_onnx::pb::{self, tensor_proto::DataType};

impl Writer<'_> {
    /// The kernel of every row of the input with every support vector.
    fn kernel(&mut self, node: &pb::NodeProto, x: &str, vectors: usize) -> Result<String, GuardError> {
        let list = reals(node, "support_vectors");
        if vectors == 0 || list.is_empty() || !list.len().is_multiple_of(vectors) {
            return self.refused("support vectors that do not fit their number");
        }
        let features = list.len() / vectors;
        let [gamma, coef0, degree] = match reals(node, "kernel_params") {
            [gamma, coef0, degree] => [*gamma, *coef0, *degree],
            [] => [0.0, 0.0, 3.0],
            _ => return self.refused("other than three parameters of the kernel"),
        };
        let kind = text(node, "kernel_type", "LINEAR");
        let scale = match kind {
            "RBF" => 2.0 * gamma,
            "POLY" | "SIGMOID" => gamma,
            "LINEAR" => 1.0,
            _ => return self.refused("this kernel"),
        };
        let turned: Vec<f32> = (0..list.len()).map(|i| scale * list[(i % vectors) * features + i / vectors]).collect();
        let turned = self.floats(&[features, vectors], &turned);
        let product = self.node("MatMul", &[x, &turned], Vec::new());
        Ok(match kind {
            // -gamma |x - v|² = 2 gamma x·v - gamma |v|² - gamma |x|²
            "RBF" => {
                let squares: Vec<f32> =
                    list.chunks_exact(features).map(|v| -gamma * v.iter().map(|a| a * a).sum::<f32>()).collect();
                let squares = self.floats(&[vectors], &squares);
                let size = self.reduced("ReduceSumSquare", x, &[1]);
                let factor = self.number(-gamma);
                let size = self.node("Mul", &[&size, &factor], Vec::new());
                let sum = self.node("Add", &[&product, &squares], Vec::new());
                let sum = self.node("Add", &[&sum, &size], Vec::new());
                self.node("Exp", &[&sum], Vec::new())
            }
            "POLY" => {
                let (coef0, degree) = (self.number(coef0), self.number(degree));
                let sum = self.node("Add", &[&product, &coef0], Vec::new());
                self.node("Pow", &[&sum, &degree], Vec::new())
            }
            "SIGMOID" => {
                let coef0 = self.number(coef0);
                let sum = self.node("Add", &[&product, &coef0], Vec::new());
                self.node("Tanh", &[&sum], Vec::new())
            }
            _ => product,
        })
    }

    pub(super) fn svm_regressor(&mut self, node: &pb::NodeProto) -> Result<(), GuardError> {
        let coefficients = reals(node, "coefficients");
        let vectors = usize::try_from(integer(node, "n_supports", 0)).unwrap_or(0);
        let x = self.cast(input(node, 0), DataType::Float);
        let kernel = if vectors > 0 { self.kernel(node, &x, vectors)? } else { x };
        let (weights, rho) =
            (self.floats(&[coefficients.len(), 1], coefficients), reals(node, "rho").first().copied().unwrap_or(0.0));
        let sum = self.node("MatMul", &[&kernel, &weights], Vec::new());
        let rho = self.number(rho);
        let mut y = self.node("Add", &[&sum, &rho], Vec::new());
        if integer(node, "one_class", 0) != 0 {
            // 1 inside, -1 outside
            let (zero, two, one) = (self.number(0.0), self.number(2.0), self.number(1.0));
            let inside = self.node("Greater", &[&y, &zero], Vec::new());
            let inside = self.cast(&inside, DataType::Float);
            let doubled = self.node("Mul", &[&inside, &two], Vec::new());
            y = self.node("Sub", &[&doubled, &one], Vec::new());
        }
        let y = self.post_transform(node, &y)?;
        self.output(node, 0, &y);
        Ok(())
    }

    /// Every pair of classes votes for one of them; the scores are the pairs' sums, or with two classes both
    /// probabilities.
    pub(super) fn svm_classifier(&mut self, node: &pb::NodeProto) -> Result<(), GuardError> {
        let (classes, labels) = self.classes(node);
        let per_class: Vec<usize> =
            integers(node, "vectors_per_class").iter().map(|n| usize::try_from(*n).unwrap_or(0)).collect();
        let vectors: usize = per_class.iter().sum();
        let (coefficients, rho) = (reals(node, "coefficients"), reals(node, "rho"));
        let pairs = classes * classes.saturating_sub(1) / 2;
        if strings(node, "classlabels_strings").max(labels.len()) < 2 || vectors == 0 || per_class.len() != classes {
            return self.refused("no support vectors, or fewer than two classes,");
        }
        if coefficients.len() != vectors * (classes - 1) || rho.len() != pairs {
            return self.refused("coefficients that do not fit its classes");
        }
        let (a, b) = (reals(node, "prob_a"), reals(node, "prob_b"));
        if !a.is_empty() && classes > 2 {
            return self.refused(
                "probabilities of more than two classes, which are found by iteration: train it with \
                probability=False;",
            );
        }
        let x = self.cast(input(node, 0), DataType::Float);
        let kernel = self.kernel(node, &x, vectors)?;
        let first: Vec<usize> = (0..classes).map(|class| per_class[..class].iter().sum()).collect();
        let (mut weights, mut votes, mut base) =
            (vec![0f32; vectors * pairs], vec![0f32; pairs * classes], vec![0f32; classes]);
        let mut pair = 0;
        for i in 0..classes {
            for j in i + 1..classes {
                (first[i]..first[i] + per_class[i])
                    .for_each(|v| weights[v * pairs + pair] = coefficients[(j - 1) * vectors + v]);
                (first[j]..first[j] + per_class[j])
                    .for_each(|v| weights[v * pairs + pair] = coefficients[i * vectors + v]);
                // a vote for i where the sum is positive, else for j
                (votes[pair * classes + i], votes[pair * classes + j]) = (1.0, -1.0);
                base[j] += 1.0;
                pair += 1;
            }
        }
        let (weights, rho) = (self.floats(&[vectors, pairs], &weights), self.floats(&[pairs], rho));
        let sums = self.node("MatMul", &[&kernel, &weights], Vec::new());
        let sums = self.node("Add", &[&sums, &rho], Vec::new());
        let (index, scores) = match (a, b) {
            ([a], [b]) => {
                // the first class's probability is 1 - sigmoid(a · sum + b)
                let (a, b, one) = (self.number(*a), self.number(*b), self.number(1.0));
                let scaled = self.node("Mul", &[&sums, &a], Vec::new());
                let shifted = self.node("Add", &[&scaled, &b], Vec::new());
                let second = self.node("Sigmoid", &[&shifted], Vec::new());
                let first = self.node("Sub", &[&one, &second], Vec::new());
                let both = self.node("Concat", &[&first, &second], vec![super::int("axis", 1)]);
                (self.winner(&both), both)
            }
            _ => {
                let zero = self.number(0.0);
                let positive = self.node("Greater", &[&sums, &zero], Vec::new());
                let positive = self.cast(&positive, DataType::Float);
                let (votes, base) = (self.floats(&[pairs, classes], &votes), self.floats(&[classes], &base));
                let counted = self.node("MatMul", &[&positive, &votes], Vec::new());
                let counted = self.node("Add", &[&counted, &base], Vec::new());
                let scores = if classes == 2 {
                    let other = self.node("Neg", &[&sums], Vec::new());
                    self.node("Concat", &[&other, &sums], vec![super::int("axis", 1)])
                } else {
                    sums
                };
                (self.winner(&counted), self.post_transform(node, &scores)?)
            }
        };
        let label = self.label(&index, &labels);
        self.output(node, 0, &label);
        self.output(node, 1, &scores);
        Ok(())
    }
}
