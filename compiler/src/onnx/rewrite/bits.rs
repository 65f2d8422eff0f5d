//! Integers bit by bit, and remainders: tables of floors.

use super::{Writer, input, integer, text};
use crate::onnx::GuardError;
use tract_onnx::pb::{self, tensor_proto::DataType};

impl Writer<'_> {
    fn by_number(&mut self, operator: &str, x: &str, number: f32) -> String {
        let number = self.number(number);
        self.node(operator, &[x, &number], Vec::new())
    }

    /// `x mod number`, which is never negative.
    pub(super) fn wrapped(&mut self, x: &str, number: f32) -> String {
        let ratio = self.by_number("Mul", x, 1.0 / number);
        let whole = self.node("Floor", &[&ratio], Vec::new());
        let whole = self.by_number("Mul", &whole, number);
        self.node("Sub", &[x, &whole], Vec::new())
    }

    /// By a number of places that may differ from element to element.
    pub(super) fn bit_shift(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let Some(kind) = self.known(input(node, 0)).map(|known| known.kind) else {
            return self.refused("a type that is not known");
        };
        let (bits, signed) = match kind {
            DataType::Uint8 => (8, false),
            DataType::Int8 => (8, true),
            DataType::Uint16 => (16, false),
            DataType::Int16 => (16, true),
            DataType::Uint32 => (32, false),
            DataType::Uint64 => (64, false),
            DataType::Int32 => (32, true),
            _ => (64, true),
        };
        let left = text(node, "direction", "LEFT") == "LEFT";
        let by = self.whole(input(node, 1));
        if by.as_ref().is_some_and(|by| by.iter().any(|by| *by < 0)) {
            return self.refused("a number of places below 0");
        }
        // what leaves an integer is lost: of wide ones nothing may, since the numbers themselves have 16 bits at most
        if left && bits > 16 && by.as_ref().is_none_or(|by| by.iter().any(|by| *by > 15)) {
            return self.refused(
                "more than 15 places, or a number of them that depends on the input, and integers of 32 bits or more,",
            );
        }
        let (x, places) = (self.cast(input(node, 0), DataType::Float), self.cast(input(node, 1), DataType::Float));
        let places = self.by_number("Min", &places, if left { bits.min(16) } else { 31 } as f32);
        let base = self.number(if left { 2.0 } else { 0.5 });
        let factor = self.node("Pow", &[&base, &places], Vec::new());
        let mut y = self.node("Mul", &[&x, &factor], Vec::new());
        if left && bits <= 16 {
            let (size, least) = ((1u32 << bits) as f32, if signed { (1u32 << (bits - 1)) as f32 } else { 0.0 });
            let above = self.by_number("Add", &y, least);
            let low = self.wrapped(&above, size);
            y = self.by_number("Add", &low, -least);
        } else if !left {
            y = self.node("Floor", &[&y], Vec::new());
        }
        let y = self.cast(&y, kind);
        self.output(node, 0, &y);
        Ok(true)
    }

    /// Whether integers have 16 bits with their sign, whatever their type has: those of an input, which holds no
    /// others, those of a constant that does, and what is cast from a narrow type.
    fn has_16_bits(&mut self, name: &str) -> bool {
        if let Some(values) = self.whole(name) {
            return values.iter().all(|value| i16::try_from(*value).is_ok());
        }
        let maker = self.nodes.iter().find(|node| node.output.iter().any(|output| output == name));
        let Some(maker) = maker else { return self.inputs.rank(name).is_some() };
        let from = (maker.op_type == "Cast").then(|| input(maker, 0).to_owned());
        let narrow = [DataType::Uint8, DataType::Int8, DataType::Int16, DataType::Bool];
        from.and_then(|from| self.known(&from)).is_some_and(|known| narrow.contains(&known.kind))
    }

    /// The sum of what both have is a sum of products of bits; the others follow from it.
    pub(super) fn bitwise(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let Some(kind) = self.known(input(node, 0)).map(|known| known.kind) else {
            return self.refused("a type that is not known");
        };
        let bits = match kind {
            DataType::Uint8 | DataType::Int8 => 8,
            DataType::Int16 => 16,
            _ if self.has_16_bits(input(node, 0)) && self.has_16_bits(input(node, 1)) => 16,
            _ => return self.refused("integers that may have more than 16 bits (cast what has fewer to int16)"),
        };
        let signed = kind != DataType::Uint8;
        let [a, b] = [0, 1].map(|at| self.cast(input(node, at), DataType::Float));
        let mut products = Vec::with_capacity(bits);
        for bit in 0..bits {
            let value = 1i64 << bit;
            let [of_a, of_b] = [&a, &b].map(|x| {
                let scaled = self.by_number("Mul", x, 1.0 / value as f32);
                let whole = self.node("Floor", &[&scaled], Vec::new());
                let bit = self.wrapped(&whole, 2.0);
                self.cast(&bit, DataType::Int64)
            });
            let product = self.node("Mul", &[&of_a, &of_b], Vec::new());
            let value = self.whole_numbers(&[], &[if signed && bit + 1 == bits { -value } else { value }]);
            products.push(self.node("Mul", &[&product, &value], Vec::new()));
        }
        let mut both = products.remove(0);
        for product in products {
            both = self.node("Add", &[&both, &product], Vec::new());
        }
        let y = match node.op_type.as_str() {
            "BitwiseAnd" => both,
            name => {
                let [a, b] = [0, 1].map(|at| self.cast(input(node, at), DataType::Int64));
                let all = self.node("Add", &[&a, &b], Vec::new());
                let times = self.whole_numbers(&[], &[if name == "BitwiseOr" { 1 } else { 2 }]);
                let less = self.node("Mul", &[&both, &times], Vec::new());
                self.node("Sub", &[&all, &less], Vec::new())
            }
        };
        let y = self.cast(&y, kind);
        self.output(node, 0, &y);
        Ok(true)
    }

    /// `-1 - x`, or with no sign the largest number less `x`.
    pub(super) fn bitwise_not(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let Some(kind) = self.known(input(node, 0)).map(|known| known.kind) else { return Ok(false) };
        let most = match kind {
            DataType::Uint8 => 255.0,
            DataType::Uint16 => 65535.0,
            DataType::Uint32 | DataType::Uint64 => return self.refused("integers of 32 bits or more without a sign"),
            _ => return Ok(false),
        };
        let x = self.cast(input(node, 0), DataType::Float);
        let most = self.number(most);
        let y = self.node("Sub", &[&most, &x], Vec::new());
        let y = self.cast(&y, kind);
        self.output(node, 0, &y);
        Ok(true)
    }

    /// The remainder of a division by integers that depend on the input, with the sign of the divisor: what tract makes
    /// has the sign of the dividend.
    fn floored_remainder(&mut self, a: &str, d: &str, kind: DataType) -> String {
        let rest = self.node("Mod", &[a, d], Vec::new());
        let (of_rest, of_divisor) = (self.node("Sign", &[&rest], Vec::new()), self.node("Sign", &[d], Vec::new()));
        let signs = self.node("Mul", &[&of_rest, &of_divisor], Vec::new());
        let signs = self.cast(&signs, DataType::Float);
        let differ = self.by_number("Less", &signs, 0.0);
        let differ = self.cast(&differ, kind);
        let missing = self.node("Mul", &[&differ, d], Vec::new());
        self.node("Add", &[&rest, &missing], Vec::new())
    }

    /// The remainder of two tensors of reals: `a - d · trunc(a / d)`, or with a floor.
    pub(super) fn remainder(&mut self, node: &pb::NodeProto) -> Result<bool, GuardError> {
        let (a, d) = (input(node, 0), input(node, 1));
        let Some(known) = self.known(d) else { return Ok(false) };
        let real = matches!(known.kind, DataType::Float | DataType::Float16 | DataType::Double);
        let number = known.value.as_ref().is_some_and(|value| value.len() == 1);
        let like_c = integer(node, "fmod", 0) != 0;
        let signed = matches!(known.kind, DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64);
        if signed && !like_c && known.value.is_some() {
            // tract's remainder of integers has the sign of the dividend, the standard's that of the divisor
            let rest = self.node("Mod", &[a, d], Vec::new());
            let shifted = self.node("Add", &[&rest, d], Vec::new());
            let y = self.node("Mod", &[&shifted, d], Vec::new());
            self.output(node, 0, &y);
            return Ok(true);
        }
        if signed && !like_c {
            let y = self.floored_remainder(a, d, known.kind);
            self.output(node, 0, &y);
            return Ok(true);
        }
        if !real || (number && like_c) {
            return Ok(false);
        }
        let ratio = self.node("Div", &[a, d], Vec::new());
        let whole = if like_c {
            let (sign, size) = (self.node("Sign", &[&ratio], Vec::new()), self.node("Abs", &[&ratio], Vec::new()));
            let size = self.node("Floor", &[&size], Vec::new());
            self.node("Mul", &[&sign, &size], Vec::new())
        } else {
            self.node("Floor", &[&ratio], Vec::new())
        };
        let taken = self.node("Mul", &[&whole, d], Vec::new());
        let y = self.node("Sub", &[a, &taken], Vec::new());
        self.output(node, 0, &y);
        Ok(true)
    }
}
