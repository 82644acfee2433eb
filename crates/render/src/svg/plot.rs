//! The diagram: axis, bands, lanes, moves.

use super::{
    MARGIN, WIDTH,
    canvas::{Canvas, Type, cut, escape, width},
    colors::{self, BAND, DOOR, GRID, MUTED, ON_DOOR, PANEL, TEXT},
    sentences::{self, Clock},
};
use wholecall_record::{
    Time,
    call::{Call, names},
};

use crate::{
    humanize,
    lanes::{Activity, Lane, Lanes, Stretch},
};

const LANE_HEIGHT: f64 = 46.0;
const BAR_HEIGHT: f64 = 20.0;
/// Height of a row of numbered conversations.
const ROW_HEIGHT: f64 = 20.0;
/// Diameter of a mark with a letter or number, and the distance between marks.
const MARK_DIAMETER: f64 = 18.0;
const MARK_SPACING: f64 = 21.0;

/// The second line below a name.
fn caption(call: &Call, lane: &Lane) -> String {
    let Some(participant) = call.participant(&lane.participant) else { return String::new() };
    let role = sentences::role(call, participant);
    let number = participant.phone_number.as_deref();
    match number.filter(|number| !names::is_same_number(&lane.name, number)) {
        Some(number) => format!("{} · {role}", names::phone_number(number)),
        None => role,
    }
}

/// The positions of everything in the diagram.
pub(super) struct Plot<'c> {
    call: &'c Call,
    lanes: &'c Lanes,
    clock: Clock,
    top: f64,
    /// Left and right end of the time axis.
    left: f64,
    right: f64,
    /// Row and x position of each conversation's number.
    talks: Vec<(usize, f64)>,
    /// Row and x position of each move's letter.
    doors: Vec<(usize, f64)>,
}

impl<'c> Plot<'c> {
    pub(super) fn new(call: &'c Call, lanes: &'c Lanes, clock: Clock, top: f64) -> Self {
        let labels =
            lanes.lanes.iter().map(|lane| width(&lane.name, 13.0).max(width(&caption(call, lane), 11.0)));
        let left = MARGIN + labels.fold(110.0, f64::max).min(230.0) + 18.0;
        let mut plot = Self {
            call,
            lanes,
            clock,
            top,
            left,
            right: WIDTH - MARGIN - 8.0,
            talks: Vec::new(),
            doors: Vec::new(),
        };
        plot.talks = plot.place_talks();
        plot.doors = plot.place_doors();
        plot
    }

    fn x(&self, time: Time) -> f64 {
        let whole = (self.lanes.end - self.lanes.start).max(1) as f64;
        self.left + (time - self.lanes.start).max(0) as f64 / whole * (self.right - self.left)
    }

    /// Places the number of a conversation at its start, in another row if there is no space.
    fn place_talks(&self) -> Vec<(usize, f64)> {
        let mut rows: Vec<f64> = Vec::new();
        let place = |talk: &crate::lanes::Talk| {
            let x = self.x(talk.start).min(self.right - MARK_DIAMETER);
            let end = self.x(talk.end).max(x + MARK_SPACING);
            let row = rows.iter().position(|taken| *taken <= x).unwrap_or_else(|| {
                rows.push(0.0);
                rows.len() - 1
            });
            rows[row] = end;
            (row, x)
        };
        self.lanes.talks.iter().map(place).collect()
    }

    /// Places the letters of moves above the lanes, apart from each other, in several rows if there are many.
    fn place_doors(&self) -> Vec<(usize, f64)> {
        let count = self.lanes.doors.len();
        let rows = ((count as f64 * MARK_SPACING) / (self.right - self.left)).ceil().max(1.0);
        let step = MARK_SPACING / rows;
        let mut places: Vec<f64> = Vec::with_capacity(count);
        for door in &self.lanes.doors {
            let free = places.last().map_or(self.left, |last| last + step);
            places.push(self.x(door.time).max(free));
        }
        let mut limit = self.right;
        for place in places.iter_mut().rev() {
            *place = place.min(limit);
            limit = *place - step;
        }
        places.into_iter().enumerate().map(|(index, x)| (index % rows as usize, x)).collect()
    }

    fn rows(places: &[(usize, f64)]) -> f64 {
        places.iter().map(|(row, _)| row + 1).max().unwrap_or(0) as f64
    }

    fn talks_top(&self) -> f64 {
        self.top + 44.0
    }

    fn doors_top(&self) -> f64 {
        self.talks_top() + Self::rows(&self.talks) * ROW_HEIGHT + 4.0
    }

    fn lanes_top(&self) -> f64 {
        let doors = Self::rows(&self.doors);
        self.doors_top() + if doors > 0.0 { doors * MARK_SPACING + 10.0 } else { 2.0 }
    }

    /// The y position of the middle of a lane.
    fn y(&self, lane: usize) -> f64 {
        self.lanes_top() + (lane as f64 + 0.5) * LANE_HEIGHT
    }

    pub(super) fn bottom(&self) -> f64 {
        self.lanes_top() + self.lanes.lanes.len() as f64 * LANE_HEIGHT
    }

    pub(super) fn draw(&self, canvas: &mut Canvas) {
        self.panels(canvas);
        self.axis(canvas);
        self.bands(canvas);
        self.joints(canvas);
        for (index, lane) in self.lanes.lanes.iter().enumerate() {
            self.lane(canvas, index, lane);
        }
        self.knots(canvas);
        self.labels(canvas);
        self.doors(canvas);
    }

    fn panels(&self, canvas: &mut Canvas) {
        for lane in (0..self.lanes.lanes.len()).step_by(2) {
            let place = (MARGIN - 8.0, self.y(lane) - LANE_HEIGHT / 2.0);
            canvas.rect(place, (WIDTH - 2.0 * MARGIN + 16.0, LANE_HEIGHT), 6.0, PANEL);
        }
    }

    /// Draws marks of whole seconds, minutes or hours since the start, with the time of day below.
    fn axis(&self, canvas: &mut Canvas) {
        const STEPS_S: [i64; 17] =
            [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 14_400, 28_800, 86_400];
        const MARK_WIDTH: f64 = 76.0;
        let whole_s = (self.lanes.end - self.lanes.start) / 1_000;
        let fits = |step: &i64| (whole_s / step + 1) as f64 * MARK_WIDTH < self.right - self.left;
        let step = STEPS_S.into_iter().find(fits).unwrap_or((whole_s / 8).max(1));
        let faint = Type::new(11.0, MUTED);
        canvas.text((MARGIN, self.top + 12.0), faint, "since the start");
        canvas.text((MARGIN, self.top + 27.0), faint, &self.clock.name());
        for second in (0..=whole_s).step_by(step as usize) {
            let time = self.lanes.start + second * 1_000;
            let x = self.x(time);
            canvas.line(&[(x, self.top + 34.0), (x, self.bottom())], 1.0, GRID);
            let mark = match step {
                ..3_600 => format!("{}:{:02}", second / 60, second % 60),
                _ => format!("{}h{:02}", second / 3_600, second / 60 % 60),
            };
            // The last mark would extend beyond the drawing.
            let centre = x.min(self.right - 18.0).max(self.left + 8.0);
            canvas.text((centre, self.top + 12.0), Type::new(12.0, TEXT).bold().middle(), &mark);
            canvas.text((centre, self.top + 27.0), faint.middle(), &self.clock.time(time));
        }
    }

    /// Draws conversations: the lanes are tinted, and a numbered bar shows the time.
    fn bands(&self, canvas: &mut Canvas) {
        if !self.talks.is_empty() {
            canvas.text((MARGIN, self.talks_top() + 14.0), Type::new(11.0, MUTED), "who talk together");
        }
        let (fill, on) = colors::of(Activity::Talking);
        for (index, (talk, &(row, x))) in self.lanes.talks.iter().zip(&self.talks).enumerate() {
            let (from, to) = (self.x(talk.start), self.x(talk.end).max(self.x(talk.start) + 1.0));
            for &lane in &talk.lanes {
                let place = (from, self.y(lane) - LANE_HEIGHT / 2.0);
                canvas.rect(place, (to - from, LANE_HEIGHT), 0.0, BAND);
            }
            let top = self.talks_top() + row as f64 * ROW_HEIGHT;
            let length = (to - x).max(MARK_DIAMETER);
            canvas.add(format_args!("<g><title>{}</title>", escape(&self.describe_talk(talk))));
            canvas.rect((x, top), (length, MARK_DIAMETER - 2.0), 4.0, fill);
            let middle = (x + length / 2.0, top + 12.0);
            canvas.text(middle, Type::new(11.0, on).bold().middle(), &(index + 1).to_string());
            canvas.add(format_args!("</g>"));
        }
    }

    fn describe_talk(&self, talk: &crate::lanes::Talk) -> String {
        let names: Vec<&str> = talk.lanes.iter().map(|&lane| self.lanes.lanes[lane].name.as_str()).collect();
        let (from, to) = (self.clock.time(talk.start), self.clock.time(talk.end));
        format!("{from} to {to}: {} hear each other for {}", names.join(", "), sentences::talk_length(talk))
    }

    /// Draws a line across the lanes at the start of each conversation, and a line from each move's letter to
    /// its lanes. Labels of lanes are drawn over them.
    fn joints(&self, canvas: &mut Canvas) {
        let (fill, _) = colors::of(Activity::Talking);
        for talk in &self.lanes.talks {
            let (Some(&first), Some(&last)) = (talk.lanes.first(), talk.lanes.last()) else { continue };
            let x = self.x(talk.start);
            canvas.line(&[(x, self.y(first)), (x, self.y(last))], 2.0, fill);
        }
        for (door, &(row, place)) in self.lanes.doors.iter().zip(&self.doors) {
            let (x, top) = (self.x(door.time), self.lanes_top());
            let mark = (place, self.mark_y(row));
            let end =
                [door.by, door.target].into_iter().flatten().min().map_or(self.bottom(), |lane| self.y(lane));
            canvas.line(&[mark, (place, top - 9.0), (x, top), (x, end)], 1.2, DOOR);
        }
    }

    fn knots(&self, canvas: &mut Canvas) {
        let (fill, _) = colors::of(Activity::Talking);
        for talk in &self.lanes.talks {
            for &lane in &talk.lanes {
                canvas.circle((self.x(talk.start), self.y(lane)), 4.0, fill);
            }
        }
    }

    /// Draws the labels of stretches; pointer events go to the stretches below them.
    fn labels(&self, canvas: &mut Canvas) {
        canvas.add(format_args!("<g pointer-events=\"none\">"));
        for (index, lane) in self.lanes.lanes.iter().enumerate() {
            lane.stretches.iter().for_each(|stretch| self.label(canvas, self.y(index), stretch));
        }
        canvas.add(format_args!("</g>"));
    }

    fn label(&self, canvas: &mut Canvas, y: f64, stretch: &Stretch) {
        let name = stretch.activity.name();
        let from = self.x(stretch.start);
        let length = self.x(stretch.end) - from;
        let timed = format!("{name} {}", humanize::short_duration(stretch.end - stretch.start));
        let fits = |text: &str| width(text, 11.0) + 12.0 <= length;
        if let Some(text) = [timed.as_str(), name].into_iter().find(|text| fits(text)) {
            let place = (from + length / 2.0, y + 4.0);
            canvas.text(place, Type::new(11.0, colors::of(stretch.activity).1).middle(), text);
        }
    }

    /// The y position of a move's letter.
    fn mark_y(&self, row: usize) -> f64 {
        self.doors_top() + row as f64 * MARK_SPACING + MARK_DIAMETER / 2.0
    }

    fn lane(&self, canvas: &mut Canvas, index: usize, lane: &Lane) {
        let y = self.y(index);
        let room = self.left - MARGIN - 14.0;
        canvas.text((MARGIN, y - 2.0), Type::new(13.0, TEXT).bold(), &cut(&lane.name, 13.0, room));
        canvas.text((MARGIN, y + 14.0), Type::new(11.0, MUTED), &cut(&caption(self.call, lane), 11.0, room));
        for stretch in &lane.stretches {
            self.stretch(canvas, y, lane, stretch);
        }
    }

    fn stretch(&self, canvas: &mut Canvas, y: f64, lane: &Lane, stretch: &Stretch) {
        let (from, to) = (self.x(stretch.start), self.x(stretch.end));
        // A short stretch is at least two units wide.
        let length = (to - from).max(2.0);
        let height = match stretch.activity {
            Activity::Waiting | Activity::Routing => BAR_HEIGHT * 0.7,
            _ => BAR_HEIGHT,
        };
        let (fill, _) = colors::of(stretch.activity);
        let name = stretch.activity.name();
        let hint = format!(
            "{}: {name} from {} to {} ({})",
            lane.name,
            self.clock.time(stretch.start),
            self.clock.time(stretch.end),
            humanize::duration(stretch.end - stretch.start)
        );
        canvas.add(format_args!("<g class=\"wc-hint\" tabindex=\"0\"><title>{}</title>", escape(&hint)));
        canvas.rect((from, y - height / 2.0), (length, height), 3.0, fill);
        canvas.add(format_args!("</g>"));
    }

    /// Draws moves: a letter above, a line through the lanes, an arrow from who made the move to who has the
    /// call then.
    fn doors(&self, canvas: &mut Canvas) {
        if !self.doors.is_empty() {
            canvas.text((MARGIN, self.doors_top() + 14.0), Type::new(11.0, MUTED), "moves");
        }
        for (index, (door, &(row, place))) in self.lanes.doors.iter().zip(&self.doors).enumerate() {
            let x = self.x(door.time);
            let mark = (place, self.mark_y(row));
            let evidence = self.call.moves.get(index).map_or_else(String::new, |step| {
                let proofs = step.evidence.iter();
                let proofs = proofs.map(|proof| format!("{} {}", proof.telephony_session_id, proof.place()));
                format!(", proved by {}", proofs.collect::<Vec<_>>().join(", "))
            });
            let hint = format!("{} {}{evidence}", self.clock.time(door.time), door.sentence);
            canvas.add(format_args!("<g class=\"wc-hint\" tabindex=\"0\"><title>{}</title>", escape(&hint)));
            if let (Some(by), Some(target)) = (door.by, door.target)
                && by != target
            {
                canvas.line(&[(x, self.y(by)), (x, self.y(target))], 2.4, DOOR);
                let tip = self.y(target);
                let back = if target > by { tip - 11.0 } else { tip + 11.0 };
                canvas.polygon(&[(x, tip), (x - 6.0, back), (x + 6.0, back)], DOOR);
            }
            if let Some(by) = door.by.or(door.target) {
                canvas.circle((x, self.y(by)), 5.0, DOOR);
            }
            canvas.circle(mark, MARK_DIAMETER / 2.0, DOOR);
            let letter = super::lists::letter(index);
            canvas.text((mark.0, mark.1 + 4.0), Type::new(11.0, ON_DOOR).bold().middle(), &letter);
            canvas.add(format_args!("</g>"));
        }
    }
}
