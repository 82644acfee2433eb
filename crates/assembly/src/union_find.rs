//! Union-find: which elements are connected, given pairs of connected elements.

use crate::index::{Idx, IdxRange, IdxVec};

/// Indices, each in a set of its own until sets are united. A set is named after its smallest index.
#[derive(Debug)]
pub(crate) struct UnionFind<I> {
    /// Leads, step by step, from each index to the smallest of its set.
    parent: IdxVec<I, I>,
}

impl<I: Idx> UnionFind<I> {
    pub(crate) fn new(indices: IdxRange<I>) -> Self {
        Self { parent: indices.collect() }
    }

    pub(crate) fn unite(&mut self, [a, b]: [I; 2]) {
        let [a, b] = [a, b].map(|index| self.find(index));
        self.parent[a.max(b)] = a.min(b);
    }

    /// The name of the set that an index is in.
    pub(crate) fn find(&mut self, mut index: I) -> I {
        while self.parent[index] != index {
            self.parent[index] = self.parent[self.parent[index]];
            index = self.parent[index];
        }
        index
    }
}
