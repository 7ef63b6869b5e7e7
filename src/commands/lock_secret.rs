//! Reads the owner's PIN, password or pattern from the terminal without an echo, from a file, or from
//! the standard input. Records the time and number of attempts, never the secret.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::cli::LockSecretArgs;
use crate::digest::Sha256;
use crate::error::{Error, Kind};
use crate::hint::Clause::{ByCommand, Said};
use crate::phone::accessory::secret::{LockSecret, line_of};
use crate::ui::Ui;
use crate::ui::terminal::{self, Mode};

/// What Android does about wrong tries.
pub(super) const THROTTLING: &str = "After five wrong attempts Android makes you wait 30 seconds, later up to hours; some phones are set to erase themselves after 10 to 20. The PIN is tried once.";

/// Asks for what opens the lock; `None` when the person gives nothing.
pub(super) async fn ask(args: &LockSecretArgs, ui: &Ui) -> Result<Option<LockSecret>, Error> {
    leave_no_core();
    let what = match args.pattern {
        true => "Pattern of the phone, as digits 1 to 9 (not shown)",
        false => "PIN or password of the phone (not shown)",
    };
    let line = match &args.pin_file {
        Some(path) => from_file(path).await?,
        None => prompted(&format!("{what}: "), Mode::Hidden, ui).await?,
    };
    let unusable = |why: String| {
        Error::new(Kind::Usage, "invalid PIN, password or pattern")
            .caused_by(why)
            .with_hint(and_again(args))
    };
    let Some(text) = line_of(line) else {
        return Err(unusable("it is not UTF-8 text".to_owned()));
    };
    if text.is_empty() {
        return Ok(None);
    }
    let secret = match args.pattern {
        true => LockSecret::pattern(&text),
        false => LockSecret::text(text),
    };
    secret
        .map(Some)
        .map_err(|error| unusable(error.to_string()))
}

/// The same where there has to be one.
pub(super) async fn demand(args: &LockSecretArgs, ui: &Ui) -> Result<LockSecret, Error> {
    ask(args, ui)
        .await?
        .ok_or_else(|| Error::new(Kind::Usage, "no PIN was given").with_hint(and_again(args)))
}

/// Returns the next step after a secret that cannot be typed.
fn and_again(args: &LockSecretArgs) -> &'static str {
    match args.pin_file {
        Some(_) => {
            "write the PIN, password or pattern into the first line of what --pin-file reads; nothing was typed on the phone"
        }
        None => "run the same command again; nothing was typed on the phone",
    }
}

/// What crashes from here on leaves no copy of the secret on the disk.
#[cfg(unix)]
fn leave_no_core() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let _ = setrlimit(Resource::Core, none);
}

/// Windows keeps memory of a crash only where somebody has set it up to.
#[cfg(not(unix))]
fn leave_no_core() {}

async fn from_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    let own = path.to_owned();
    // A pipe may take its time.
    let read = tokio::task::spawn_blocking(move || match own.as_os_str() == "-" {
        true => terminal::first_line_of_stdin(),
        false => std::fs::File::open(own).and_then(terminal::first_line),
    });
    let read = match read.await {
        Ok(read) => read,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    };
    read.map_err(|error| {
        Error::new(
            Kind::Usage,
            format!("cannot read the PIN from {}", path.display()),
        )
        .caused_by(error)
        .with_hint("check the path given with --pin-file")
    })
}

/// Asks on the terminal, and fails where there is none.
pub(super) async fn prompted(
    prompt: &str,
    mode: Mode,
    ui: &Ui,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    if !ui.can_ask() {
        return Err(
            Error::new(Kind::Usage, "input is required, but standard input is not a terminal")
                .with_hint("give the PIN with --pin-file FILE, or with --pin-file - on the standard input; options in --help answer the other questions"),
        );
    }
    let failed = |error| Error::new(Kind::Usage, "the terminal cannot be read").caused_by(error);
    ui.ask_as_typed(prompt, mode).await.map_err(failed)
}

/// Asks a question to be answered by "yes".
pub(super) async fn agreed(question: &str, ui: &Ui) -> Result<bool, Error> {
    if ui.is_on_face() {
        let choices = ["Yes", "No"].map(str::to_owned).into();
        return Ok(ui.choose_on_face(question, choices, 1).await == Some(0));
    }
    let line = prompted(&format!("{question} Type the word yes: "), Mode::Lines, ui).await?;
    Ok(line.trim_ascii().eq_ignore_ascii_case(b"yes"))
}

/// More than is remembered of thousands of phones, in bytes.
const MAX_BYTES: u64 = 1024 * 1024;

/// Attempts at a phone's lock of which no success is known.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Attempts {
    count: u32,
    /// In seconds since 1970.
    last: u64,
}

/// What is remembered of attempts, in `~/.local/state/rescue/unlock.json`.
#[derive(Debug)]
pub(super) struct Memory {
    file: Option<PathBuf>,
    phone: String,
}

impl Memory {
    /// What is known of a phone. Its serial number is kept as a hash.
    pub(super) fn of(serial: &str) -> Self {
        Self {
            file: crate::home::state().map(|state| state.join("unlock.json")),
            phone: Sha256::of(serial.as_bytes()).to_string(),
        }
    }

    /// Lets an attempt begin: after one without a known success only with a new yes.
    pub(super) async fn allow(&self, again: bool, ui: &Ui) -> Result<(), Error> {
        ui.remark(THROTTLING);
        let Some(earlier) = self.read().remove(&self.phone) else {
            return Ok(());
        };
        let ago = now().saturating_sub(earlier.last);
        let story = format!(
            "The last attempt ({ago} s ago) did not unlock this phone, or its outcome is unknown; {} since the last success.",
            crate::ui::count(earlier.count.into(), "attempt")
        );
        if again {
            ui.remark(&story);
            return Ok(());
        }
        let refused = |words: &str| {
            Error::new(Kind::Locked, words).with_hint([
                Said("make sure of the PIN, and wait a minute"),
                ByCommand(", then run the same command with --again"),
            ])
        };
        if !ui.can_ask() {
            return Err(refused(&story));
        }
        ui.remark(&story);
        match agreed("Are you sure of the PIN? It is tried once more.", ui).await? {
            true => Ok(()),
            // What was remarked is not said twice.
            false if ui.is_read_by_person() => Err(refused("no attempt was made")),
            false => Err(refused(&story)),
        }
    }

    /// An attempt begins: it counts until its success is known.
    pub(super) fn begin(&self, ui: &Ui) {
        let mut all = self.read();
        let own = all.entry(self.phone.clone()).or_default();
        own.count = own.count.saturating_add(1);
        own.last = now();
        if let Err(error) = self.write(&all) {
            ui.remark(&format!("This attempt cannot be recorded: {error}"));
        }
    }

    /// The lock is open.
    pub(super) fn succeeded(&self) {
        let mut all = self.read();
        if all.remove(&self.phone).is_some()
            && let Err(error) = self.write(&all)
        {
            tracing::debug!(%error, "attempts stay remembered");
        }
    }

    fn read(&self) -> BTreeMap<String, Attempts> {
        let file = self.file.as_ref();
        let text = file.and_then(|file| crate::home::read(file, MAX_BYTES).ok());
        text.and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default()
    }

    fn write(&self, all: &BTreeMap<String, Attempts>) -> std::io::Result<()> {
        let Some(file) = &self.file else {
            return Err(std::io::Error::other("HOME is not set"));
        };
        crate::home::replace_private(file, &serde_json::to_vec(all)?)
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map(|since| since.as_secs()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::event::Event;
    use crate::ui::face::{
        Face, FaceAnswer, FaceAsking, FaceProgress, FaceQuestion, Tone, WantedAnswer,
    };

    /// A page that answers each question with the next of these, and keeps what it was asked.
    #[derive(Default)]
    struct AnsweringFace {
        answers: Mutex<Vec<FaceAnswer>>,
        asked: Mutex<Vec<FaceQuestion>>,
    }

    impl Face for AnsweringFace {
        fn tell(&self, _: &str, _: Tone) {}

        fn event(&self, _: &Event) {}

        fn progress(&self, _: Option<FaceProgress>) {}

        fn ask(&self, question: FaceQuestion) -> FaceAsking<'_> {
            self.asked.lock().unwrap().push(question);
            let answer = self.answers.lock().unwrap().remove(0);
            Box::pin(std::future::ready(answer))
        }
    }

    #[tokio::test]
    async fn page_is_asked_as_a_terminal_is() {
        let line = |text: &str| FaceAnswer::Line(Zeroizing::new(text.to_owned()));
        let face = Arc::new(AnsweringFace::default());
        *face.answers.lock().unwrap() = vec![
            line("4711"),
            line(""),
            FaceAnswer::Nothing,
            FaceAnswer::Number(0),
            FaceAnswer::Number(1),
            FaceAnswer::Nothing,
        ];
        let ui = &Ui::on_face(Arc::clone(&face) as Arc<dyn Face>);
        let args = LockSecretArgs::default();
        let secret = ask(&args, ui).await.unwrap();
        assert!(matches!(secret, Some(LockSecret::Text(text)) if *text == "4711"));
        // Nothing typed, and a question that is left.
        for _ in 0..2 {
            assert!(ask(&args, ui).await.unwrap().is_none());
        }
        for expected in [true, false, false] {
            assert_eq!(agreed("Sure?", ui).await.unwrap(), expected);
        }
        let asked = face.asked.lock().unwrap();
        let is_secret = |it: &&FaceQuestion| it.wanted == WantedAnswer::Secret;
        assert_eq!(asked.iter().filter(is_secret).count(), 3);
        assert_eq!(asked[0].text, "PIN or password of the phone (not shown)");
    }

    #[test]
    fn attempts_are_remembered_from_a_file_of_a_sensible_size_alone() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("unlock.json");
        let memory = Memory {
            file: Some(file.clone()),
            phone: "phone".to_owned(),
        };
        let attempts = Attempts { count: 2, last: 1 };
        let all = BTreeMap::from([("phone".to_owned(), attempts)]);
        memory.write(&all).unwrap();
        assert_eq!(memory.read(), all);
        let filled = serde_json::to_string(&all).unwrap() + &" ".repeat(MAX_BYTES as usize);
        std::fs::write(&file, filled).unwrap();
        assert!(memory.read().is_empty());
        #[cfg(unix)]
        {
            std::fs::remove_file(&file).unwrap();
            let made = std::process::Command::new("mkfifo").arg(&file).status();
            assert!(made.unwrap().success());
            assert!(memory.read().is_empty(), "a pipe is not waited for");
        }
    }
}
