//! Draws a call as SVG: a lane for each participant over a time axis, coloured by activity, conversations as
//! bands that join lanes, moves as marked crossings. The drawing also contains everything in words.

mod canvas;
mod colors;
mod lists;
mod plot;
mod sentences;

use self::{
    canvas::{Canvas, Type, escape, wrapped},
    colors::{MUTED, PAPER, TEXT},
    plot::Plot,
};
pub use self::{colors::style_sheet, sentences::Clock};
use wholecall_record::call::Call;

use crate::lanes::Lanes;

/// Options of a drawing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Drawing {
    /// The clock for times of day.
    pub clock: Clock,
    /// Where it will be displayed.
    pub place: RenderTarget,
}

/// Where a drawing will be displayed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RenderTarget {
    /// In a file of its own: light or dark, as the reader's screen.
    #[default]
    Alone,
    /// In a bitmap: light, without a style sheet, for programs that do not support one.
    Picture,
    /// In a page that includes [`style_sheet`] and describes the call around the drawing.
    Page,
}

/// Maximum number of lanes of a drawing: its size grows with their square, and more would be unreadable.
pub const MAX_LANES: usize = 1_000;

/// Width of a drawing.
const WIDTH: f64 = 1080.0;
/// Margin around a drawing.
const MARGIN: f64 = 24.0;

impl Drawing {
    /// The call as an SVG element.
    pub fn svg(self, call: &Call) -> String {
        let lanes = Lanes::of(call);
        let mut canvas = Canvas::default();
        let mut top = MARGIN;
        if self.place != RenderTarget::Page {
            top = self.header(&mut canvas, call, top);
        }
        let plot = Plot::new(call, &lanes, self.clock, top);
        plot.draw(&mut canvas);
        let bottom = lists::draw(&mut canvas, call, &lanes, self.clock, plot.bottom() + 8.0, self.place);
        self.frame(call, &lanes, bottom, &canvas.svg)
    }

    fn header(self, canvas: &mut Canvas, call: &Call, top: f64) -> f64 {
        let mut y = top + 14.0;
        let room = WIDTH - 2.0 * MARGIN;
        for line in wrapped(&sentences::title(call), 19.0, room) {
            canvas.text((MARGIN, y), Type::new(19.0, TEXT).bold(), &line);
            y += 24.0;
        }
        canvas.text((MARGIN, y), Type::new(13.0, MUTED), &sentences::facts(call, self.clock));
        y += 22.0;
        let summary =
            format!("{} {}", sentences::answer(call, self.clock), sentences::ending(call, self.clock));
        for line in wrapped(&summary, 14.0, room) {
            canvas.text((MARGIN, y), Type::new(14.0, TEXT), &line);
            y += 20.0;
        }
        y
    }

    /// The SVG element around the content, with a description for those who cannot see it.
    fn frame(self, call: &Call, lanes: &Lanes, bottom: f64, content: &str) -> String {
        let height = (bottom + MARGIN).ceil();
        let title = escape(&sentences::title(call));
        let description = escape(&sentences::description(call, lanes, self.clock));
        let mut paper = Canvas::default();
        if self.place != RenderTarget::Page {
            paper.rect((0.0, 0.0), (WIDTH, height), 0.0, PAPER);
        }
        let style = match self.place {
            RenderTarget::Alone => format!("<style>{}</style>", style_sheet()),
            RenderTarget::Picture | RenderTarget::Page => String::new(),
        };
        let role = if self.place == RenderTarget::Page { "group" } else { "img" };
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"wc\" viewBox=\"0 0 {WIDTH} {height}\" \
             width=\"{WIDTH}\" height=\"{height}\" role=\"{role}\" aria-labelledby=\"wc-title wc-desc\" \
             font-family=\"Inter,system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif\">\
             <title id=\"wc-title\">{title}</title><desc id=\"wc-desc\">{description}</desc>{style}{}{content}</svg>",
            paper.svg
        )
    }
}
