//! Judges files with uninformative names by their first bytes: one command of the phone's shell reads
//! some hundred of them.

use super::super::items::FoundItem;
use super::ask::unless_gone;
use crate::adb::shell::quote;
use crate::media::kind::{FIRST_BYTES, MediaKind};
use crate::phone::{Phone, PhoneError};

/// The most files whose first bytes are read in one run; with more, each run would take long.
pub(super) const MAX_FILES: usize = 4096;
/// Not a file with first bytes, so that the one before it gets a headline too.
const LAST: &[u8] = b"/dev/null";

/// Returns the kinds of files, in their order, judged by their first bytes; [`MediaKind::Other`] if the phone does not
/// answer.
pub(super) async fn judge(
    phone: &Phone,
    files: &[FoundItem],
) -> Result<Vec<MediaKind>, PhoneError> {
    let mut kinds = Vec::with_capacity(files.len());
    while let Some(rest) = files.get(kinds.len()..).filter(|rest| !rest.is_empty()) {
        let (command, asked) = question(rest, phone.max_command_bytes());
        let some = rest.get(..asked).unwrap_or_default();
        let limit = command.len() + asked * (FIRST_BYTES + 64);
        let output = phone.run("head", &command, limit, phone.idle()).await;
        let Some(output) = unless_gone(phone, output).await? else {
            break;
        };
        let begun = beginnings(&output.stdout, some);
        // A phone without the program need not be asked again.
        if begun.iter().all(Option::is_none) && output.exit == Some(127) {
            break;
        }
        kinds.extend(some.iter().zip(begun).map(|(file, bytes)| {
            bytes.map_or(MediaKind::Other, |bytes| {
                MediaKind::of_first_bytes(bytes, file.item.size)
            })
        }));
    }
    kinds.resize(files.len(), MediaKind::Other);
    Ok(kinds)
}

/// Returns a command line that prints the first bytes of files, and the number of files that fit into it.
fn question(files: &[FoundItem], max_bytes: usize) -> (Vec<u8>, usize) {
    let mut command = format!("head -c {FIRST_BYTES}").into_bytes();
    let mut asked = 0;
    for file in files {
        let path = quote(file.item.path.as_bytes());
        if asked > 0 && command.len() + path.len() + 40 > max_bytes {
            break;
        }
        command.push(b' ');
        command.extend_from_slice(&path);
        asked += 1;
    }
    command.push(b' ');
    command.extend_from_slice(LAST);
    command.extend_from_slice(b" 2>/dev/null");
    (command, asked)
}

/// The headline that `head` puts above each file's bytes, with the blank line before it.
fn headline(path: &[u8]) -> Vec<u8> {
    [b"\n==> ", path, b" <==\n"].concat()
}

/// Returns the first bytes of each file; `None` for a file that cannot be read.
fn beginnings<'a>(output: &'a [u8], files: &[FoundItem]) -> Vec<Option<&'a [u8]>> {
    let mut begun = Vec::with_capacity(files.len());
    // Above the first there is no blank line.
    let mut rest = output;
    let mut is_first = true;
    for file in files {
        let headline = headline(file.item.path.as_bytes());
        let wanted = if is_first {
            headline.get(1..).unwrap_or_default()
        } else {
            &headline
        };
        let Some(bytes) = rest.strip_prefix(wanted) else {
            begun.push(None);
            continue;
        };
        is_first = false;
        // A file that shrank meanwhile is over earlier: its end is where a headline follows.
        let ends = |length: &usize| {
            bytes
                .get(*length..)
                .is_some_and(|behind| behind.starts_with(b"\n==> "))
        };
        let Some(length) = (0..=FIRST_BYTES).rev().find(ends) else {
            begun.push(None);
            break;
        };
        let (own, behind) = bytes.split_at(length);
        begun.push(Some(own));
        rest = behind;
    }
    begun.resize(files.len(), None);
    begun
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adb::RemotePath;
    use crate::item::Item;

    fn found(path: &str) -> FoundItem {
        FoundItem {
            item: Item {
                path: RemotePath::new(path.as_bytes()).unwrap(),
                size: 100,
                size_is_exact: true,
                mtime: 0,
            },
            kind: MediaKind::Other,
            volume: 0,
        }
    }

    #[test]
    fn first_bytes_are_read_and_files_without_them_are_known() {
        let files = [
            "/a/denied",
            "/a/b",
            "/a/gone",
            "/a/c",
            "/a/short",
            "/a/last",
        ]
        .map(found);
        let mut output = b"==> /a/b <==\n\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01".to_vec();
        // A file that holds a headline.
        output.extend_from_slice(b"\n==> /a/c <==\n\n==> /a/c <==\n00");
        output.extend_from_slice(b"\n==> /a/short <==\nab\n==> /dev/null <==\n");
        let begun = beginnings(&output, &files);
        assert_eq!(begun[0], None);
        assert_eq!(begun[1].unwrap().len(), FIRST_BYTES);
        assert_eq!((begun[2], begun[5]), (None, None));
        assert_eq!(begun[3].unwrap(), b"\n==> /a/c <==\n00");
        assert_eq!(begun[4], Some(&b"ab"[..]));
        assert!(
            beginnings(b"sh: head: not found\n", &files)
                .iter()
                .all(Option::is_none)
        );
    }

    #[test]
    fn questions_fit_the_command_line() {
        let files: Vec<_> = (0..20).map(|n| found(&format!("/a/it's {n}"))).collect();
        let (command, asked) = question(&files, 200);
        assert!((1..20).contains(&asked) && command.len() <= 200, "{asked}");
        assert!(command.starts_with(br"head -c 16 '/a/it'\''s 0' "));
        assert_eq!(question(&files, 10_000).1, 20);
        assert_eq!(question(&files, 1).1, 1);
    }
}
