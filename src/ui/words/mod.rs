//! The sentences that a person reads. In: values. Out: lines, with foreign names made harmless.

pub(crate) mod journey;
