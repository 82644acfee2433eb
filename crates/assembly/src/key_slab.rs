//! A slab that accepts only keys of its own kind.

use std::{
    marker::PhantomData,
    ops::{Index, IndexMut},
};

use slab::Slab;

use crate::index::Idx;

/// Elements with keys that stay the same until the element is removed.
#[derive(Debug)]
pub(crate) struct KeySlab<K, T> {
    items: Slab<T>,
    key: PhantomData<K>,
}

impl<K: Idx, T> KeySlab<K, T> {
    pub(crate) const fn new() -> Self {
        Self { items: Slab::new(), key: PhantomData }
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The key that the next element gets.
    pub(crate) fn vacant_key(&self) -> K {
        K::new(self.items.vacant_key())
    }

    pub(crate) fn insert(&mut self, item: T) -> K {
        K::new(self.items.insert(item))
    }

    pub(crate) fn remove(&mut self, key: K) -> T {
        self.items.remove(key.get())
    }

    #[inline]
    pub(crate) fn contains(&self, key: K) -> bool {
        self.items.contains(key.get())
    }

    #[inline]
    pub(crate) fn get(&self, key: K) -> Option<&T> {
        self.items.get(key.get())
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, key: K) -> Option<&mut T> {
        self.items.get_mut(key.get())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (K, &T)> {
        self.items.iter().map(|(key, item)| (K::new(key), item))
    }
}

impl<K: Idx, T> Index<K> for KeySlab<K, T> {
    type Output = T;

    #[inline]
    fn index(&self, key: K) -> &T {
        &self.items[key.get()]
    }
}

impl<K: Idx, T> IndexMut<K> for KeySlab<K, T> {
    #[inline]
    fn index_mut(&mut self, key: K) -> &mut T {
        &mut self.items[key.get()]
    }
}
