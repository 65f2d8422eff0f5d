//! Reading ONNX files: everything that a hostile file could do is refused here, before any other code sees it.

mod declared;
mod guard;
mod ignored;
mod operators;
mod rewrite;
mod types;

pub use declared::{Declared, DeclaredTensor, declared};
pub use guard::{GuardError, read};
pub use operators::Operators;

use tract_onnx::pb;

/// A node's name, or, where it has none, its first output's.
pub fn node_name(node: &pb::NodeProto) -> &str {
    if node.name.is_empty() { node.output.first().map_or("(unnamed)", String::as_str) } else { &node.name }
}
