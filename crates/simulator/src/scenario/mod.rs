//! Named calls, each played differently with each seed.
//!
//! They are in five groups: [`plain`] calls that nobody moves, [`moved`] ones, those of [`many`] people or
//! machines, those answered [`elsewhere`] than where they were addressed to, and those [`served`] by no person. Beside every situation that RingCentral's guides and clients tell of, they play the cases that
//! builders of call records find hard:
//!
//! | hard | played by |
//! |---|---|
//! | attended, blind, half-attended transfer | `attended…`, `blind…`, `semi_attended…` |
//! | a consultation that fails, is abandoned, or outlives its call | `consult_failed_then_transferred`, `consult_abandoned`, `hung_up_during_consult` |
//! | chains of transfers; into a queue; to the outside; to a mailbox | `chain`, `blind_to_queue`, `attended_outside`, `blind_to_voicemail` |
//! | a bridge with legacy id 0; its host leaves; it grows, drops, is chained | `conference…`, `conferences_chained` |
//! | supervision, by the app or by dialling; barging; take-over | `supervised…`, `barged`, `taken_over…` |
//! | pickup, park, reversion, a second park | `pickup…`, `parked…`, `park_reverted` |
//! | a queue's losers, rounds, overflow, callers sent back | `queue_…`, `requeued` |
//! | legs that end without a reason while the call goes on | `menu…` |
//! | several people ring at once, one answers | `ring_group`, `queue_together` |
//! | devices: woken apps, switch, flip | `two_devices`, `switched…`, `flipped` |
//! | forwarding | `forwarded…` |
//! | RingOut in one session or two | `ringout…` |
//! | calls to oneself, one legacy id twice | `self_call`, `same_legacy_id` |
//! | two accounts that each see half | `other_company` |
//! | calls that end at once, or are blocked | `hung_up_at_once`, `inbound_blocked` |
//!
//! Disorder, doubles and loss are [`faults`](crate::faults).

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
    time::Millis,
};

/// A named call.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// What happens, in a sentence.
    pub about: &'static str,
    script: Script,
}

/// Plays a call; `None` if too few people were free to go on. Whatever it leaves open is hung up.
type Script = fn(&mut Pbx<'_>) -> Option<()>;

/// 2026-06-01T12:00:00Z: a Monday morning in most of America.
const FIRST_MOMENT: Millis = 1_780_315_200_000;

const RANDOM: Scenario = Scenario::new(
    "random",
    "A long call in which people do whatever they just can: transfer, confer, hold, park, switch, listen.",
    random::call,
);

impl Scenario {
    const fn new(name: &'static str, about: &'static str, script: Script) -> Self {
        Self { name, about, script }
    }

    /// All scenarios, the plain ones first; the last is a random call.
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

    /// The scenario of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|scenario| scenario.name == name)
    }

    /// Plays it. The seed decides about times, people, numbers, and whatever else may vary.
    pub fn play(&self, seed: u64) -> Play {
        let mut rng = Rng::with_seed(seed ^ self.seed());
        let mut world = World::small(&mut rng);
        let start = FIRST_MOMENT + rng.i64(0..14 * 86_400_000);
        self.play_in(&mut world, start, rng)
    }

    /// The accounts in which it is played with a seed.
    pub fn accounts(&self, seed: u64) -> Vec<Account> {
        World::small(&mut Rng::with_seed(seed ^ self.seed())).accounts
    }

    /// Plays it from a time on.
    pub fn play_at(&self, seed: u64, start: Millis) -> Play {
        let mut rng = Rng::with_seed(seed ^ self.seed());
        let mut world = World::small(&mut rng);
        self.play_in(&mut world, start, rng)
    }

    pub(crate) fn play_in(&self, world: &mut World, start: Millis, rng: Rng) -> Play {
        let mut exchange = Pbx::new(world, start, rng);
        // A script that stops early leaves a shorter call, which is as true as a long one.
        let _whole = (self.script)(&mut exchange);
        exchange.finish()
    }

    /// Different scenarios of one seed are different.
    fn seed(&self) -> u64 {
        self.name
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
    }
}

#[cfg(test)]
mod tests;
