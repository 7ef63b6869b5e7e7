//! A run of `rescue`.

use std::fmt;
use std::io::{Read, Write as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::Value;

/// No run takes longer, also on a slow machine; one that does hangs.
const DEADLINE: Duration = Duration::from_secs(240);

/// `rescue` at work; dropped, it is killed.
#[derive(Debug)]
pub(crate) struct Running {
    command: String,
    process: Child,
    stdout: Option<JoinHandle<Vec<u8>>>,
    stderr: Option<JoinHandle<Vec<u8>>>,
    began: Instant,
}

/// A run that ended.
#[derive(Debug)]
pub(crate) struct Finished {
    command: String,
    status: ExitStatus,
    /// What it wrote to its standard output.
    pub(crate) stdout: String,
    /// What it wrote to its standard error.
    pub(crate) stderr: String,
    /// How long it took.
    pub(crate) duration: Duration,
}

impl Running {
    /// Starts it.
    pub(crate) fn start(mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let began = Instant::now();
        let mut process = command.spawn().unwrap();
        let stdout = Some(collect(process.stdout.take().unwrap()));
        let stderr = Some(collect(process.stderr.take().unwrap()));
        Self {
            command: format!("{command:?}"),
            process,
            stdout,
            stderr,
            began,
        }
    }

    /// Whether it has not ended.
    pub(crate) fn is_running(&mut self) -> bool {
        self.process.try_wait().unwrap().is_none()
    }

    /// Sends it a signal, by the name that `kill` knows.
    pub(crate) fn signal(&self, name: &str) {
        let mut kill = crate::desk::command("kill");
        crate::desk::output_of(
            kill.arg(format!("-{name}"))
                .arg(self.process.id().to_string()),
        );
    }

    /// Waits for its end.
    pub(crate) fn finish(mut self) -> Finished {
        let mut overdue = false;
        let status = loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                break status;
            }
            if !overdue && self.began.elapsed() > DEADLINE {
                overdue = true;
                self.process.kill().unwrap();
            }
            thread::sleep(Duration::from_millis(2));
        };
        let duration = self.began.elapsed();
        let text = |reader: &mut Option<JoinHandle<Vec<u8>>>| {
            let bytes = reader.take().unwrap().join().unwrap();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let command = std::mem::take(&mut self.command);
        let (stdout, stderr) = (text(&mut self.stdout), text(&mut self.stderr));
        let finished = Finished {
            command,
            status,
            stdout,
            stderr,
            duration,
        };
        assert!(!overdue, "still running after {DEADLINE:?}: {finished}");
        finished
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Finished {
    /// The exit code; a run that a signal ended has none.
    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Demands an exit code.
    #[track_caller]
    pub(crate) fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code(), Some(code), "{self}");
        self
    }

    /// Demands a text in what it said to the person.
    #[track_caller]
    pub(crate) fn expect_said(self, text: &str) -> Self {
        let said = format!("{}{}", self.stdout, self.stderr);
        assert!(said.contains(text), "nothing says '{text}': {self}");
        self
    }

    /// The lines of `--json`; every one has a type.
    #[track_caller]
    pub(crate) fn events(&self) -> Vec<Value> {
        let events = self.stdout.lines().map(|line| {
            let event: Value = serde_json::from_str(line)
                .unwrap_or_else(|error| panic!("no JSON ({error}): {line}\n{self}"));
            assert!(event["type"].is_string(), "no type: {line}");
            event
        });
        events.collect()
    }

    /// How many lines of `--json` have this type.
    #[track_caller]
    pub(crate) fn count_of(&self, kind: &str) -> usize {
        self.events()
            .iter()
            .filter(|event| event["type"] == kind)
            .count()
    }

    /// Writes its time down in `target/peers/figures.txt`.
    pub(crate) fn noted_as(self, what: &str) -> Self {
        let path = crate::desk::peers().join("figures.txt");
        let mut file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .unwrap();
        writeln!(file, "{:7.2} s  {what}", self.duration.as_secs_f64()).unwrap();
        self
    }
}

impl fmt::Display for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            command,
            status,
            stdout,
            stderr,
            duration,
        } = self;
        write!(f, "\n{command}\n{status} after {duration:.2?}\n")?;
        write!(
            f,
            "--- stdout\n{}\n--- stderr\n{}",
            tail(stdout),
            tail(stderr)
        )
    }
}

/// The end of a long text.
fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(60)..].join("\n")
}

fn collect(mut from: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).unwrap();
        bytes
    })
}
