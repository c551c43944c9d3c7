//! Every case of every operator against the plain reference.

use super::compare;
use crate::graph::cases::{all, pooling_remainders};

#[test]
fn operators_mean_what_the_reference_says() {
    for case in all() {
        compare(&case.graph(), &case.name());
    }
}

#[test]
fn pooling_windows_agree_for_every_remainder() {
    for case in pooling_remainders() {
        compare(&case.graph(), &case.name());
    }
}
