//! One call drawn as SVG: a lane for each participant over a time axis, what they did in colours, who talks with whom
//! as bands that join lanes, moves as marked crossings. Whatever the picture shows, it also says in words.

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
use crate::{call::Call, lanes::Lanes};

/// How a call is drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Drawing {
    /// The clock by which times of day are told.
    pub clock: Clock,
    /// Where it will be seen.
    pub place: Place,
}

/// Where a drawing will be seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Place {
    /// In a file of its own: as light or as dark as the reader's screen.
    #[default]
    Alone,
    /// In a picture of dots: light, without a style sheet, for programs that cannot read one.
    Picture,
    /// In a page, which has [`style_sheet`] among its own and tells of the call around it.
    Page,
}

/// A drawing has at most so many lanes: what it takes grows with their square, and nobody could read more.
pub const MOST_LANES: usize = 1_000;

/// How wide a drawing is.
const WIDTH: f64 = 1080.0;
/// Around it.
const MARGIN: f64 = 24.0;

impl Drawing {
    /// The call as an SVG element.
    pub fn svg(self, call: &Call) -> String {
        let lanes = Lanes::of(call);
        let mut canvas = Canvas::default();
        let mut top = MARGIN;
        if self.place != Place::Page {
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
        let told = format!("{} {}", sentences::answer(call, self.clock), sentences::ending(call, self.clock));
        for line in wrapped(&told, 14.0, room) {
            canvas.text((MARGIN, y), Type::new(14.0, TEXT), &line);
            y += 20.0;
        }
        y
    }

    /// The element around what was drawn, with its words for who cannot see it.
    fn frame(self, call: &Call, lanes: &Lanes, bottom: f64, drawn: &str) -> String {
        let height = (bottom + MARGIN).ceil();
        let title = escape(&sentences::title(call));
        let description = escape(&sentences::description(call, lanes, self.clock));
        let mut paper = Canvas::default();
        if self.place != Place::Page {
            paper.rect((0.0, 0.0), (WIDTH, height), 0.0, PAPER);
        }
        let style = match self.place {
            Place::Alone => format!("<style>{}</style>", style_sheet()),
            Place::Picture | Place::Page => String::new(),
        };
        let role = if self.place == Place::Page { "group" } else { "img" };
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"wc\" viewBox=\"0 0 {WIDTH} {height}\" \
             width=\"{WIDTH}\" height=\"{height}\" role=\"{role}\" aria-labelledby=\"wc-title wc-desc\" \
             font-family=\"Inter,system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif\">\
             <title id=\"wc-title\">{title}</title><desc id=\"wc-desc\">{description}</desc>{style}{}{drawn}</svg>",
            paper.svg
        )
    }
}
