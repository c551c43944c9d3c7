//! Learns from every batch, and changes plans between batches.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::Forecast;
use super::course::Course;
use super::frame::Frame;
use super::offer::{Engine, Offer};
use super::rates::{Kind, Rates};
use super::terms::Terms;
use crate::plan::{Device, Plan, StageKind};

/// Batches after which a DLA that was dropped may be tried again; twice as many after every time.
const PATIENCE: u64 = 32;

/// One batch that has run.
#[derive(Debug, Clone)]
pub struct BatchRun<'a> {
    pub plan: &'a Plan,
    /// Number of its cut; 0 is the longest prefix.
    pub way: u32,
    pub us: f64,
    /// Stage, device, rows of the engine, and microseconds of every execution.
    pub executions: &'a [(StageKind, Device, usize, f64)],
}

/// All that is known of a network on its devices, and the plans that follow from it.
#[derive(Debug, Clone)]
pub struct Planner {
    pub terms: Terms,
    pub rates: Rates,
    pub(super) courses: HashMap<usize, Course>,
    /// Microseconds that building an engine took at most, once some were built.
    pub(super) build_us: f64,
    pub(super) asked: usize,
    batches: u64,
    /// When each DLA last ran, and how long to wait until it is tried again.
    idle: BTreeMap<Device, (u64, u64)>,
    /// Why no more engines are asked for.
    pub(super) stopped: Option<String>,
    /// Something was seen outside a batch.
    noted: bool,
}

impl Planner {
    pub fn new(terms: Terms, forecast: Option<Arc<Forecast>>) -> Planner {
        Planner {
            rates: Rates::new(forecast, terms.prefix_share, terms.alike),
            terms,
            courses: HashMap::new(),
            build_us: 0.0,
            asked: 0,
            batches: 0,
            idle: BTreeMap::new(),
            stopped: None,
            noted: false,
        }
    }

    /// The plan of the next batch of `rows` rows, once there was one; and whether it was learned.
    pub fn next(&self, rows: usize) -> Option<(&Plan, bool)> {
        let course = self.courses.get(&rows)?;
        Some((&course.plan, course.learned))
    }

    /// Begins with `plan`, whose cut has the number `way`; `grows` lets learning build engines that it lacks.
    pub fn begin(&mut self, plan: Plan, way: u32, grows: bool) {
        let frame = Frame {
            cut: plan.cut.clone(),
            way,
            mode: plan.mode,
            engines: plan.engines,
        };
        self.courses
            .entry(plan.total())
            .or_insert_with(|| Course::new(plan, frame, grows));
    }

    /// Plans that use `device` are not possible any more.
    pub fn lose(&mut self, device: Device) {
        self.terms.dlas.retain(|other| *other != device);
        self.courses
            .retain(|_, course| !course.plan.devices().contains(&device));
    }

    /// Building an engine took so long.
    pub fn built(&mut self, us: f64) {
        self.build_us = self.build_us.max(us);
    }

    /// An engine that was worth building cannot be built: what there is has to do.
    pub fn cannot(&mut self, reason: &str) {
        self.stopped.get_or_insert_with(|| reason.to_string());
    }

    /// Takes in one execution outside a batch.
    pub fn note(&mut self, kind: Kind, rows: usize, us: f64) {
        if self.rates.at(kind, rows).is_none() {
            self.rates.add(kind, rows, &[us]);
            self.noted = true;
        }
    }

    /// Whether batches have led to another plan than they began with.
    pub fn has_turned(&self) -> bool {
        self.courses.values().any(|course| course.learned)
    }

    /// Whether anything was seen that earlier processes did not know.
    pub fn has_news(&self) -> bool {
        self.noted || self.batches > 0
    }

    /// Batches that were learned from.
    pub fn batches(&self) -> u64 {
        self.batches
    }

    /// Whether all that was seen is from before this process.
    pub fn kept(&self) -> bool {
        self.batches == 0 && !self.rates.saw_nothing()
    }

    /// Takes in a batch that ran with the plan of [`Planner::next`]. What it returns is worth building, beside what
    /// there is.
    pub fn learn(&mut self, ran: &BatchRun<'_>, engines: impl FnOnce() -> HashSet<Engine>) -> Vec<Engine> {
        self.batches += 1;
        let changed = self.take(ran);
        let rows = ran.plan.total();
        if changed {
            self.courses.values_mut().for_each(Course::outdate);
        }
        let retried = self.retry(ran.plan);
        let Some(course) = self.courses.get_mut(&rows) else {
            return Vec::new();
        };
        if course.plan != *ran.plan {
            return Vec::new();
        }
        course.add(ran.us);
        course.stale |= retried;
        let due = course.is_due();
        if !due && course.wanted.is_none() {
            return Vec::new();
        }
        let engines = engines();
        if due {
            self.compare(rows, &engines);
        }
        self.worth_building(rows, &engines)
    }

    /// Adds the executions to the rates; whether a device's speed has changed for good.
    fn take(&mut self, ran: &BatchRun<'_>) -> bool {
        let way = ran.way;
        let beside = self.beside(ran);
        let mut groups: BTreeMap<(Kind, usize), Vec<f64>> = BTreeMap::new();
        for (stage, device, rows, us) in ran.executions {
            let kind = if ran.plan.gpu_alone() {
                Kind::whole()
            } else {
                Kind {
                    way,
                    stage: *stage,
                    device: *device,
                }
            };
            let slow = match (kind.stage, device) {
                (StageKind::Prefix, Device::Gpu) => beside[0],
                (StageKind::Prefix, Device::Dla(_)) => beside[1],
                (StageKind::Whole | StageKind::Suffix, _) => 1.0,
            };
            groups.entry((kind, *rows)).or_default().push(*us / slow);
            let idle = self.idle.entry(*device).or_insert((0, PATIENCE));
            idle.0 = self.batches;
        }
        let mut factors: BTreeMap<Device, f64> = BTreeMap::new();
        for ((kind, rows), times) in &groups {
            if let Some(factor) = self.rates.add(*kind, *rows, times) {
                factors.insert(kind.device, factor);
            }
        }
        let kept: Vec<(Kind, usize)> = groups.into_keys().collect();
        for (device, factor) in &factors {
            self.rates.scale(*device, *factor, &kept);
        }
        !factors.is_empty()
    }

    /// How many times longer than alone the GPU's and the DLAs' prefixes took in a batch, as far as a model says.
    fn beside(&mut self, ran: &BatchRun<'_>) -> [f64; 2] {
        if ran.plan.gpu_alone() {
            return [1.0, 1.0];
        }
        let course = self.courses.get(&ran.plan.total());
        let known = course.filter(|course| course.plan == *ran.plan);
        if let Some(known) = known.and_then(|course| course.beside) {
            return known;
        }
        let beside = self.side_by_side(ran);
        let course = self.courses.get_mut(&ran.plan.total());
        if let Some(course) = course.filter(|course| course.plan == *ran.plan) {
            course.beside = Some(beside);
        }
        beside
    }

    fn side_by_side(&self, ran: &BatchRun<'_>) -> [f64; 2] {
        let frame = Frame {
            way: ran.way,
            ..Frame::default()
        };
        let deal = self.deal(ran.plan.total(), Offer::Any, &frame);
        deal.beside(ran.plan).unwrap_or([1.0, 1.0])
    }

    /// Forgets what is known of a DLA that has not run for long, so that it is tried again.
    fn retry(&mut self, plan: &Plan) -> bool {
        let used = plan.devices();
        let mut forgotten = false;
        for device in self.terms.dlas.iter().filter(|d| !used.contains(d)) {
            let Some((last, patience)) = self.idle.get_mut(device) else {
                continue;
            };
            if self.batches - *last >= *patience {
                *last = self.batches;
                *patience *= 2;
                self.rates.forget(*device);
                forgotten = true;
            }
        }
        forgotten
    }

    /// Turns to the wanted plan of `rows` rows if all its engines are there by now.
    pub fn turn(&mut self, rows: usize, engines: &HashSet<Engine>) {
        let course = self.courses.get(&rows);
        let wanted = course.and_then(|course| course.wanted.clone());
        let Some(wanted) = wanted.filter(|w| self.lacking(&w.plan, engines).is_empty()) else {
            return;
        };
        if wanted.us.is_finite() {
            return self.compare(rows, engines);
        }
        // A trial: what it takes is to be seen.
        if let Some(course) = self.courses.get_mut(&rows) {
            course.turn(wanted.plan, Frame::default());
        }
    }
}
