//! From the notifications of one call to its record.
//!
//! The fold considers everything that is known of the call at once and changes nothing outside itself, so that the
//! order of the notifications cannot matter. Each stage is a type that contains the stage before it and adds what it
//! finds; it derefs to that stage. So a stage can read what precedes it, and the compiler refuses to let it read
//! what follows. The stages, as [`Fold::new`] runs them:
//!
//! 1. [`legs`]: the rooms (one for each session), their legs, and each leg's changes in order, with effective times;
//!    [`sides`] reads from them who calls what in a session;
//! 2. [`links`]: the links between rooms;
//! 3. [`kinds`]: what kind of participant each leg belongs to;
//! 4. [`people`]: who owns which leg, from what the legs' [`mentions`] and [`inferred_parties`] name; with them, who
//!    is the [`caller`];
//! 5. [`joins`]: which rooms are joined when, by links and take-overs;
//! 6. [`spans`]: the state of each leg over time, and when it ended; from it [`next_legs`], [`outcomes`],
//!    [`stretches`], [`on_behalf`];
//! 7. [`presence`]: who was connected in which room, observed or not ([`inferred_presence`]), and so who heard whom;
//! 8. [`moves`] and [`queues`]: how the call was moved, and where it waited.
//!
//! [`pipeline`] has the stages together. What is made of them: [`closing`], whether the call is over; [`record`], with
//! its [`result`], its [`headline`], its [`participants`], its [`completeness`] and its [`bounds`]; and [`explanation`].

mod bounds;
mod caller;
mod closing;
mod completeness;
mod conclusions;
mod explanation;
mod headline;
mod ids;
mod inferred_parties;
mod inferred_presence;
mod input;
mod joins;
mod kinds;
mod legs;
mod links;
mod mentions;
mod moves;
mod next_legs;
mod on_behalf;
mod outcomes;
mod participants;
mod people;
mod pipeline;
mod presence;
mod queues;
mod record;
mod result;
mod sides;
mod spans;
mod stretches;

pub(crate) use self::{
    closing::IdleTimeout,
    input::{FoldInput, RecordStatus},
    links::sessions_of_one_call,
    pipeline::Fold,
    sides::rank_of,
};
