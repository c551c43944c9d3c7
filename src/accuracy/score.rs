//! How often a classifier is right, and how often two agree.

use serde::Serialize;

/// Of a precision, over all images.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Score {
    pub images: usize,
    /// Images whose label is the best class.
    pub top1: usize,
    /// Images whose label is among the best five.
    pub top5: usize,
    /// Images whose best class is float32's.
    pub agreeing: usize,
}

impl Score {
    /// One image: what the precision says, what float32 says, and the truth where it is known. Scores that hold an
    /// infinity or NaN say nothing.
    pub fn add(&mut self, scores: &[f32], reference: &[f32], label: Option<usize>) {
        self.images += 1;
        if scores.iter().any(|score| !score.is_finite()) {
            return;
        }
        let best = best(scores, 1);
        self.agreeing += usize::from(best == self::best(reference, 1));
        if let Some(label) = label {
            self.top1 += usize::from(best.contains(&label));
            self.top5 += usize::from(self::best(scores, 5).contains(&label));
        }
    }

    /// `count` of the images, in percent.
    pub fn percent(&self, count: usize) -> f64 {
        100.0 * count as f64 / self.images.max(1) as f64
    }
}

/// The classes with the best scores, best first; the lower number of equals.
pub fn best(scores: &[f32], count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    order.truncate(count);
    order
}
