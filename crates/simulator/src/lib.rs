//! A telephone exchange that plays calls, posts what RingCentral would post for them, and knows the truth.
//!
//! People lift, dial, hold, transfer and confer; lines and cords carry their voices; a separate voice of the
//! platform tells of it in RingCentral's words. What is true (who heard whom when, who moved whom, who was
//! rung, how it came out) is kept by the people and the sound, so it can judge whoever reads the words.
//!
//! ```
//! use wholecall_simulator::Scenario;
//!
//! let play = Scenario::named("attended").expect("is listed").play(7);
//! assert_eq!(play.notifications[0].body.sequence, 2);
//! assert_eq!(play.truths[0].moves[0].kind, "AttendedTransfer");
//! ```
//!
//! The grammar of what is posted is that of RingCentral's guide to telephony session notifications
//! (`ringcentral-api-docs`), of the public streams (`dibyenduroy/csn-data`, `tylerlong/rc-call-queue-or-direct`,
//! `tylerlong/ringcentral-call-park-monitor`), and of RingCentral's own clients (`ringcentral-call-control-js`,
//! `ringcentral-js-widgets`) and demos (`PacoVu/ringcentral-voice-apis-demo`). Each module names what it is
//! taken from, and what is only inferred.

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

pub use account::{Account, Group, Machine, Menu, Queue, RingOrder, User};
pub use faults::{Fault, Faults, UnknownFault};
pub use id::{PartyId, SessionId, Who};
pub use listing::Listed;
pub use notification::{
    Body, Code, Contact, Notification, Origin, Party, Peer, QueueInfo, Role, Status, Subscription,
};
pub use pbx::Play;
pub use scenario::Scenario;
pub use time::{Iso, Millis};
pub use traffic::{Company, Told, Traffic};
pub use truth::{CallTruth, Conversation, Facts, Move, Room, Seen, TruthHeader, Visit};
pub use verify::{Record, Report, Tolerance, Verdict, ViewReport, verify, verify_view};
