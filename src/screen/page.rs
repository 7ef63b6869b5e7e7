//! The page's files, as they are.

use super::{Answer, typed};

/// A file of the page.
pub(super) struct File {
    content_type: &'static str,
    text: &'static str,
}

pub(super) const HTML: File = File {
    content_type: "text/html; charset=utf-8",
    text: include_str!("page/page.html"),
};

pub(super) const SCRIPT: File = File {
    content_type: "text/javascript; charset=utf-8",
    text: include_str!("page/page.js"),
};

pub(super) const STYLE: File = File {
    content_type: "text/css; charset=utf-8",
    text: include_str!("page/page.css"),
};

impl File {
    pub(super) fn answer(&self) -> Answer {
        typed(self.content_type, self.text)
    }
}
