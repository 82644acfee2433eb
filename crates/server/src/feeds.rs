//! Clients that wait for a tenant's next change. Each is woken by changes of its own tenant only, and their number is limited.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::http::StatusCode;
use tokio::sync::watch;
use wholecall_store::{Position, Store, StoreError, TenantId};

use crate::{blocking::blocking, problem::Problem};

/// Maximum number of open streams and waiting requests of a tenant.
const MAX_FOLLOWERS_PER_TENANT: usize = 256;

/// The ends of the feeds that have followers.
#[derive(Debug, Default)]
pub(crate) struct Feeds {
    by_tenant: Mutex<HashMap<TenantId, Feed>>,
}

#[derive(Debug, Default)]
struct Feed {
    end: watch::Sender<Position>,
    followers: usize,
}

/// A client that follows a tenant's feed; dropped when it stops.
#[derive(Debug)]
pub(crate) struct Follower {
    feeds: Arc<Feeds>,
    tenant: TenantId,
    /// Changes when the feed has grown.
    pub(crate) grown: watch::Receiver<Position>,
}

impl Feeds {
    /// Starts watching the store.
    pub(crate) fn start(store: Store, stop: watch::Receiver<bool>) -> Arc<Self> {
        let feeds = Arc::new(Self::default());
        tokio::spawn(watch_store(feeds.clone(), store, stop));
        feeds
    }

    /// Follows a tenant's feed for a client, which is woken by changes from now on.
    pub(crate) fn follow(self: &Arc<Self>, tenant: TenantId) -> Result<Follower, Problem> {
        let mut feeds = self.lock();
        let feed = feeds.entry(tenant).or_default();
        if feed.followers >= MAX_FOLLOWERS_PER_TENANT {
            let detail = format!(
                "{MAX_FOLLOWERS_PER_TENANT} streams and waiting requests of this tenant are already open"
            );
            return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, detail));
        }
        feed.followers += 1;
        let grown = feed.end.subscribe();
        drop(feeds);
        Ok(Follower { feeds: self.clone(), tenant, grown })
    }

    /// Follows a tenant's feed for the service itself, which is not counted.
    pub(crate) fn watch(&self, tenant: TenantId) -> watch::Receiver<Position> {
        self.lock().entry(tenant).or_default().end.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TenantId, Feed>> {
        self.by_tenant.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tenants whose feed has followers.
    fn watched(&self) -> Vec<TenantId> {
        let mut feeds = self.lock();
        feeds.retain(|_, feed| feed.followers > 0 || feed.end.receiver_count() > 0);
        feeds.keys().copied().collect()
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
            feed.followers -= 1;
        }
    }
}

/// After each commit reads the ends of the feeds that have followers, once for all followers.
async fn watch_store(feeds: Arc<Feeds>, store: Store, mut stop: watch::Receiver<bool>) {
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
        let read_ends = move || {
            let end = |tenant: TenantId| Ok((tenant, store.of(tenant).last_change()?));
            watched.into_iter().map(end).collect::<Result<Vec<_>, StoreError>>()
        };
        match blocking(read_ends).await {
            Ok(ends) => ends.into_iter().for_each(|(tenant, end)| feeds.has_grown(tenant, end)),
            Err(error) => tracing::warn!(%error, "the ends of the feeds could not be read"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_streams_is_limited_for_each_tenant() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        for name in ["a", "b"] {
            crate::admin::add_tenant(&store, name, &["1".to_owned()], None).unwrap();
        }
        let ids: Vec<TenantId> = store.tenants().unwrap().iter().map(|tenant| tenant.id).collect();
        let feeds = Arc::new(Feeds::default());
        let mut open: Vec<_> = (0..MAX_FOLLOWERS_PER_TENANT).map(|_| feeds.follow(ids[0]).unwrap()).collect();
        let refused = feeds.follow(ids[0]).unwrap_err();
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        let other = feeds.follow(ids[1]).unwrap();
        open.pop();
        open.push(feeds.follow(ids[0]).unwrap());
        // Only followers of that tenant are woken, once.
        feeds.has_grown(ids[0], Position(3));
        assert!(open[0].grown.has_changed().unwrap() && !other.grown.has_changed().unwrap());
        open[0].grown.mark_unchanged();
        feeds.has_grown(ids[0], Position(3));
        assert!(!open[0].grown.has_changed().unwrap());
        drop((open, other));
        assert_eq!(feeds.watched(), []);
    }
}
