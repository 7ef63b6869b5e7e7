//! The place where the system keeps secrets: the desktop's keyring, or the Credential Manager of Windows.

#[cfg(windows)]
mod credential_manager;
#[cfg(not(windows))]
mod secret_tool;

#[cfg(windows)]
pub use credential_manager::Keyring;
#[cfg(not(windows))]
pub use secret_tool::Keyring;

/// What a keyring did not do.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// Its program cannot be run.
    #[cfg(not(windows))]
    #[error("secret-tool cannot be run: {0}")]
    Program(std::io::Error),
    /// It did not answer.
    #[cfg(not(windows))]
    #[error("the keyring did not answer; is it unlocked?")]
    Silent,
    /// Windows did not do it.
    #[cfg(windows)]
    #[error("the Credential Manager failed: {0}")]
    System(String),
    /// It refused, or has no such secret.
    #[error("the keyring has no such secret, or is locked")]
    Refused,
}
