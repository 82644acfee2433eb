//! How long a leg rang, talked and held, by RingCentral's formulas.

use smallvec::SmallVec;
use wholecall_notification::Code;
use wholecall_record::Time;

use super::{ids::LegIdx, legs::ObservedCall, spans::TimedCall};

/// A stretch of time; an open one runs to the call's last event.
pub(super) type Stretch = (Time, Option<Time>);

/// What RingCentral's formulas count of a leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counted {
    Ring,
    Talk,
    Hold,
}

/// The counted stretches of a leg, in order.
pub(super) type Stretches = SmallVec<[(Counted, Stretch); 4]>;

pub(super) fn of_kind(stretches: &Stretches, kind: Counted) -> impl Iterator<Item = Stretch> {
    stretches.iter().filter(move |(counted, _)| *counted == kind).map(|(_, stretch)| *stretch)
}

impl ObservedCall<'_> {
    /// The total time covered by the stretches. Open ones run to the call's last event.
    pub(super) fn union(&self, stretches: impl Iterator<Item = Stretch>) -> i64 {
        let mut stretches: SmallVec<[(Time, Time); 8]> =
            stretches.map(|(start, end)| (start, end.unwrap_or(self.last_event).max(start))).collect();
        stretches.sort_unstable();
        let mut total = 0;
        let mut covered = Time::from_millis(i64::MIN);
        for (start, end) in stretches {
            total += (end - start.max(covered)).max(0);
            covered = covered.max(end);
        }
        total
    }
}

impl TimedCall<'_> {
    /// RingCentral guide, "Calculating call time metrics": ring is `Proceeding` to the first `Answered` or the end,
    /// talk every `Answered` to `Hold` or the end, hold every `Hold` to `Answered` or the end. `Gone`, `Parked` and
    /// voicemail end a stretch too.
    pub(super) fn stretches(&self, index: LegIdx) -> Stretches {
        let leg_end = self.states[index].end;
        let mut stretches = Stretches::new();
        let mut counting: Option<(Counted, Time)> = None;
        let mut answered = false;
        let mut stop = |counting: &mut Option<(Counted, Time)>, end: Option<Time>| {
            let Some((kind, start)) = counting.take() else { return };
            // Changes after a leg's end do not count.
            let end = match (end, leg_end) {
                (Some(end), Some(last)) => Some(end.min(last)),
                (end, last) => end.or(last),
            };
            if end.is_none_or(|end| start < end) {
                stretches.push((kind, (start, end)));
            }
        };
        for change in self.changes_of(index) {
            let Some(code) = change.event.status.code else { continue };
            let next = match code {
                Code::Proceeding if !answered => Some(Counted::Ring),
                Code::Answered => Some(Counted::Talk),
                Code::Hold => Some(Counted::Hold),
                Code::Setup | Code::Other | Code::Proceeding => continue,
                _ => None,
            };
            answered |= code == Code::Answered;
            if counting.map(|(what, _)| what) == next {
                continue;
            }
            stop(&mut counting, Some(change.time));
            counting = next.map(|what| (what, change.time));
        }
        stop(&mut counting, None);
        stretches
    }
}
