//! Deals the rows of a lost device again.

use std::ops::Range;

use super::Phase;
use super::lane::{Lane, Piece};

/// Queues `rows` on the lanes that are left, the least loaded first, in their own engines' batches. A remainder smaller
/// than every batch is widened to a window that reads neighbouring rows as well; `total` bounds it.
///
/// # Errors
/// The number of rows that no lane can take.
pub(super) fn redeal(lanes: &mut [Lane], rows: Vec<Range<usize>>, total: usize) -> Result<(), usize> {
    let rows = joined(rows);
    let open: usize = rows.iter().map(|r| r.len()).sum();
    for mut piece in rows {
        while !piece.is_empty() {
            let able = |l: &&mut Lane| !l.lost && !l.batches.is_empty();
            let lane = lanes.iter_mut().filter(able).min_by_key(|l| l.load());
            let lane = lane.ok_or(open)?;
            let batch = fitting(&lane.batches, piece.len()).ok_or(open)?;
            let taken = batch.min(piece.len());
            let start = piece.start.min(total.saturating_sub(batch));
            lane.queue.push_back(Piece {
                phase: Phase::Prefix,
                rows: piece.start..piece.start + taken,
                window: start..start + batch,
            });
            piece.start += taken;
        }
    }
    Ok(())
}

/// The largest batch up to `rows`, otherwise the smallest; `batches` ascend.
fn fitting(batches: &[usize], rows: usize) -> Option<usize> {
    let fits = batches.iter().rev().find(|b| **b <= rows);
    fits.or(batches.first()).copied()
}

/// Neighbouring ranges as one; `rows` are sorted and do not overlap.
fn joined(rows: Vec<Range<usize>>) -> Vec<Range<usize>> {
    let mut joined: Vec<Range<usize>> = Vec::new();
    for range in rows {
        match joined.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => joined.push(range),
        }
    }
    joined
}
