//! The lists below a drawing: what its letters, numbers and colours mean.

use super::{
    MARGIN, RenderTarget, WIDTH,
    canvas::{Canvas, Type, width, wrapped},
    colors::{self, DOOR, MUTED, ON_DOOR, TEXT},
    sentences::{Clock, talk_length},
};
use wholecall_record::{Time, call::Call};

use crate::lanes::{Activity, Lanes};

const LINE_HEIGHT: f64 = 21.0;
/// Maximum number of conversations or moves that are listed; the others are counted, and the record has them
/// all.
const MAX_LISTED: usize = 60;

/// The letter of the move with an index: a, b, …, z, a1, …
pub(super) fn letter(index: usize) -> String {
    crate::explanation::letter(index).to_lowercase()
}

/// Draws the lists from `top` on; returns where they end.
pub(super) fn draw(
    canvas: &mut Canvas,
    call: &Call,
    lanes: &Lanes,
    clock: Clock,
    top: f64,
    place: RenderTarget,
) -> f64 {
    let mut list = List { canvas, lanes, clock, y: top + 18.0 };
    list.legend();
    let moves = lanes.doors.iter().enumerate().map(|(index, door)| Item {
        mark: letter(index),
        when: list_time(lanes, clock, door.time),
        text: door.sentence.clone(),
    });
    list.section("What was done", (DOOR, ON_DOOR), moves.collect());
    let talks = lanes.talks.iter().enumerate().map(|(index, talk)| {
        let names: Vec<&str> = talk.lanes.iter().map(|&lane| lanes.lanes[lane].name.as_str()).collect();
        Item {
            mark: (index + 1).to_string(),
            when: format!("{} – {}", list_time(lanes, clock, talk.start), list_time(lanes, clock, talk.end)),
            text: format!("{}  ({})", names.join(", "), talk_length(talk)),
        }
    });
    list.section("Who talked together", colors::of(Activity::Talking), talks.collect());
    if place != RenderTarget::Page {
        list.canvas.text((MARGIN, list.y), Type::new(11.0, MUTED), &format!("call {}", call.id));
        list.y += LINE_HEIGHT;
    }
    list.y - LINE_HEIGHT
}

/// The time since the start, and the time of day.
fn list_time(lanes: &Lanes, clock: Clock, time: Time) -> String {
    let seconds = (time - lanes.start) / 1_000;
    format!("{}:{:02} ({})", seconds / 60, seconds % 60, clock.time(time))
}

struct Item {
    mark: String,
    when: String,
    text: String,
}

struct List<'c> {
    canvas: &'c mut Canvas,
    lanes: &'c Lanes,
    clock: Clock,
    y: f64,
}

impl List<'_> {
    /// Draws the colours that occur in the drawing.
    fn legend(&mut self) {
        let used = |activity: &Activity| {
            let mut stretches = self.lanes.lanes.iter().flat_map(|lane| &lane.stretches);
            stretches.any(|stretch| stretch.activity == *activity)
        };
        let mut x = MARGIN;
        for activity in Activity::ALL.into_iter().filter(used) {
            self.canvas.rect((x, self.y - 10.0), (14.0, 12.0), 3.0, colors::of(activity).0);
            self.canvas.text((x + 20.0, self.y), Type::new(12.0, MUTED), activity.name());
            x += 42.0 + width(activity.name(), 12.0);
        }
        self.y += LINE_HEIGHT + 10.0;
    }

    fn section(&mut self, title: &str, (fill, on): (colors::Ink, colors::Ink), items: Vec<Item>) {
        if items.is_empty() {
            return;
        }
        let title = format!("{title}, at which time since the start ({})", self.clock.name());
        self.canvas.text((MARGIN, self.y), Type::new(12.0, MUTED), &title);
        self.y += LINE_HEIGHT;
        let left = MARGIN + 30.0;
        let text = left + 16.0 + items.iter().map(|item| width(&item.when, 13.0)).fold(0.0, f64::max);
        let beyond = items.len().saturating_sub(MAX_LISTED);
        for item in items.into_iter().take(MAX_LISTED) {
            let room = (width(&item.mark, 11.0) + 8.0).max(18.0);
            self.canvas.rect((MARGIN, self.y - 13.0), (room, 17.0), 8.5, fill);
            let middle = (MARGIN + room / 2.0, self.y);
            self.canvas.text(middle, Type::new(11.0, on).bold().middle(), &item.mark);
            self.canvas.text((left, self.y), Type::new(13.0, MUTED), &item.when);
            for line in wrapped(&item.text, 13.0, WIDTH - MARGIN - text) {
                self.canvas.text((text, self.y), Type::new(13.0, TEXT), &line);
                self.y += LINE_HEIGHT;
            }
        }
        if beyond > 0 {
            let more = format!("… and {beyond} more, which the record has");
            self.canvas.text((left, self.y), Type::new(13.0, MUTED), &more);
            self.y += LINE_HEIGHT;
        }
        self.y += 10.0;
    }
}
