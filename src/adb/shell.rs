//! Shell streams: the packets of shell_v2, and quoting for the phone's shell.
//!
//! Source: AOSP `adb/shell_protocol.h`, `adb/SERVICES.TXT`.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

use super::input::Input;

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const EXIT: u8 = 3;
/// The largest packet accepted, in bytes; adb's own buffer is smaller.
const MAX_PACKET: u32 = super::wire::MAX_PAYLOAD;

/// Returns the name of the `shell,v2` service for a command: separate stdout and stderr, and an exit code.
pub fn service_v2(command: &[u8]) -> Vec<u8> {
    [b"shell,v2,raw:", command].concat()
}

/// Returns the name of the `exec:` service for a command: its output unchanged, without an exit code.
pub fn service_exec(command: &[u8]) -> Vec<u8> {
    [b"exec:", command].concat()
}

/// Returns the name of the `shell:` service for a command. Without `shell_v2` it runs the command in a terminal. Phones
/// before Android 5 have no other service.
pub fn service_terminal(command: &[u8]) -> Vec<u8> {
    [b"shell:", command].concat()
}

/// A filter that removes from a terminal's output what the terminal added: a fixed number of carriage returns before
/// each newline. The command's own output is restored exactly, even if it is not text.
#[derive(Debug)]
pub struct Returns {
    before_newline: usize,
    held: usize,
}

impl Returns {
    /// Creates a filter for a terminal that adds `before_newline` carriage returns before each newline.
    pub fn new(before_newline: usize) -> Self {
        Self {
            before_newline,
            held: 0,
        }
    }

    /// Measures what a terminal adds: returns how many carriage returns stand between `word` and the newline after it
    /// in `output`.
    pub fn behind(word: &[u8], output: &[u8]) -> Option<usize> {
        let at = output
            .windows(word.len())
            .position(|window| window == word)?;
        let rest = output.get(at + word.len()..)?;
        let newline = rest.iter().position(|byte| *byte == b'\n')?;
        let all_returns = rest.get(..newline)?.iter().all(|byte| *byte == b'\r');
        all_returns.then_some(newline)
    }

    /// Filters the next bytes. Carriage returns at their end are held back until the next bytes arrive.
    pub fn take_out(&mut self, bytes: &[u8]) -> Bytes {
        let mut out = BytesMut::with_capacity(bytes.len() + self.held);
        for byte in bytes {
            if *byte == b'\r' {
                self.held += 1;
                continue;
            }
            let kept = match byte {
                b'\n' => self.held.saturating_sub(self.before_newline),
                _ => self.held,
            };
            out.put_bytes(b'\r', kept);
            self.held = 0;
            out.put_u8(*byte);
        }
        out.freeze()
    }

    /// Returns the bytes that are still held back; call it at the end of the output.
    pub fn rest(&mut self) -> Bytes {
        Bytes::from(vec![b'\r'; std::mem::take(&mut self.held)])
    }
}

/// Quotes a word so that the phone's shell takes every byte of it literally.
pub fn quote(word: &[u8]) -> Vec<u8> {
    let mut quoted = Vec::with_capacity(word.len() + 2);
    quoted.push(b'\'');
    for byte in word {
        match byte {
            b'\'' => quoted.extend_from_slice(b"'\\''"),
            _ => quoted.push(*byte),
        }
    }
    quoted.push(b'\'');
    quoted
}

/// One piece of output of a shell stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Bytes that the command wrote to its standard output.
    Stdout(Bytes),
    /// Bytes that the command wrote to its standard error.
    Stderr(Bytes),
    /// The command ended with this exit code.
    Exit(u8),
}

/// The error for bytes that are not a `shell_v2` packet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("shell service: a packet of kind {kind} with {length} bytes")]
pub struct ShellError {
    /// The packet's id byte.
    pub kind: u8,
    /// The length in bytes that the packet announced.
    pub length: u32,
}

/// A decoder for the packets of a `shell_v2` stream.
#[derive(Debug, Default)]
pub struct ShellDecoder {
    input: Input,
    current: u8,
    left: u32,
}

impl ShellDecoder {
    /// Adds bytes received on the stream.
    pub fn feed(&mut self, bytes: Bytes) {
        self.input.push(bytes);
    }

    /// Returns the next output, or `None` until more bytes arrive.
    pub fn poll(&mut self) -> Result<Option<Output>, ShellError> {
        loop {
            if self.left == 0 {
                let Some(mut header) = self.input.take(5) else {
                    return Ok(None);
                };
                self.current = header.get_u8();
                self.left = header.get_u32_le();
                let sound = match self.current {
                    EXIT => self.left == 1,
                    _ => self.left <= MAX_PACKET,
                };
                if !sound {
                    return Err(ShellError {
                        kind: self.current,
                        length: self.left,
                    });
                }
                continue;
            }
            let piece = self.input.take_up_to(self.left as usize);
            if piece.is_empty() {
                return Ok(None);
            }
            self.left -= piece.len() as u32;
            match self.current {
                STDOUT => return Ok(Some(Output::Stdout(piece))),
                STDERR => return Ok(Some(Output::Stderr(piece))),
                EXIT => return Ok(piece.first().map(|code| Output::Exit(*code))),
                // Kinds that a newer phone may add say nothing to us.
                _ => {}
            }
        }
    }
}

/// Encodes bytes for a command's standard input as a packet.
pub fn input_packet(bytes: &[u8]) -> BytesMut {
    let mut out = BytesMut::with_capacity(5 + bytes.len());
    packet(&mut out, STDIN, bytes);
    out
}

/// Device end: appends one output to `out` as a packet.
pub fn output_packet(out: &mut BytesMut, output: &Output) {
    match output {
        Output::Stdout(bytes) => packet(out, STDOUT, bytes),
        Output::Stderr(bytes) => packet(out, STDERR, bytes),
        Output::Exit(code) => packet(out, EXIT, &[*code]),
    }
}

fn packet(out: &mut BytesMut, kind: u8, bytes: &[u8]) {
    out.put_u8(kind);
    out.put_u32_le(bytes.len() as u32);
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fuzz::{Cut, shell_outputs};

    #[test]
    fn words_survive_the_phones_shell() {
        assert_eq!(quote(b"a b"), b"'a b'");
        assert_eq!(quote(b"it's\n$(x)\xff"), b"'it'\\''s\n$(x)\xff'");
        assert_eq!(quote(b""), b"''");
    }

    /// As a terminal writes it.
    fn through_a_terminal(bytes: &[u8], returns: usize) -> Vec<u8> {
        let mut out = Vec::new();
        for byte in bytes {
            if *byte == b'\n' {
                out.resize(out.len() + returns, b'\r');
            }
            out.push(*byte);
        }
        out
    }

    #[test]
    fn returns_of_a_terminal_are_counted_where_it_shows_them() {
        assert_eq!(Returns::behind(b"word", b"word\n"), Some(0));
        assert_eq!(Returns::behind(b"word", b"noise\r\nword\r\r\n"), Some(2));
        for nothing in [&b""[..], b"word", b"word\r", b"word x\r\n"] {
            assert_eq!(Returns::behind(b"word", nothing), None);
        }
    }

    #[test]
    fn services_name_the_command() {
        assert_eq!(service_v2(b"ls 'a'"), b"shell,v2,raw:ls 'a'");
        assert_eq!(service_exec(b"ls 'a'"), b"exec:ls 'a'");
    }

    #[test]
    fn empty_packets_and_unknown_kinds_say_nothing() {
        let mut bytes = BytesMut::new();
        for (kind, content) in [(0, "in"), (STDOUT, ""), (4, ""), (5, "24x80"), (255, "?")] {
            packet(&mut bytes, kind, content.as_bytes());
        }
        output_packet(&mut bytes, &Output::Exit(255));
        let exit = vec![Output::Exit(255)];
        assert_eq!(shell_outputs(Cut::Bytes.pieces(&bytes)), (exit, None));
    }

    #[test]
    fn lengths_are_bounded() {
        for (kind, length) in [
            (EXIT, 0),
            (EXIT, 2),
            (STDOUT, MAX_PACKET + 1),
            (STDERR, u32::MAX),
            (9, u32::MAX),
        ] {
            let packet = [[kind].as_slice(), &length.to_le_bytes()].concat();
            for cut in [Cut::Whole, Cut::Bytes] {
                let expected = (vec![], Some(ShellError { kind, length }));
                assert_eq!(shell_outputs(cut.pieces(&packet)), expected);
            }
        }
    }

    fn any_output() -> impl Strategy<Value = Output> {
        let bytes = || prop::collection::vec(any::<u8>(), 1..600).prop_map(Bytes::from);
        prop_oneof![
            bytes().prop_map(Output::Stdout),
            bytes().prop_map(Output::Stderr),
            any::<u8>().prop_map(Output::Exit),
        ]
    }

    /// All of one kind, joined; an exit shows where it came.
    fn joined_bytes(outputs: &[Output], kind: u8) -> Vec<u8> {
        let mut joined = Vec::new();
        for output in outputs {
            match output {
                Output::Stdout(bytes) if kind == STDOUT => joined.extend_from_slice(bytes),
                Output::Stderr(bytes) if kind == STDERR => joined.extend_from_slice(bytes),
                Output::Exit(code) => joined.push(*code),
                _ => {}
            }
        }
        joined
    }

    proptest! {
        #[test]
        fn bytes_come_out_of_a_terminal_as_they_went_in(
            bytes in prop::collection::vec(prop::sample::select(b"\r\nx\0".to_vec()), 0..60),
            returns in 0_usize..3,
            length in 1_usize..9,
        ) {
            let mut out = Vec::new();
            let mut taking = Returns::new(returns);
            for piece in through_a_terminal(&bytes, returns).chunks(length) {
                out.extend_from_slice(&taking.take_out(piece));
            }
            out.extend_from_slice(&taking.rest());
            prop_assert_eq!(out, bytes);
        }

        #[test]
        fn output_comes_out_as_it_went_in_whatever_the_pieces(
            outputs in prop::collection::vec(any_output(), 0..12),
            lengths in prop::collection::vec(any::<u8>(), 1..9),
        ) {
            let mut bytes = BytesMut::new();
            for output in &outputs {
                output_packet(&mut bytes, output);
            }
            let (joined, error) = shell_outputs(Cut::Whole.pieces(&bytes));
            prop_assert_eq!(error, None);
            for kind in [STDOUT, STDERR] {
                prop_assert_eq!(joined_bytes(&joined, kind), joined_bytes(&outputs, kind));
            }
            for cut in [Cut::Bytes, Cut::Lengths(&lengths)] {
                prop_assert_eq!(shell_outputs(cut.pieces(&bytes)), (joined.clone(), None));
            }
        }
    }
}
