//! Answers what a file is and whether it is wanted: the same answers for pull, export and upload.

pub(crate) mod choice;
pub(crate) mod kind;
