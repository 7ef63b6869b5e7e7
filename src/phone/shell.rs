//! Commands in the phone's shell.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::Phone;
use super::error::PhoneError;
use super::stream::ByteStream;
use crate::adb::features::Feature;
use crate::adb::shell::{
    Output, Returns, ShellDecoder, input_packet, service_exec, service_terminal, service_v2,
};

/// How many silences a command may consist of.
const MAX_SILENCES: u32 = 8;

/// What a phone without shell_v2 has to print, so that its shell is known.
const PROBE: &[u8] = b"rescue";
/// More output than that prints, in bytes.
const MAX_PROBE: usize = 4096;

/// The way in which a phone's shell is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum ShellKind {
    /// Through `shell_v2` packets, with an exit code: phones since about Android 7.
    #[default]
    Packets,
    /// Through `exec:`, which leaves the output unchanged: phones since about Android 5.
    Raw,
    /// Through `shell:`, which is a terminal and adds this many carriage returns before each newline.
    Terminal(usize),
}

/// The output of a finished command and how it ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommandOutput {
    /// The command's standard output. Phones too old to separate them mix the standard error in.
    pub stdout: Vec<u8>,
    /// The command's standard error.
    pub stderr: Vec<u8>,
    /// The command's exit code; `None` if the phone is too old to report it.
    pub exit: Option<u8>,
}

/// A running command, whose standard output is read as it arrives.
#[derive(Debug)]
pub struct RunningCommand {
    stream: ByteStream,
    reading: Reading,
}

#[derive(Debug)]
enum Reading {
    Packets(ShellDecoder),
    Raw,
    Terminal(Returns),
}

impl RunningCommand {
    /// Sends bytes to the command's standard input.
    pub async fn send(&mut self, input: &[u8]) -> Result<(), PhoneError> {
        let bytes = match self.reading {
            Reading::Packets(_) => input_packet(input).freeze(),
            Reading::Raw | Reading::Terminal(_) => Bytes::copy_from_slice(input),
        };
        self.stream.send(bytes).await.map_err(PhoneError::Lost)
    }

    /// Returns the next piece of output, or `None` once the command has ended. Waits at most `idle` for it.
    pub async fn next(&mut self, idle: Duration) -> Result<Option<Output>, PhoneError> {
        // From here on: packets that say nothing do not count as an answer.
        let deadline = Instant::now() + idle;
        loop {
            if let Reading::Packets(decoder) = &mut self.reading
                && let Some(output) = decoder.poll()?
            {
                return Ok(Some(output));
            }
            let received = tokio::time::timeout_at(deadline, self.stream.receive()).await;
            let idle = |_| PhoneError::Idle {
                doing: "waiting for a command",
                after: idle,
            };
            let received = received.map_err(idle)?.map_err(PhoneError::Lost)?;
            let is_over = received.is_none();
            let bytes = match &mut self.reading {
                Reading::Terminal(returns) => match received {
                    Some(bytes) => returns.take_out(&bytes),
                    None => returns.rest(),
                },
                Reading::Packets(decoder) => {
                    decoder.feed(received.unwrap_or_default());
                    Bytes::new()
                }
                Reading::Raw => received.unwrap_or_default(),
            };
            match (bytes.is_empty(), is_over) {
                (false, _) => return Ok(Some(Output::Stdout(bytes))),
                (true, true) => return Ok(None),
                (true, false) => {}
            }
        }
    }
}

impl Phone {
    /// Finds out how this phone's shell is reached, from the output of a first command.
    pub(super) async fn find_shell(&mut self) -> Result<(), PhoneError> {
        if self.features.has(Feature::ShellV2) {
            return Ok(());
        }
        let command = [b"echo ", PROBE].concat();
        for kind in [ShellKind::Raw, ShellKind::Terminal(0)] {
            self.shell = kind;
            match self.run("echo", &command, MAX_PROBE, self.idle).await {
                Ok(output) => match Returns::behind(PROBE, &output.stdout) {
                    Some(0) => return Ok(()),
                    Some(returns) if kind != ShellKind::Raw => {
                        self.shell = ShellKind::Terminal(returns);
                        return Ok(());
                    }
                    _ => {}
                },
                // The phone has no such service.
                Err(PhoneError::ServiceRefused { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        self.shell = ShellKind::Raw;
        Ok(())
    }

    /// Starts a command whose words are already quoted. `name` is used in messages.
    pub async fn start(
        &self,
        name: &'static str,
        command: &[u8],
    ) -> Result<RunningCommand, PhoneError> {
        self.start_shown_as(name, command, command).await
    }

    /// Starts a command; the log (`-v`) shows `shown` in its place.
    async fn start_shown_as(
        &self,
        name: &'static str,
        command: &[u8],
        shown: &[u8],
    ) -> Result<RunningCommand, PhoneError> {
        let service = match self.shell {
            ShellKind::Packets => service_v2,
            ShellKind::Raw => service_exec,
            ShellKind::Terminal(_) => service_terminal,
        };
        let opened = self
            .open_shown_as(&service(command), &service(shown))
            .await?;
        let stream = opened.ok_or_else(|| PhoneError::ServiceRefused {
            service: name.to_owned(),
        })?;
        Ok(RunningCommand {
            stream,
            reading: match self.shell {
                ShellKind::Packets => Reading::Packets(ShellDecoder::default()),
                ShellKind::Raw => Reading::Raw,
                ShellKind::Terminal(returns) => Reading::Terminal(Returns::new(returns)),
            },
        })
    }

    /// Runs a command to its end. `limit` is the most bytes of each output and `idle` the longest silence. The total
    /// time is limited to a few times `idle`, because a phone that sends its output in drips would never end.
    pub async fn run(
        &self,
        name: &'static str,
        command: &[u8],
        limit: usize,
        idle: Duration,
    ) -> Result<CommandOutput, PhoneError> {
        let running = self.start(name, command).await?;
        self.finish(name, running, limit, idle).await
    }

    /// Does the same as [`Phone::run`] for a command that may contain a secret: the log (`-v`) shows only its name.
    pub async fn run_secret(
        &self,
        name: &'static str,
        command: &[u8],
        limit: usize,
        idle: Duration,
    ) -> Result<CommandOutput, PhoneError> {
        let running = self.start_shown_as(name, command, name.as_bytes()).await?;
        self.finish(name, running, limit, idle).await
    }

    /// Does the same as [`Phone::run`] and sends `input` to the command's standard input, which appears in no log.
    pub async fn run_with_input(
        &self,
        name: &'static str,
        command: &[u8],
        input: &[u8],
        limit: usize,
        idle: Duration,
    ) -> Result<CommandOutput, PhoneError> {
        let mut running = self.start(name, command).await?;
        running.send(input).await?;
        self.finish(name, running, limit, idle).await
    }

    async fn finish(
        &self,
        name: &'static str,
        mut running: RunningCommand,
        limit: usize,
        idle: Duration,
    ) -> Result<CommandOutput, PhoneError> {
        let mut output = CommandOutput::default();
        let whole = idle.saturating_mul(MAX_SILENCES);
        let deadline = Instant::now() + whole;
        loop {
            let next = tokio::time::timeout_at(deadline, running.next(idle)).await;
            let next = next.unwrap_or(Err(PhoneError::Idle {
                doing: "waiting for the end of a command",
                after: whole,
            }));
            let Some(piece) = next? else { break };
            let (kept, bytes) = match piece {
                Output::Stdout(bytes) => (&mut output.stdout, bytes),
                Output::Stderr(bytes) => (&mut output.stderr, bytes),
                Output::Exit(code) => {
                    output.exit = Some(code);
                    break;
                }
            };
            if kept.len() + bytes.len() > limit {
                return Err(PhoneError::TooMuchOutput {
                    command: name,
                    limit,
                });
            }
            kept.extend_from_slice(&bytes);
        }
        if self.features.has(Feature::ShellV2) && output.exit.is_none() {
            return Err(PhoneError::StreamEnded { service: name });
        }
        Ok(output)
    }

    /// Returns the length in bytes of the longest command line to send: phones cut off or refuse longer ones.
    pub fn max_command_bytes(&self) -> usize {
        if self.features.has(Feature::ShellV2) {
            // Linux takes 128 KiB for one argument; an adb server's length field says 64 KiB.
            32 * 1024
        } else {
            // Phones of that age take 4 KiB in one message.
            3 * 1024
        }
    }
}
