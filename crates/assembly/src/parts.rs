//! Which of many things are connected, when pairs of them are.

/// The numbers below some count, each in a part of its own until they are joined. A part is named after the
/// smallest number in it.
#[derive(Debug)]
pub(crate) struct Parts {
    /// Each number leads, step by step, to the smallest of its part.
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

    /// The name of a number's part.
    pub(crate) fn of(&mut self, mut number: usize) -> usize {
        while self.leads_to[number] != number {
            self.leads_to[number] = self.leads_to[self.leads_to[number]];
            number = self.leads_to[number];
        }
        number
    }
}
