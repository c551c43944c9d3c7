//! Reshapes of tensors whose axes lie in another order.

use super::order::{Order, is_plain, ordered, plain};

/// The order in which `to` lies when it has the elements of `from`, which lies in `order`, one after the other as they
/// lie; `None` when there is none. Axes of one element lie as `wish` has them, where that is possible.
pub(super) fn follow(from: &[usize], to: &[usize], order: &[usize], wish: Option<&Order>) -> Option<Order> {
    if is_plain(order) && wish.is_none() {
        return Some(plain(to.len()));
    }
    if from.first() != to.first() || order.first() != Some(&0) {
        return is_plain(order).then(|| plain(to.len()));
    }
    let groups = groups(from, to)?;
    let mut long = order.iter().copied().filter(|axis| is_long(from, *axis));
    let mut lies: Order = Vec::with_capacity(to.len());
    while let Some(axis) = long.next() {
        let (axes, becomes) = groups.iter().find(|(axes, _)| axes.first() == Some(&axis))?;
        if axes[1..].iter().any(|axis| long.next() != Some(*axis)) {
            return None;
        }
        lies.extend(becomes);
    }
    let fits = |wish: &&Order| {
        let of_wish = wish.iter().copied().filter(|axis| is_long(to, *axis));
        wish.first() == Some(&0) && of_wish.eq(lies.iter().copied())
    };
    let own = plain(to.len());
    let wish = wish.into_iter().chain([&own]).find(fits);
    Some(wish.cloned().unwrap_or_else(|| with_short(lies, to)))
}

/// Rows count as long, whatever their number now.
fn is_long(shape: &[usize], axis: usize) -> bool {
    axis == 0 || shape[axis] > 1
}

/// The least runs of long axes of either shape that have equally many elements.
fn groups(from: &[usize], to: &[usize]) -> Option<Vec<(Vec<usize>, Vec<usize>)>> {
    let long =
        |shape: &[usize]| -> Vec<usize> { (1..shape.len()).filter(|axis| is_long(shape, *axis)).collect() };
    let (mut left, mut right) = (long(from).into_iter(), long(to).into_iter());
    let mut groups = vec![(vec![0], vec![0])];
    while let (Some(a), b) = (left.next(), right.next()) {
        let (mut mine, mut theirs) = (vec![a], vec![b?]);
        let elements = |shape: &[usize], axes: &[usize]| -> usize { ordered(shape, axes).iter().product() };
        loop {
            match elements(from, &mine).cmp(&elements(to, &theirs)) {
                std::cmp::Ordering::Less => mine.push(left.next()?),
                std::cmp::Ordering::Greater => theirs.push(right.next()?),
                std::cmp::Ordering::Equal => break,
            }
        }
        groups.push((mine, theirs));
    }
    Some(groups)
}

/// Axes of one element lie behind the axis that the network says before them.
fn with_short(mut lies: Order, shape: &[usize]) -> Order {
    for axis in (1..shape.len()).filter(|axis| !is_long(shape, *axis)) {
        let before = lies.iter().position(|other| *other == axis - 1);
        lies.insert(before.map_or(lies.len(), |place| place + 1), axis);
    }
    lies
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Case {
        from: &'static [usize],
        to: &'static [usize],
        order: &'static [usize],
        wish: Option<&'static [usize]>,
        want: Option<&'static [usize]>,
        why: &'static str,
    }

    #[test]
    fn a_reshape_follows_where_whole_runs_of_axes_change_places() {
        const LAST: &[usize] = &[0, 3, 1, 2];
        #[rustfmt::skip]
        let cases = [
            Case { from: &[1, 2, 3, 4], to: &[1, 6, 4], order: LAST, wish: None, want: Some(&[0, 2, 1]), why: "height and width stay together" },
            Case { from: &[1, 6, 4], to: &[1, 2, 3, 4], order: &[0, 2, 1], wish: None, want: Some(LAST), why: "and come apart again" },
            Case { from: &[1, 2, 3, 4], to: &[1, 24], order: LAST, wish: None, want: None, why: "one axis cannot lie in two pieces" },
            Case { from: &[1, 1, 1, 4], to: &[1, 4], order: LAST, wish: None, want: Some(&[0, 1]), why: "axes of one element do not count" },
            Case { from: &[1, 4], to: &[1, 1, 1, 4], order: &[0, 1], wish: Some(LAST), want: Some(LAST), why: "they lie where they are wanted" },
            Case { from: &[1, 2, 3, 8], to: &[1, 2, 3, 2, 4], order: LAST, wish: None, want: Some(&[0, 3, 4, 1, 2]), why: "channels in groups" },
            Case { from: &[2, 3, 4], to: &[6, 4], order: &[0, 2, 1], wish: None, want: None, why: "rows are joined with another axis" },
            Case { from: &[2, 3, 4], to: &[6, 4], order: &[0, 1, 2], wish: None, want: Some(&[0, 1]), why: "nothing lies elsewhere" },
            Case { from: &[1, 2, 6], to: &[1, 3, 4], order: &[0, 2, 1], wish: None, want: None, why: "the axes share no run" },
        ];
        for Case {
            from,
            to,
            order,
            wish,
            want,
            why,
        } in cases
        {
            let wish = wish.map(<[usize]>::to_vec);
            let got = follow(from, to, order, wish.as_ref());
            assert_eq!(got.as_deref(), want, "{why}");
        }
    }
}
