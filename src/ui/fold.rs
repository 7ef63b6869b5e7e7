//! Lines that fit a terminal: broken between words, and never inside a command that is to be copied.

use std::io::IsTerminal;

use terminal_size::{Height, Width};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// No line is folded narrower: on a terminal of a few columns it would be one word a line.
const NARROWEST: usize = 20;
/// How much further in the rest of a folded line stands.
const INDENT: usize = 2;

/// The columns of the terminal behind a stream; `None` where it is not a terminal.
pub(super) fn width_of(stream: &(impl IsTerminal + StandardStream)) -> Option<usize> {
    Some(size_of(stream)?.0.max(NARROWEST))
}

/// Its columns and rows.
pub(super) fn size_of(stream: &(impl IsTerminal + StandardStream)) -> Option<(usize, usize)> {
    let (Width(columns), Height(rows)) = stream.is_terminal().then(|| stream.size())??;
    Some((usize::from(columns), usize::from(rows)))
}

/// The standard output or standard error.
pub(super) trait StandardStream {
    /// The size of its terminal.
    fn size(&self) -> Option<(Width, Height)>;
}

impl StandardStream for std::io::Stdout {
    fn size(&self) -> Option<(Width, Height)> {
        terminal_size::terminal_size_of(self)
    }
}

impl StandardStream for std::io::Stderr {
    fn size(&self) -> Option<(Width, Height)> {
        terminal_size::terminal_size_of(self)
    }
}

/// A line as several that fit, the later ones further in. A word, or a command between backticks, that
/// is wider than the terminal stays whole: the terminal breaks it, and copying joins it again.
pub(super) fn folded(line: &str, columns: usize) -> String {
    let indent = line.len() - line.trim_start_matches(' ').len();
    let hanging = " ".repeat((indent + INDENT).min(columns / 2));
    let mut lines = String::with_capacity(line.len());
    let (mut used, mut is_begun) = (0, false);
    for word in words(line) {
        let (text, blanks) = word.split_at(word.trim_end_matches(' ').len());
        // Blanks alone begin no line.
        if is_begun && !text.is_empty() && used + text.width() > columns {
            lines.truncate(lines.trim_end_matches(' ').len());
            lines.push('\n');
            lines.push_str(&hanging);
            used = hanging.len();
        }
        lines.push_str(text);
        lines.push_str(blanks);
        used += text.width() + blanks.len();
        is_begun |= !text.is_empty();
    }
    lines
}

/// The words of a line, each with the blank behind it; what stands between backticks is one word.
fn words(line: &str) -> impl Iterator<Item = &str> {
    let mut is_command = false;
    line.split_inclusive(move |c: char| {
        is_command ^= c == '`';
        c == ' ' && !is_command
    })
}

/// The end of a path that fits, from a folder on where that is possible.
pub(super) fn end_of_path(path: &str, columns: usize) -> String {
    if path.width() <= columns {
        return path.to_owned();
    }
    let room = columns.saturating_sub(1);
    let mut used = 0;
    let mut begin = path.len();
    for (at, c) in path.char_indices().rev() {
        used += c.width().unwrap_or(0);
        if used > room {
            break;
        }
        begin = at;
    }
    let fitting = path.get(begin..).unwrap_or_default();
    let from_folder = fitting.find('/').and_then(|at| fitting.get(at..));
    format!("…{}", from_folder.unwrap_or(fitting))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_between_words_and_outside_of_commands() {
        let hint = "hint: run `rescue doctor --serial A`; try another cable and another port";
        assert_eq!(
            folded(hint, 40),
            "hint: run `rescue doctor --serial A`;\n  try another cable and another port"
        );
        assert_eq!(
            folded(hint, 20),
            "hint: run\n  `rescue doctor --serial A`;\n  try another cable\n  and another port"
        );
        assert_eq!(folded("    a bb ccc", 8), "    a bb\n    ccc");
        assert_eq!(
            folded("  2 files   1.0 MB  verified", 24),
            "  2 files   1.0 MB\n    verified"
        );
        assert_eq!(
            folded("  d1/index.html                     every photo", 20),
            "  d1/index.html\n    every photo"
        );
        assert_eq!(folded("写真 写真 写真", 10), "写真 写真\n  写真");
        assert_eq!(folded("password: ", 40), "password: ");
        assert_eq!(folded("", 40), "");
    }

    #[test]
    fn every_width_takes_whole_words_only() {
        let line = "Not looked at: 12 folders in /storage/emulated/0, which only apps may read";
        for columns in 40..130 {
            for part in folded(line, columns).lines() {
                assert!(part.width() <= columns, "{columns}: {part}");
            }
            let joined = folded(line, columns).replace("\n  ", " ");
            assert_eq!(joined, line);
        }
    }

    #[test]
    fn path_that_is_too_long_keeps_its_name() {
        let path = "/storage/emulated/0/DCIM/Camera/IMG_0001.jpg";
        assert_eq!(end_of_path(path, 44), path);
        assert_eq!(
            end_of_path(path, 43),
            "…/emulated/0/DCIM/Camera/IMG_0001.jpg"
        );
        assert_eq!(end_of_path(path, 20), "…/IMG_0001.jpg");
        assert_eq!(end_of_path(path, 8), "…001.jpg");
        assert_eq!(end_of_path("/写真/写真.jpg", 10), "…/写真.jpg");
    }
}
