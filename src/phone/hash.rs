//! Hashes that the phone computes on its own CPU, many files a call.

use std::cmp::Reverse;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Phone;
use super::error::PhoneError;
use crate::adb::RemotePath;
use crate::adb::shell::quote;

/// More than one line a file can never be needed, in bytes.
const MAX_OUTPUT: usize = 4 * 1024 * 1024;
/// No phone's storage is slower than this when hashing, in bytes a second.
const SLOWEST_BYTES_PER_SECOND: u64 = 2_000_000;

/// A hash that a phone can compute. The best comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashAlgorithm {
    /// SHA-256, available on phones since about Android 6.
    Sha256,
    /// SHA-1: detects accidental damage, but not deliberate changes.
    Sha1,
    /// MD5, for the oldest phones: detects accidental damage, but not deliberate changes.
    Md5,
}

impl HashAlgorithm {
    /// All algorithms, the best first.
    pub const ALL: [Self; 3] = [Self::Sha256, Self::Sha1, Self::Md5];

    /// Returns the programs that compute the hash, the usual one first. Phones before Android 6 have only toolbox's
    /// `md5`, unless somebody installed a busybox.
    fn programs(self) -> &'static [&'static str] {
        match self {
            Self::Sha256 => &["sha256sum", "busybox sha256sum"],
            Self::Sha1 => &["sha1sum", "busybox sha1sum"],
            Self::Md5 => &["md5sum", "busybox md5sum", "md5"],
        }
    }

    fn hex_digits(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha1 => 40,
            Self::Md5 => 32,
        }
    }
}

/// The phone's answer to a hash request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hashes {
    /// The hash of each path in order, as bytes; `None` if the phone could not read that file.
    Of(Vec<Option<Vec<u8>>>),
    /// The phone has no program for this hash.
    NoProgram,
}

impl Phone {
    /// Makes the phone hash files. `total_bytes` is the sum of their sizes; it determines how long the phone may be
    /// silent.
    pub async fn hash(
        &self,
        algorithm: HashAlgorithm,
        paths: &[&RemotePath],
        total_bytes: u64,
    ) -> Result<Hashes, PhoneError> {
        let programs = algorithm.programs().iter().enumerate();
        for (index, program) in programs.skip(self.hash_program.load(Ordering::Relaxed)) {
            let hashes = self.hash_by(program, algorithm, paths, total_bytes).await?;
            if hashes != Hashes::NoProgram {
                self.hash_program.store(index, Ordering::Relaxed);
                return Ok(hashes);
            }
        }
        Ok(Hashes::NoProgram)
    }

    async fn hash_by(
        &self,
        program: &'static str,
        algorithm: HashAlgorithm,
        paths: &[&RemotePath],
        total_bytes: u64,
    ) -> Result<Hashes, PhoneError> {
        let mut command = program.as_bytes().to_vec();
        for path in paths {
            command.push(b' ');
            command.extend_from_slice(&quote(path.as_bytes()));
        }
        let patience = self.idle + Duration::from_secs(total_bytes / SLOWEST_BYTES_PER_SECOND);
        let output = self.run(program, &command, MAX_OUTPUT, patience).await?;
        let hashes = parse(&output.stdout, algorithm, paths);
        let found_none = hashes.iter().all(Option::is_none);
        let missing =
            contains(&output.stdout, b"not found") || contains(&output.stderr, b"not found");
        if found_none && (output.exit == Some(127) || output.exit.is_none() && missing) {
            return Ok(Hashes::NoProgram);
        }
        Ok(Hashes::Of(hashes))
    }

    /// Returns the most bytes that a path can take in the command line of [`Phone::hash`].
    pub fn hash_command_bytes(path: &RemotePath) -> usize {
        1 + quote(path.as_bytes()).len()
    }
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}

/// Parses lines of the form `HASH  PATH`, also in GNU's form `\HASH  ESCAPED`. The requested paths are known, so a
/// newline in a name cannot fake a line. Files that the phone could not read have no line.
pub(crate) fn parse(
    output: &[u8],
    algorithm: HashAlgorithm,
    paths: &[&RemotePath],
) -> Vec<Option<Vec<u8>>> {
    let names: Vec<Name> = paths.iter().map(|path| Name::of(path)).collect();
    let mut hashes = vec![None; paths.len()];
    let mut rest = output;
    let mut next = 0;
    while !rest.is_empty() {
        match parse_line(rest, algorithm, &names, next) {
            Some((index, hash, length)) => {
                if let Some(slot) = hashes.get_mut(index) {
                    *slot = Some(hash);
                }
                next = index + 1;
                rest = rest.get(length..).unwrap_or_default();
            }
            None => {
                let end = rest
                    .iter()
                    .position(|byte| *byte == b'\n')
                    .map_or(rest.len(), |at| at + 1);
                rest = rest.get(end..).unwrap_or_default();
            }
        }
    }
    hashes
}

/// A path as a line may show it.
struct Name<'a> {
    plain: &'a [u8],
    escaped: Vec<u8>,
}

impl<'a> Name<'a> {
    fn of(path: &'a RemotePath) -> Self {
        Self {
            plain: path.as_bytes(),
            escaped: escape(path.as_bytes()),
        }
    }
}

fn parse_line(
    text: &[u8],
    algorithm: HashAlgorithm,
    names: &[Name],
    from: usize,
) -> Option<(usize, Vec<u8>, usize)> {
    let line = text.strip_prefix(b"\\").unwrap_or(text);
    let escaped = line.len() < text.len();
    let (digits, tail) = line.split_at_checked(algorithm.hex_digits())?;
    let hash = parse_hex(digits)?;
    let tail = tail
        .strip_prefix(b"  ")
        .or_else(|| tail.strip_prefix(b" *"))?;
    let found = names.iter().enumerate().skip(from);
    let found = found.filter_map(|(index, name)| {
        let name = if escaped { &name.escaped } else { name.plain };
        let tail = tail.strip_prefix(name)?;
        let tail = tail.strip_prefix(b"\r").unwrap_or(tail);
        Some((index, name.len(), tail.strip_prefix(b"\n")?))
    });
    // The longest: where one name ends, another may go on after a newline.
    let (index, _, tail) = found.min_by_key(|(_, length, _)| Reverse(*length))?;
    Some((index, hash, text.len() - tail.len()))
}

fn parse_hex(digits: &[u8]) -> Option<Vec<u8>> {
    let (pairs, []) = digits.as_chunks::<2>() else {
        return None;
    };
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|value| value as u8);
    pairs
        .iter()
        .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?))
        .collect()
}

fn escape(path: &[u8]) -> Vec<u8> {
    let mut escaped = Vec::with_capacity(path.len());
    for byte in path {
        match byte {
            b'\\' => escaped.extend_from_slice(b"\\\\"),
            b'\n' => escaped.extend_from_slice(b"\\n"),
            b'\r' => escaped.extend_from_slice(b"\\r"),
            _ => escaped.push(*byte),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RemotePath {
        RemotePath::new(text.as_bytes()).unwrap()
    }

    #[test]
    fn unreadable_files_have_no_hash_and_newlines_in_names_make_no_lines() {
        let (one, two, three) = (path("/a/1"), path("/a/2"), path("/a/b\nc"));
        let hex = "0a".repeat(32);
        let forged = path(&format!("/a/x\n{hex}  /a/2"));
        let paths = [&one, &two, &forged, &three];
        let output = format!("{hex}  /a/1\n{hex}  /a/x\n{hex}  /a/2\n{hex}  /a/b\nc\n");
        let hashes = parse(output.as_bytes(), HashAlgorithm::Sha256, &paths);
        assert_eq!(
            hashes,
            [
                Some(vec![10; 32]),
                None,
                Some(vec![10; 32]),
                Some(vec![10; 32])
            ]
        );
    }

    #[test]
    fn name_that_goes_on_where_another_ends_keeps_its_hash() {
        let short = path("/a");
        for long in ["/a\n00", "/a\r"].map(path) {
            let output = format!("{}  {long}\n", "0a".repeat(32));
            for paths in [[&short, &long], [&long, &short]] {
                let hashes = parse(output.as_bytes(), HashAlgorithm::Sha256, &paths);
                let expected = paths.map(|path| (*path == long).then(|| vec![10; 32]));
                assert_eq!(hashes, expected, "{long:?}");
            }
        }
    }

    #[test]
    fn gnu_escapes_and_noise_are_read() {
        let (odd, plain) = (path("/a\\b\nc"), path("/p"));
        let output = format!(
            "WARNING: linker: noise\n\\{h}  /a\\\\b\\nc\n{h} */p\r\n",
            h = "ff".repeat(16)
        );
        let hashes = parse(output.as_bytes(), HashAlgorithm::Md5, &[&odd, &plain]);
        assert_eq!(hashes, [Some(vec![255; 16]), Some(vec![255; 16])]);
    }

    #[test]
    fn nonsense_gives_no_hash() {
        let one = path("/a");
        for output in [
            "",
            "zz",
            "\n\n",
            &"0".repeat(64),
            &format!("{}  /b\n", "0".repeat(64)),
        ] {
            assert_eq!(
                parse(output.as_bytes(), HashAlgorithm::Sha256, &[&one]),
                [None],
                "{output}"
            );
        }
    }
}
