//! The register of operators: what is supported, and what it becomes. `assay operators` and docs/operators.md are
//! printed from it.

use super::elementwise::{known_binary, unary_program};
use serde::Serialize;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::element_wise::ElementWiseOp;

/// An entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Operator {
    /// ONNX's names.
    pub onnx: &'static str,
    /// What it becomes.
    pub becomes: &'static str,
    /// Lookups for each element of its result, at most.
    pub lookups: &'static str,
    /// tract's names of what ONNX's operators turn into.
    tract: &'static [&'static str],
}

const fn entry(
    onnx: &'static str,
    becomes: &'static str,
    lookups: &'static str,
    tract: &'static [&'static str],
) -> Operator {
    Operator { onnx, becomes, lookups, tract }
}

/// All of them.
pub const OPERATORS: &[Operator] = &[
    entry(
        "Gemm, MatMul, Einsum (of any number of operands, diagonals), DFT, STFT, AffineGrid",
        "sums of products of two operands, constants or not, with shared axes; einsums of more operands two at a time, \
         transforms with a constant matrix",
        "2",
        &["EinSum"],
    ),
    entry(
        "Conv (1-D, 2-D, 3-D; groups, dilation, any pads), CausalConvWithState",
        "sums of products through windows; groups share an axis, no zeros are written out",
        "2",
        &["Conv"],
    ),
    entry("ConvTranspose", "zeros between the input's places, then a convolution", "3", &["Deconv"]),
    entry(
        "BatchNormalization, Add, Sub, Sum, Mean of tensors, BitwiseNot",
        "terms of the next layer",
        "0",
        &["Add", "Sub", "SubF"],
    ),
    entry("Mul", "a factor of the next layer, or a product", "2", &["Mul"]),
    entry(
        "Div, Reciprocal",
        "a factor; a table; a division by a column, or one a row and a product",
        "4 + 2 for each limb",
        &["Div"],
    ),
    entry("Min, Max (two tensors)", "a table of the difference", "2", &["Min", "Max"]),
    entry(
        "Pow",
        "a table; the square is a product; of two tensors, which are positive, a product between a logarithm and an \
         exponential",
        "6",
        &["Pow"],
    ),
    entry(
        "Mod (also of reals), Div of integers",
        "a table by a number; else a division an element and a floor",
        "2; 12 and 2 for each limb",
        &["Rem"],
    ),
    entry(
        "Equal, Less, LessOrEqual, Greater, GreaterOrEqual",
        "a table of the difference",
        "2",
        &["Eq", "NE", "LT", "LTE", "GT", "GTE"],
    ),
    entry("And, Or, Xor, Not", "products and tables of 0 and 1", "2", &["And", "Or", "Xor"]),
    entry("BitShift", "a table of the power of 2, a product, a floor", "6", &["ShiftLeft", "ShiftRight"]),
    entry(
        "BitwiseAnd, BitwiseOr, BitwiseXor (8 bits, or 16 with a sign, in whatever type)",
        "a table and a product for each bit",
        "6 for each bit",
        &[],
    ),
    entry(
        "Relu, LeakyRelu, PRelu, Elu, Selu, Celu, Clip, Sigmoid, Tanh, HardSigmoid, HardSwish, Softplus, Softsign, \
         Mish, Gelu, Swish, ThresholdedRelu, Abs, Neg, Exp, Log, Sqrt, Erf, Sign, Floor, Ceil, Round, Sin, Cos, Tan, \
         Asin, Acos, Atan, Sinh, Cosh, Asinh, Acosh, Atanh",
        "one table, also where they are written out with other operators of one tensor",
        "2, with the layer before",
        &[],
    ),
    entry(
        "Sqrt, ReduceL2, LayerNormalization, RMSNormalization, InstanceNormalization, GroupNormalization, \
         MeanVarianceNormalization, LpNormalization",
        "an exact root a row, a division a row, a product an element; from 4096 cells on the centred values are not \
         rounded; a gain and an offset before a product with weights are those weights'",
        "2 or 4, and the root a row",
        &["RmsNorm"],
    ),
    entry(
        "Softmax, LogSoftmax (any axis)",
        "a maximum that shares its lookup with the exponential, a division a row, a product; before a narrower \
         product, from 4096 cells on, the division is one of that product's sums",
        "3; 1, and 5 for each of those sums",
        &["Softmax"],
    ),
    entry(
        "ReduceSum, ReduceMean, ReduceSumSquare, ReduceL1, ReduceProd, ReduceLogSum, ReduceLogSumExp",
        "terms of the next layer; products",
        "0",
        &["Reduce"],
    ),
    entry("ReduceMax, ReduceMin, ArgMax, ArgMin", "a maximum over an axis; a second one over the marks", "1; 2", &[]),
    entry(
        "MaxPool with the places of its maxima, MaxUnpool",
        "a maximum over each window, one-hot rows of its place; a scatter",
        "3 for each place of the window",
        &[],
    ),
    entry(
        "Attention (past and present, groups of heads, masks, lengths, windows, softcap), FlexAttention, \
         LinearAttention, SwiGLU, RotaryEmbedding",
        "products, one choice for all that must not be seen, a softmax; the steps of a linear attention one by one",
        "those of what they become",
        &[],
    ),
    entry(
        "GridSample (nearest, linear, cubic; all paddings)",
        "a kernel's table along each axis, their product, a product with the image; of a constant grid the last alone",
        "2 for each pixel of an axis and place of the grid",
        &[],
    ),
    entry("Det (up to 4 rows), CumProd", "products", "2 for each factor", &[]),
    entry(
        "NegativeLogLikelihoodLoss, SoftmaxCrossEntropyLoss",
        "one-hot rows of the classes, a sum of products",
        "2 for each class",
        &[],
    ),
    entry("MaxPool", "a tournament along each axis", "2 for each place of the window", &["MaxPool"]),
    entry("AveragePool, GlobalAveragePool", "a map along each axis", "0", &["SumPool"]),
    entry("LpPool, GlobalLpPool", "a power, a sum pool, a root", "4", &[]),
    entry("LRN", "squares, a map along the channels, a table, a product", "6", &[]),
    entry(
        "Reshape, Flatten, Transpose, Squeeze, Unsqueeze, Identity, Dropout, Expand, Shape",
        "nothing: the next layer reads its source otherwise",
        "0",
        &["AddAxis", "RmAxis", "MoveAxis", "Reshape", "MultiBroadcastTo", "Identity"],
    ),
    entry(
        "Slice, Split, Concat, Pad (constant, reflect, edge, wrap; also less than 0), CenterCropPad, Col2Im, Tile, \
         Gather, GatherElements, GatherND, ScatterElements, ScatterND (constant indices), Compress (constant \
         condition), ReverseSequence (constant lengths), Upsample, Resize (every form without a region), DepthToSpace, \
         SpaceToDepth, Trilu",
        "maps of the next layer's terms",
        "0",
        &[
            "Slice",
            "TypedConcat",
            "Concat",
            "Pad",
            "Tile",
            "Resize",
            "NearestUpsample",
            "Downsample",
            "StridedSlice",
            "Trilu",
            "GatherNd",
            "ScatterNd",
            "ScatterElements",
        ],
    ),
    entry(
        "Gather (a large table of constants, indices that are an input, such as tokens)",
        "rows of weights, looked up by the index, which counts from the start",
        "1 for each index, 1 for each row of the table, and no cells but the result's",
        &[],
    ),
    entry(
        "Gather, GatherElements, GatherND, OneHot (indices that depend on the input)",
        "one-hot rows by a table, contracted with the data",
        "2 for each place of the axes that are indexed",
        &["Gather", "GatherElements", "OneHot", "Onehot"],
    ),
    entry(
        "ScatterElements, ScatterND (indices that depend on the input; none or add), TensorScatter",
        "one-hot rows by a table, contracted with the updates, and the data where no row is 1; of several updates of \
         one place, of which the standard says nothing, the sum",
        "2 for each update that could come",
        &[],
    ),
    entry(
        "ScatterElements, ScatterND (mul, max, min)",
        "updates of one place take turns; by the input, a comparison and a choice for each update",
        "2, or 4 for each update",
        &[],
    ),
    entry(
        "TopK",
        "every pair of an axis compared, the ranks' one-hot rows contracted with the data; up to 2^20 pairs",
        "2 for each place of the axis, and 2 for each place of the result",
        &["Topk"],
    ),
    entry("CumSum", "a triangular map", "0", &["CumSum"]),
    entry(
        "QuantizeLinear, DequantizeLinear (an axis, blocks; integers of 2 to 16 bits)",
        "a rounding of the sum before it, exact (docs/compiler.md); a factor",
        "3 or 4; 0",
        &[],
    ),
    entry(
        "MatMulInteger, ConvInteger, QLinearMatMul, QLinearConv, DynamicQuantizeLinear; of onnxruntime's own: QGemm, \
         QLinearAdd, QLinearMul, QLinearSigmoid, QLinearLeakyRelu, QLinearAveragePool, QLinearGlobalAveragePool",
        "what they mean: integers less their zero point, products, a rounding, exact (docs/compiler.md says how nearly \
         DynamicQuantizeLinear is)",
        "those of what they mean",
        &[],
    ),
    entry("Where", "a product; of one tensor, a part of its table", "2", &["Iff"]),
    entry(
        "Cast, CastLike (not to floats of 8 bits or fewer)",
        "nothing; a table where reals become integers",
        "0; 2",
        &["Cast"],
    ),
    entry(
        "Loop (a number of rounds that is known), Scan that reads around it, If, functions of the model, SequenceMap",
        "written out; of a condition that depends on the input both branches, and a choice",
        "those of what they become",
        &[],
    ),
    entry(
        "SequenceConstruct, SequenceEmpty, SequenceInsert, SequenceErase, SequenceAt, SequenceLength, SplitToSequence, \
         ConcatFromSequence, Optional, OptionalGetElement, OptionalHasElement",
        "nothing: lists of tensors are known beforehand",
        "0",
        &[],
    ),
    entry(
        "RNN, GRU, LSTM (forward, reverse, bidirectional, initial states, other activations, clip), Scan",
        "the layers of one step, over all steps at once",
        "those of one step",
        &["Scan", "LstmEpilogue", "GruEpilogue", "GruSeq"],
    ),
    entry(
        "ai.onnx.ml: Scaler, Normalizer, Binarizer, Imputer, FeatureVectorizer, OneHotEncoder, LabelEncoder (numbers), \
         ArrayFeatureExtractor, ZipMap, LinearClassifier, LinearRegressor",
        "standard operators; classes that are strings become their numbers in the list of classes, maps the tensors of \
         their values",
        "those of what they become",
        &[],
    ),
    entry(
        "ai.onnx.ml: TreeEnsemble, TreeEnsembleClassifier, TreeEnsembleRegressor (tests of one kind; sums and means)",
        "all tests of all trees compared at once, the ways to the leaves as a product, the leaves' weights as another; \
         all of them are weights",
        "2 for each test and each leaf of the largest tree, times the trees",
        &[],
    ),
    entry(
        "ai.onnx.ml: SVMClassifier, SVMRegressor (probabilities of two classes only)",
        "kernels with all support vectors, a product, votes",
        "2 for each support vector",
        &[],
    ),
    entry(
        "Constant, ConstantOfShape, Range, and whatever depends on constants only",
        "folded",
        "0",
        &["Const", "Source", "TypedSource"],
    ),
];

/// The register as a page of Markdown, which is docs/operators.md.
pub fn operators_page() -> String {
    let rows: String = OPERATORS.iter().map(|o| format!("| {} | {} | {} |\n", o.onnx, o.becomes, o.lookups)).collect();
    format!(
        "# Operators\n\nPrinted from the register in `compiler/src/ops/register.rs`; a test checks that it is. What is \
         not here is refused by name.\n\n\
         A column that is rounded takes a lookup for its remainder and one for each saturation limb. Lookups are \
         counted here with one limb a column;\n\
         compiled networks mostly have two, so that 2 becomes 3. `docs/benchmarks.md` counts lookups and cells in \
         compiled networks.\n\n\
         `docs/operators-onnx.md` says which of ONNX's own test cases pass.\n\n\
         | ONNX | what it becomes | lookups for each element |\n|---|---|---|\n{rows}"
    )
}

/// Whether a node of tract's graph has a lowering.
pub(super) fn has_lowering(node: &TypedNode) -> bool {
    if let Some(op) = node.op_as::<ElementWiseOp>() {
        let name = op.0.name();
        return unary_program(&name).is_some()
            || matches!(name.as_str(), "LeakyRelu" | "PowConst" | "BitNot" | "GeluApproximate" | "Gelu" | "GeluErf");
    }
    if let Some(op) = node.op_as::<TypedBinOp>() {
        return known_binary(op.0.name());
    }
    let name = node.op.name();
    // a reduction's name says what it does in brackets
    let plain = name.split('<').next().unwrap_or_default();
    let listed = OPERATORS.iter().any(|operator| operator.tract.contains(&plain));
    listed || is_identity(node)
}

/// Operators that are there for tract's own sake.
pub(super) fn is_identity(node: &TypedNode) -> bool {
    matches!(node.op.name().as_ref(), "Identity" | "PinConst" | "ForcedUnit")
}
