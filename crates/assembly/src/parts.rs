//! Union-find: which elements are connected, given pairs of connected elements.

/// The numbers below a count, each in a set of its own until sets are united. A set is named after its smallest
/// number.
#[derive(Debug)]
pub(crate) struct Parts {
    /// Leads, step by step, from each number to the smallest of its set.
    leads_to: Vec<usize>,
}

impl Parts {
    pub(crate) fn new(count: usize) -> Self {
        Self { leads_to: (0..count).collect() }
    }

    pub(crate) fn join(&mut self, [a, b]: [usize; 2]) {
        let [a, b] = [a, b].map(|number| self.of(number));
        self.leads_to[a.max(b)] = a.min(b);
    }

    /// The name of the set that a number is in.
    pub(crate) fn of(&mut self, mut number: usize) -> usize {
        while self.leads_to[number] != number {
            self.leads_to[number] = self.leads_to[self.leads_to[number]];
            number = self.leads_to[number];
        }
        number
    }
}
