//! Reads whether a phone is locked, and unlocks it through `input` where USB debugging is allowed
//! already.

use std::time::Duration;

use super::accessory::secret::LockSecret;
use super::error::PhoneError;
use super::{Phone, Properties};

/// More output than any of these commands prints, in bytes.
const MAX_OUTPUT: usize = 256 * 1024;
/// How long one of them may be silent.
const IDLE: Duration = Duration::from_secs(10);

/// What a phone reports about its lock; `None` where it reports nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct LockState {
    /// Whether the phone has not been unlocked since it started, so that its storage is still encrypted.
    pub since_boot: Option<bool>,
    /// Whether the lock screen blocks access.
    pub screen: Option<bool>,
}

impl LockState {
    /// Returns whether the phone is certainly unlocked.
    pub fn is_open(self) -> bool {
        self.since_boot != Some(true) && self.screen == Some(false)
    }

    /// Returns whether the phone is certainly locked.
    pub fn is_locked(self) -> bool {
        self.since_boot == Some(true) || self.screen == Some(true)
    }
}

/// The result of typing with the phone's `input` command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Typed {
    /// The phone accepted everything.
    Yes,
    /// The phone does not let its shell press keys; nothing was typed.
    Refused,
}

impl Phone {
    /// Asks the phone for the current state of its lock.
    pub async fn lock_state(&self) -> Result<LockState, PhoneError> {
        let properties = self
            .run("getprop", b"getprop", MAX_OUTPUT * 16, IDLE)
            .await?;
        let properties = Properties::parse(&properties.stdout);
        let trust = self
            .run("dumpsys", b"dumpsys trust", MAX_OUTPUT, IDLE)
            .await;
        let trust = trust.map(|output| output.stdout).unwrap_or_default();
        Ok(LockState {
            since_boot: locked_since_boot(&properties),
            screen: device_locked(&String::from_utf8_lossy(&trust)),
        })
    }

    /// Types a PIN or password once, with the phone's own `input` command. The secret is passed on a command's standard
    /// input, so that it appears in no command line and in no log on this computer. Calls `begins` right before the
    /// phone may receive it.
    pub async fn type_secret(
        &self,
        secret: &LockSecret,
        begins: &(dyn Fn() + Sync),
    ) -> Result<Typed, PhoneError> {
        let LockSecret::Text(text) = secret else {
            return Ok(Typed::Refused);
        };
        // `input text` takes "%s" for a space, and words that begin like options.
        if text.contains("%s") || text.starts_with('-') {
            return Ok(Typed::Refused);
        }
        // WAKEUP, then MENU, which asks for the PIN; Xiaomi refuses already here where "USB
        // debugging (Security settings)" is off.
        let woken = b"input keyevent 224 && sleep 1 && input keyevent 82 && sleep 1";
        let woken = self.run("input", woken, MAX_OUTPUT, IDLE).await?;
        let complains = |output: &[u8]| !output.trim_ascii().is_empty();
        if woken.exit.is_some_and(|code| code != 0)
            || complains(&woken.stderr)
            || complains(&woken.stdout)
        {
            return Ok(Typed::Refused);
        }
        let command = b"IFS= read -r secret && input text \"$secret\" && input keyevent 66";
        let mut line = zeroize::Zeroizing::new(Vec::with_capacity(text.len() + 1));
        line.extend_from_slice(text.as_bytes());
        line.push(b'\n');
        begins();
        let typed = self.run_with_input("input", command, &line, MAX_OUTPUT, IDLE);
        typed.await.map(|_| Typed::Yes)
    }
}

/// Reads the state of file-based encryption; returns `None` for phones that do not report it.
fn locked_since_boot(properties: &Properties) -> Option<bool> {
    match properties.value("ro.crypto.type") {
        Some("file") => Some(properties.value("sys.user.0.ce_available") != Some("true")),
        _ => None,
    }
}

/// `deviceLocked=1` of the current user, else of the first one, in what `dumpsys trust` prints.
fn device_locked(text: &str) -> Option<bool> {
    let users = || text.lines().filter(|line| line.contains("deviceLocked="));
    let current = users().find(|line| line.contains("(current)"));
    let line = current.or_else(|| users().next())?;
    let (_, value) = line.split_once("deviceLocked=")?;
    match value.bytes().next()? {
        b'0' => Some(false),
        b'1' => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_screen_is_told_for_the_current_user() {
        let text = "Trust manager state:\n User \"Ada\" (id=0, flags=0x13) (current): trusted=0, \
                    trustManaged=0, deviceLocked=1, strongAuthRequired=0x0\n User \"W\" (id=10): deviceLocked=0\n";
        assert_eq!(device_locked(text), Some(true));
        assert_eq!(
            device_locked("User a: deviceLocked=1\nUser b (current): deviceLocked=0"),
            Some(false)
        );
        assert_eq!(device_locked("User a: deviceLocked="), None);
        assert_eq!(device_locked("Can't find service: trust"), None);
    }

    #[test]
    fn encryption_tells_whether_it_was_unlocked_since_it_started() {
        let state = |text: &str| locked_since_boot(&Properties::parse(text.as_bytes()));
        assert_eq!(state("[ro.crypto.type]: [file]\n"), Some(true));
        assert_eq!(
            state("[ro.crypto.type]: [file]\n[sys.user.0.ce_available]: [true]\n"),
            Some(false)
        );
        assert_eq!(state("[ro.crypto.type]: [block]\n"), None);
    }
}
