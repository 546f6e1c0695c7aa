//! One function for each kind of operator.

use super::graph::{Builder, Setting};
use super::model::Operator;

type Converted<T = ()> = Result<T, &'static str>;

const DAMAGED: &str = "its inputs, outputs or options are not those of its kind";

/// Values of the option `padding`.
const SAME: i8 = 0;
const VALID: i8 = 1;

/// Values of the option `fused_activation_function`.
const NO_ACTIVATION: i8 = 0;
const RELU: i8 = 1;

/// Adds the ONNX operations that compute `operator`. Numbers are those of `BuiltinOperator`.
pub(super) fn convert(graph: &mut Builder<'_>, operator: &Operator<'_>) -> Converted {
    match operator.code {
        0 => arithmetic(graph, operator, "Add"),
        2 => concatenation(graph, operator),
        3 => convolution(graph, operator, Kernel::Full),
        4 => convolution(graph, operator, Kernel::Depthwise),
        6 => dequantize(graph, operator),
        14 => elementwise(graph, operator, "Sigmoid"),
        17 => max_pool(graph, operator),
        18 => arithmetic(graph, operator, "Mul"),
        22 => reshape(graph, operator),
        34 => pad(graph, operator),
        39 => transpose(graph, operator),
        40 => reduce(graph, operator, Reduction::Mean),
        41 => arithmetic(graph, operator, "Sub"),
        42 => arithmetic(graph, operator, "Div"),
        45 => strided_slice(graph, operator),
        54 => prelu(graph, operator),
        59 => elementwise(graph, operator, "Neg"),
        74 => reduce(graph, operator, Reduction::Sum),
        75 => elementwise(graph, operator, "Sqrt"),
        76 => inverse_square_root(graph, operator),
        99 => squared_difference(graph, operator),
        _ => Err("the converter does not know this TFLite operator"),
    }
}

/// The inputs and the only output.
fn ends<const N: usize>(operator: &Operator<'_>) -> Converted<([usize; N], usize)> {
    let inputs = operator.inputs.as_slice().try_into().map_err(|_| DAMAGED)?;
    let [output] = operator.outputs.as_slice() else { return Err(DAMAGED) };
    Ok((inputs, *output))
}

fn value(output: usize) -> String {
    format!("value_{output}")
}

fn dequantize(graph: &mut Builder<'_>, operator: &Operator<'_>) -> Converted {
    let ([input], output) = ends(operator)?;
    graph.floats(input).ok_or("only half-precision constants can be dequantized")?;
    graph.copy(output, input);
    Ok(())
}

/// Shape of a convolution's weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kernel {
    /// \[outputs, rows, columns, inputs\].
    Full,
    /// \[1, rows, columns, channels\]: each channel alone.
    Depthwise,
}

fn convolution(graph: &mut Builder<'_>, operator: &Operator<'_>, kernel: Kernel) -> Converted {
    let ([input, weights, bias], output) = ends(operator)?;
    let &[first, rows, columns, last] = graph.shape(weights) else { return Err(DAMAGED) };
    let elements = graph.floats(weights).ok_or("its weights are not a float constant")?;
    let shifts = graph.floats(bias).ok_or("its bias is not a float constant")?;
    // The same elements with the axes outputs, inputs of a group, rows, columns.
    let (outputs, inputs) = match kernel {
        Kernel::Full => (first, last),
        Kernel::Depthwise if first == 1 && graph.shape(input).last() == Some(&last) => (last, 1),
        Kernel::Depthwise => return Err("a depth multiplier is not supported"),
    };
    let mut turned = Vec::with_capacity(elements.len());
    for place in 0..elements.len() {
        let (column, rest) = (place % columns, place / columns);
        let (row, rest) = (rest % rows, rest / rows);
        let (channel, out) = (rest % inputs, rest / inputs);
        let (first_axis, last_axis) = match kernel {
            Kernel::Full => (out, channel),
            Kernel::Depthwise => (0, out),
        };
        turned.push(elements[((first_axis * rows + row) * columns + column) * last + last_axis]);
    }
    let slots = if kernel == Kernel::Full { [3, 4, 5] } else { [4, 5, 6] };
    let [activation, dilation_width, dilation_height] = slots;
    let dilations = [operator.integer(dilation_height, 1), operator.integer(dilation_width, 1)];
    if dilations != [Some(1); 2] {
        return Err("dilation is not supported");
    }
    let group = if kernel == Kernel::Full { 1 } else { outputs };
    let mut settings = window(graph, operator, input, [rows, columns])?;
    settings.push(("group", Setting::Int(group as i64)));
    let shape = [outputs, inputs, rows, columns];
    let weights = graph.constant(format!("weights_{weights}"), &shape, &turned);
    let bias = graph.constant(format!("constant_{bias}"), &[outputs], shifts);
    let name = format!("planes_{output}");
    let source = graph.planes(input)?;
    let raw = activated(operator, activation, &name)?;
    graph.node("Conv", &[&source, &weights, &bias], &raw, &settings);
    activate(graph, &raw, &name);
    graph.set_planes(output, name);
    Ok(())
}

/// Strides and padding of a window that moves over the rows and columns of `input`.
fn window(
    graph: &Builder<'_>,
    operator: &Operator<'_>,
    input: usize,
    kernel: [usize; 2],
) -> Converted<Vec<(&'static str, Setting)>> {
    let &[_, height, width, _] = graph.shape(input) else { return Err(DAMAGED) };
    let stride = |slot| {
        operator.integer(slot, 0).and_then(|stride| usize::try_from(stride).ok()).filter(|s| *s > 0)
    };
    let strides = [stride(2).ok_or(DAMAGED)?, stride(1).ok_or(DAMAGED)?];
    let mut pads = [0; 4];
    match operator.byte(0).ok_or(DAMAGED)? {
        VALID => {}
        SAME => {
            for (axis, length) in [height, width].into_iter().enumerate() {
                let reached = (length.div_ceil(strides[axis]).max(1) - 1) * strides[axis];
                let missing = (reached + kernel[axis]).saturating_sub(length);
                pads[axis] = (missing / 2) as i64;
                pads[axis + 2] = (missing - missing / 2) as i64;
            }
        }
        _ => return Err("its padding is neither SAME nor VALID"),
    }
    let lengths = |lengths: [usize; 2]| Setting::Ints(lengths.map(|it| it as i64).to_vec());
    Ok(vec![
        ("kernel_shape", lengths(kernel)),
        ("strides", lengths(strides)),
        ("pads", Setting::Ints(pads.to_vec())),
    ])
}

/// The name under which the operation itself puts its result: `name`, or another one if an
/// activation follows.
fn activated(operator: &Operator<'_>, slot: usize, name: &str) -> Converted<String> {
    match operator.byte(slot).ok_or(DAMAGED)? {
        NO_ACTIVATION => Ok(name.to_owned()),
        RELU => Ok(format!("{name}_raw")),
        _ => Err("its activation is neither none nor ReLU"),
    }
}

/// Adds the activation between `raw` and `name`, if there is one.
fn activate(graph: &mut Builder<'_>, raw: &str, name: &str) {
    if raw != name {
        graph.node("Relu", &[raw], name, &[]);
    }
}

fn max_pool(graph: &mut Builder<'_>, operator: &Operator<'_>) -> Converted {
    let ([input], output) = ends(operator)?;
    let side = |slot| operator.integer(slot, 0).and_then(|side| usize::try_from(side).ok());
    let kernel = [side(4).ok_or(DAMAGED)?, side(3).ok_or(DAMAGED)?];
    let settings = window(graph, operator, input, kernel)?;
    let name = format!("planes_{output}");
    let source = graph.planes(input)?;
    let raw = activated(operator, 5, &name)?;
    graph.node("MaxPool", &[&source], &raw, &settings);
    activate(graph, &raw, &name);
    graph.set_planes(output, name);
    Ok(())
}

/// `a·x + (1−a)·relu(x)`: the only form whose outputs equal those of TFLite within float32, and
/// three times faster than ONNX's own `PRelu`.
fn prelu(graph: &mut Builder<'_>, operator: &Operator<'_>) -> Converted {
    let ([input, slope], output) = ends(operator)?;
    let slopes = graph.floats(slope).ok_or("its slope is not a float constant")?;
    if graph.shape(input).last() != Some(&slopes.len()) {
        return Err("its slope is not one number per channel");
    }
    let rest: Vec<f32> = slopes.iter().map(|slope| 1.0 - slope).collect();
    let shape = [slopes.len(), 1, 1];
    let slopes = graph.constant(format!("slope_{slope}"), &shape, slopes);
    let rest = graph.constant(format!("slope_{slope}_rest"), &shape, &rest);
    let source = graph.planes(input)?;
    let name = format!("planes_{output}");
    let [positive, sloped, added] =
        ["positive", "sloped", "added"].map(|part| format!("{name}_{part}"));
    graph.node("Relu", &[&source], &positive, &[]);
    graph.node("Mul", &[&source, &slopes], &sloped, &[]);
    graph.node("Mul", &[&positive, &rest], &added, &[]);
    graph.node("Add", &[&sloped, &added], &name, &[]);
    graph.set_planes(output, name);
    Ok(())
}

/// Adds zeros behind the channels, the only kind of padding that occurs.
fn pad(graph: &mut Builder<'_>, operator: &Operator<'_>) -> Converted {
    let ([input, padding], output) = ends(operator)?;
    let amounts = graph.integers(padding).ok_or(DAMAGED)?;
    let [0, 0, 0, 0, 0, 0, 0, channels] = *amounts else {
        return Err("only padding behind the channels is supported");
    };
    let amounts = [0, 0, 0, 0, 0, i64::from(channels), 0, 0];
    let amounts = graph.integer_constant(format!("padding_{padding}"), &amounts);
    let source = graph.planes(input)?;
    let name = format!("planes_{output}");
    graph.node("Pad", &[&source, &amounts], &name, &[]);
    graph.set_planes(output, name);
    Ok(())
}

/// A function of each element.
fn elementwise(graph: &mut Builder<'_>, operator: &Operator<'_>, op_type: &str) -> Converted {
    let ([input], output) = ends(operator)?;
    if graph.has_planes(input) {
        let (source, name) = (graph.planes(input)?, format!("planes_{output}"));
        graph.node(op_type, &[&source], &name, &[]);
        graph.set_planes(output, name);
    } else {
        let source = graph.plain(input)?;
        graph.node(op_type, &[&source], &value(output), &[]);
        graph.set_plain(output, value(output));
    }
    Ok(())
}

/// A function of pairs of elements. It is computed in planes if both inputs are planes of equal
/// shape; everything else, with TFLite's rules of broadcasting, in TFLite's order of axes.
fn arithmetic(graph: &mut Builder<'_>, operator: &Operator<'_>, op_type: &str) -> Converted {
    let ([left, right], output) = ends(operator)?;
    let in_planes = graph.has_planes(left)
        && graph.has_planes(right)
        && graph.shape(left) == graph.shape(right);
    let name = if in_planes { format!("planes_{output}") } else { value(output) };
    let (a, b) = if in_planes {
        (graph.planes(left)?, graph.planes(right)?)
    } else {
        (graph.plain(left)?, graph.plain(right)?)
    };
    let raw = activated(operator, 0, &name)?;
    graph.node(op_type, &[&a, &b], &raw, &[]);
    activate(graph, &raw, &name);
    if in_planes {
        graph.set_planes(output, name);
    } else {
        graph.set_plain(output, name);
    }
    Ok(())
}

fn squared_difference(graph: &mut Builder<'_>, operator: &Operator<'_>) -> Converted {
    let ([left, right], output) = ends(operator)?;
    let (a, b) = (graph.plain(left)?, graph.plain(right)?);
    let difference = format!("value_{output}_difference");
    graph.node("Sub", &[&a, &b], &difference, &[]);
    graph.node("Mul", &[&difference, &difference], &value(output), &[]);
    graph.set_plain(output, value(output));
    Ok(())
}

fn inverse_square_root(graph: &mut Builder<'_>, operator: &Operator<'_>) -> Converted {
    let ([input], output) = ends(operator)?;
    let (source, root) = (graph.plain(input)?, format!("value_{output}_root"));
    graph.node("Sqrt", &[&source], &root, &[]);
    graph.node("Reciprocal", &[&root], &value(output), &[]);
    graph.set_plain(output, value(output));
    Ok(())
}

/// How several elements become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reduction {
    Mean,
    Sum,
}

fn reduce(graph: &mut Builder<'_>, operator: &Operator<'_>, reduction: Reduction) -> Converted {
    let ([input, axes], output) = ends(operator)?;
    let numbers = graph.integers(axes).ok_or("its axes are not a constant")?;
    let numbers: Vec<i64> = numbers.iter().copied().map(i64::from).collect();
    let keep = ("keepdims", Setting::Int(i64::from(operator.byte(0).ok_or(DAMAGED)? != 0)));
    let source = graph.plain(input)?;
    match reduction {
        Reduction::Mean => {
            let settings = [("axes", Setting::Ints(numbers)), keep];
            graph.node("ReduceMean", &[&source], &value(output), &settings);
        }
        Reduction::Sum => {
            let axes = graph.integer_constant(format!("axes_{axes}"), &numbers);
            graph.node("ReduceSum", &[&source, &axes], &value(output), &[keep]);
        }
    }
    graph.set_plain(output, value(output));
    Ok(())
}

fn reshape(graph: &mut Builder<'_>, operator: &Operator<'_>) -> Converted {
    let (Some(input), [output]) = (operator.inputs.first(), operator.outputs.as_slice()) else {
        return Err(DAMAGED);
    };
    let source = graph.plain(*input)?;
    reshaped(graph, &source, *output);
    Ok(())
}

/// Gives `source` the shape of `output`.
fn reshaped(graph: &mut Builder<'_>, source: &str, output: usize) {
    let shape: Vec<i64> = graph.shape(output).iter().map(|length| *length as i64).collect();
    let shape = graph.integer_constant(format!("shape_{output}"), &shape);
    graph.node("Reshape", &[source, &shape], &value(output), &[]);
    graph.set_plain(output, value(output));
}

fn transpose(graph: &mut Builder<'_>, operator: &Operator<'_>) -> Converted {
    let ([input, order], output) = ends(operator)?;
    let order = graph.integers(order).ok_or("its order of axes is not a constant")?;
    let order = Setting::Ints(order.iter().copied().map(i64::from).collect());
    let source = graph.plain(input)?;
    graph.node("Transpose", &[&source], &value(output), &[("perm", order)]);
    graph.set_plain(output, value(output));
    Ok(())
}

fn concatenation(graph: &mut Builder<'_>, operator: &Operator<'_>) -> Converted {
    let [output] = operator.outputs.as_slice() else { return Err(DAMAGED) };
    let axis = operator.integer(0, 0).ok_or(DAMAGED)?;
    if operator.byte(1) != Some(NO_ACTIVATION) {
        return Err("an activation of a concatenation is not supported");
    }
    let mut names = Vec::new();
    for input in &operator.inputs {
        names.push(graph.plain(*input)?);
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    graph.node("Concat", &names, &value(*output), &[("axis", Setting::Int(axis.into()))]);
    graph.set_plain(*output, value(*output));
    Ok(())
}

/// Cuts a block out of a value. Bits of the masks say where an axis is not cut, or is dropped.
fn strided_slice(graph: &mut Builder<'_>, operator: &Operator<'_>) -> Converted {
    let ([input, begin, end, strides], output) = ends(operator)?;
    let mask = |slot| operator.integer(slot, 0).ok_or(DAMAGED);
    let (from_start, to_end, dropped) = (mask(0)?, mask(1)?, mask(4)?);
    if mask(2)? != 0 || mask(3)? != 0 {
        return Err("ellipses and new axes are not supported");
    }
    let shape = graph.shape(input);
    let constant = |tensor| graph.integers(tensor).filter(|list| list.len() == shape.len());
    let (begin, end) = (constant(begin).ok_or(DAMAGED)?, constant(end).ok_or(DAMAGED)?);
    if constant(strides).ok_or(DAMAGED)?.iter().any(|stride| *stride != 1) {
        return Err("strides other than 1 are not supported");
    }
    let (mut starts, mut ends) = (Vec::new(), Vec::new());
    for (axis, length) in shape.iter().enumerate() {
        let is_set = |mask: i32| mask & (1 << axis) != 0;
        let start = if is_set(from_start) { 0 } else { i64::from(begin[axis]) };
        starts.push(start);
        ends.push(match (is_set(dropped), is_set(to_end)) {
            (true, _) => start + 1,
            (false, true) => *length as i64,
            (false, false) => i64::from(end[axis]),
        });
    }
    let starts = graph.integer_constant(format!("starts_{output}"), &starts);
    let ends = graph.integer_constant(format!("ends_{output}"), &ends);
    let (source, cut) = (graph.plain(input)?, format!("value_{output}_cut"));
    graph.node("Slice", &[&source, &starts, &ends], &cut, &[]);
    reshaped(graph, &cut, output);
    Ok(())
}
