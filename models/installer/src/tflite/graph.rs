//! The ONNX graph under construction, and the forms of each value.

use std::collections::BTreeMap;

use super::model::{Constant, Model};
use crate::onnx::{
    Attribute, DataType, Dimension, Graph, Length, Node, Tensor, TensorShape, TensorType, Type,
    ValueInfo,
};
use crate::rewrite::RewriteError;

/// Order of the axes that turns channels-last into planes, and back.
const TO_PLANES: [i64; 4] = [0, 3, 1, 2];
const FROM_PLANES: [i64; 4] = [0, 2, 3, 1];

/// ONNX numbers of attribute types.
const INT: i32 = 2;
const INTS: i32 = 7;

/// The names of a value in its two forms.
#[derive(Debug, Clone, Default)]
struct Forms {
    /// As TFLite stores it.
    plain: Option<String>,
    /// With the channels before rows and columns.
    planes: Option<String>,
}

/// Builds a graph node by node.
#[derive(Debug)]
pub(super) struct Builder<'a> {
    model: &'a Model<'a>,
    forms: BTreeMap<usize, Forms>,
    /// The tensors that are half-precision copies of constants: target → source.
    copies: BTreeMap<usize, usize>,
    nodes: Vec<Node>,
    constants: BTreeMap<String, Tensor>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(model: &'a Model<'a>) -> Self {
        let mut forms = BTreeMap::new();
        for input in &model.inputs {
            let plain = Some(model.tensors[*input].name.to_owned());
            forms.insert(*input, Forms { plain, planes: None });
        }
        let (copies, constants) = (BTreeMap::new(), BTreeMap::new());
        Self { model, forms, copies, nodes: Vec::new(), constants }
    }

    /// The shape of a tensor.
    pub(super) fn shape(&self, tensor: usize) -> &'a [usize] {
        &self.model.tensors[tensor].shape
    }

    /// Makes `target` another name of the constant `source`.
    pub(super) fn copy(&mut self, target: usize, source: usize) {
        self.copies.insert(target, source);
    }

    /// The elements of a float constant.
    pub(super) fn floats(&self, tensor: usize) -> Option<&'a [f32]> {
        let tensor = self.copies.get(&tensor).copied().unwrap_or(tensor);
        match self.model.tensors[tensor].constant.as_ref()? {
            Constant::Floats(elements) => Some(elements),
            Constant::Integers(_) => None,
        }
    }

    /// The elements of an integer constant.
    pub(super) fn integers(&self, tensor: usize) -> Option<&'a [i32]> {
        match self.model.tensors[tensor].constant.as_ref()? {
            Constant::Integers(elements) => Some(elements),
            Constant::Floats(_) => None,
        }
    }

    /// Whether the value exists as planes already.
    pub(super) fn has_planes(&self, tensor: usize) -> bool {
        self.forms.get(&tensor).is_some_and(|forms| forms.planes.is_some())
    }

    /// The name of the value as TFLite stores it.
    pub(super) fn plain(&mut self, tensor: usize) -> Result<String, &'static str> {
        if let Some(elements) = self.floats(tensor) {
            return Ok(self.constant(format!("constant_{tensor}"), self.shape(tensor), elements));
        }
        let forms = self.forms.get(&tensor).cloned().unwrap_or_default();
        match (forms.plain, forms.planes) {
            (Some(plain), _) => Ok(plain),
            (None, Some(planes)) => {
                let name = format!("value_{tensor}");
                self.transpose(&planes, &FROM_PLANES, &name);
                self.set_plain(tensor, name.clone());
                Ok(name)
            }
            (None, None) => Err("an input is used before it is computed"),
        }
    }

    /// The name of the value as planes. It must have four axes.
    pub(super) fn planes(&mut self, tensor: usize) -> Result<String, &'static str> {
        if let Some(planes) = self.forms.get(&tensor).and_then(|forms| forms.planes.clone()) {
            return Ok(planes);
        }
        if self.shape(tensor).len() != 4 {
            return Err("a picture must have four axes");
        }
        let plain = self.plain(tensor)?;
        let name = format!("planes_{tensor}");
        self.transpose(&plain, &TO_PLANES, &name);
        self.set_planes(tensor, name.clone());
        Ok(name)
    }

    pub(super) fn set_plain(&mut self, tensor: usize, name: String) {
        self.forms.entry(tensor).or_default().plain = Some(name);
    }

    pub(super) fn set_planes(&mut self, tensor: usize, name: String) {
        self.forms.entry(tensor).or_default().planes = Some(name);
    }

    /// Adds a float constant, once per name, and returns its name.
    pub(super) fn constant(&mut self, name: String, shape: &[usize], elements: &[f32]) -> String {
        self.constants
            .entry(name.clone())
            .or_insert_with(|| Tensor::of_floats(name.clone(), lengths(shape), elements));
        name
    }

    /// Adds a list of integers as a constant, once per name, and returns its name.
    pub(super) fn integer_constant(&mut self, name: String, elements: &[i64]) -> String {
        self.constants.entry(name.clone()).or_insert_with(|| Tensor {
            dims: vec![elements.len() as i64],
            data_type: Some(DataType::Int64.into()),
            name: Some(name.clone()),
            raw_data: Some(elements.iter().flat_map(|element| element.to_le_bytes()).collect()),
            ..Tensor::default()
        });
        name
    }

    /// Adds an operation.
    pub(super) fn node(
        &mut self,
        op_type: &str,
        input: &[&str],
        output: &str,
        attributes: &[(&str, Setting)],
    ) {
        self.nodes.push(Node {
            input: input.iter().map(|name| (*name).to_owned()).collect(),
            output: vec![output.to_owned()],
            name: Some(output.to_owned()),
            op_type: Some(op_type.to_owned()),
            attribute: attributes.iter().map(|(name, setting)| setting.attribute(name)).collect(),
            ..Node::default()
        });
    }

    fn transpose(&mut self, input: &str, order: &[i64; 4], output: &str) {
        self.node("Transpose", &[input], output, &[("perm", Setting::Ints(order.to_vec()))]);
    }

    /// The complete graph. Its inputs and outputs have the names of the TFLite file.
    pub(super) fn finish(mut self) -> Result<Graph, RewriteError> {
        for output in &self.model.outputs {
            let value = self.plain(*output).map_err(|problem| RewriteError::Value {
                value: self.model.tensors[*output].name.to_owned(),
                problem,
            })?;
            self.node("Identity", &[&value], self.model.tensors[*output].name, &[]);
        }
        let described = |tensors: &[usize]| tensors.iter().map(|t| self.described(*t)).collect();
        Ok(Graph {
            name: Some("converted".to_owned()),
            input: described(&self.model.inputs),
            output: described(&self.model.outputs),
            node: self.nodes,
            initializer: self.constants.into_values().collect(),
            ..Graph::default()
        })
    }

    fn described(&self, tensor: usize) -> ValueInfo {
        let dimension =
            |length| Dimension { value: Some(Length::DimValue(length)), denotation: None };
        let dim = lengths(self.shape(tensor)).into_iter().map(dimension).collect();
        let tensor_type = TensorType {
            elem_type: Some(DataType::Float.into()),
            shape: Some(TensorShape { dim }),
        };
        ValueInfo {
            name: Some(self.model.tensors[tensor].name.to_owned()),
            r#type: Some(Type { tensor_type: Some(tensor_type), denotation: None }),
            doc_string: None,
        }
    }
}

/// The value of a parameter of an operation.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Setting {
    Int(i64),
    Ints(Vec<i64>),
}

impl Setting {
    fn attribute(&self, name: &str) -> Attribute {
        let name = Some(name.to_owned());
        match self {
            Self::Int(value) => {
                Attribute { name, i: Some(*value), r#type: Some(INT), ..Attribute::default() }
            }
            Self::Ints(values) => {
                Attribute { name, ints: values.clone(), r#type: Some(INTS), ..Attribute::default() }
            }
        }
    }
}

fn lengths(shape: &[usize]) -> Vec<i64> {
    shape.iter().map(|length| *length as i64).collect()
}
