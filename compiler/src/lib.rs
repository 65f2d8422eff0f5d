//! ONNX to the quantised model.
