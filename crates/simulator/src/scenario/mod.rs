//! Named scenarios, each played differently with each seed.
//!
//! There are five groups: [`basic`] calls, [`transfers`] and other moves, [`multiparty`] calls with queues,
//! conferences and supervisors, calls that are [`answered_elsewhere`], and [`services`]. Besides every
//! situation in RingCentral's guides and clients, they play the cases that are hard for builders of call
//! records:
//!
//! | case | scenarios |
//! |---|---|
//! | attended, blind, semi-attended transfer | `attended…`, `blind…`, `semi_attended…` |
//! | a consultation that fails, is abandoned, or outlives its call | `consult_failed_then_transferred`,
//! `consult_abandoned`, `hung_up_during_consult` |
//! | chains of transfers; into a queue; to an outside number; to a mailbox | `chain`, `blind_to_queue`,
//! `attended_outside`, `blind_to_voicemail` |
//! | a bridge with legacy id 0; its host leaves; it grows, drops members, is chained | `conference…`,
//! `conferences_chained` |
//! | supervision, with the app or by dialling; barging; take-over | `supervised…`, `barged`, `taken_over…` |
//! | pickup, park, reversion, a second park | `pickup…`, `parked…`, `park_reverted` |
//! | a queue's losers, rounds, overflow, callers sent back | `queue_…`, `requeued` |
//! | legs that end without a reason during the call | `menu…` |
//! | several telephones ring, one answers | `ring_group`, `queue_together` |
//! | devices: woken apps, switch, flip | `two_devices`, `switched…`, `flipped` |
//! | forwarding | `forwarded…` |
//! | RingOut in one session or two | `ringout…` |
//! | calls to oneself, a repeated legacy id | `self_call`, `same_legacy_id` |
//! | two accounts that each see half of a call | `other_company` |
//! | calls that end at once, or are blocked | `hung_up_at_once`, `inbound_blocked` |
//!
//! Changed order, duplicates and loss are [`faults`](crate::faults).

mod answered_elsewhere;
mod basic;
mod multiparty;
mod parts;
mod random;
mod services;
mod transfers;

use fastrand::Rng;

use crate::{
    account::Account,
    pbx::{Pbx, Play, World},
    time::Timestamp,
};

/// A scenario.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// What happens, in a sentence.
    pub about: &'static str,
    script: Script,
}

/// Plays a call; `None` if too few users are free to continue. Open calls are hung up afterwards.
type Script = fn(&mut Pbx<'_>) -> Option<()>;

/// 2026-06-01T12:00:00Z: a Monday morning in most of America.
const START: Timestamp = Timestamp::from_millis(1_780_315_200_000);

const RANDOM: Scenario = Scenario::new(
    "random",
    "A long call of random steps: transfer, confer, hold, park, switch, listen.",
    random::call,
);

impl Scenario {
    const fn new(name: &'static str, about: &'static str, script: Script) -> Self {
        Self { name, about, script }
    }

    /// All scenarios, the basic ones first; the last is a random call.
    pub fn all() -> impl Iterator<Item = Self> {
        let groups = [
            basic::SCENARIOS,
            transfers::SCENARIOS,
            multiparty::SCENARIOS,
            answered_elsewhere::SCENARIOS,
            services::SCENARIOS,
            &[RANDOM],
        ];
        groups.into_iter().flatten().copied()
    }

    /// The scenario with a name; `None` if there is no such scenario.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|scenario| scenario.name == name)
    }

    /// Plays the scenario. The seed determines times, people, numbers, and everything else that varies.
    pub fn play(&self, seed: u64) -> Play {
        let mut rng = Rng::with_seed(seed ^ self.seed());
        let mut world = World::small(&mut rng);
        let start = START + rng.i64(0..14 * 86_400_000);
        self.play_in(&mut world, start, rng)
    }

    /// The accounts that it is played in with a seed.
    pub fn accounts(&self, seed: u64) -> Vec<Account> {
        World::small(&mut Rng::with_seed(seed ^ self.seed())).accounts
    }

    /// Plays the scenario from a time on.
    pub fn play_at(&self, seed: u64, start: impl Into<Timestamp>) -> Play {
        let mut rng = Rng::with_seed(seed ^ self.seed());
        let mut world = World::small(&mut rng);
        self.play_in(&mut world, start.into(), rng)
    }

    pub(crate) fn play_in(&self, world: &mut World, start: Timestamp, rng: Rng) -> Play {
        let mut pbx = Pbx::new(world, start, rng);
        // A script that stops early leaves a shorter call, whose truth is as valid.
        let _whole = (self.script)(&mut pbx);
        pbx.finish()
    }

    /// Makes scenarios with the same seed differ.
    fn seed(&self) -> u64 {
        self.name
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
    }
}

#[cfg(test)]
mod tests;
