//! Rows per execution that are tried.

/// Usual rows per execution: fine below 16, where the fixed cost of an execution counts, coarser above.
pub(super) const LADDER: [usize; 30] = [
    1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 256,
    320, 384, 512,
];

/// Most rows of one execution of a prefix or an uncut network.
pub(super) const MOST: usize = 512;

/// Equal rounds that all rows are split into, besides the usual sizes.
const FEW: usize = 8;

/// Rows per execution that split `rows` rows into few even rounds.
pub(super) fn even(rows: usize) -> impl Iterator<Item = usize> {
    (1..=FEW.min(rows)).map(move |rounds| rows.div_ceil(rounds))
}

/// Divisors of `rows`, the largest first, at most `count` of them.
pub(super) fn divisors(rows: usize, count: usize) -> Vec<usize> {
    let parts = (1..=rows).filter(|parts| rows.is_multiple_of(*parts));
    parts.take(count).map(|parts| rows / parts).collect()
}
