//! Charts, drawn as SVG: bars or lines over time, with their figures as words on each stretch.

use std::fmt::Write;

/// How wide and high the picture is, and where in it the figures are.
const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 190.0;
const LEFT: f64 = 46.0;
const RIGHT: f64 = WIDTH - 8.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = HEIGHT - 26.0;

/// What is drawn over some stretches of time.
pub(super) struct Chart<'a> {
    /// What it shows, in words.
    pub(super) title: &'a str,
    /// When each stretch begins, in milliseconds, and what people call it.
    pub(super) times: &'a [(i64, String)],
    /// How long a stretch is.
    pub(super) stretch_ms: i64,
    /// By name; as many values as stretches. None where there is nothing to tell.
    pub(super) series: Vec<Series>,
    pub(super) shape: Shape,
    pub(super) unit: Unit,
}

pub(super) struct Series {
    pub(super) name: &'static str,
    pub(super) values: Vec<Option<f64>>,
}

/// Bars stand on each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Bars,
    Lines,
}

/// How values are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Count,
    Percent,
    /// Of seconds.
    Time,
}

impl Unit {
    fn write(self, value: f64) -> String {
        match self {
            Self::Count => format!("{value:.0}"),
            Self::Percent => format!("{value:.0} %"),
            Self::Time if value < 60.0 => format!("{value:.0} s"),
            Self::Time if value < 5_400.0 => format!("{:.0} min", value / 60.0),
            Self::Time => format!("{} h", (value / 360.0).round() / 10.0),
        }
    }

    /// A round value that is at least so high.
    fn top(self, highest: f64) -> f64 {
        if self == Self::Percent {
            return 100.0;
        }
        if self == Self::Time {
            const TOPS: [f64; 12] =
                [10.0, 20.0, 40.0, 60.0, 120.0, 240.0, 600.0, 1_200.0, 3_600.0, 7_200.0, 14_400.0, 28_800.0];
            let hours = (highest / 36_000.0).ceil() * 36_000.0;
            return TOPS.into_iter().find(|top| *top >= highest).unwrap_or(hours);
        }
        let least = highest.max(4.0);
        let power = 10_f64.powf(least.log10().floor());
        let steps = [1.0, 2.0, 4.0, 6.0, 8.0, 10.0].into_iter().map(|step| step * power);
        steps.into_iter().find(|top| *top >= least).unwrap_or(least)
    }
}

impl Chart<'_> {
    pub(super) fn svg(&self) -> String {
        let mut svg = format!(
            "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
            self.title
        );
        let top = self.unit.top(self.highest());
        self.grid(&mut svg, top);
        match self.shape {
            Shape::Bars => self.bars(&mut svg, top),
            Shape::Lines => self.lines(&mut svg, top),
        }
        self.hints(&mut svg);
        svg + "</svg>"
    }

    fn highest(&self) -> f64 {
        let values = |index: usize| self.series.iter().filter_map(move |series| series.values[index]);
        let together = |index| match self.shape {
            Shape::Bars => values(index).sum::<f64>(),
            Shape::Lines => values(index).fold(0.0, f64::max),
        };
        (0..self.times.len()).map(together).fold(0.0, f64::max)
    }

    /// The middle of a stretch, and how wide it is.
    fn place(&self, index: usize) -> (f64, f64) {
        let first = self.times.first().map_or(0, |(time, _)| *time);
        let last = self.times.last().map_or(0, |(time, _)| *time);
        let stretches = ((last - first) / self.stretch_ms.max(1) + 1) as f64;
        let width = (RIGHT - LEFT) / stretches.max(7.0);
        let place = (self.times[index].0 - first) as f64 / self.stretch_ms.max(1) as f64;
        (LEFT + (place + 0.5) * width, width)
    }

    fn y(value: f64, top: f64) -> f64 {
        BOTTOM - value / top * (BOTTOM - TOP)
    }

    fn grid(&self, svg: &mut String, top: f64) {
        for part in [0.0, 0.5, 1.0] {
            let y = Self::y(part * top, top);
            let label = self.unit.write(part * top);
            let _ = write!(
                svg,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <text class=\"axis end\" x=\"{:.1}\" y=\"{:.1}\">{label}</text>",
                LEFT - 6.0,
                y + 4.0
            );
        }
        // As many names as fit beside each other.
        let (mut free, room) = (LEFT - 20.0, 74.0);
        for (index, (_, name)) in self.times.iter().enumerate() {
            let x = self.place(index).0;
            if x >= free && x <= RIGHT - 10.0 {
                let _ = write!(
                    svg,
                    "<text class=\"axis middle\" x=\"{x:.1}\" y=\"{:.1}\">{name}</text>",
                    HEIGHT - 8.0
                );
                free = x + room;
            }
        }
    }

    fn bars(&self, svg: &mut String, top: f64) {
        for index in 0..self.times.len() {
            let (x, width) = self.place(index);
            let bar = (width * 0.72).clamp(1.0, 34.0);
            let mut below = 0.0;
            for (place, series) in self.series.iter().enumerate() {
                let Some(value) = series.values[index].filter(|value| *value > 0.0) else { continue };
                let (from, to) = (Self::y(below, top), Self::y(below + value, top));
                let _ = write!(
                    svg,
                    "<rect class=\"fill-{place}\" x=\"{:.1}\" y=\"{to:.1}\" width=\"{bar:.1}\" height=\"{:.1}\"/>",
                    x - bar / 2.0,
                    from - to
                );
                below += value;
            }
        }
    }

    fn lines(&self, svg: &mut String, top: f64) {
        for (place, series) in self.series.iter().enumerate() {
            let known =
                series.values.iter().enumerate().filter_map(|(index, value)| Some((index, (*value)?)));
            let points: Vec<(f64, f64)> =
                known.map(|(index, value)| (self.place(index).0, Self::y(value, top))).collect();
            let line: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
            let _ = write!(svg, "<polyline class=\"line-{place}\" points=\"{}\"/>", line.join(" "));
            for (x, y) in points.iter().filter(|_| points.len() <= 60) {
                let _ = write!(svg, "<circle class=\"fill-{place}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.6\"/>");
            }
        }
    }

    /// What the pointer is told over a stretch.
    fn hints(&self, svg: &mut String) {
        for (index, (_, name)) in self.times.iter().enumerate() {
            let (x, width) = self.place(index);
            let values = self.series.iter().filter_map(|series| {
                Some(format!("{} {}", series.name, self.unit.write(series.values[index]?)))
            });
            let _ = write!(
                svg,
                "<rect class=\"hint\" x=\"{:.1}\" y=\"{TOP}\" width=\"{width:.1}\" height=\"{:.1}\"><title>{name}: {}</title></rect>",
                x - width / 2.0,
                BOTTOM - TOP,
                values.collect::<Vec<_>>().join(", ")
            );
        }
    }
}
