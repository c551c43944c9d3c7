//! What moves amount to, by where the elements come from.

use crate::graph::Range;

/// What becomes of a map `[N, C, H, W]`.
#[derive(Debug, PartialEq)]
pub enum Form {
    /// Parts at equal distances; none where all of it stays.
    Part(Vec<Range>),
    /// By channel of the result the channel that it is.
    Channels(Vec<usize>),
    /// Every element so often along rows and columns.
    Repeated([usize; 2]),
    /// Blocks of this size out of channels: by channel of the map, the channel of the result and the place in the block.
    Blocks { size: [usize; 2], places: Vec<Place> },
    /// Channels out of blocks of this size: by channel of the result, the channel of the map and the place in the block.
    Deep { size: [usize; 2], places: Vec<Place> },
}

/// A channel, and a place in a block.
pub type Place = (usize, [usize; 2]);

/// Channel, row and column.
type Element = [usize; 3];

/// The form of moves from `[N, C, H, W]` to another map, if it has one; `places` are those of one row.
pub fn form(from: &[usize], to: &[usize], places: &[usize]) -> Option<Form> {
    let maps = Maps {
        from: [from[1], from[2], from[3]],
        to: [to[1], to[2], to[3]],
        places,
    };
    maps.part()
        .or_else(|| maps.repeated())
        .or_else(|| maps.blocks())
        .or_else(|| maps.deep())
}

struct Maps<'a> {
    from: Element,
    to: Element,
    places: &'a [usize],
}

impl Maps<'_> {
    fn source(&self, [c, h, w]: Element) -> Element {
        let place = self.places[(c * self.to[1] + h) * self.to[2] + w];
        let row = place / self.from[2];
        [row / self.from[1], row % self.from[1], place % self.from[2]]
    }

    /// Whether every element comes from where `of` says.
    fn holds(&self, of: impl Fn(Element) -> Element) -> bool {
        let [channels, height, width] = self.to;
        (0..channels)
            .all(|c| (0..height).all(|h| (0..width).all(|w| self.source([c, h, w]) == of([c, h, w]))))
    }

    /// Whole channels in any order, rows and columns at equal distances.
    fn part(&self) -> Option<Form> {
        let channels: Vec<usize> = (0..self.to[0]).map(|c| self.source([c, 0, 0])[0]).collect();
        let (mut start, mut step) = ([0; 2], [1; 2]);
        for axis in 0..2 {
            let mut second = [0; 3];
            second[axis + 1] = 1;
            start[axis] = self.source([0; 3])[axis + 1];
            if self.to[axis + 1] > 1 {
                step[axis] = self.source(second)[axis + 1]
                    .checked_sub(start[axis])
                    .filter(|step| *step > 0)?;
            }
        }
        if !self.holds(|[c, h, w]| [channels[c], start[0] + h * step[0], start[1] + w * step[1]]) {
            return None;
        }
        let of_map = (0..2).map(|axis| Range {
            axis: axis + 2,
            start: start[axis],
            len: self.to[axis + 1],
            step: step[axis],
        });
        let neighbours = channels.windows(2).all(|pair| pair[1] == pair[0] + 1);
        let of_channels = Range {
            axis: 1,
            start: channels[0],
            len: channels.len(),
            step: 1,
        };
        let ranges = [of_channels].into_iter().chain(of_map);
        let whole = |range: &Range| range.len == self.from[range.axis - 1];
        match neighbours {
            true => Some(Form::Part(ranges.filter(|range| !whole(range)).collect())),
            false if ranges.skip(1).all(|range| whole(&range)) => Some(Form::Channels(channels)),
            false => None,
        }
    }

    fn repeated(&self) -> Option<Form> {
        let times = self.scale(self.to, self.from)?;
        let holds = self.to[0] == self.from[0] && self.holds(|[c, h, w]| [c, h / times[0], w / times[1]]);
        holds.then_some(Form::Repeated(times))
    }

    fn blocks(&self) -> Option<Form> {
        let size = self.scale(self.to, self.from)?;
        if self.from[0] != self.to[0] * size[0] * size[1] {
            return None;
        }
        let mut places = vec![None; self.from[0]];
        for c in 0..self.to[0] {
            for (i, j) in pairs(size) {
                places[self.source([c, i, j])[0]] = Some((c, [i, j]));
            }
        }
        let places = places.into_iter().collect::<Option<Vec<_>>>()?;
        let mut channel = vec![0; places.len()];
        let flat = |c: usize, i: usize, j: usize| (c * size[0] + i) * size[1] + j;
        for (own, (c, [i, j])) in places.iter().enumerate() {
            channel[flat(*c, *i, *j)] = own;
        }
        let holds = self.holds(|[c, h, w]| {
            [
                channel[flat(c, h % size[0], w % size[1])],
                h / size[0],
                w / size[1],
            ]
        });
        holds.then_some(Form::Blocks { size, places })
    }

    fn deep(&self) -> Option<Form> {
        let size = self.scale(self.from, self.to)?;
        let places: Vec<Place> = (0..self.to[0])
            .map(|c| {
                let [channel, i, j] = self.source([c, 0, 0]);
                (channel, [i, j])
            })
            .collect();
        let holds = self.holds(|[c, h, w]| {
            let (channel, [i, j]) = places[c];
            [channel, h * size[0] + i, w * size[1] + j]
        });
        let inside = places
            .iter()
            .all(|(_, place)| place[0] < size[0] && place[1] < size[1]);
        (holds && inside).then_some(Form::Deep { size, places })
    }

    /// How many times larger the sides of one map are than another's, if not all are equal.
    fn scale(&self, large: Element, small: Element) -> Option<[usize; 2]> {
        let whole = (1..3).all(|side| large[side].is_multiple_of(small[side]));
        let scale = [large[1] / small[1], large[2] / small[2]];
        (whole && scale != [1; 2]).then_some(scale)
    }
}

fn pairs(size: [usize; 2]) -> impl Iterator<Item = (usize, usize)> {
    (0..size[0]).flat_map(move |i| (0..size[1]).map(move |j| (i, j)))
}
