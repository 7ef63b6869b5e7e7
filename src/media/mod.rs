//! One answer each to what a file is and whether it is wanted; pull, export and upload ask here.

pub mod choice;
pub mod kind;
