//! When an extension was connected to another party.

use smallvec::SmallVec;
use wholecall_notification::{Code, Direction, Reason};
use wholecall_record::Time;

use crate::{legs::LegKey, session::Session};

/// When an extension and another party were connected in a session, with no one on hold. A machine is connected
/// without ringing, so an extension counts only if it rang or dialled. Ends at the first missing notification.
pub(super) fn connected_periods(session: &Session, extension: &str) -> Vec<(Time, Option<Time>)> {
    let mut tracked_legs: SmallVec<[TrackedLeg; 8]> = SmallVec::new();
    let mut periods: Vec<(Time, Option<Time>)> = Vec::new();
    let mut effective = Time::from_millis(i64::MIN);
    let has_others = session.events().any(|event| session.legs.extension(event.leg) != Some(extension));
    // 1 is never delivered.
    let mut last_sequence = 1;
    for event in session.events() {
        if event.sequence > last_sequence + 1 {
            // The missing notification may have put a party on hold.
            break;
        }
        last_sequence = event.sequence;
        effective = effective.max(event.status.time);
        let Some(code) = event.status.code.filter(|code| *code != Code::Other) else { continue };
        match tracked_legs.iter_mut().find(|tracked| tracked.leg == event.leg) {
            Some(tracked) => {
                (tracked.code, tracked.rang) = (code, tracked.rang || code == Code::Proceeding);
                tracked.listens = event.status.reason == Some(Reason::Supervising);
            }
            None => tracked_legs.push(TrackedLeg {
                leg: event.leg,
                is_own: session.legs.extension(event.leg) == Some(extension),
                dials: session.legs.direction(event.leg) == Some(Direction::Outbound),
                code,
                rang: code == Code::Proceeding,
                listens: event.status.reason == Some(Reason::Supervising),
            }),
        }
        let mut own = tracked_legs.iter().filter(|tracked| tracked.is_own && tracked.is_connected());
        let own = own.find(|tracked| tracked.rang || tracked.dials);
        let others = || tracked_legs.iter().any(|tracked| !tracked.is_own && tracked.is_connected());
        let on_hold = tracked_legs.iter().any(|tracked| tracked.code == Code::Hold);
        let connected_now = own.is_some_and(|own| !has_others && !own.dials || others()) && !on_hold;
        match periods.last_mut() {
            Some((_, end @ None)) if !connected_now => *end = Some(effective),
            Some((_, None)) => {}
            _ if connected_now => periods.push((effective, None)),
            _ => {}
        }
    }
    if last_sequence < session.last_sequence()
        && let Some((_, end @ None)) = periods.last_mut()
    {
        *end = Some(effective);
    }
    periods
}

/// The state of a leg as far as it shows who is connected.
struct TrackedLeg {
    leg: LegKey,
    is_own: bool,
    dials: bool,
    code: Code,
    rang: bool,
    /// A supervisor's, who listens and is not heard.
    listens: bool,
}

impl TrackedLeg {
    /// A parked party is resumed by the next party that is connected.
    fn is_connected(&self) -> bool {
        self.code == Code::Answered && !self.listens || self.code == Code::Parked && !self.is_own
    }
}
