//! The parts of a TFLite file that the conversion needs: tensors, constants, operators.
//!
//! Slot numbers are those of TensorFlow's `schema.fbs`.

use super::flatbuffer::Table;

/// Element types that occur in the supported models.
const FLOAT32: i8 = 0;
const FLOAT16: i8 = 1;
const INT32: i8 = 2;

/// The first subgraph of a file.
#[derive(Debug)]
pub(super) struct Model<'a> {
    pub(super) tensors: Vec<Tensor<'a>>,
    pub(super) inputs: Vec<usize>,
    pub(super) outputs: Vec<usize>,
    pub(super) operators: Vec<Operator<'a>>,
}

/// A tensor: a constant or a computed value.
#[derive(Debug)]
pub(super) struct Tensor<'a> {
    pub(super) name: &'a str,
    pub(super) shape: Vec<usize>,
    pub(super) constant: Option<Constant>,
}

/// The elements of a constant tensor.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Constant {
    Floats(Vec<f32>),
    Integers(Vec<i32>),
}

/// An operation.
#[derive(Debug)]
pub(super) struct Operator<'a> {
    /// Number of the operator in `BuiltinOperator`.
    pub(super) code: i32,
    pub(super) inputs: Vec<usize>,
    pub(super) outputs: Vec<usize>,
    options: Option<Table<'a>>,
}

impl<'a> Model<'a> {
    /// Reads a file. `None` if it is damaged, has custom operators, or more than one subgraph.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        if bytes.get(4..8)? != b"TFL3" {
            return None;
        }
        let root = Table::root(bytes)?;
        let buffers = root.list(4)?.tables()?;
        let codes: Vec<i32> =
            root.list(1)?.tables()?.into_iter().map(operator_code).collect::<Option<_>>()?;
        let [graph] = root.list(2)?.tables()?.try_into().ok()?;
        let tensors: Vec<Tensor<'_>> = graph
            .list(0)?
            .tables()?
            .into_iter()
            .map(|table| Tensor::read(table, &buffers))
            .collect::<Option<_>>()?;
        let indices = |list: Vec<i32>| -> Option<Vec<usize>> {
            let index = |index: i32| usize::try_from(index).ok().filter(|i| *i < tensors.len());
            list.into_iter().map(index).collect()
        };
        let inputs = indices(graph.list(1)?.i32s()?)?;
        let outputs = indices(graph.list(2)?.i32s()?)?;
        let mut operators = Vec::new();
        for table in graph.list(3)?.tables()? {
            operators.push(Operator {
                code: *codes.get(table.index(0)?)?,
                inputs: indices(table.list(1)?.i32s()?)?,
                outputs: indices(table.list(2)?.i32s()?)?,
                options: table.table(4)?,
            });
        }
        Some(Self { tensors, inputs, outputs, operators })
    }
}

impl<'a> Tensor<'a> {
    fn read(table: Table<'a>, buffers: &[Table<'a>]) -> Option<Self> {
        let shape: Vec<usize> = table
            .list(0)?
            .i32s()?
            .into_iter()
            .map(|length| usize::try_from(length).ok())
            .collect::<Option<_>>()?;
        let count = shape.iter().try_fold(1_usize, |count, length| count.checked_mul(*length))?;
        let data = buffers.get(table.index(2)?)?.list(0)?.bytes()?;
        let constant = match data {
            [] => None,
            data => Some(Constant::read(table.i8(1)?, data).filter(|it| it.len() == count)?),
        };
        Some(Self { name: table.text(3)?, shape, constant })
    }
}

impl Constant {
    fn read(element: i8, data: &[u8]) -> Option<Self> {
        let words = data.as_chunks().0;
        Some(match element {
            FLOAT32 => Self::Floats(words.iter().map(|word| f32::from_le_bytes(*word)).collect()),
            FLOAT16 => {
                let halves = data.as_chunks().0.iter();
                Self::Floats(halves.map(|half| single(u16::from_le_bytes(*half))).collect())
            }
            INT32 => Self::Integers(words.iter().map(|word| i32::from_le_bytes(*word)).collect()),
            _ => return None,
        })
    }

    fn len(&self) -> usize {
        match self {
            Self::Floats(elements) => elements.len(),
            Self::Integers(elements) => elements.len(),
        }
    }
}

impl Operator<'_> {
    /// The byte option `slot`; 0 if it is not set.
    pub(super) fn byte(&self, slot: usize) -> Option<i8> {
        self.options.map_or(Some(0), |options| options.i8(slot))
    }

    /// The integer option `slot`, or `default` if it is not set.
    pub(super) fn integer(&self, slot: usize, default: i32) -> Option<i32> {
        self.options.map_or(Some(default), |options| options.i32(slot, default))
    }
}

/// The number of a built-in operator. Old files have it in a signed byte, which newer ones set to
/// 127 for larger numbers.
fn operator_code(table: Table<'_>) -> Option<i32> {
    Some(i32::from(table.i8(0)?).max(table.i32(3, 0)?))
}

/// Converts a half-precision number (IEEE 754 binary16) without loss.
fn single(half: u16) -> f32 {
    let sign = if half & 0x8000 == 0 { 1.0 } else { -1.0 };
    let fraction = f32::from(half & 0x3ff) / 1024.0;
    match (half >> 10) & 0x1f {
        0 => sign * fraction * 2_f32.powi(-14),
        0x1f if fraction == 0.0 => sign * f32::INFINITY,
        0x1f => f32::NAN,
        exponent => sign * (1.0 + fraction) * 2_f32.powi(i32::from(exponent) - 15),
    }
}

#[cfg(test)]
mod tests {
    use super::single;

    #[test]
    fn half_precision_numbers_convert_exactly() {
        let cases = [
            (0x0000, 0.0),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x3555, 0.333_251_95),
            (0x7bff, 65504.0),
            (0x0001, 5.960_464_5e-8),
            (0x7c00, f32::INFINITY),
        ];
        for (half, expected) in cases {
            assert_eq!(single(half), expected, "{half:#06x}");
        }
        assert!(single(0x7e00).is_nan());
    }
}
