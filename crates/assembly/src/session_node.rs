//! A session of the graph: its account, its call, its links.

use crate::{index::define_indices, session::Session};

define_indices! {
    /// A session of the graph.
    SessionKey(u32)
    /// A call of the graph.
    CallKey(u32)
    /// An account of the graph.
    AccountKey(u32)
}

/// A session with its place in the graph.
#[derive(Debug)]
pub(crate) struct SessionNode {
    pub(crate) session: Session,
    pub(crate) account: AccountKey,
    pub(crate) call: CallKey,
    /// `None` if there is no link; most sessions have none.
    pub(crate) links: Option<Box<LinkEdges>>,
    /// A leg of it is, or was once reported as, a supervisor's: which calls it joins may change.
    pub(crate) supervision: bool,
}

/// The sessions at the other ends of a session's links.
#[derive(Debug, Default)]
pub(crate) struct LinkEdges {
    /// Sessions whose links lead to this one.
    pub(crate) named_by: Vec<SessionKey>,
    /// Sessions that this one's links lead to.
    pub(crate) names: Vec<SessionKey>,
}

impl SessionNode {
    /// The sessions at the other ends of its links.
    pub(crate) fn linked_sessions(&self) -> impl Iterator<Item = &SessionKey> {
        self.links.iter().flat_map(|links| links.named_by.iter().chain(&links.names))
    }
}
