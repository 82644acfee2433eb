//! Who hears whom: lines plugged into mixers, and cords between mixers.
//!
//! This is the ground truth of a play. It has no notion of notifications, legs, links or reasons: a person's
//! line is plugged into a mixer or not, it is open or closed (a person who holds has closed it), and a cord
//! carries sound between two mixers. All people whose open lines reach the same mixers hear each other.

use crate::{id::ParticipantRef, time::Timestamp};

/// A mixer: the sound of one session.
pub(crate) type Mixer = usize;

/// A line: the sound of one device of one person.
pub(crate) type Line = usize;

/// A stretch of time in which the same people hear each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Talk {
    pub(crate) start: Timestamp,
    pub(crate) end: Timestamp,
    /// In order of their ids.
    pub(crate) people: Vec<ParticipantRef>,
    /// A mixer that carried it.
    pub(crate) mixer: Mixer,
    /// The mixers that carried it, each with the time since when it did.
    pub(crate) mixers: Vec<(Mixer, Timestamp)>,
    /// The people, in the order in which they joined.
    pub(crate) by_arrival: Vec<ParticipantRef>,
}

/// A person who joined a mixer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arrival {
    line: Line,
    pub(crate) who: ParticipantRef,
    pub(crate) mixer: Mixer,
}

#[derive(Debug, Clone, Copy)]
struct Plug {
    line: Line,
    who: ParticipantRef,
    mixer: Mixer,
    open: bool,
    /// The index of its [`Arrival`].
    arrival: usize,
}

/// A group of people who hear each other now.
#[derive(Debug)]
struct AudibleGroup {
    /// In order of their ids.
    people: Vec<ParticipantRef>,
    /// The people, in the order in which they joined.
    by_arrival: Vec<ParticipantRef>,
    /// The mixers that carry it; never empty.
    reached: Vec<Mixer>,
}

/// The sound of all mixers of a play.
#[derive(Debug, Default)]
pub(crate) struct Audio {
    mixers: usize,
    plugs: Vec<Plug>,
    cords: Vec<(Mixer, Mixer)>,
    /// The conversations that are in progress.
    current: Vec<Talk>,
    talks: Vec<Talk>,
    /// Who joined which mixer, in order.
    arrivals: Vec<Arrival>,
    changed: bool,
}

impl Audio {
    /// Adds a mixer.
    pub(crate) fn mixer(&mut self) -> Mixer {
        self.mixers += 1;
        self.mixers - 1
    }

    /// Plugs a line in, open.
    pub(crate) fn plug(&mut self, line: Line, who: ParticipantRef, mixer: Mixer) {
        self.unplug(line);
        let arrival = self.arrivals.len();
        self.arrivals.push(Arrival { line, who, mixer });
        self.plugs.push(Plug { line, who, mixer, open: true, arrival });
        self.changed = true;
    }

    /// Unplugs a line.
    pub(crate) fn unplug(&mut self, line: Line) {
        self.plugs.retain(|plug| plug.line != line);
        self.changed = true;
    }

    /// Unplugs a line as if it had never been plugged in: its person did not join.
    pub(crate) fn withdraw(&mut self, line: Line) {
        self.unplug(line);
        // It is the latest arrival: the indices of the others stay the same.
        if self.arrivals.last().is_some_and(|last| last.line == line) {
            self.arrivals.pop();
        }
    }

    /// Opens or closes a line that stays plugged in.
    pub(crate) fn set_open(&mut self, line: Line, open: bool) {
        for plug in self.plugs.iter_mut().filter(|plug| plug.line == line) {
            plug.open = open;
        }
        self.changed = true;
    }

    /// Whether a line is plugged in.
    pub(crate) fn is_plugged(&self, line: Line) -> bool {
        self.plugs.iter().any(|plug| plug.line == line)
    }

    /// Connects two mixers by a cord.
    pub(crate) fn connect(&mut self, a: Mixer, b: Mixer) {
        self.cords.push((a, b));
        self.changed = true;
    }

    /// Removes the cord between two mixers.
    pub(crate) fn disconnect(&mut self, a: Mixer, b: Mixer) {
        self.cords.retain(|&cord| cord != (a, b) && cord != (b, a));
        self.changed = true;
    }

    /// All mixers that are connected with a mixer, itself included.
    pub(crate) fn reach(&self, mixer: Mixer) -> Vec<Mixer> {
        let mut reached = vec![mixer];
        let mut next = 0;
        while let Some(&from) = reached.get(next) {
            next += 1;
            for &(a, b) in &self.cords {
                let to = if a == from { b } else { a };
                if (a == from || b == from) && !reached.contains(&to) {
                    reached.push(to);
                }
            }
        }
        reached
    }

    /// The lines plugged into the mixers that a mixer reaches, open or closed.
    pub(crate) fn lines(&self, mixer: Mixer) -> Vec<Line> {
        let reached = self.reach(mixer);
        self.plugs.iter().filter(|plug| reached.contains(&plug.mixer)).map(|plug| plug.line).collect()
    }

    /// Records who hears whom from a time on. Changes within one millisecond count as one.
    pub(crate) fn observe(&mut self, now: Timestamp) {
        if !std::mem::take(&mut self.changed) {
            return;
        }
        let mut groups = self.hearing();
        let mut others = Vec::new();
        // The same people may talk in two mixers at once: a conversation is continued in its own mixer first.
        for talk in std::mem::take(&mut self.current) {
            let same = |set: &AudibleGroup| set.people == talk.people && set.reached.contains(&talk.mixer);
            match groups.iter().position(same) {
                Some(same) => self.continue_talk(talk, &groups.swap_remove(same), now),
                None => others.push(talk),
            }
        }
        for talk in others {
            match groups.iter().position(|set| set.people == talk.people) {
                Some(same) => self.continue_talk(talk, &groups.swap_remove(same), now),
                None => self.talks.push(Talk { end: now, ..talk }),
            }
        }
        let new_talk = |set: AudibleGroup| Talk {
            start: now,
            end: now,
            people: set.people,
            mixer: set.reached[0],
            mixers: set.reached.iter().map(|&mixer| (mixer, now)).collect(),
            by_arrival: set.by_arrival,
        };
        self.current.extend(groups.into_iter().map(new_talk));
    }

    fn continue_talk(&mut self, mut talk: Talk, set: &AudibleGroup, now: Timestamp) {
        talk.mixer = set.reached[0];
        for &mixer in &set.reached {
            if !talk.mixers.iter().any(|(known, _)| *known == mixer) {
                talk.mixers.push((mixer, now));
            }
        }
        self.current.push(talk);
    }

    /// Whether a person is audible in what a mixer reaches, as of the latest [`Audio::observe`].
    pub(crate) fn is_heard(&self, who: ParticipantRef, mixer: Mixer) -> bool {
        let reached = self.reach(mixer);
        self.current.iter().any(|talk| talk.people.contains(&who) && reached.contains(&talk.mixer))
    }

    /// Who joined which mixer, in order.
    pub(crate) fn arrivals(&self) -> Vec<Arrival> {
        self.arrivals.clone()
    }

    /// The groups of at least two people who hear each other now.
    fn hearing(&self) -> Vec<AudibleGroup> {
        let mut sets = Vec::new();
        let mut done: Vec<Mixer> = Vec::new();
        for plug in &self.plugs {
            if done.contains(&plug.mixer) {
                continue;
            }
            let reached = self.reach(plug.mixer);
            let mut open: Vec<&Plug> =
                self.plugs.iter().filter(|plug| plug.open && reached.contains(&plug.mixer)).collect();
            open.sort_by_key(|plug| plug.arrival);
            let mut by_arrival: Vec<ParticipantRef> = Vec::with_capacity(open.len());
            for plug in open {
                if !by_arrival.contains(&plug.who) {
                    by_arrival.push(plug.who);
                }
            }
            let mut people = by_arrival.clone();
            people.sort_unstable();
            done.extend_from_slice(&reached);
            if people.len() > 1 {
                sets.push(AudibleGroup { people, by_arrival, reached });
            }
        }
        sets
    }

    /// All conversations of the play, which ends now.
    pub(crate) fn into_talks(mut self, now: Timestamp) -> Vec<Talk> {
        self.observe(now);
        self.talks.extend(self.current.drain(..).map(|talk| Talk { end: now, ..talk }));
        self.talks.retain(|talk| talk.start < talk.end);
        self.talks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: ParticipantRef = ParticipantRef::Extension(1);
    const BEN: ParticipantRef = ParticipantRef::Extension(2);
    const CAT: ParticipantRef = ParticipantRef::Number(3);

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn talks_of(audio: Audio, now_ms: i64) -> Vec<(i64, i64, Vec<ParticipantRef>)> {
        let talks = audio.into_talks(at(now_ms)).into_iter();
        let mut talks: Vec<_> =
            talks.map(|talk| (talk.start.as_millis(), talk.end.as_millis(), talk.people)).collect();
        talks.sort();
        talks
    }

    #[test]
    fn a_closed_line_is_not_heard_and_one_person_is_no_conversation() {
        let mut audio = Audio::default();
        let mixer = audio.mixer();
        audio.plug(0, ADA, mixer);
        audio.observe(at(0));
        audio.plug(1, CAT, mixer);
        audio.observe(at(100));
        audio.set_open(1, false);
        audio.observe(at(200));
        audio.set_open(1, true);
        audio.observe(at(300));
        audio.unplug(0);
        assert_eq!(talks_of(audio, 400), [(100, 200, vec![ADA, CAT]), (300, 400, vec![ADA, CAT])]);
    }

    #[test]
    fn a_cord_carries_sound_through_several_mixers_until_it_is_taken_away() {
        let mut audio = Audio::default();
        let (a, b, c) = (audio.mixer(), audio.mixer(), audio.mixer());
        audio.plug(0, ADA, a);
        audio.plug(1, BEN, b);
        audio.plug(2, CAT, c);
        audio.connect(a, b);
        audio.observe(at(10));
        audio.connect(b, c);
        audio.observe(at(20));
        audio.disconnect(b, a);
        audio.observe(at(30));
        assert_eq!(
            talks_of(audio, 40),
            [(10, 20, vec![ADA, BEN]), (20, 30, vec![ADA, BEN, CAT]), (30, 40, vec![BEN, CAT])]
        );
    }

    #[test]
    fn the_same_people_may_talk_in_two_mixers_and_change_mixers() {
        let mut audio = Audio::default();
        let (a, b) = (audio.mixer(), audio.mixer());
        audio.plug(0, ADA, a);
        audio.plug(1, BEN, a);
        audio.observe(at(0));
        audio.plug(2, ADA, b);
        audio.plug(3, BEN, b);
        audio.observe(at(10));
        audio.unplug(0);
        audio.observe(at(20));
        audio.unplug(3);
        audio.plug(0, ADA, a);
        audio.observe(at(30));
        assert_eq!(talks_of(audio, 40), [(0, 20, vec![ADA, BEN]), (10, 40, vec![ADA, BEN])]);
    }

    #[test]
    fn two_lines_of_a_person_count_once_and_a_change_of_line_is_not_a_pause() {
        let mut audio = Audio::default();
        let mixer = audio.mixer();
        audio.plug(0, ADA, mixer);
        audio.plug(1, ADA, mixer);
        audio.observe(at(0));
        audio.plug(2, CAT, mixer);
        audio.observe(at(5));
        audio.unplug(0);
        audio.observe(at(7));
        assert_eq!(talks_of(audio, 9), [(5, 9, vec![ADA, CAT])]);
    }
}
