//! The exact optimum, for every batch up to a largest one at once.
//!
//! Two dynamic programmes: the least time in which one unit runs n rows in any number of executions of any batch, then
//! the least makespan of n rows over the first k units.

use super::{Profile, Split, Unit};

/// Times whose ratio is nearer to 1 than this are the same: sums of the same times in another order.
const SAME: f64 = 1e-12;

/// What counts, in this order: time, executions whose batch was not measured, executions.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Cost {
    ms: f64,
    unmeasured: usize,
    executions: usize,
}

const NOTHING: Cost = Cost {
    ms: 0.0,
    unmeasured: 0,
    executions: 0,
};

impl Cost {
    fn of(unit: &Unit, batch: usize) -> Cost {
        Cost {
            ms: unit.ms(batch),
            unmeasured: usize::from(!unit.is_measured(batch)),
            executions: 1,
        }
    }

    fn beats(self, other: Cost) -> bool {
        let same = (self.ms - other.ms).abs() <= SAME * other.ms;
        let rest = |cost: Cost| (cost.unmeasured, cost.executions);
        if same {
            rest(self) < rest(other)
        } else {
            self.ms < other.ms
        }
    }

    /// One after the other.
    fn then(self, next: Cost) -> Cost {
        Cost {
            ms: self.ms + next.ms,
            ..self.beside(next)
        }
    }

    /// At the same time.
    fn beside(self, other: Cost) -> Cost {
        Cost {
            ms: self.ms.max(other.ms),
            unmeasured: self.unmeasured + other.unmeasured,
            executions: self.executions + other.executions,
        }
    }
}

/// The best split of every batch from 1 to `most` rows, in this order.
pub fn optima(profile: &Profile, most: usize) -> Vec<Split> {
    let units: Vec<Alone> = profile.units.iter().map(|u| Alone::new(u, most)).collect();
    let mut shares: Vec<Vec<usize>> = Vec::new();
    let mut best: Vec<Cost> = Vec::new();
    for unit in &units {
        let (costs, taken) = if best.is_empty() {
            (unit.cost.clone(), (0..=most).collect())
        } else {
            join(&best, &unit.cost)
        };
        best = costs;
        shares.push(taken);
    }
    let split = |rows: usize| {
        let mut left = rows;
        let mut batches: Vec<Vec<usize>> = Vec::new();
        for (unit, taken) in units.iter().zip(&shares).rev() {
            batches.push(unit.batches(taken[left]));
            left -= taken[left];
        }
        batches.reverse();
        Split::new(profile, batches)
    };
    (1..=most).map(split).collect()
}

/// One unit with any number of rows.
struct Alone {
    cost: Vec<Cost>,
    /// The batch of its last execution.
    last: Vec<usize>,
}

impl Alone {
    fn new(unit: &Unit, most: usize) -> Alone {
        let single: Vec<Cost> = (0..=most).map(|batch| Cost::of(unit, batch)).collect();
        let mut alone = Alone {
            cost: vec![NOTHING],
            last: vec![0],
        };
        for rows in 1..=most {
            let (mut cost, mut last) = (single[rows], rows);
            for (batch, one) in single.iter().enumerate().take(rows).skip(1) {
                let other = alone.cost[rows - batch].then(*one);
                if other.beats(cost) {
                    (cost, last) = (other, batch);
                }
            }
            alone.cost.push(cost);
            alone.last.push(last);
        }
        alone
    }

    fn batches(&self, mut rows: usize) -> Vec<usize> {
        let mut batches = Vec::new();
        while rows > 0 {
            batches.push(self.last[rows]);
            rows -= self.last[rows];
        }
        batches
    }
}

/// The least cost of every number of rows over both, and how many of them the second one takes.
fn join(first: &[Cost], second: &[Cost]) -> (Vec<Cost>, Vec<usize>) {
    let best = |rows: usize| {
        let mut found = (first[rows], 0);
        for taken in 1..=rows {
            let cost = first[rows - taken].beside(second[taken]);
            if cost.beats(found.0) {
                found = (cost, taken);
            }
        }
        found
    };
    (0..first.len()).map(best).unzip()
}
