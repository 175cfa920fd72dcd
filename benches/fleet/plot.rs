//! How time and memory grow with the number of objects, drawn as SVG.

use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::Value;

/// A curve: which measure, in which unit, and its colour.
type Curve = (&'static str, &'static str, &'static str);

const TIMES: [Curve; 4] = [
    ("burst", "s", "#1f6feb"),
    ("change", "s", "#8250df"),
    ("delete", "s", "#cf222e"),
    ("restart", "s", "#1a7f37"),
];
const MEMORY: [Curve; 2] = [("burst", "MiB peak", "#1f6feb"), ("restart", "MiB", "#1a7f37")];

/// Of one panel, without its margins.
const SIZE: (f64, f64) = (330.0, 300.0);
/// To the left and above.
const MARGIN: (f64, f64) = (60.0, 40.0);
/// From one panel to the next.
const PANEL: f64 = 460.0;

/// Points of one curve, by number of objects.
type Points = BTreeMap<u64, f64>;

/// What is drawn of a curve.
struct Drawn {
    curve: Curve,
    line: Points,
    rings: Points,
}

/// Draws the medians of all sizes: lines for those with one `ArangoCluster`, rings for those with more.
pub(crate) fn growth(all: &[Value]) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
        2.0 * PANEL,
        MARGIN.1 + SIZE.1 + 50.0
    );
    panel(&mut svg, 0.0, "seconds until done", &curves(all, &TIMES));
    panel(&mut svg, PANEL, "MiB resident", &curves(all, &MEMORY));
    svg += "</svg>\n";
    svg
}

fn curves(all: &[Value], curves: &[Curve]) -> Vec<Drawn> {
    let points = |(what, unit, _): &Curve, on_one: bool| -> Points {
        let chosen = all.iter().filter(|figures| (figures["about"]["clusters"] == 1) == on_one);
        let point = |figures: &Value| {
            let value = figures["measures"][what][unit]["median"].as_f64()?;
            Some((figures["about"]["objects"].as_u64()?, value))
        };
        chosen.filter_map(point).collect()
    };
    let drawn =
        |curve: &Curve| Drawn { curve: *curve, line: points(curve, true), rings: points(curve, false) };
    curves.iter().map(drawn).filter(|drawn| !drawn.line.is_empty()).collect()
}

/// A scale of powers of ten that takes in all values.
struct Scale {
    /// The exponents at both ends.
    low: f64,
    high: f64,
}

impl Scale {
    fn new(values: impl Iterator<Item = f64> + Clone) -> Self {
        let logs = values.map(f64::log10).filter(|log| log.is_finite());
        let low = logs.clone().fold(f64::INFINITY, f64::min).floor();
        let high = logs.fold(f64::NEG_INFINITY, f64::max).ceil();
        Self { low, high: high.max(low + 1.0) }
    }

    /// Where a value is, from 0 to 1.
    fn at(&self, value: f64) -> f64 {
        (value.log10() - self.low) / (self.high - self.low)
    }

    /// Each power of ten, and twice and five times as much of it.
    fn lines(&self) -> impl Iterator<Item = f64> {
        let (low, high) = (self.low, self.high);
        let decades =
            std::iter::successors(Some(low), |log| Some(log + 1.0)).take_while(move |log| *log <= high);
        let all = decades.flat_map(|log| [1.0, 2.0, 5.0].map(|digit| digit * 10f64.powf(log)));
        all.filter(move |value| value.log10() <= high + 1e-9)
    }
}

/// Both axes are logarithmic, so that what grows in proportion is as steep as the dotted line.
#[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
fn panel(svg: &mut String, left: f64, title: &str, curves: &[Drawn]) {
    let all = || curves.iter().flat_map(|drawn| drawn.line.iter().chain(&drawn.rings));
    if all().next().is_none() {
        return;
    }
    let (x, y) = (Scale::new(all().map(|(n, _)| *n as f64)), Scale::new(all().map(|(_, value)| *value)));
    let at =
        |n: f64, value: f64| (left + MARGIN.0 + SIZE.0 * x.at(n), MARGIN.1 + SIZE.1 * (1.0 - y.at(value)));
    let (bottom, top) = (10f64.powf(y.low), 10f64.powf(y.high));
    let (first, last) = (10f64.powf(x.low), 10f64.powf(x.high));
    text(svg, (left + MARGIN.0, 22.0), "start", "#24292f", title);
    for n in x.lines() {
        let (from, to) = (at(n, bottom), at(n, top));
        line(svg, from, to, "stroke=\"#eaeef2\"");
        text(svg, (from.0, from.1 + 16.0), "middle", "#57606a", &short(n));
    }
    text(svg, (left + MARGIN.0 + SIZE.0 / 2.0, MARGIN.1 + SIZE.1 + 36.0), "middle", "#57606a", "objects");
    for value in y.lines() {
        let (from, to) = (at(first, value), at(last, value));
        line(svg, from, to, "stroke=\"#eaeef2\"");
        text(svg, (from.0 - 6.0, from.1 + 4.0), "end", "#57606a", &short(value));
    }
    // In proportion, from corner to wherever the panel ends.
    let decades = (x.high - x.low).min(y.high - y.low);
    line(
        svg,
        at(first, bottom),
        at(first * 10f64.powf(decades), bottom * 10f64.powf(decades)),
        "stroke=\"#8c959f\" stroke-dasharray=\"2 4\"",
    );
    for (n, Drawn { curve: (what, unit, colour), line, rings }) in curves.iter().enumerate() {
        let place = |(n, value): (&u64, &f64)| at(*n as f64, *value);
        let path: Vec<_> = line.iter().map(place).map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            path.join(" ")
        );
        for (points, fill) in [(line, *colour), (rings, "white")] {
            for (x, y) in points.iter().map(place) {
                let _ = writeln!(
                    svg,
                    "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{fill}\" stroke=\"{colour}\"/>"
                );
            }
        }
        let legend = (left + MARGIN.0 + 12.0, MARGIN.1 + 18.0 + 16.0 * n as f64);
        text(svg, legend, "start", colour, &format!("{what}, {unit}"));
    }
}

/// A round number: 0.5, 200, 20k.
fn short(value: f64) -> String {
    let (value, unit) = if value >= 999.5 { (value / 1000.0, "k") } else { (value, "") };
    format!("{}{unit}", (value * 1e3).round() / 1e3)
}

fn line(svg: &mut String, from: (f64, f64), to: (f64, f64), style: &str) {
    let ((x1, y1), (x2, y2)) = (from, to);
    let _ = writeln!(svg, "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" {style}/>");
}

fn text(svg: &mut String, (x, y): (f64, f64), anchor: &str, colour: &str, content: &str) {
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"{colour}\">{content}</text>"
    );
}
