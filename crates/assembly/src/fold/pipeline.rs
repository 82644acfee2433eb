//! The stages in order, and what they find together.

use std::ops::Deref;

use wholecall_record::CallId;

use super::{
    input::FoldInput, joins::JoinedCall, kinds::ClassifiedCall, legs::ObservedCall, links::LinkedCall,
    moves::DetectedMove, on_behalf::OnBehalf, people::AttributedCall, presence::ConnectedCall, queues::Visit,
    spans::TimedCall,
};

/// A call with everything that follows from its notifications.
pub(crate) struct Fold<'a> {
    call: ConnectedCall<'a>,
    pub(super) on_behalf: OnBehalf,
    pub(super) moves: Vec<DetectedMove>,
    pub(super) visits: Vec<Visit>,
}

impl<'a> Deref for Fold<'a> {
    type Target = ConnectedCall<'a>;

    fn deref(&self) -> &ConnectedCall<'a> {
        &self.call
    }
}

impl<'a> Fold<'a> {
    /// Runs the stages. `None` if the call has no leg, and so no record.
    pub(crate) fn new(input: FoldInput<'a>) -> Option<Self> {
        let observed = ObservedCall::new(input);
        let root = observed.root()?;
        let linked = LinkedCall::new(observed);
        let classified = ClassifiedCall::new(linked, root);
        let attributed = AttributedCall::new(classified);
        let joined = JoinedCall::new(attributed);
        let timed = TimedCall::new(joined);
        let on_behalf = timed.find_on_behalf();
        let call = ConnectedCall::new(timed);
        let moves = call.find_moves();
        let visits = call.find_visits(&on_behalf);
        Some(Self { call, on_behalf, moves, visits })
    }

    /// The call's id: its root session.
    pub(crate) fn id(&self) -> &CallId {
        &self.rooms[self.root].session.id
    }
}
