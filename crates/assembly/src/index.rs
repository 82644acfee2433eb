//! Typed indices: an index of a leg cannot be used for a session.

use std::{
    marker::PhantomData,
    ops::{Index, IndexMut, Range},
};

/// An index of one kind of element.
pub(crate) trait Idx: Copy + Ord {
    /// The index of the element at a position.
    fn new(position: usize) -> Self;

    /// The position of its element.
    fn get(self) -> usize;
}

/// Defines types of indices, each with the type of its numbers.
macro_rules! define_indices {
    ($($(#[$doc:meta])* $name:ident($number:ty))*) => { $(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) struct $name($number);

        impl $crate::index::Idx for $name {
            #[inline]
            fn new(position: usize) -> Self {
                Self(position as $number)
            }

            #[inline]
            fn get(self) -> usize {
                self.0 as usize
            }
        }
    )* };
}

pub(crate) use define_indices;

/// A vector that accepts only indices of its own kind.
#[derive(Debug, Clone)]
pub(crate) struct IdxVec<I, T> {
    items: Vec<T>,
    index: PhantomData<I>,
}

impl<I: Idx, T> IdxVec<I, T> {
    pub(crate) const fn new() -> Self {
        Self { items: Vec::new(), index: PhantomData }
    }

    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self { items: Vec::with_capacity(capacity), index: PhantomData }
    }

    /// A vector of equal elements.
    pub(crate) fn filled(item: T, len: usize) -> Self
    where
        T: Clone,
    {
        Self { items: vec![item; len], index: PhantomData }
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The index that the next element gets.
    #[inline]
    pub(crate) fn next_index(&self) -> I {
        I::new(self.items.len())
    }

    #[inline]
    pub(crate) fn push(&mut self, item: T) -> I {
        let index = self.next_index();
        self.items.push(item);
        index
    }

    pub(crate) fn clear(&mut self) {
        self.items.clear();
    }

    pub(crate) fn resize(&mut self, end: I, item: T)
    where
        T: Clone,
    {
        self.items.resize(end.get(), item);
    }

    #[inline]
    pub(crate) fn get(&self, index: I) -> Option<&T> {
        self.items.get(index.get())
    }

    /// The first index whose element does not match, if all that match come first.
    pub(crate) fn partition_point(&self, matches: impl FnMut(&T) -> bool) -> I {
        I::new(self.items.partition_point(matches))
    }

    pub(crate) fn binary_search_by(&self, order: impl FnMut(&T) -> std::cmp::Ordering) -> Option<I> {
        self.items.binary_search_by(order).ok().map(I::new)
    }

    pub(crate) fn position(&self, matches: impl FnMut(&T) -> bool) -> Option<I> {
        self.items.iter().position(matches).map(I::new)
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, index: I) -> Option<&mut T> {
        self.items.get_mut(index.get())
    }

    #[inline]
    pub(crate) fn indices(&self) -> IdxRange<I> {
        IdxRange::new(I::new(0), self.next_index())
    }

    #[inline]
    pub(crate) fn iter(&self) -> std::slice::Iter<'_, T> {
        self.items.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> std::slice::IterMut<'_, T> {
        self.items.iter_mut()
    }

    pub(crate) fn iter_enumerated(
        &self,
    ) -> impl DoubleEndedIterator<Item = (I, &T)> + ExactSizeIterator + Clone {
        self.items.iter().enumerate().map(|(position, item)| (I::new(position), item))
    }
}

impl<I, T> Default for IdxVec<I, T> {
    fn default() -> Self {
        Self { items: Vec::new(), index: PhantomData }
    }
}

impl<I: Idx, T> FromIterator<T> for IdxVec<I, T> {
    fn from_iter<A: IntoIterator<Item = T>>(items: A) -> Self {
        Self { items: items.into_iter().collect(), index: PhantomData }
    }
}

impl<I, T> IntoIterator for IdxVec<I, T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.into_iter()
    }
}

impl<I: Idx, T> Index<I> for IdxVec<I, T> {
    type Output = T;

    #[inline]
    fn index(&self, index: I) -> &T {
        &self.items[index.get()]
    }
}

impl<I: Idx, T> IndexMut<I> for IdxVec<I, T> {
    #[inline]
    fn index_mut(&mut self, index: I) -> &mut T {
        &mut self.items[index.get()]
    }
}

impl<I: Idx, T> Index<&IdxRange<I>> for IdxVec<I, T> {
    type Output = [T];

    #[inline]
    fn index(&self, range: &IdxRange<I>) -> &[T] {
        &self.items[range.positions()]
    }
}

impl<I: Idx, T> IndexMut<&IdxRange<I>> for IdxVec<I, T> {
    #[inline]
    fn index_mut(&mut self, range: &IdxRange<I>) -> &mut [T] {
        &mut self.items[range.positions()]
    }
}

/// Consecutive indices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IdxRange<I> {
    positions: Range<u32>,
    index: PhantomData<I>,
}

impl<I: Idx> IdxRange<I> {
    pub(crate) fn new(start: I, end: I) -> Self {
        Self { positions: start.get() as u32..end.get() as u32, index: PhantomData }
    }

    #[inline]
    pub(crate) fn start(&self) -> I {
        I::new(self.positions.start as usize)
    }

    #[inline]
    pub(crate) fn end(&self) -> I {
        I::new(self.positions.end as usize)
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }

    #[inline]
    pub(crate) fn contains(&self, index: I) -> bool {
        self.positions.contains(&(index.get() as u32))
    }

    /// Adds the index after the last; returns it.
    #[inline]
    pub(crate) fn lengthen(&mut self) -> I {
        let added = self.end();
        self.positions.end += 1;
        added
    }

    /// Its first `count` indices, and the others.
    pub(crate) fn split_at(&self, count: usize) -> (Self, Self) {
        let middle = I::new(self.positions.start as usize + count);
        (Self::new(self.start(), middle), Self::new(middle, self.end()))
    }

    #[inline]
    fn positions(&self) -> Range<usize> {
        self.positions.start as usize..self.positions.end as usize
    }
}

impl<I: Idx> Iterator for IdxRange<I> {
    type Item = I;

    #[inline]
    fn next(&mut self) -> Option<I> {
        self.positions.next().map(|position| I::new(position as usize))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.positions.size_hint()
    }
}

impl<I: Idx> DoubleEndedIterator for IdxRange<I> {
    #[inline]
    fn next_back(&mut self) -> Option<I> {
        self.positions.next_back().map(|position| I::new(position as usize))
    }
}

impl<I: Idx> ExactSizeIterator for IdxRange<I> {}
