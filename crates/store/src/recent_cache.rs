//! Bounded cache keyed by (tenant, words). It has two generations: when the young one is full, it replaces the old
//! one, which is dropped.

use std::fmt::Write;

use hashbrown::HashMap;

/// Values by tenant and words.
#[derive(Debug)]
pub(crate) struct RecentCache<T> {
    recent: HashMap<Box<str>, T>,
    older: HashMap<Box<str>, T>,
    key: String,
}

impl<T> Default for RecentCache<T> {
    fn default() -> Self {
        Self { recent: HashMap::new(), older: HashMap::new(), key: String::new() }
    }
}

impl<T> RecentCache<T> {
    /// Minimum number of recent entries that are retained; the maximum is twice this.
    const MIN_ENTRIES: usize = 100_000;

    pub(crate) fn get(&mut self, tenant: i64, words: &[&str]) -> Option<&mut T> {
        self.write_key(tenant, words);
        let key = self.key.as_str();
        match self.recent.get_mut(key) {
            None => self.older.get_mut(key),
            recent => recent,
        }
    }

    pub(crate) fn insert(&mut self, tenant: i64, words: &[&str], value: T) {
        if self.recent.len() >= Self::MIN_ENTRIES {
            self.older = std::mem::take(&mut self.recent);
        }
        self.write_key(tenant, words);
        self.recent.insert(self.key.as_str().into(), value);
    }

    pub(crate) fn remove(&mut self, tenant: i64, words: &[&str]) {
        self.write_key(tenant, words);
        self.recent.remove(self.key.as_str());
        self.older.remove(self.key.as_str());
    }

    fn write_key(&mut self, tenant: i64, words: &[&str]) {
        self.key.clear();
        // Writing to a string cannot fail.
        let _ = write!(self.key, "{tenant}");
        for word in words {
            self.key.push('/');
            self.key.push_str(word);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recent_entries_are_retained_per_tenant() {
        let mut cache = RecentCache::default();
        for number in 0..3 * RecentCache::<usize>::MIN_ENTRIES {
            cache.insert(1, &["a", &number.to_string()], number);
        }
        let last = 3 * RecentCache::<usize>::MIN_ENTRIES - 1;
        assert_eq!(cache.get(1, &["a", &last.to_string()]), Some(&mut last.clone()));
        assert_eq!(cache.get(2, &["a", &last.to_string()]), None);
        assert_eq!(cache.get(1, &["a", "0"]), None);
        assert!(cache.recent.len() + cache.older.len() <= 2 * RecentCache::<usize>::MIN_ENTRIES);
        cache.remove(1, &["a", &last.to_string()]);
        assert_eq!(cache.get(1, &["a", &last.to_string()]), None);
    }
}
