//! The ONNX messages that the installed models use, by hand, after onnx.proto (proto2: explicit
//! presence, and repeated numbers unpacked unless said otherwise).
//!
//! Deliberately not the whole of ONNX: no subgraphs, functions, sparse tensors or training data.
//! [`decode`] refuses a file that holds anything not listed here, so writing a model back can never
//! drop a field.

use prost::{Message, Oneof};

/// Element type of float32 tensors.
pub const FLOAT: i32 = 1;
/// Element type of int8 tensors.
pub const INT8: i32 = 3;
/// Element type of int64 tensors.
pub const INT64: i32 = 7;

/// Reads a model; `None` if the bytes are not ONNX or hold fields beyond the messages below.
pub fn decode(bytes: &[u8]) -> Option<Model> {
    let model = Model::decode(bytes).ok()?;
    (model.encode_to_vec() == bytes).then_some(model)
}

/// Writes a model; the same model always gives the same bytes.
pub fn encode(model: &Model) -> Vec<u8> {
    model.encode_to_vec()
}

/// A whole model file (`ModelProto`).
#[derive(Clone, PartialEq, Message)]
pub struct Model {
    /// Version of the file format.
    #[prost(int64, optional, tag = "1")]
    pub ir_version: Option<i64>,
    /// Program that wrote it.
    #[prost(string, optional, tag = "2")]
    pub producer_name: Option<String>,
    /// Version of that program.
    #[prost(string, optional, tag = "3")]
    pub producer_version: Option<String>,
    /// Namespace of the model.
    #[prost(string, optional, tag = "4")]
    pub domain: Option<String>,
    /// Version of the model.
    #[prost(int64, optional, tag = "5")]
    pub model_version: Option<i64>,
    /// Free text.
    #[prost(string, optional, tag = "6")]
    pub doc_string: Option<String>,
    /// The network.
    #[prost(message, optional, tag = "7")]
    pub graph: Option<Graph>,
    /// Operator sets used.
    #[prost(message, repeated, tag = "8")]
    pub opset_import: Vec<OperatorSetId>,
    /// Free key-value pairs.
    #[prost(message, repeated, tag = "14")]
    pub metadata_props: Vec<StringStringEntry>,
}

/// An operator set (`OperatorSetIdProto`).
#[derive(Clone, PartialEq, Message)]
pub struct OperatorSetId {
    /// Namespace; empty for ONNX's own.
    #[prost(string, optional, tag = "1")]
    pub domain: Option<String>,
    /// Version.
    #[prost(int64, optional, tag = "2")]
    pub version: Option<i64>,
}

/// A key-value pair (`StringStringEntryProto`).
#[derive(Clone, PartialEq, Message)]
pub struct StringStringEntry {
    /// Key.
    #[prost(string, optional, tag = "1")]
    pub key: Option<String>,
    /// Value.
    #[prost(string, optional, tag = "2")]
    pub value: Option<String>,
}

/// A network (`GraphProto`).
#[derive(Clone, PartialEq, Message)]
pub struct Graph {
    /// Operations in an order in which they can run.
    #[prost(message, repeated, tag = "1")]
    pub node: Vec<Node>,
    /// Name.
    #[prost(string, optional, tag = "2")]
    pub name: Option<String>,
    /// Weights and other constants.
    #[prost(message, repeated, tag = "5")]
    pub initializer: Vec<Tensor>,
    /// Free text.
    #[prost(string, optional, tag = "10")]
    pub doc_string: Option<String>,
    /// Inputs; in old files the initializers too.
    #[prost(message, repeated, tag = "11")]
    pub input: Vec<ValueInfo>,
    /// Outputs.
    #[prost(message, repeated, tag = "12")]
    pub output: Vec<ValueInfo>,
    /// Types of values inside; a hint only.
    #[prost(message, repeated, tag = "13")]
    pub value_info: Vec<ValueInfo>,
}

/// An operation (`NodeProto`).
#[derive(Clone, PartialEq, Message)]
pub struct Node {
    /// Names of the values it reads.
    #[prost(string, repeated, tag = "1")]
    pub input: Vec<String>,
    /// Names of the values it makes.
    #[prost(string, repeated, tag = "2")]
    pub output: Vec<String>,
    /// Name.
    #[prost(string, optional, tag = "3")]
    pub name: Option<String>,
    /// Operator.
    #[prost(string, optional, tag = "4")]
    pub op_type: Option<String>,
    /// Parameters.
    #[prost(message, repeated, tag = "5")]
    pub attribute: Vec<Attribute>,
    /// Free text.
    #[prost(string, optional, tag = "6")]
    pub doc_string: Option<String>,
    /// Namespace of the operator; empty for ONNX's own.
    #[prost(string, optional, tag = "7")]
    pub domain: Option<String>,
}

/// A parameter of an operation (`AttributeProto`).
#[derive(Clone, PartialEq, Message)]
pub struct Attribute {
    /// Name.
    #[prost(string, optional, tag = "1")]
    pub name: Option<String>,
    /// A float.
    #[prost(float, optional, tag = "2")]
    pub f: Option<f32>,
    /// An integer.
    #[prost(int64, optional, tag = "3")]
    pub i: Option<i64>,
    /// A text.
    #[prost(bytes = "vec", optional, tag = "4")]
    pub s: Option<Vec<u8>>,
    /// A tensor.
    #[prost(message, optional, tag = "5")]
    pub t: Option<Tensor>,
    /// Floats.
    #[prost(float, repeated, packed = "false", tag = "7")]
    pub floats: Vec<f32>,
    /// Integers.
    #[prost(int64, repeated, packed = "false", tag = "8")]
    pub ints: Vec<i64>,
    /// Texts.
    #[prost(bytes = "vec", repeated, tag = "9")]
    pub strings: Vec<Vec<u8>>,
    /// Free text.
    #[prost(string, optional, tag = "13")]
    pub doc_string: Option<String>,
    /// Which of the fields holds the value.
    #[prost(int32, optional, tag = "20")]
    pub kind: Option<i32>,
}

/// Numbers with a shape (`TensorProto`).
#[derive(Clone, PartialEq, Message)]
pub struct Tensor {
    /// Lengths of the axes.
    #[prost(int64, repeated, packed = "false", tag = "1")]
    pub dims: Vec<i64>,
    /// Element type: [`FLOAT`], [`INT8`], [`INT64`] or another.
    #[prost(int32, optional, tag = "2")]
    pub data_type: Option<i32>,
    /// Float elements, if not in `raw_data`.
    #[prost(float, repeated, tag = "4")]
    pub float_data: Vec<f32>,
    /// Elements of 32 bits and less, if not in `raw_data`.
    #[prost(int32, repeated, tag = "5")]
    pub int32_data: Vec<i32>,
    /// int64 elements, if not in `raw_data`.
    #[prost(int64, repeated, tag = "7")]
    pub int64_data: Vec<i64>,
    /// Name.
    #[prost(string, optional, tag = "8")]
    pub name: Option<String>,
    /// The elements, little endian.
    #[prost(bytes = "vec", optional, tag = "9")]
    pub raw_data: Option<Vec<u8>>,
    /// Free text.
    #[prost(string, optional, tag = "12")]
    pub doc_string: Option<String>,
}

/// Name and type of an input, output or inner value (`ValueInfoProto`).
#[derive(Clone, PartialEq, Message)]
pub struct ValueInfo {
    /// Name.
    #[prost(string, optional, tag = "1")]
    pub name: Option<String>,
    /// Type.
    #[prost(message, optional, tag = "2")]
    pub r#type: Option<Type>,
    /// Free text.
    #[prost(string, optional, tag = "3")]
    pub doc_string: Option<String>,
}

/// A type (`TypeProto`); only tensors here.
#[derive(Clone, PartialEq, Message)]
pub struct Type {
    /// Element type and shape.
    #[prost(message, optional, tag = "1")]
    pub tensor_type: Option<TensorType>,
    /// Meaning by convention.
    #[prost(string, optional, tag = "6")]
    pub denotation: Option<String>,
}

/// Type of a tensor (`TypeProto.Tensor`).
#[derive(Clone, PartialEq, Message)]
pub struct TensorType {
    /// Element type.
    #[prost(int32, optional, tag = "1")]
    pub elem_type: Option<i32>,
    /// Shape, if known.
    #[prost(message, optional, tag = "2")]
    pub shape: Option<TensorShape>,
}

/// Shape of a tensor (`TensorShapeProto`).
#[derive(Clone, PartialEq, Message)]
pub struct TensorShape {
    /// Lengths of the axes.
    #[prost(message, repeated, tag = "1")]
    pub dim: Vec<Dimension>,
}

/// Length of an axis (`TensorShapeProto.Dimension`).
#[derive(Clone, PartialEq, Message)]
pub struct Dimension {
    /// The length; unknown if absent.
    #[prost(oneof = "Length", tags = "1, 2")]
    pub value: Option<Length>,
    /// Meaning by convention.
    #[prost(string, optional, tag = "3")]
    pub denotation: Option<String>,
}

/// Length of an axis, fixed or named.
#[derive(Clone, PartialEq, Oneof)]
pub enum Length {
    /// A fixed length.
    #[prost(int64, tag = "1")]
    Fixed(i64),
    /// Free; axes of one name have one length.
    #[prost(string, tag = "2")]
    Named(String),
}

impl Node {
    /// Whether it is ONNX's own operator of that name.
    pub fn is(&self, op_type: &str) -> bool {
        self.op_type.as_deref() == Some(op_type)
            && matches!(self.domain.as_deref(), None | Some("" | "ai.onnx"))
    }

    /// An integer parameter, or ONNX's default for it.
    pub fn int(&self, name: &str, default: i64) -> i64 {
        let attribute =
            self.attribute.iter().find(|attribute| attribute.name.as_deref() == Some(name));
        attribute.and_then(|attribute| attribute.i).unwrap_or(default)
    }
}

impl Tensor {
    /// A float32 tensor with its elements in `raw_data`.
    pub fn of_floats(name: String, dims: Vec<i64>, elements: &[f32]) -> Self {
        let raw = elements.iter().flat_map(|element| element.to_le_bytes()).collect();
        Self {
            dims,
            data_type: Some(FLOAT),
            name: Some(name),
            raw_data: Some(raw),
            ..Self::default()
        }
    }

    /// The elements of a whole float32 tensor, in row-major order.
    pub fn floats(&self) -> Option<Vec<f32>> {
        if self.data_type != Some(FLOAT) {
            return None;
        }
        let elements = match &self.raw_data {
            Some(raw) => raw.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
            None => self.float_data.clone(),
        };
        self.is_whole(elements.len()).then_some(elements)
    }

    /// The elements of a whole int8 tensor, in row-major order.
    pub fn int8s(&self) -> Option<Vec<i8>> {
        if self.data_type != Some(INT8) {
            return None;
        }
        let elements: Vec<i8> = match &self.raw_data {
            Some(raw) => raw.iter().map(|byte| byte.cast_signed()).collect(),
            None => self
                .int32_data
                .iter()
                .map(|element| i8::try_from(*element).ok())
                .collect::<Option<_>>()?,
        };
        self.is_whole(elements.len()).then_some(elements)
    }

    /// The elements of a whole int64 tensor, in row-major order.
    pub fn int64s(&self) -> Option<Vec<i64>> {
        if self.data_type != Some(INT64) {
            return None;
        }
        let elements = match &self.raw_data {
            Some(raw) => raw.as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect(),
            None => self.int64_data.clone(),
        };
        self.is_whole(elements.len()).then_some(elements)
    }

    fn is_whole(&self, elements: usize) -> bool {
        element_count(&self.dims) == Some(elements)
    }
}

/// Number of elements of a tensor of that shape; `None` for negative lengths and on overflow.
pub fn element_count(dims: &[i64]) -> Option<usize> {
    dims.iter().try_fold(1_usize, |count, length| count.checked_mul(usize::try_from(*length).ok()?))
}
