//! `TreeEnsemble` of the newer `ai.onnx.ml`: one list of tests, one of leaves, each leaf with one target and one
//! weight. It is written as the older `TreeEnsembleRegressor`, which has both in one list, with the number of its tree.

use super::{Writer, attribute, int, integer, integers, nodes};
use crate::onnx::GuardError;
use tract_onnx::pb::{self, AttributeProto, attribute_proto::AttributeType, tensor_proto::DataType};

/// The older lists, as they are filled.
#[derive(Default)]
struct Lists {
    trees: Vec<i64>,
    numbers: Vec<i64>,
    features: Vec<i64>,
    modes: Vec<Vec<u8>>,
    thresholds: Vec<f32>,
    holds: Vec<i64>,
    fails: Vec<i64>,
    leaf_trees: Vec<i64>,
    leaf_numbers: Vec<i64>,
    targets: Vec<i64>,
    weights: Vec<f32>,
}

/// A place in the newer lists.
#[derive(Clone, Copy)]
enum At {
    Test(usize),
    Leaf(usize),
}

/// The newer lists.
struct Newer<'a> {
    features: &'a [i64],
    thresholds: Vec<f32>,
    modes: Vec<u8>,
    holds: &'a [i64],
    fails: &'a [i64],
    holds_leaf: &'a [i64],
    fails_leaf: &'a [i64],
    targets: &'a [i64],
    weights: Vec<f32>,
}

impl Newer<'_> {
    /// Where a branch of a test leads.
    fn branch(&self, test: usize, holds: bool) -> Option<At> {
        let (to, is_leaf) = if holds { (self.holds, self.holds_leaf) } else { (self.fails, self.fails_leaf) };
        let place = usize::try_from(*to.get(test)?).ok()?;
        let leaf = *is_leaf.get(test)? != 0;
        let known = if leaf { self.targets.len() } else { self.features.len() };
        (place < known).then_some(if leaf { At::Leaf(place) } else { At::Test(place) })
    }

    /// A root that only leads to one leaf is that leaf.
    fn root(&self, place: i64) -> Option<At> {
        let place = usize::try_from(place).ok().filter(|place| *place < self.features.len())?;
        match (self.branch(place, true), self.branch(place, false)) {
            (Some(At::Leaf(a)), Some(At::Leaf(b))) if a == b => Some(At::Leaf(a)),
            _ => Some(At::Test(place)),
        }
    }
}

impl Writer<'_> {
    pub(super) fn tree_ensemble(&mut self, node: &pb::NodeProto) -> Result<(), GuardError> {
        let older = self.older_ensemble(node)?;
        self.tree_regressor(&older)
    }

    fn newer_lists<'a>(&self, node: &'a pb::NodeProto) -> Result<Newer<'a>, GuardError> {
        let tensor = |name: &str| attribute(node, name).and_then(|a| a.t.as_ref());
        let floats = |name: &str| tensor(name).filter(|t| t.data_type == DataType::Float as i32).map(nodes::floats);
        let bytes = |tensor: &pb::TensorProto| {
            if tensor.raw_data.is_empty() {
                tensor.int32_data.iter().map(|mode| *mode as u8).collect()
            } else {
                tensor.raw_data.to_vec()
            }
        };
        let (Some(thresholds), Some(weights)) = (floats("nodes_splits"), floats("leaf_weights")) else {
            return self.refused("thresholds or weights that are no 32-bit floats");
        };
        let newer = Newer {
            features: integers(node, "nodes_featureids"),
            thresholds,
            modes: tensor("nodes_modes").map(bytes).unwrap_or_default(),
            holds: integers(node, "nodes_truenodeids"),
            fails: integers(node, "nodes_falsenodeids"),
            holds_leaf: integers(node, "nodes_trueleafs"),
            fails_leaf: integers(node, "nodes_falseleafs"),
            targets: integers(node, "leaf_targetids"),
            weights,
        };
        let tests = [newer.thresholds.len(), newer.modes.len(), newer.holds.len(), newer.fails.len()];
        let fits = tests.iter().all(|len| *len == newer.features.len()) && newer.weights.len() == newer.targets.len();
        if fits { Ok(newer) } else { self.refused("lists of nodes or leaves that do not fit each other") }
    }

    /// The same trees as the older operator writes them.
    fn older_ensemble(&self, node: &pb::NodeProto) -> Result<pb::NodeProto, GuardError> {
        let newer = self.newer_lists(node)?;
        let mut lists = Lists::default();
        for (tree, root) in (0..).zip(integers(node, "tree_roots")) {
            let Some(root) = newer.root(*root) else { return self.refused("a root that is not there") };
            self.add_tree(&newer, tree, root, &mut lists)?;
        }
        let aggregate = match integer(node, "aggregate_function", 1) {
            0 => "AVERAGE",
            1 => "SUM",
            _ => return self.refused("the least or largest of its trees"),
        };
        let transform = match integer(node, "post_transform", 0) {
            0 => "NONE",
            1 => "SOFTMAX",
            2 => "LOGISTIC",
            _ => return self.refused("this post_transform"),
        };
        let numbers = |name: &str, ints: Vec<i64>| AttributeProto { ints, ..named(name, AttributeType::Ints) };
        let reals = |name: &str, floats: Vec<f32>| AttributeProto { floats, ..named(name, AttributeType::Floats) };
        let text =
            |name: &str, s: &str| AttributeProto { s: s.as_bytes().to_vec(), ..named(name, AttributeType::String) };
        let attribute = vec![
            numbers("nodes_treeids", lists.trees),
            numbers("nodes_nodeids", lists.numbers),
            numbers("nodes_featureids", lists.features),
            AttributeProto { strings: lists.modes, ..named("nodes_modes", AttributeType::Strings) },
            reals("nodes_values", lists.thresholds),
            numbers("nodes_truenodeids", lists.holds),
            numbers("nodes_falsenodeids", lists.fails),
            numbers("target_treeids", lists.leaf_trees),
            numbers("target_nodeids", lists.leaf_numbers),
            numbers("target_ids", lists.targets),
            reals("target_weights", lists.weights),
            int("n_targets", integer(node, "n_targets", 1)),
            text("aggregate_function", aggregate),
            text("post_transform", transform),
        ];
        Ok(pb::NodeProto { attribute, ..node.clone() })
    }

    /// Adds a tree, the root first, and the others as they are met.
    fn add_tree(&self, newer: &Newer<'_>, tree: i64, root: At, lists: &mut Lists) -> Result<(), GuardError> {
        let mut open = std::collections::VecDeque::from([root]);
        let mut next = 1;
        for number in 0.. {
            let Some(at) = open.pop_front() else { break };
            if number > (newer.features.len() + newer.targets.len()) as i64 {
                return self.refused("a tree with a cycle");
            }
            let (mode, mut branches) = match at {
                At::Leaf(_) => ("LEAF", Vec::new()),
                At::Test(test) => {
                    let (mode, turned) = match newer.modes[test] {
                        0 => ("BRANCH_LEQ", false),
                        1 => ("BRANCH_LT", false),
                        // the others turned round, so that trees with both have tests of one kind
                        2 => ("BRANCH_LT", true),
                        3 => ("BRANCH_LEQ", true),
                        4 => ("BRANCH_EQ", false),
                        5 => ("BRANCH_EQ", true),
                        _ => return self.refused("a test whether a feature is one of several values"),
                    };
                    let (Some(holds), Some(fails)) = (newer.branch(test, !turned), newer.branch(test, turned)) else {
                        return self.refused("a branch to a node that is not there");
                    };
                    (mode, vec![holds, fails])
                }
            };
            let children = if branches.is_empty() { (0, 0) } else { (next, next + 1) };
            next += branches.len() as i64;
            open.extend(branches.drain(..));
            let (feature, threshold) = match at {
                At::Test(test) => (newer.features[test], newer.thresholds[test]),
                At::Leaf(leaf) => {
                    lists.leaf_trees.push(tree);
                    lists.leaf_numbers.push(number);
                    lists.targets.push(newer.targets[leaf]);
                    lists.weights.push(newer.weights[leaf]);
                    (0, 0.0)
                }
            };
            lists.trees.push(tree);
            lists.numbers.push(number);
            lists.features.push(feature);
            lists.modes.push(mode.as_bytes().to_vec());
            lists.thresholds.push(threshold);
            lists.holds.push(children.0);
            lists.fails.push(children.1);
        }
        Ok(())
    }
}

fn named(name: &str, kind: AttributeType) -> AttributeProto {
    AttributeProto { name: name.to_owned(), r#type: kind as i32, ..Default::default() }
}
