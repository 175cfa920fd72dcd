//! All figures of all runs.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde_json::{Value, json};

use crate::{Arguments, Size, clients::KINDS};

/// The figures by what was measured and their unit, one value a run, in the order in which they came first.
pub(crate) struct Figures {
    about: Value,
    rows: Vec<(String, String, Vec<f64>)>,
}

/// The value that this share of sorted times is not above, in seconds.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an index"
)]
pub(crate) fn quantile(sorted: &[Duration], share: f64) -> f64 {
    let index = ((sorted.len() as f64 * share).ceil() as usize).clamp(1, sorted.len().max(1)) - 1;
    sorted.get(index).map_or(f64::NAN, Duration::as_secs_f64)
}

impl Figures {
    pub(crate) fn new(arguments: &Arguments, size: Size) -> Self {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let about = json!({
            "objects": size.triples * KINDS.len(), "triples": size.triples, "clusters": size.clusters, "installations": arguments.installations, "clients": arguments.clients,
            "runs": arguments.runs, "delay": arguments.delay, "databaseDelay": arguments.database_delay,
            "atOnce": arguments.at_once,
            "cores": cores, "version": env!("CARGO_PKG_VERSION"),
        });
        Self { about, rows: Vec::new() }
    }

    /// Notes a figure of the present run.
    pub(crate) fn add(&mut self, what: &str, unit: &str, value: f64) {
        match self.rows.iter_mut().find(|(has, of, _)| has == what && of == unit) {
            Some((_, _, values)) => values.push(value),
            None => self.rows.push((what.to_owned(), unit.to_owned(), vec![value])),
        }
    }

    /// The burst's share of the ceiling, run by run.
    fn share(&self) -> Vec<f64> {
        let values = |what: &str| {
            self.rows
                .iter()
                .find(|(has, unit, _)| has == what && unit == "objects/s")
                .map(|(_, _, values)| values)
        };
        match (values("burst"), values("ceiling")) {
            (Some(burst), Some(ceiling)) => {
                burst.iter().zip(ceiling).map(|(ours, most)| ours / most).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Everything, for programs.
    pub(crate) fn json(&self) -> Value {
        let mut measures = BTreeMap::<&str, BTreeMap<&str, Value>>::new();
        for (what, unit, values) in &self.rows {
            let (least, median, most) = spread(values);
            let row = json!({"min": least, "median": median, "max": most, "runs": values});
            measures.entry(what).or_default().insert(unit, row);
        }
        json!({"about": self.about, "shareOfCeiling": self.share(), "measures": measures})
    }
}

fn spread(values: &[f64]) -> (f64, f64, f64) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (Some(least), Some(most)) = (sorted.first(), sorted.last()) else {
        return (f64::NAN, f64::NAN, f64::NAN);
    };
    (*least, sorted[sorted.len() / 2], *most)
}

impl fmt::Display for Figures {
    /// One line a measure: the median, and the least and the most of all runs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.about)?;
        let share = self.share();
        if !share.is_empty() {
            let (least, median, most) = spread(&share);
            writeln!(f, "burst / ceiling: {median:.2} ({least:.2} to {most:.2})")?;
        }
        let mut above = "";
        for (what, unit, values) in &self.rows {
            let (least, median, most) = spread(values);
            if what != above {
                if !above.is_empty() {
                    writeln!(f)?;
                }
                write!(f, "{what}:")?;
                above = what;
            }
            write!(f, " {} {unit} ({} to {});", short(median), short(least), short(most))?;
        }
        writeln!(f)
    }
}

/// Three digits that count.
fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
