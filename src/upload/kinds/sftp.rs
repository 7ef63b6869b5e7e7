//! Kind `sftp`: SSH servers, with `russh` and `russh-sftp`.
//!
//! A file is written under a name of its own (`parts`), which is created only if nothing has it, and renamed when it
//! is complete; SFTP's rename refuses a taken name. There is one SSH connection with several SFTP channels.

mod connection;
mod sign_in;
mod store;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::num::NonZeroU16;
use std::path::PathBuf;

use async_trait::async_trait;
use clap::Args;
use serde::{Deserialize, Serialize};

use self::connection::{is_host_key, is_known, shown_key};
use self::sign_in::check_key_file;
use self::store::Sftp;
use super::{
    Account, HostKey, NeededSecret, NewSecret, Person, RemoteKind, RemoteOptions, ShownKey, given,
};
use crate::error::{self, Error};
use crate::upload::Remote;
use crate::upload::paths::Paths;
use crate::upload::problem::Problem;
use crate::upload::rules::Rules;
use crate::upload::secret::Secret;

/// An SSH server
#[derive(Debug, Clone, Args)]
#[command(override_usage = "rescue remote add <NAME> sftp [OPTIONS] <USER@HOST[:PORT]>")]
pub(crate) struct SftpOptions {
    /// Where, as in ada@nas.local or ada@nas.local:2222
    #[arg(value_name = "USER@HOST[:PORT]")]
    address: String,
    /// Folder to upload into, relative to the user's home
    #[arg(long, value_name = "FOLDER", default_value = "")]
    path: String,
    /// Private key file (default: a password, or the keys in ~/.ssh)
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Use the keys in ~/.ssh, without a password
    #[arg(long, conflicts_with = "key_file")]
    own_keys: bool,
    /// The server's host key, or its fingerprint, as the server's owner tells it (default: the
    /// key that the server shows at the first connection)
    #[arg(long, value_name = "SHA256:...")]
    host_key: Option<String>,
}

/// The settings of an SSH server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SftpSettings {
    host: String,
    port: u16,
    user: String,
    /// The folder, relative to the user's home folder.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    path: String,
    /// The file with the private key.
    key_file: Option<PathBuf>,
    /// The server's key as noted or confirmed, or its fingerprint; `None` where it is not known yet.
    host_key: Option<String>,
}

impl RemoteOptions for SftpOptions {
    type Settings = SftpSettings;

    async fn set_up(self, person: &impl Person) -> Result<(SftpSettings, NewSecret), Error> {
        let (user, host, port) = login(&self.address)?;
        let settings = SftpSettings {
            host,
            port,
            user,
            path: self.path.trim_end_matches('/').to_owned(),
            key_file: given::file(self.key_file)?,
            host_key: self.host_key.as_deref().map(server_key).transpose()?,
        };
        if let Some(file) = &settings.key_file {
            check_key_file(file).map_err(|problem| person.failed(problem))?;
        }
        let secret = match self.own_keys {
            true => NewSecret::NotNeeded,
            false => NewSecret::AsUsual,
        };
        Ok((settings, secret))
    }

    fn check(option: &str, answer: &str) -> Result<(), Error> {
        match option {
            "address" => login(answer).map(drop),
            "key_file" => {
                let file = given::absolute(answer.as_ref())?;
                check_key_file(&file).map_err(|why| {
                    Error::new(error::Kind::Usage, why.to_string())
                        .with_hint("give a private key file, as in ~/.ssh/id_ed25519")
                })
            }
            "host_key" => server_key(answer).map(drop),
            _ => Ok(()),
        }
    }

    fn present(
        settings: &SftpSettings,
        option: &str,
        changes: &BTreeMap<String, OsString>,
    ) -> Option<String> {
        let is_server = |address: &OsString| match login(&address.to_string_lossy()) {
            Ok((_, host, port)) => host == settings.host && port == settings.port,
            // It is refused where it is set up.
            Err(_) => true,
        };
        match option {
            "address" => Some(settings.address()),
            "host_key" if !changes.get("address").is_none_or(is_server) => None,
            _ => given::present(settings, option),
        }
    }
}

impl SftpSettings {
    /// Returns the address as a person gives it.
    fn address(&self) -> String {
        let Self {
            user, host, port, ..
        } = self;
        match (host.contains(':'), port) {
            (true, _) => format!("{user}@[{host}]:{port}"),
            (false, 22) => format!("{user}@{host}"),
            (false, _) => format!("{user}@{host}:{port}"),
        }
    }
}

#[async_trait]
impl RemoteKind for SftpSettings {
    fn target(&self) -> String {
        let Self {
            user,
            host,
            port,
            path,
            ..
        } = self;
        format!("{user}@{host}:{port} {path}").trim_end().to_owned()
    }

    fn needed_secret(&self) -> Option<NeededSecret> {
        match self.key_file {
            Some(_) => None,
            None => Some(NeededSecret::Line("password")),
        }
    }

    fn connect(&self, account: &Account) -> Result<Box<dyn Remote>, Problem> {
        let login = Login {
            server: self.clone(),
            secret: account.secret.clone(),
        };
        Ok(Paths::boxed(Sftp::new(login), Rules::usual()))
    }

    fn host_key(&self) -> Option<HostKey> {
        Some(match self.host_key {
            Some(_) => HostKey::Noted,
            None if is_known(&self.host, self.port) => HostKey::Listed,
            None => HostKey::Unknown,
        })
    }

    async fn ask_host_key(&self) -> Result<ShownKey, Problem> {
        let (key, fingerprint) = shown_key(self).await?;
        Ok(ShownKey {
            host: self.host.clone(),
            key,
            fingerprint,
        })
    }

    fn set_host_key(&mut self, key: String) {
        self.host_key = Some(key);
    }
}

fn login(text: &str) -> Result<(String, String, u16), Error> {
    let text = text.trim();
    let bad = |why: &str| {
        // Not a password that a person may have put behind the user.
        let shown = match text.rsplit_once('@') {
            Some((user, host)) => match user.split_once(':') {
                Some((user, _)) => format!("{user}:...@{host}"),
                None => text.to_owned(),
            },
            None => text.to_owned(),
        };
        let message = format!("'{shown}' is not an SSH address: {why}");
        Error::new(error::Kind::Usage, message)
            .with_hint("give it as in ada@nas.local or ada@nas.local:2222")
    };
    let no_user = "the user and an @ are missing";
    let (user, rest) = text.rsplit_once('@').ok_or_else(|| bad(no_user))?;
    let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => match rest.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (rest, None),
        },
    };
    let port = match port {
        Some(port) => match port.parse::<NonZeroU16>() {
            Ok(port) => port.get(),
            Err(_) => return Err(bad("the port is not a number from 1 to 65535")),
        },
        None => 22,
    };
    let is_invalid = |c: char| c.is_whitespace() || c.is_control() || c == '/';
    match (user, host) {
        ("", _) => Err(bad(no_user)),
        (user, _) if user.contains(':') => Err(bad("it contains a password")),
        (user, _) if user.contains(is_invalid) => Err(bad("the user's name is invalid")),
        (_, host) if host.is_empty() || host.contains(is_invalid) => {
            Err(bad("the host's name is invalid"))
        }
        _ => Ok((user.to_owned(), host.to_owned(), port)),
    }
}

fn server_key(text: &str) -> Result<String, Error> {
    match is_host_key(text) {
        true => Ok(text.trim().to_owned()),
        false => {
            let message = format!("'{text}' is not a host key");
            Err(Error::new(error::Kind::Usage, message).with_hint(
                "give the fingerprint as in SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU, or the key as in 'ssh-ed25519 AAAA...'",
            ))
        }
    }
}

/// Who signs in, and where.
#[derive(Debug, Clone)]
struct Login {
    server: SftpSettings,
    /// The user's password, or the passphrase of the private key.
    secret: Option<Secret>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ssh_addresses_are_read() {
        let read = |text| login(text).ok();
        let some = |user: &str, host: &str, port| Some((user.to_owned(), host.to_owned(), port));
        assert_eq!(read("ada@nas"), some("ada", "nas", 22));
        assert_eq!(read("ada@nas:2222"), some("ada", "nas", 2222));
        assert_eq!(read("ada@[::1]:22"), some("ada", "::1", 22));
        for bad in ["nas", "@nas", "ada@", "ada@nas:x", "ada:secret@nas"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn host_key_is_that_of_its_server_and_of_no_other() {
        let settings = |address| {
            let (user, host, port) = login(address).unwrap();
            SftpSettings {
                host,
                port,
                user,
                path: String::new(),
                key_file: None,
                host_key: Some("SHA256:x".to_owned()),
            }
        };
        let key = |address, changed: &str| {
            let changes = [("address".to_owned(), changed.into())].into();
            SftpOptions::present(&settings(address), "host_key", &changes)
        };
        for address in ["ada@nas", "ada@nas:2222", "ada@[::1]:2222"] {
            let settings = settings(address);
            assert_eq!(settings.address(), address);
            let same = SftpOptions::present(&settings, "host_key", &BTreeMap::new());
            assert_eq!(same, settings.host_key);
            assert_eq!(key(address, address), settings.host_key);
            assert_eq!(key(address, "ada@other"), None);
        }
        assert!(key("ada@nas", "bob@nas:22").is_some());
        assert!(key("ada@nas", "ada@nas:23").is_none());
    }
}
