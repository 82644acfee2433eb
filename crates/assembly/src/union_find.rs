//! Union-find: which elements are connected, given pairs of connected elements.

/// The numbers below a count, each in a set of its own until sets are united. A set is named after its smallest
/// number.
#[derive(Debug)]
pub(crate) struct UnionFind {
    /// Leads, step by step, from each number to the smallest of its set.
    parent: Vec<usize>,
}

impl UnionFind {
    pub(crate) fn new(count: usize) -> Self {
        Self { parent: (0..count).collect() }
    }

    pub(crate) fn unite(&mut self, [a, b]: [usize; 2]) {
        let [a, b] = [a, b].map(|number| self.find(number));
        self.parent[a.max(b)] = a.min(b);
    }

    /// The name of the set that a number is in.
    pub(crate) fn find(&mut self, mut number: usize) -> usize {
        while self.parent[number] != number {
            self.parent[number] = self.parent[self.parent[number]];
            number = self.parent[number];
        }
        number
    }
}
