//! Tuning an artifact by a table of measured times.

use std::error::Error;
use std::path::Path;

use super::found::TuneOutcome;
use super::measured::Confirm;
use super::read_text;
use super::searched::{Searched, picture, searched};
use super::table::{measure, profile};
use crate::bundle::digest;
use crate::cli::helped;
use crate::engine::StageKind;
use crate::plan::Device;
use crate::sim::Costs;
use crate::tune::Sites;
use crate::tune::profile::TableCosts;

/// The plans are for the backend that is named: whose times they are is the user's to say.
pub fn tuned(confirm: &Confirm<'_>, table: &Path) -> Result<TuneOutcome, Box<dyn Error>> {
    let arguments = confirm.arguments;
    let bundle = confirm.bundle()?;
    let text = read_text(table)?;
    let profile = profile(table, &text, measure(arguments.time), arguments.model.as_deref())?;
    let refused = |what: String| helped(format!("{}: {what}", table.display()), DEVICES);
    let costs = TableCosts::new(&profile).map_err(|error| refused(error.to_string()))?;
    let sites = Sites::of(&bundle.graph, &bundle.options, 4, false)?;
    let mut devices = vec![Device::Gpu];
    let cores = bundle.options.cores.iter().map(|core| Device::Dla(*core));
    let asked = |d: &Device| {
        arguments
            .engines
            .devices
            .as_ref()
            .is_none_or(|all| all.contains(d))
    };
    devices.extend(cores.filter(|d| costs.has(StageKind::Prefix, *d) && asked(d)));
    let suffix = sites
        .sites
        .first()
        .is_some_and(|site| site.stages.suffix.is_some());
    if let Some(missing) = costs.missing(suffix, devices.len() > 1) {
        return Err(refused(format!("the table has no times of {missing}")));
    }
    let mut space = sites.space(&costs, [&costs as &dyn Costs], &devices);
    space.limits = arguments.limits(None);
    let goal = arguments.goal()?;
    let Searched { points, infeasible } = searched(arguments, &space, &goal, confirm.output)?;
    let oracle = format!("the times in {}", table.display());
    let tuned = TuneOutcome {
        artifact: confirm.path.to_path_buf(),
        network: digest(&bundle.graph),
        board: arguments.engines.taken()?.name().to_string(),
        timeline: picture(&space, &points)?,
        origin: format!("by {oracle}, nothing ran; devices in each other's way are not in a table"),
        points,
        infeasible,
        goal,
        file: None,
    };
    confirm.confirmed(bundle, &space, &oracle, tuned)
}

const DEVICES: &str = "for an artifact the column device has gpu, dla0 and dla1 for what is dealt to them, and with a suffix gpu:suffix and gpu:whole, the network uncut";
