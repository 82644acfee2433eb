//! Who waits for a tenant's next change: woken when there is one, and by nobody else's; how many may wait.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::http::StatusCode;
use tokio::sync::watch;
use wholecall_store::{Position, Store, StoreError, TenantId};

use crate::problem::Problem;

/// So many streams and waiting requests a tenant may have open.
const OPEN_PER_TENANT: usize = 256;

/// The ends of the feeds that are waited for.
#[derive(Debug, Default)]
pub(crate) struct Feeds {
    of: Mutex<HashMap<TenantId, Feed>>,
}

#[derive(Debug, Default)]
struct Feed {
    end: watch::Sender<Position>,
    open: usize,
}

/// One who follows a tenant's feed. Dropped, another may.
#[derive(Debug)]
pub(crate) struct Follower {
    feeds: Arc<Feeds>,
    tenant: TenantId,
    /// Changes when the feed has grown.
    pub(crate) grown: watch::Receiver<Position>,
}

impl Feeds {
    /// Begins to watch the store.
    pub(crate) fn start(store: Store, stop: watch::Receiver<bool>) -> Arc<Self> {
        let feeds = Arc::new(Self::default());
        tokio::spawn(follow(feeds.clone(), store, stop));
        feeds
    }

    /// Follows a tenant's feed for a client. What was there before is not news.
    pub(crate) fn follow(self: &Arc<Self>, tenant: TenantId) -> Result<Follower, Problem> {
        let mut of = self.lock();
        let feed = of.entry(tenant).or_default();
        if feed.open >= OPEN_PER_TENANT {
            let detail =
                format!("{OPEN_PER_TENANT} streams and waiting requests of this tenant are open already");
            return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, detail));
        }
        feed.open += 1;
        let grown = feed.end.subscribe();
        drop(of);
        Ok(Follower { feeds: self.clone(), tenant, grown })
    }

    /// The end of a tenant's feed for the service itself, which is not counted.
    pub(crate) fn watch(&self, tenant: TenantId) -> watch::Receiver<Position> {
        self.lock().entry(tenant).or_default().end.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TenantId, Feed>> {
        self.of.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tenants whose feed somebody waits for.
    fn watched(&self) -> Vec<TenantId> {
        let mut of = self.lock();
        of.retain(|_, feed| feed.open > 0 || feed.end.receiver_count() > 0);
        of.keys().copied().collect()
    }

    fn has_grown(&self, tenant: TenantId, end: Position) {
        if let Some(feed) = self.lock().get(&tenant) {
            feed.end.send_if_modified(|known| std::mem::replace(known, end) != end);
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        if let Some(feed) = self.feeds.lock().get_mut(&self.tenant) {
            feed.open -= 1;
        }
    }
}

/// Looks once for each growth of the store, whoever waits, at the feeds that anybody waits for.
async fn follow(feeds: Arc<Feeds>, store: Store, mut stop: watch::Receiver<bool>) {
    let mut grown = store.watch_changes();
    loop {
        tokio::select! {
            changed = grown.changed() => if changed.is_err() { return },
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let watched = feeds.watched();
        if watched.is_empty() {
            continue;
        }
        let store = store.clone();
        let look = move || {
            let end = |tenant: TenantId| Ok((tenant, store.of(tenant).last_change()?));
            watched.into_iter().map(end).collect::<Result<Vec<_>, StoreError>>()
        };
        match tokio::task::spawn_blocking(look).await.unwrap_or(Err(StoreError::Closed)) {
            Ok(ends) => ends.into_iter().for_each(|(tenant, end)| feeds.has_grown(tenant, end)),
            Err(error) => tracing::warn!(%error, "the ends of the feeds could not be read"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_may_have_so_many_streams_and_others_have_their_own() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        for name in ["a", "b"] {
            crate::admin::add_tenant(&store, name, &["1".to_owned()], None).unwrap();
        }
        let ids: Vec<TenantId> = store.tenants().unwrap().iter().map(|tenant| tenant.id).collect();
        let feeds = Arc::new(Feeds::default());
        let mut open: Vec<_> = (0..OPEN_PER_TENANT).map(|_| feeds.follow(ids[0]).unwrap()).collect();
        let refused = feeds.follow(ids[0]).unwrap_err();
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        let other = feeds.follow(ids[1]).unwrap();
        open.pop();
        open.push(feeds.follow(ids[0]).unwrap());
        // Only who waits for it is woken, and only once.
        feeds.has_grown(ids[0], Position(3));
        assert!(open[0].grown.has_changed().unwrap() && !other.grown.has_changed().unwrap());
        open[0].grown.mark_unchanged();
        feeds.has_grown(ids[0], Position(3));
        assert!(!open[0].grown.has_changed().unwrap());
        drop((open, other));
        assert_eq!(feeds.watched(), []);
    }
}
