//! The desktop's keyring, if there is one: GNOME's, KDE's, or any other with freedesktop's Secret Service, through
//! `secret-tool`, the program of libsecret.
//!
//! A program and not a crate: the crates that speak D-Bus add more to the build than all clouds together. The secret
//! goes through pipes, never through arguments or the environment. The kernel's own keyring is not suitable: it
//! forgets everything at a restart.

#[cfg(windows)]
mod credential_manager;
#[cfg(not(windows))]
mod secret_tool;

#[cfg(windows)]
pub(crate) use credential_manager::Keyring;
#[cfg(not(windows))]
pub(crate) use secret_tool::Keyring;

/// An error of the keyring.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyringError {
    /// The keyring's program cannot be run.
    #[cfg(not(windows))]
    #[error("secret-tool cannot be run: {0}")]
    Program(std::io::Error),
    /// The keyring did not answer in time.
    #[cfg(not(windows))]
    #[error("the keyring did not answer; is it unlocked?")]
    Silent,
    /// Windows reported an error.
    #[cfg(windows)]
    #[error("the Credential Manager failed: {0}")]
    System(String),
    /// The keyring refused, or does not have the secret.
    #[error("the keyring has no such secret, or is locked")]
    Refused,
}
