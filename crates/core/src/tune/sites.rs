//! A network as a search sees it: every place to cut, with the memory that its stages need.

use super::search::{Footprint, Limits, Space, Way, footprint};
use crate::bundle::Options;
use crate::graph::{Graph, TensorId};
use crate::plan::{Cut, Device};
use crate::sim::Costs;
use crate::split::{SplitError, Stages, batch_limit, cut, cut_after, cuts, internal_row_bytes};

/// Most rows that TensorRT takes at once on a DLA.
const DLA_ROWS: usize = 4096;

/// Early cuts that are looked at: those that the fewest elements cross.
const EARLY: usize = 24;

/// One place to cut.
#[derive(Debug, Clone)]
pub struct Site {
    pub cut: Cut,
    pub stages: Stages,
    dla_rows: usize,
    prefix_bytes: Footprint,
    suffix_bytes: Footprint,
    crossing: u64,
}

/// A network with its places to cut.
#[derive(Debug, Clone)]
pub struct Sites {
    /// The longest prefix first; none when no part of the network may run on a DLA.
    pub sites: Vec<Site>,
    whole_bytes: Footprint,
    io: u64,
    unit: Option<usize>,
}

/// Bytes per element of arrays between stages: the runtime hands float32 around.
const ARRAY: usize = 4;

impl Sites {
    /// Cuts `graph`; `early` also before the longest prefix ends. Engines take `element` bytes per element.
    ///
    /// # Errors
    /// [`SplitError`] when the network cannot be cut as its options ask.
    pub fn of(graph: &Graph, options: &Options, element: usize, early: bool) -> Result<Sites, SplitError> {
        let longest = cut(graph, &options.target, &options.gpu_only)?;
        let mut points = if early {
            cuts(graph, &longest.side)
        } else {
            Vec::new()
        };
        let mut sizes: Vec<usize> = points.iter().map(|point| point.elements).collect();
        sizes.sort_unstable();
        let most = sizes.get(EARLY.saturating_sub(1)).copied().unwrap_or(usize::MAX);
        points.retain(|point| point.elements <= most);
        points.truncate(EARLY);
        let mut unit = longest.unit(graph);
        let mut sites = Vec::new();
        sites.extend(Site::new(options, element, Cut::Longest, longest));
        for point in points {
            let (target, gpu_only) = (&options.target, &options.gpu_only);
            let stages = cut_after(graph, target, gpu_only, &point.node)?;
            unit = unit.or_else(|| stages.unit(graph));
            let after = Cut::After(point.node);
            sites.extend(Site::new(options, element, after, stages));
        }
        let ends = graph.inputs.iter().chain(&graph.outputs);
        Ok(Sites {
            whole_bytes: footprint(graph, element),
            io: ends.map(|id| row_bytes(graph, *id)).sum(),
            sites,
            unit,
        })
    }

    /// The space of plans with `costs`, one per site, and the network uncut at those of `whole`.
    pub fn space<'a>(
        &self,
        whole: &'a dyn Costs,
        costs: impl IntoIterator<Item = &'a dyn Costs>,
        devices: &[Device],
    ) -> Space<'a> {
        let ways = self.sites.iter().zip(costs).map(|(site, costs)| Way {
            cut: site.cut.clone(),
            suffix: site.stages.suffix.is_some(),
            dla_rows: site.dla_rows,
            costs,
            prefix_bytes: site.prefix_bytes,
            suffix_bytes: site.suffix_bytes,
            crossing: site.crossing,
        });
        let dlas = devices.iter().copied().filter(|d| *d != Device::Gpu);
        let dlas: Vec<Device> = dlas.collect();
        Space {
            whole,
            whole_bytes: self.whole_bytes,
            io: self.io,
            ways: if dlas.is_empty() {
                Vec::new()
            } else {
                ways.collect()
            },
            dlas,
            unit: self.unit,
            jitter: 0.05,
            limits: Limits::default(),
        }
    }
}

impl Site {
    fn new(options: &Options, element: usize, cut: Cut, stages: Stages) -> Option<Site> {
        let prefix = stages.prefix.as_ref()?;
        let crossing = prefix.outputs.iter().map(|id| row_bytes(prefix, *id));
        let suffix = stages.suffix.as_ref();
        Some(Site {
            dla_rows: dla_rows(prefix, options)?,
            prefix_bytes: footprint(prefix, element),
            suffix_bytes: suffix.map_or_else(Footprint::default, |s| footprint(s, element)),
            crossing: crossing.sum(),
            cut,
            stages,
        })
    }
}

fn row_bytes(graph: &Graph, id: TensorId) -> u64 {
    let shape = graph.tensor(id).shape.get(1..).unwrap_or_default();
    (shape.iter().product::<usize>() * ARRAY) as u64
}

/// Most rows of an execution on a DLA; `None` when not even one fits.
fn dla_rows(prefix: &Graph, options: &Options) -> Option<usize> {
    let row = internal_row_bytes(prefix, &options.target);
    let fits = |rows: usize| batch_limit(&options.target, rows, row).is_none();
    let (mut low, mut high) = (0, DLA_ROWS + 1);
    while high - low > 1 {
        let middle = (low + high) / 2;
        if fits(middle) { low = middle } else { high = middle }
    }
    (low > 0).then_some(low)
}
