//! Charts as SVG: bars or lines over time, with the values of each period as a tooltip.

use std::fmt::Write;

/// Size of the picture and position of the plot in it, in pixels.
const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 190.0;
const LEFT: f64 = 46.0;
const RIGHT: f64 = WIDTH - 8.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = HEIGHT - 26.0;

/// A chart over periods of equal length.
pub(super) struct Chart<'a> {
    pub(super) title: &'a str,
    /// The start of each period in milliseconds, and its label.
    pub(super) periods: &'a [(i64, String)],
    pub(super) period_ms: i64,
    pub(super) series: Vec<Series>,
    pub(super) shape: Shape,
    pub(super) unit: Unit,
}

pub(super) struct Series {
    pub(super) name: &'static str,
    /// One value for each period; `None` if there is none.
    pub(super) values: Vec<Option<f64>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// The bars of all series are stacked.
    Bars,
    Lines,
}

/// The unit of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Count,
    Percent,
    Seconds,
}

impl Unit {
    fn write(self, value: f64) -> String {
        match self {
            Self::Count => format!("{value:.0}"),
            Self::Percent => format!("{value:.0} %"),
            Self::Seconds if value < 60.0 => format!("{value:.0} s"),
            Self::Seconds if value < 5_400.0 => format!("{:.0} min", value / 60.0),
            Self::Seconds => format!("{} h", (value / 360.0).round() / 10.0),
        }
    }

    /// The top of the axis: a round value not below the highest value.
    fn top(self, highest: f64) -> f64 {
        if self == Self::Percent {
            return 100.0;
        }
        if self == Self::Seconds {
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
        let height = |index| match self.shape {
            Shape::Bars => values(index).sum::<f64>(),
            Shape::Lines => values(index).fold(0.0, f64::max),
        };
        (0..self.periods.len()).map(height).fold(0.0, f64::max)
    }

    /// The centre and the width of a period.
    fn x_and_width(&self, index: usize) -> (f64, f64) {
        let first = self.periods.first().map_or(0, |(time, _)| *time);
        let last = self.periods.last().map_or(0, |(time, _)| *time);
        let count = ((last - first) / self.period_ms.max(1) + 1) as f64;
        let width = (RIGHT - LEFT) / count.max(7.0);
        let position = (self.periods[index].0 - first) as f64 / self.period_ms.max(1) as f64;
        (LEFT + (position + 0.5) * width, width)
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
        // Labels that would overlap the previous one are left out.
        let (mut free_from, label_width) = (LEFT - 20.0, 74.0);
        for (index, (_, label)) in self.periods.iter().enumerate() {
            let x = self.x_and_width(index).0;
            if x >= free_from && x <= RIGHT - 10.0 {
                let _ = write!(
                    svg,
                    "<text class=\"axis middle\" x=\"{x:.1}\" y=\"{:.1}\">{label}</text>",
                    HEIGHT - 8.0
                );
                free_from = x + label_width;
            }
        }
    }

    fn bars(&self, svg: &mut String, top: f64) {
        for index in 0..self.periods.len() {
            let (x, width) = self.x_and_width(index);
            let bar = (width * 0.72).clamp(1.0, 34.0);
            let mut below = 0.0;
            for (number, series) in self.series.iter().enumerate() {
                let Some(value) = series.values[index].filter(|value| *value > 0.0) else { continue };
                let (from, to) = (Self::y(below, top), Self::y(below + value, top));
                let _ = write!(
                    svg,
                    "<rect class=\"fill-{number}\" x=\"{:.1}\" y=\"{to:.1}\" width=\"{bar:.1}\" height=\"{:.1}\"/>",
                    x - bar / 2.0,
                    from - to
                );
                below += value;
            }
        }
    }

    fn lines(&self, svg: &mut String, top: f64) {
        /// Maximum number of points that are marked with a dot.
        const MAX_DOTS: usize = 60;
        for (number, series) in self.series.iter().enumerate() {
            let known =
                series.values.iter().enumerate().filter_map(|(index, value)| Some((index, (*value)?)));
            let points: Vec<(f64, f64)> =
                known.map(|(index, value)| (self.x_and_width(index).0, Self::y(value, top))).collect();
            let line: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
            let _ = write!(svg, "<polyline class=\"line-{number}\" points=\"{}\"/>", line.join(" "));
            for (x, y) in points.iter().filter(|_| points.len() <= MAX_DOTS) {
                let _ =
                    write!(svg, "<circle class=\"fill-{number}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.6\"/>");
            }
        }
    }

    /// The tooltip of each period.
    fn hints(&self, svg: &mut String) {
        for (index, (_, label)) in self.periods.iter().enumerate() {
            let (x, width) = self.x_and_width(index);
            let values = self.series.iter().filter_map(|series| {
                Some(format!("{} {}", series.name, self.unit.write(series.values[index]?)))
            });
            let _ = write!(
                svg,
                "<rect class=\"hint\" x=\"{:.1}\" y=\"{TOP}\" width=\"{width:.1}\" height=\"{:.1}\"><title>{label}: {}</title></rect>",
                x - width / 2.0,
                BOTTOM - TOP,
                values.collect::<Vec<_>>().join(", ")
            );
        }
    }
}
