//! A simulated PBX that plays calls, publishes what RingCentral would post for them, and records the truth.
//!
//! People dial, answer, hold, transfer and confer; lines and cords carry their voices; a separate part
//! publishes it in RingCentral's words. The truth (who heard whom when, who moved whom, who was rung, the
//! result) is derived from the people's actions and the audio alone, so it can judge records that are
//! assembled from the notifications.
//!
//! ```
//! use wholecall_simulator::Scenario;
//!
//! let play = Scenario::named("attended").expect("is listed").play(7);
//! assert_eq!(play.notifications[0].body.sequence, 2);
//! assert_eq!(play.truths[0].moves[0].kind, "AttendedTransfer");
//! ```
//!
//! The grammar of the notifications is that of RingCentral's guide to telephony session notifications
//! (`ringcentral-api-docs`), of the public streams (`dibyenduroy/csn-data`,
//! `tylerlong/rc-call-queue-or-direct`, `tylerlong/ringcentral-call-park-monitor`), and of RingCentral's own
//! clients (`ringcentral-call-control-js`, `ringcentral-js-widgets`) and demos
//! (`PacoVu/ringcentral-voice-apis-demo`). Each module names its sources, and what is only inferred.

mod account;
mod audio;
mod faults;
mod id;
mod listing;
mod log;
mod notification;
mod pbx;
mod scenario;
mod time;
mod traffic;
mod truth;
mod verify;
mod view;

pub use account::{Account, Group, Menu, Queue, RingOrder, ServiceExtension, User};
pub use faults::{Fault, Faults, UnknownFault};
pub use id::{ParticipantRef, PartyId, SessionId};
pub use listing::ListedExtension;
pub use notification::{
    Body, Code, Contact, Notification, Origin, Party, Peer, QueueInfo, Role, Status, Subscription,
};
pub use pbx::Play;
pub use scenario::Scenario;
pub use time::Timestamp;
pub use traffic::{Company, Traffic, TrafficEvent};
pub use truth::{
    CallFacts, CallTruth, Conversation, Move, QueueVisit, SessionTruth, SessionView, TruthHeader,
};
pub use verify::{Record, Report, Tolerance, Verdict, ViewReport, verify, verify_view};
