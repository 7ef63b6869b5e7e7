//! The virtual phone's shell: as much of one as this program's own commands need.
//!
//! Words with single quotes and backslashes, `;`, `&&`, `||`, redirections to `/dev/null`; no
//! variables, no substitution.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};
use sha1::Digest as _;

use super::fault::Fault;
use super::sending::Sending;
use super::tree::{Content, LastLink, Node, NodeKind};
use super::{Cable, RunningPhone};
use crate::adb::RemotePath;
use crate::adb::shell::{Output, output_packet};
use crate::phone::stream::ByteStream;

/// Read in pieces of so many bytes.
const PIECE: usize = 256 * 1024;
/// "Command not found".
const NOT_FOUND: u8 = 127;

/// How the output travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OutputForm {
    /// As shell_v2 packets, with an exit code at the end.
    Packets,
    /// As it is, errors among it.
    Raw,
    /// The same with a carriage return before each newline.
    Terminal,
}

/// The other end is gone.
struct Gone;

pub(super) async fn run(
    running: &RunningPhone,
    cable: &Cable,
    stream: ByteStream,
    line: &[u8],
    form: OutputForm,
) {
    let mut shell = Shell {
        running,
        cable,
        stream,
        form,
    };
    if let Ok(code) = shell.run_line(line).await
        && form == OutputForm::Packets
    {
        let _ = shell.put(Output::Exit(code)).await;
    }
}

struct Shell<'a> {
    running: &'a RunningPhone,
    cable: &'a Cable,
    stream: ByteStream,
    form: OutputForm,
}

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Joint {
    Always,
    IfSo,
    IfNot,
}

impl Shell<'_> {
    async fn run_line(&mut self, line: &[u8]) -> Result<u8, Gone> {
        let prints = &self.running.phone.prints;
        let known = prints
            .iter()
            .find(|(command, _)| command.as_bytes() == line);
        if let Some((_, text)) = known {
            return self.print(text.clone().into_bytes()).await;
        }
        let mut code = 0;
        for (joint, words) in split(line) {
            let wanted = match joint {
                Joint::Always => true,
                Joint::IfSo => code == 0,
                Joint::IfNot => code != 0,
            };
            if wanted && !words.is_empty() {
                code = self.run_words(&words).await?;
            }
        }
        Ok(code)
    }

    async fn run_words(&mut self, words: &[Vec<u8>]) -> Result<u8, Gone> {
        let Some((program, arguments)) = words.split_first() else {
            return Ok(0);
        };
        let name = String::from_utf8_lossy(program).into_owned();
        if self.running.phone.missing_programs.contains(&name) {
            return self.not_found(&name).await;
        }
        let further = &self.running.phone.further_programs;
        let has = |name: &String| further.contains(name);
        match name.as_str() {
            "true" => Ok(0),
            "false" => Ok(1),
            "echo" => {
                let line = [arguments.join(&b" "[..]), b"\n".to_vec()].concat();
                self.print(line).await
            }
            "getprop" => self.getprop(arguments).await,
            "test" => Ok(self.test(arguments)),
            "screencap" => match &self.running.phone.screen {
                Some(picture) => self.print(picture.to_vec()).await,
                None => {
                    let words = "Failed to take screenshot. Status: -1\n";
                    self.put(Output::Stderr(words.into())).await.map(|()| 1)
                }
            },
            "input" => {
                let words = String::from_utf8_lossy(&arguments.join(&b" "[..])).into_owned();
                self.running.counts().inputs.push(words);
                Ok(0)
            }
            "sha256sum" | "sha1sum" | "md5sum" => self.hash(&name, arguments).await,
            "md5" if has(&name) => self.hash(&name, arguments).await,
            "busybox" if has(&name) => match arguments.split_first() {
                Some((applet, paths)) => self.hash(&String::from_utf8_lossy(applet), paths).await,
                None => Ok(0),
            },
            "head" => self.head(arguments).await,
            "cat" => self.send(arguments.first(), 0, u64::MAX).await,
            "tail" => {
                let from = arguments
                    .get(1)
                    .and_then(|word| number(word.strip_prefix(b"+")?));
                self.send(
                    arguments.get(2),
                    from.unwrap_or(1).saturating_sub(1),
                    u64::MAX,
                )
                .await
            }
            "dd" => {
                let value = |name: &[u8]| arguments.iter().find_map(|word| word.strip_prefix(name));
                let block = value(b"bs=").and_then(number).unwrap_or(512);
                let skip = value(b"skip=").and_then(number).unwrap_or(0);
                let count = value(b"count=").and_then(number).unwrap_or(u64::MAX);
                let path = value(b"if=").map(<[u8]>::to_vec);
                self.send(
                    path.as_ref(),
                    block.saturating_mul(skip),
                    block.saturating_mul(count),
                )
                .await
            }
            _ => self.not_found(&name).await,
        }
    }

    async fn not_found(&mut self, name: &str) -> Result<u8, Gone> {
        let words = format!("/system/bin/sh: {name}: inaccessible or not found\n");
        self.put(Output::Stderr(words.into())).await?;
        Ok(NOT_FOUND)
    }

    async fn getprop(&mut self, arguments: &[Vec<u8>]) -> Result<u8, Gone> {
        let properties = &self.running.phone.properties;
        let text: String = match arguments.first() {
            None => properties
                .iter()
                .map(|(name, value)| format!("[{name}]: [{value}]\n"))
                .collect(),
            Some(wanted) => {
                let found = properties
                    .iter()
                    .find(|(name, _)| name.as_bytes() == wanted.as_slice());
                format!("{}\n", found.map_or("", |(_, value)| value))
            }
        };
        self.print(text.into_bytes()).await
    }

    fn test(&self, arguments: &[Vec<u8>]) -> u8 {
        let [flag, path] = arguments else { return 2 };
        let found = self.find(path);
        let holds = match flag.as_slice() {
            b"-e" => found.is_ok(),
            b"-r" => found.is_ok_and(|node| node.readable),
            b"-d" => found.is_ok_and(|node| matches!(node.kind, NodeKind::Folder(_))),
            b"-f" => found.is_ok_and(|node| matches!(node.kind, NodeKind::File(_))),
            _ => false,
        };
        u8::from(!holds)
    }

    async fn hash(&mut self, program: &str, paths: &[Vec<u8>]) -> Result<u8, Gone> {
        let mut code = 0;
        for path in paths {
            match self.readable(path) {
                Ok(content) => {
                    let faults = &self.running.phone.faults;
                    let known = RemotePath::new(path).ok();
                    let fault = known.and_then(|path| faults.strike_hash(&path));
                    if fault == Some(Fault::StallHash) {
                        return std::future::pending().await;
                    }
                    if fault == Some(Fault::NoHash) {
                        code = 1;
                        self.complain(program, path, "I/O error").await?;
                        continue;
                    }
                    let mut hex = digest(program, &content).await;
                    if fault == Some(Fault::WrongHash) {
                        hex = hex.chars().rev().collect();
                    }
                    self.print([hex.as_bytes(), b"  ", path, b"\n"].concat())
                        .await?;
                }
                Err(words) => {
                    code = 1;
                    self.complain(program, path, words).await?;
                }
            }
        }
        Ok(code)
    }

    /// `head -c N FILE FILE...`, which puts a headline above each.
    async fn head(&mut self, arguments: &[Vec<u8>]) -> Result<u8, Gone> {
        let (Some(length), Some(paths)) = (
            arguments.get(1).and_then(|word| number(word)),
            arguments.get(2..),
        ) else {
            return Ok(1);
        };
        let (mut code, mut between) = (0, &b""[..]);
        for path in paths {
            match self.readable(path) {
                Ok(content) => {
                    let bytes = content.read(0, length.min(PIECE as u64) as usize);
                    let headline = [between, b"==> ", path, b" <==\n"].concat();
                    self.print([headline, bytes.to_vec()].concat()).await?;
                    between = b"\n";
                }
                Err(words) => {
                    code = 1;
                    self.complain("head", path, words).await?;
                }
            }
        }
        Ok(code)
    }

    async fn complain(&mut self, program: &str, path: &[u8], words: &str) -> Result<(), Gone> {
        let (program, words) = (program.as_bytes(), words.as_bytes());
        let line = [program, b": ", path, b": ", words, b"\n"].concat();
        self.put(Output::Stderr(line.into())).await
    }

    async fn send(&mut self, path: Option<&Vec<u8>>, offset: u64, length: u64) -> Result<u8, Gone> {
        let path = path.map(Vec::as_slice).unwrap_or_default();
        let known = RemotePath::new(path).ok();
        let fault = known.as_ref().and_then(|path| {
            // What the phone tells about itself is no file of its owner.
            if !path.as_bytes().starts_with(b"/proc/") {
                self.running.count_asked(path);
            }
            self.running.phone.faults.strike_resumed(path)
        });
        if let (Some(Fault::ChangeBefore(later)), Some(path)) = (&fault, &known) {
            self.running.change(path, later);
        }
        let content = match (self.readable(path), &fault) {
            (Ok(content), None) => content,
            (Ok(content), Some(fault)) if !matches!(fault, Fault::Refuse(_) | Fault::Vanish) => {
                content
            }
            (content, _) => {
                let words = content.err().unwrap_or("Permission denied");
                self.complain("sh", path, words).await?;
                return Ok(1);
            }
        };
        let mut sending = Sending::new(content, fault, offset, length);
        while let Some(piece) = sending.next_piece(PIECE) {
            if let Some(path) = &known {
                self.running.count_sent(path, piece.len() as u64);
            }
            self.put(Output::Stdout(piece)).await?;
        }
        match sending.into_fault() {
            Some(Fault::Stall(_)) => std::future::pending().await,
            Some(Fault::Cut(_)) => {
                self.cable.pull_soon().await;
                Err(Gone)
            }
            Some(Fault::Restart(_, opens_after)) => {
                self.running.phone.faults.close_storage(opens_after);
                self.cable.pull_soon().await;
                Err(Gone)
            }
            Some(Fault::HangStorage(_)) => {
                self.running.phone.faults.hang_storage();
                std::future::pending().await
            }
            Some(Fault::EndStream(_)) => Err(Gone),
            Some(Fault::ReadError(_) | Fault::BadBlocks(_)) => {
                self.complain("sh", path, "I/O error").await?;
                Ok(1)
            }
            Some(Fault::Nonsense(bytes)) => {
                self.stream.send(bytes).await.map_err(|_| Gone)?;
                std::future::pending().await
            }
            _ => Ok(0),
        }
    }

    fn find(&self, path: &[u8]) -> Result<Cow<'_, Node>, u32> {
        let path = RemotePath::new(path).map_err(|_| 2_u32)?;
        self.running.find(&path, LastLink::Followed)
    }

    fn readable(&self, path: &[u8]) -> Result<Content, &'static str> {
        match self.find(path) {
            Ok(node) if !node.readable => Err("Permission denied"),
            Ok(node) => match &node.kind {
                NodeKind::File(content) => Ok(content.clone()),
                _ => Err("Is a directory"),
            },
            Err(13) => Err("Permission denied"),
            Err(_) => Err("No such file or directory"),
        }
    }

    async fn print(&mut self, bytes: Vec<u8>) -> Result<u8, Gone> {
        self.put(Output::Stdout(bytes.into())).await.map(|()| 0)
    }

    async fn put(&mut self, output: Output) -> Result<(), Gone> {
        let bytes = match (self.form, output) {
            (OutputForm::Packets, output) => {
                let mut packet = BytesMut::new();
                output_packet(&mut packet, &output);
                packet.freeze()
            }
            (OutputForm::Raw, Output::Stdout(bytes) | Output::Stderr(bytes)) => bytes,
            (OutputForm::Terminal, Output::Stdout(bytes) | Output::Stderr(bytes)) => {
                let mut shown = BytesMut::with_capacity(bytes.len() + bytes.len() / 8);
                for byte in bytes {
                    let written: &[u8] = if byte == b'\n' { b"\r\n" } else { &[byte] };
                    shown.extend_from_slice(written);
                }
                shown.freeze()
            }
            (OutputForm::Raw | OutputForm::Terminal, Output::Exit(_)) => Bytes::new(),
        };
        if bytes.is_empty() {
            return Ok(());
        }
        self.stream.send(bytes).await.map_err(|_| Gone)
    }
}

async fn digest(program: &str, content: &Content) -> String {
    let mut sha256 = crate::digest::Hasher::default();
    let mut sha1 = sha1::Sha1::new();
    let mut md5 = md5::Md5::new();
    let mut at = 0;
    while at < content.size() {
        let piece = content.read(at, PIECE);
        at += piece.len() as u64;
        match program {
            "sha256sum" => sha256.update(&piece),
            "sha1sum" => sha1.update(&piece),
            _ => md5.update(&piece),
        }
        // Other streams go on meanwhile.
        tokio::task::yield_now().await;
    }
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    match program {
        "sha256sum" => sha256.finish().to_string(),
        "sha1sum" => hex(&sha1.finalize()),
        _ => hex(&md5.finalize()),
    }
}

fn number(word: &[u8]) -> Option<u64> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

/// Splits a line into commands and those into words; redirections are dropped, since errors
/// travel apart.
fn split(line: &[u8]) -> Vec<(Joint, Vec<Vec<u8>>)> {
    let mut commands = vec![(Joint::Always, Vec::new())];
    let mut word: Option<Vec<u8>> = None;
    let mut bytes = line.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        let joint = match byte {
            b';' | b'\n' => Some(Joint::Always),
            b'&' if bytes.next_if_eq(&b'&').is_some() => Some(Joint::IfSo),
            b'|' if bytes.next_if_eq(&b'|').is_some() => Some(Joint::IfNot),
            _ => None,
        };
        if joint.is_some() || byte == b' ' {
            end_word(&mut commands, &mut word);
        }
        match (joint, byte) {
            (Some(joint), _) => commands.push((joint, Vec::new())),
            (None, b' ') => {}
            (None, b'\'') => {
                let word = word.get_or_insert_default();
                word.extend(bytes.by_ref().take_while(|byte| *byte != b'\''));
            }
            (None, b'\\') => word.get_or_insert_default().extend(bytes.next()),
            (None, byte) => word.get_or_insert_default().push(byte),
        }
    }
    end_word(&mut commands, &mut word);
    commands
}

fn end_word(commands: &mut [(Joint, Vec<Vec<u8>>)], word: &mut Option<Vec<u8>>) {
    let Some(word) = word.take() else { return };
    if matches!(word.as_slice(), b"2>/dev/null" | b">/dev/null") {
        return;
    }
    if let Some((_, words)) = commands.last_mut() {
        words.push(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adb::shell::quote;

    #[test]
    fn quoted_words_come_back_whole() {
        for name in [&b"a b"[..], b"it's", b"\n;&&||", b"", b"\xff\\'"] {
            let line = [
                b"cat ",
                &*quote(name),
                b" 2>/dev/null; true && echo x || false",
            ]
            .concat();
            let commands = split(&line);
            assert_eq!(
                commands[0],
                (Joint::Always, vec![b"cat".to_vec(), name.to_vec()]),
                "{name:?}"
            );
            let joints: Vec<_> = commands.iter().map(|(joint, _)| *joint).collect();
            assert_eq!(
                joints,
                [Joint::Always, Joint::Always, Joint::IfSo, Joint::IfNot]
            );
        }
    }
}
