//! Named calls, each played differently with each seed.

mod many;
mod moved;
mod parts;
mod plain;
mod random;

use fastrand::Rng;

use crate::{
    exchange::{Exchange, Play, World},
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
type Script = fn(&mut Exchange<'_>) -> Option<()>;

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
        plain::SCENARIOS.iter().chain(moved::SCENARIOS).chain(many::SCENARIOS).copied().chain([RANDOM])
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

    pub(crate) fn play_in(&self, world: &mut World, start: Millis, rng: Rng) -> Play {
        let mut exchange = Exchange::new(world, start, rng);
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
