//! Answers what a file is and whether it is wanted: the same answers for pull, export and upload.

pub mod choice;
pub mod kind;
