//! The contents of a store, read after its scenario.

use std::path::Path;

use wholecall_store::{DeliveryQuery, Filter, Position, Store};

use crate::scenario::{assemble, key};

/// Everything in a store, in order; what is stored twice is listed twice.
#[derive(Debug, Default)]
pub(crate) struct StoreContents {
    pub(crate) tenants: Vec<String>,
    pub(crate) notifications: Vec<((String, u64), String)>,
    pub(crate) versions: Vec<(String, u64)>,
    pub(crate) endpoints: Vec<String>,
    pub(crate) deliveries: Vec<(String, u64)>,
    pub(crate) rejected: Vec<String>,
    /// The problems that the store reports.
    pub(crate) problems: Vec<String>,
}

impl StoreContents {
    /// Opens a store as a service does, assembles its arrivals, and reads everything.
    pub(crate) fn read(folder: &Path) -> Result<Self, String> {
        let to_text = |error: wholecall_store::StoreError| error.to_string();
        let store = Store::open(folder).map_err(to_text)?;
        store.acquire_instance_lock().map_err(to_text)?;
        assemble(&store).map_err(to_text)?;
        let mut found = Self::default();
        found.read_all(&store).map_err(to_text)?;
        found.check(&store).map_err(to_text)?;
        Ok(found)
    }

    fn read_all(&mut self, store: &Store) -> Result<(), wholecall_store::StoreError> {
        for entry in store.journal_after(Position(0), 1_000_000)? {
            match key(&entry.body) {
                Some(key) => self.notifications.push((key, entry.body)),
                None => {
                    self.problems.push(format!("notification {} has unexpected contents", entry.position.0))
                }
            }
        }
        for tenant in store.tenants()? {
            let view = store.of(tenant.id);
            for record in view.calls(&Filter::default(), None, None, 1_000)?.records {
                let record: serde_json::Value = serde_json::from_str(&record).unwrap_or_default();
                let id = record["id"].as_str().unwrap_or_default();
                let versions = view.versions(id)?.unwrap_or_default();
                self.versions.extend(versions.iter().map(|version| (id.to_owned(), version.version)));
            }
            for endpoint in view.endpoints()? {
                let listed = DeliveryQuery { state: None, before: None, limit: 1_000 };
                let deliveries = view.deliveries(endpoint.number, listed)?;
                self.deliveries
                    .extend(deliveries.into_iter().map(|delivery| (delivery.call_id, delivery.version)));
                self.endpoints.push(endpoint.id);
            }
            for refused in view.rejected(None, 1_000)? {
                if let Some((_, body)) = view.rejected_body(refused.id)? {
                    self.rejected.push(String::from_utf8_lossy(&body).into_owned());
                }
            }
            self.tenants.push(tenant.name);
        }
        self.notifications.sort();
        self.versions.sort();
        Ok(())
    }

    /// Runs the checks of `wholecall check`.
    fn check(&mut self, store: &Store) -> Result<(), wholecall_store::StoreError> {
        self.problems.extend(store.losses()?);
        self.problems.extend(store.file_problems()?);
        self.problems.extend(store.journal_problems()?);
        self.problems.extend(store.feed_problems()?);
        for entry in store.check_journal(Position(0), 1_000_000)? {
            self.problems.extend(entry.entry.err().map(|error| error.to_string()));
        }
        for call in store.check_calls(0, 1_000_000)? {
            self.problems.extend(call.problems);
            self.problems.extend(call.stored.err().map(|error| error.to_string()));
        }
        let damages = store.check_rest()?.into_iter().chain(store.take_unreported_damage());
        self.problems.extend(damages.map(|damage| format!("{}: {}", damage.place, damage.problem)));
        Ok(())
    }
}
