//! Charts as plain SVG, written by hand: bars in groups, one scale. No script, nothing fetched.

use std::fmt::Write;

/// One group of bars: its title, and its bars from top to bottom.
pub(super) struct BarGroup {
    pub title: String,
    pub bars: Vec<Bar>,
}

/// One bar.
pub(super) struct Bar {
    /// The label before it.
    pub name: String,
    pub value: f64,
    /// The range of its values.
    pub range: Option<(f64, f64)>,
    /// The label behind it.
    pub label: String,
    /// One of six.
    pub colour: usize,
}

/// How lengths are drawn.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    /// From 0.
    Linear,
    /// Powers of ten, for latencies. Bars begin at the power below the smallest value.
    Logarithmic,
}

const COLOURS: [&str; 6] = ["steelblue", "darkorange", "seagreen", "mediumpurple", "indianred", "slategray"];

const WIDTH: f64 = 960.0;
const NAMES: f64 = 170.0;
const LABELS: f64 = 150.0;
const ROW: f64 = 18.0;
const GROUP_GAP: f64 = 12.0;
const TITLE: f64 = 20.0;
const AXIS: f64 = 24.0;

/// The chart. Empty if there is nothing to draw.
pub(super) fn svg(groups: &[BarGroup], unit: &str, scale: Scale) -> String {
    let bars = || groups.iter().flat_map(|group| &group.bars);
    let ends = bars().map(|bar| bar.range.map_or(bar.value, |(_, most)| most.max(bar.value)));
    let most = ends.fold(0.0, f64::max);
    let least = bars().map(|bar| bar.value).filter(|&value| value > 0.0).fold(f64::INFINITY, f64::min);
    if most <= 0.0 || !least.is_finite() {
        return String::new();
    }
    let axis = Axis::new(scale, least, most);
    let height = groups.iter().map(|group| TITLE + group.bars.len() as f64 * ROW + GROUP_GAP).sum::<f64>();
    let mut out = format!(
        "<svg viewBox=\"0 0 {WIDTH} {:.0}\" role=\"img\" xmlns=\"http://www.w3.org/2000/svg\">\n",
        height + AXIS
    );
    for (value, text) in axis.ticks() {
        let x = axis.x(value);
        put(
            &mut out,
            format_args!("<line class=\"grid\" x1=\"{x:.1}\" y1=\"0\" x2=\"{x:.1}\" y2=\"{height:.1}\"/>"),
        );
        put(
            &mut out,
            format_args!("<text class=\"tick\" x=\"{x:.1}\" y=\"{:.1}\">{text}</text>", height + 14.0),
        );
    }
    put(
        &mut out,
        format_args!(
            "<text class=\"unit\" x=\"{WIDTH}\" y=\"{:.1}\">{}</text>",
            height + 14.0,
            escaped(unit)
        ),
    );
    let mut y = 0.0;
    for group in groups {
        put(
            &mut out,
            format_args!(
                "<text class=\"group\" x=\"0\" y=\"{:.1}\">{}</text>",
                y + 14.0,
                escaped(&group.title)
            ),
        );
        y += TITLE;
        for bar in &group.bars {
            draw(&mut out, bar, &axis, y);
            y += ROW;
        }
        y += GROUP_GAP;
    }
    out + "</svg>\n"
}

fn draw(out: &mut String, bar: &Bar, axis: &Axis, y: f64) {
    let middle = y + ROW / 2.0;
    put(
        out,
        format_args!(
            "<text class=\"name\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            NAMES - 8.0,
            middle + 4.0,
            escaped(&bar.name)
        ),
    );
    let (mut end, colour) = (axis.x(bar.value), COLOURS[bar.colour % COLOURS.len()]);
    put(
        out,
        format_args!(
            "<rect x=\"{NAMES:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{colour}\"/>",
            y + 2.0,
            (end - NAMES).max(0.5),
            ROW - 4.0
        ),
    );
    if let Some((least, most)) = bar.range.filter(|(least, most)| least < most && *least > 0.0) {
        let (from, to) = (axis.x(least), axis.x(most));
        put(
            out,
            format_args!(
                "<line class=\"range\" x1=\"{from:.1}\" y1=\"{middle:.1}\" x2=\"{to:.1}\" y2=\"{middle:.1}\"/>"
            ),
        );
        end = end.max(to);
    }
    put(
        out,
        format_args!(
            "<text class=\"label\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            end + 6.0,
            middle + 4.0,
            escaped(&bar.label)
        ),
    );
}

struct Axis {
    scale: Scale,
    from: f64,
    to: f64,
}

impl Axis {
    fn new(scale: Scale, least: f64, most: f64) -> Self {
        match scale {
            Scale::Linear => Axis { scale, from: 0.0, to: most },
            Scale::Logarithmic => {
                let from = 10f64.powf(least.log10().floor());
                Axis { scale, from, to: most.max(from * 10.0) }
            }
        }
    }

    fn x(&self, value: f64) -> f64 {
        let share = match self.scale {
            Scale::Linear => value / self.to,
            Scale::Logarithmic => (value.max(self.from) / self.from).log10() / (self.to / self.from).log10(),
        };
        NAMES + share.clamp(0.0, 1.0) * (WIDTH - NAMES - LABELS)
    }

    fn ticks(&self) -> Vec<(f64, String)> {
        let mut ticks = Vec::new();
        let step = match self.scale {
            Scale::Linear => round_step(self.to / 5.0),
            Scale::Logarithmic => 10.0,
        };
        let mut value = self.from;
        while value <= self.to * 1.0001 && step > 0.0 && ticks.len() < 20 {
            ticks.push((value, short(value)));
            value = if self.scale == Scale::Linear { value + step } else { value * step };
        }
        ticks
    }
}

/// The next number of the form 1, 2 or 5 times a power of ten.
fn round_step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|digit| digit * power)
        .find(|step| *step >= least)
        .unwrap_or(power * 10.0)
}

/// A number in few characters.
pub(super) fn short(value: f64) -> String {
    let (value, unit) = match value {
        value if value >= 1e6 => (value / 1e6, " M"),
        value if value >= 1e4 => (value / 1e3, " k"),
        value => (value, ""),
    };
    let decimals = match value {
        value if value >= 100.0 || value == value.trunc() => 0,
        value if value >= 10.0 => 1,
        value if value >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.decimals$}{unit}")
}

/// Text that is safe between tags.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn put(out: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing into a string has no way to fail.
    let _ = writeln!(out, "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_steps_round() {
        for (value, shown) in
            [(0.0, "0"), (0.1234, "0.123"), (54.26, "54.3"), (1234.5, "1234"), (1.5e6, "1.50 M")]
        {
            assert_eq!(short(value), shown);
        }
        for (least, step) in [(0.3, 0.5), (1.0, 1.0), (21.0, 50.0), (700.0, 1000.0)] {
            assert!((round_step(least) - step).abs() < 1e-9, "{least}");
        }
    }

    #[test]
    fn bars_stay_within_the_picture_and_text_is_escaped() {
        let bar = |value| Bar { name: "a<b".to_owned(), value, range: None, label: String::new(), colour: 7 };
        let groups = [BarGroup { title: "t".to_owned(), bars: vec![bar(3.0), bar(4000.0)] }];
        for scale in [Scale::Linear, Scale::Logarithmic] {
            let picture = svg(&groups, "µs", scale);
            assert!(picture.contains("a&lt;b") && !picture.contains("a<b"));
            assert_eq!(picture.matches("<rect").count(), 2);
        }
        let axis = Axis::new(Scale::Logarithmic, 3.0, 4000.0);
        assert!((axis.x(1.0) - NAMES).abs() < 0.1 && (axis.x(4000.0) - (WIDTH - LABELS)).abs() < 0.1);
        assert_eq!(svg(&[], "µs", Scale::Linear), "");
    }
}
