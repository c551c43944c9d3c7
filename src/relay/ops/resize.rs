//! Maps of another size.

use super::order::Order;
use super::{Meaning, op};
use crate::graph::{Coordinates, Op, Resize2d, ResizeMode, Rounding};
use crate::relay::error::RelayError;
use crate::relay::expr::Call;

pub fn resize2d(call: &Call) -> Result<Meaning, RelayError> {
    let attrs = &call.attrs;
    let rounding = attrs.text("rounding_method")?;
    let nearest = attrs.text("method")? == "nearest_neighbor";
    let mode = attrs.text("coordinate_transformation_mode")?;
    let (coordinates, rounding) = match mode.as_str() {
        "asymmetric" => (Coordinates::Asymmetric, rounding.as_str()),
        "half_pixel" => (Coordinates::HalfPixel, rounding.as_str()),
        "pytorch_half_pixel" if !shrinks_to_one(call) => (Coordinates::HalfPixel, rounding.as_str()),
        "align_corners" => (Coordinates::AlignCorners, rounding.as_str()),
        // Its positions lie half an element further than half pixels: their floor is the nearest half pixel.
        "tf_half_pixel_for_nn" if nearest && ["floor", ""].contains(&rounding.as_str()) => {
            (Coordinates::HalfPixel, "round_prefer_ceil")
        }
        other => return Err(attrs.refuse(format!("coordinates are `{other}`"))),
    };
    let method = match attrs.text("method")?.as_str() {
        "nearest_neighbor" => None,
        "linear" => Some(ResizeMode::Linear),
        other => return Err(attrs.refuse(format!("its method is `{other}`, not linear or nearest"))),
    };
    resize(call, method, coordinates, rounding)
}

/// Whether an axis becomes one element, which `pytorch_half_pixel` takes from the front and `half_pixel` from the middle.
fn shrinks_to_one(call: &Call) -> bool {
    let mut sides = call.output().shape.iter().zip(call.x());
    sides.any(|(out, x)| *out == 1 && *x > 1)
}

/// TVM's upsampling is a resize by fixed scales.
pub fn upsampling(call: &Call) -> Result<Meaning, RelayError> {
    let attrs = &call.attrs;
    let coordinates = if attrs.flag("align_corners")? {
        Coordinates::AlignCorners
    } else {
        Coordinates::Asymmetric
    };
    let method = match attrs.text("method")?.as_str() {
        "nearest_neighbor" => None,
        "bilinear" => Some(ResizeMode::Linear),
        other => return Err(attrs.refuse(format!("its method is `{other}`, not bilinear or nearest"))),
    };
    resize(call, method, coordinates, "")
}

fn resize(
    call: &Call,
    linear: Option<ResizeMode>,
    coordinates: Coordinates,
    rounding: &str,
) -> Result<Meaning, RelayError> {
    let order = Order::of_data(call, "layout", "NCHW")?;
    let (out, x) = (order.sides(&call.output().shape), order.sides(call.x()));
    let ([_, _, h, w], [_, _, in_h, in_w]) = (&out[..], &x[..]) else {
        return Err(call.attrs.refuse("its operand has no map"));
    };
    let mut resize = Resize2d {
        output: [*h, *w],
        mode: linear.unwrap_or(ResizeMode::Nearest(Rounding::Floor)),
        coordinates,
    };
    if linear.is_none() {
        resize.mode = ResizeMode::Nearest(nearest(call, &resize, [*in_h, *in_w], rounding)?);
    }
    // Corners of a single row or column are nowhere.
    let single = coordinates == Coordinates::AlignCorners && (*h == 1 || *w == 1);
    call.attrs.ensure(!single, || {
        "corners are aligned in a map of one row or column".to_string()
    })?;
    Ok(order.around(op(Op::Resize2d(resize), 1)?))
}

/// TVM's default depends on the coordinates. What its `round` does at ties depends on its version.
fn nearest(
    call: &Call,
    resize: &Resize2d,
    input: [usize; 2],
    rounding: &str,
) -> Result<Rounding, RelayError> {
    let aligned = resize.coordinates == Coordinates::AlignCorners;
    Ok(match rounding {
        "floor" => Rounding::Floor,
        "" if !aligned => Rounding::Floor,
        "ceil" => Rounding::Ceil,
        "round_prefer_floor" => Rounding::HalfDown,
        "round_prefer_ceil" => Rounding::HalfUp,
        "round" | "" => {
            call.attrs.ensure(!resize.has_ties(input), || {
                "an element lies half way between two, and it rounds to the nearest".to_string()
            })?;
            Rounding::HalfUp
        }
        other => return Err(call.attrs.refuse(format!("its rounding is `{other}`"))),
    })
}
