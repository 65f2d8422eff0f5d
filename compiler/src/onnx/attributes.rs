//! A node's attributes by name.

use super::Constant;
use tract_onnx::pb;

/// Typed access to the attributes of a node; an absent one is its default.
#[derive(Clone, Copy)]
pub struct Attributes<'a>(pub &'a pb::NodeProto);

impl<'a> Attributes<'a> {
    fn find(&self, name: &str) -> Option<&'a pb::AttributeProto> {
        self.0.attribute.iter().find(|a| a.name == name)
    }

    /// An integer.
    pub fn int(&self, name: &str, default: i64) -> i64 {
        self.find(name).map_or(default, |a| a.i)
    }

    /// A float.
    pub fn float(&self, name: &str, default: f32) -> f32 {
        self.find(name).map_or(default, |a| a.f)
    }

    /// A list of integers.
    pub fn ints(&self, name: &str) -> Option<&'a [i64]> {
        self.find(name).map(|a| a.ints.as_slice())
    }

    /// A string; what is not UTF-8 reads as empty.
    pub fn text(&self, name: &str) -> &'a str {
        self.find(name).and_then(|a| std::str::from_utf8(&a.s).ok()).unwrap_or("")
    }

    /// The value of a `Constant` node.
    pub fn constant(&self) -> Option<Constant> {
        if let Some(tensor) = self.find("value").and_then(|a| a.t.as_ref()) {
            return Some(Constant::of(tensor));
        }
        if let Some(a) = self.find("value_ints") {
            return Some(Constant::integers(vec![a.ints.len()], a.ints.clone()));
        }
        if let Some(a) = self.find("value_int") {
            return Some(Constant::integers(vec![], vec![a.i]));
        }
        if let Some(a) = self.find("value_floats") {
            return Some(Constant { shape: vec![a.floats.len()], floats: a.floats.clone(), ints: None });
        }
        self.find("value_float").map(|a| Constant { shape: vec![], floats: vec![a.f], ints: None })
    }
}
