//! The page's files, as they are.

use crate::desk::server::PageFile;

pub(super) const HTML: PageFile = PageFile {
    content_type: "text/html; charset=utf-8",
    text: include_str!("page/page.html"),
};

pub(super) const SCRIPT: PageFile = PageFile {
    content_type: "text/javascript; charset=utf-8",
    text: include_str!("page/page.js"),
};

pub(super) const STYLE: PageFile = PageFile {
    content_type: "text/css; charset=utf-8",
    text: include_str!("page/page.css"),
};
