//! Disks that we control below real filesystems: the power goes at any write or flush, or writes
//! fail for a while. An oracle that shares nothing with the program says what is on them then.

pub(crate) mod cuts;
pub(crate) mod device;
pub(crate) mod filesystem;
pub(crate) mod loose;
pub(crate) mod oracle;
pub(crate) mod owner;
