//! In which order a tensor's axes lie.

/// Axis `i` of the tensor as it lies is axis `order[i]` of the tensor as the network says it.
pub(super) type Order = Vec<usize>;

/// As the network says it.
pub(super) fn plain(rank: usize) -> Order {
    (0..rank).collect()
}

pub(super) fn is_plain(order: &[usize]) -> bool {
    order.iter().copied().eq(0..order.len())
}

/// What undoes `order`.
pub(super) fn inverse(order: &[usize]) -> Order {
    let mut back = vec![0; order.len()];
    for (place, axis) in order.iter().enumerate() {
        back[*axis] = place;
    }
    back
}

/// `inner` picks from what `outer` has picked.
pub(super) fn composed(outer: &[usize], inner: &[usize]) -> Order {
    inner.iter().map(|place| outer[*place]).collect()
}

/// A shape, or whatever else there is one of per axis, in this order.
pub(super) fn ordered<T: Copy>(each: &[T], order: &[usize]) -> Vec<T> {
    order.iter().map(|axis| each[*axis]).collect()
}

/// Where axis `axis` lies.
pub(super) fn place(order: &[usize], axis: usize) -> usize {
    order
        .iter()
        .position(|other| *other == axis)
        .expect("an order has every axis")
}

/// Where these axes lie, sorted.
pub(super) fn places(order: &[usize], axes: &[usize]) -> Vec<usize> {
    let mut places: Vec<usize> = axes.iter().map(|axis| place(order, *axis)).collect();
    places.sort_unstable();
    places
}
