//! Resizes that a DLA has another layer for.

use super::{Net, canonical, on_dla};
use crate::graph::{Coordinates, Op, Resize2d, ResizeMode, Rounding};

#[test]
fn resizes_that_pick_elements_run_on_a_dla() {
    use Coordinates::{AlignCorners, Asymmetric, HalfPixel};
    use ResizeMode::{Linear, Nearest};
    for (map, output, mode, coordinates, why) in [
        (
            [4, 6],
            [8, 12],
            Nearest(Rounding::HalfDown),
            Asymmetric,
            "doubled, half way down",
        ),
        (
            [4, 6],
            [2, 3],
            Nearest(Rounding::Floor),
            Asymmetric,
            "every second",
        ),
        (
            [6, 9],
            [2, 3],
            Nearest(Rounding::HalfDown),
            HalfPixel,
            "the middle of three",
        ),
        (
            [4, 8],
            [2, 2],
            Nearest(Rounding::Ceil),
            HalfPixel,
            "two distances",
        ),
        ([1, 1], [12, 12], Linear, HalfPixel, "one element"),
        ([1, 1], [6, 4], Linear, AlignCorners, "one element, two sides"),
        ([1, 1], [40, 40], Linear, Asymmetric, "one element, far"),
    ] {
        let mut n = Net::new();
        let x = n.x(&[2, 3, map[0], map[1]]);
        let x = n.conv(x, 1, 1, 0);
        let resize = Resize2d {
            output,
            mode,
            coordinates,
        };
        let y = n.op(Op::Resize2d(resize), &[x]);
        let y = n.conv(y, 1, 1, 0);
        let after = canonical(&n.finish(&[y]), why);
        on_dla(&after, why);
    }
}
