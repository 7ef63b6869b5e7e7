//! The drawings beside the page's advice: SVG of our own, each in colours for a light and a dark page, without anything
//! from elsewhere.

use super::server::{PageResponse, not_found, typed, with_policy};
use crate::guide::drawing::Drawing;

/// A drawing holds its own style, and loads nothing.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

/// The drawing at this path (`drawing/NAME.svg`).
pub(super) fn answer(path: &str) -> PageResponse {
    let file = path.strip_prefix("drawing/");
    let name = file.and_then(|file| file.strip_suffix(".svg"));
    let drawing = Drawing::ALL
        .iter()
        .find(|drawing| Some(drawing.name()) == name);
    match drawing {
        Some(drawing) => with_policy(typed("image/svg+xml", svg(*drawing)), POLICY),
        None => not_found(),
    }
}

fn svg(drawing: Drawing) -> &'static str {
    match drawing {
        Drawing::Cable => include_str!("page/drawings/cable.svg"),
        Drawing::Replug => include_str!("page/drawings/replug.svg"),
        Drawing::Allow => include_str!("page/drawings/allow.svg"),
        Drawing::Debugging => include_str!("page/drawings/debugging.svg"),
        Drawing::Pin => include_str!("page/drawings/pin.svg"),
        Drawing::Keyboard => include_str!("page/drawings/keyboard.svg"),
        Drawing::Permission => include_str!("page/drawings/permission.svg"),
        Drawing::Driver => include_str!("page/drawings/driver.svg"),
        Drawing::Twins => include_str!("page/drawings/twins.svg"),
        Drawing::Busy => include_str!("page/drawings/busy.svg"),
        Drawing::Power => include_str!("page/drawings/power.svg"),
        Drawing::Network => include_str!("page/drawings/network.svg"),
        Drawing::Wait => include_str!("page/drawings/wait.svg"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use http::StatusCode;

    use super::*;

    const MOST_BYTES: usize = 2500;

    /// The elements that are open at the end, or what is wrong with the markup.
    fn open_at_end(svg: &str) -> Result<Vec<&str>, String> {
        let mut open = Vec::new();
        let mut pieces = svg.split('<');
        if pieces.next().is_some_and(|before| !before.is_empty()) {
            return Err("text before the first element".to_owned());
        }
        for piece in pieces {
            let (tag, behind) = piece.split_once('>').ok_or(piece)?;
            if behind.contains(['>', '&']) {
                return Err(behind.to_owned());
            }
            let (tag, is_whole) = match tag.strip_suffix('/') {
                Some(tag) => (tag, true),
                None => (tag, false),
            };
            if let Some(name) = tag.strip_prefix('/') {
                match open.pop() {
                    Some(it) if it == name => continue,
                    other => return Err(format!("{name} ends, and {other:?} is open")),
                }
            }
            let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
            // name="value" name="value": in turn names and values, and nothing behind the last value.
            let mut parts: Vec<_> = attributes.split('"').collect();
            let behind_last = parts.pop();
            let mut names = parts.iter().step_by(2);
            let is_name = |it: &str| it.trim().len() > 1 && it.ends_with('=');
            if behind_last != Some("") || !names.all(|it| is_name(it)) {
                return Err(tag.to_owned());
            }
            if !is_whole {
                open.push(name);
            }
        }
        Ok(open)
    }

    #[test]
    fn markup_that_is_not_whole_is_seen() {
        for wrong in [
            "<svg><g></svg>",
            "<svg><g/>",
            "<svg a=b/>",
            "<svg a=\"b/>",
            "<svg",
        ] {
            assert_ne!(open_at_end(wrong), Ok(Vec::new()), "{wrong}");
        }
        assert_eq!(
            open_at_end("<svg a=\"b\" c=\"d\"><g/>e</svg>"),
            Ok(Vec::new())
        );
    }

    #[test]
    fn drawings_are_small_whole_and_load_nothing() {
        for drawing in Drawing::ALL {
            let svg = svg(*drawing);
            let name = drawing.name();
            assert_eq!(open_at_end(svg), Ok(Vec::new()), "{name}");
            assert!(svg.len() <= MOST_BYTES, "{name}: {} bytes", svg.len());
            let begin = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 160 ";
            let rest = svg.strip_prefix(begin).unwrap();
            for foreign in [
                "://", "href", "url(", "@import", "<script", "<image", "<foreign", " on", "src",
            ] {
                assert!(!rest.contains(foreign), "{name} has {foreign}");
            }
            assert!(
                rest.contains("@media (prefers-color-scheme: dark)"),
                "{name}"
            );
        }
    }

    #[test]
    fn every_file_is_served_under_its_name() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/desk/page/drawings");
        let mut files = BTreeMap::new();
        for found in std::fs::read_dir(folder).unwrap() {
            let path = found.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            files.insert(name, std::fs::read_to_string(path).unwrap());
        }
        let served = Drawing::ALL.iter().map(|drawing| {
            let text = svg(*drawing).to_owned();
            (format!("{}.svg", drawing.name()), text)
        });
        assert_eq!(files, served.collect());
        for name in files.keys() {
            let path = format!("drawing/{name}");
            assert_eq!(answer(&path).status(), StatusCode::OK, "{name}");
        }
        for path in [
            "cable.svg",
            "drawing/cable",
            "drawing/../desk.js",
            "drawing/",
        ] {
            assert_eq!(answer(path).status(), StatusCode::NOT_FOUND, "{path}");
        }
    }
}
