//! Moving many elements on the host, by several cores.

use std::sync::OnceLock;
use std::thread;

/// What one core moves in about the time that a thread takes to start, in bytes.
const PART: usize = 1 << 20;
/// Beyond this many the memory is the limit, not the cores.
const MOST: usize = 8;

/// Calls `each` with `from` and `to` in parts: a part has as many units of `unit` elements of `from` as of `into` elements
/// of `to`. Small ones stay whole, on this thread.
pub(super) fn spread<T: Sync, U: Send>(
    from: &[T],
    unit: usize,
    to: &mut [U],
    into: usize,
    each: impl Fn(&[T], &mut [U]) + Sync,
) {
    let units = from.len() / unit.max(1);
    let parts = (size_of_val(from).max(size_of_val(to)) / PART).min(cores());
    let per_part = units.div_ceil(parts.max(1));
    if parts < 2 || per_part == units {
        return each(from, to);
    }
    thread::scope(|scope| {
        let mut parts = from.chunks(per_part * unit).zip(to.chunks_mut(per_part * into));
        let own = parts.next();
        for (from, to) in parts {
            let each = &each;
            scope.spawn(move || each(from, to));
        }
        own.into_iter().for_each(|(from, to)| each(from, to));
    });
}

fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    // Half of them: the other devices' workers move rows as well.
    *CORES.get_or_init(|| thread::available_parallelism().map_or(1, |n| n.get().div_ceil(2).min(MOST)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_moved_once_however_many_there_are() {
        for units in [0, 1, 5, 1000, 700_001] {
            let from: Vec<u32> = (0..units * 3).collect();
            let mut to = vec![0u64; units as usize * 2];
            spread(&from, 3, &mut to, 2, |from, to| {
                for (from, to) in from.chunks(3).zip(to.chunks_mut(2)) {
                    to[0] += u64::from(from[0]);
                    to[1] += u64::from(from[2]);
                }
            });
            let want: Vec<u64> = (0..u64::from(units)).flat_map(|n| [n * 3, n * 3 + 2]).collect();
            assert_eq!(to, want, "{units} units");
        }
    }
}
