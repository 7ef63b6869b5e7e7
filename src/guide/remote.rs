//! Advice about remotes: what to do next depends on whether the remote is saved yet, and on the command.

use super::{MORE_OPEN_FILES, wrap};
use crate::error::{Error, Kind};
use crate::hint::Clause::{self, Again, Made, Said};
use crate::hint::Hint;
use crate::upload::oauth::sign_in::SignInError;
use crate::upload::problem::Problem;

/// What a remote is used for. Names and commands are as a person types them.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RemoteUse<'a> {
    /// It is set up, and not saved yet.
    Adding,
    /// The saved remote of this name is tested, or signed in to.
    Trying(&'a str),
    /// Files are sent to it.
    Sending {
        /// The remote's name.
        name: &'a str,
        /// The command that sends the same files and waits for a connection.
        waiting: &'a str,
    },
}

impl RemoteUse<'_> {
    /// What to do once the cause is gone.
    fn again(&self) -> Clause {
        match self {
            Self::Adding | Self::Trying(_) => Again(""),
            Self::Sending { .. } => Again(": it resumes where it stopped"),
        }
    }

    /// How to change a setting of the remote; `change` says which one, and may be empty.
    fn set_up_again(&self, change: &'static str) -> Clause {
        match self {
            Self::Adding => Again(change),
            Self::Trying(name) | Self::Sending { name, .. } => {
                Made(format!("`rescue remote edit {name}`{change}"))
            }
        }
    }

    fn waiting(&self) -> Clause {
        match self {
            Self::Adding | Self::Trying(_) => Said(""),
            Self::Sending { waiting, .. } => Made(format!("; `{waiting}` waits for it")),
        }
    }

    /// How a host key is confirmed that was compared.
    fn confirm_host_key(&self) -> Clause {
        match self {
            Self::Adding => Said("if it is the same, give it with --host-key"),
            Self::Trying(name) | Self::Sending { name, .. } => Made(format!(
                "`rescue remote test {name}` on a terminal asks you to confirm it, or `rescue remote edit {name}` with --host-key SHA256:..."
            )),
        }
    }

    fn sign_in(&self) -> Clause {
        match self {
            Self::Adding => Again(" to sign in"),
            Self::Trying(name) | Self::Sending { name, .. } => {
                Made(format!("sign in again: `rescue remote login {name}`"))
            }
        }
    }
}

/// The error that a problem with a remote ends a command with.
pub(crate) fn of_problem(problem: &Problem, task: RemoteUse<'_>) -> Error {
    let hint_for_adding = match task {
        RemoteUse::Adding => hint_before_saving(problem),
        RemoteUse::Trying(_) | RemoteUse::Sending { .. } => None,
    };
    let hint = hint_for_adding.unwrap_or_else(|| hint_of(problem, task));
    wrap(kind_of(problem, task), problem, hint)
}

fn kind_of(problem: &Problem, task: RemoteUse<'_>) -> Kind {
    match problem {
        Problem::Unreachable { .. } => Kind::NoConnection,
        Problem::SignedOut { .. }
        | Problem::Moved { .. }
        | Problem::OtherRegion { .. }
        | Problem::Denied { .. }
        | Problem::Forbidden { .. }
        | Problem::ClockSkew { .. }
        | Problem::Untrusted { .. }
        | Problem::NoCertificates { .. }
        | Problem::HostKey { .. }
        | Problem::HostKeyUnknown { .. }
        | Problem::NoWriting { .. }
        | Problem::InTheWay { .. }
        | Problem::FolderBlocked { .. } => Kind::RemoteDenied,
        Problem::Settings { .. } => match task {
            RemoteUse::Adding => Kind::Usage,
            // What was right when it was added: this command line has no part in it.
            RemoteUse::Trying(_) | RemoteUse::Sending { .. } => Kind::RemoteDenied,
        },
        Problem::Full { .. } => Kind::RemoteFull,
        Problem::Busy { .. }
        | Problem::Failing { .. }
        | Problem::Quota { .. }
        | Problem::NoBucket { .. }
        | Problem::NoSftp { .. }
        | Problem::NoWebDav { .. }
        | Problem::NotFound { .. }
        | Problem::TooLarge { .. }
        | Problem::Refused { .. }
        | Problem::NameRefused { .. }
        | Problem::Taken { .. }
        | Problem::Other { .. } => Kind::Remote,
        Problem::SourceChanged { .. } | Problem::SourceGone => Kind::Folder,
        Problem::SourceUnreadable { .. } | Problem::Shortage { .. } => Kind::Disk,
    }
}

/// What to do about a problem with options that are given right now; `None` where a saved remote has the same hint.
fn hint_before_saving(problem: &Problem) -> Option<Hint> {
    Some(match problem {
        Problem::Denied { .. } | Problem::Forbidden { .. } => [
            Said("check user, password and permissions, and "),
            Again(""),
        ]
        .into(),
        Problem::NoWriting { .. } => "name a folder that you may write to".into(),
        Problem::Settings { .. } | Problem::NotFound { .. } => {
            [Said("check the options given, and "), Again("")].into()
        }
        Problem::Other { .. } => {
            "check the address and the options given, for another kind of server may answer there; if they are right, run again with -v and report its output".into()
        }
        _ => return None,
    })
}

fn hint_of(problem: &Problem, task: RemoteUse<'_>) -> Hint {
    let then = |words, what| Hint::from([Said(words), what]);
    match problem {
        Problem::SignedOut { check, .. } => match check.as_str() {
            "" => [task.sign_in()].into(),
            check => [
                task.sign_in(),
                Made(format!("; if it happens again within days, {check}")),
            ]
            .into(),
        },
        Problem::Unreachable { .. } => {
            [Said("check the connection and "), task.again(), task.waiting()].into()
        }
        Problem::Busy { .. } | Problem::Failing { .. } => then("later, ", task.again()),
        Problem::Quota { .. } => {
            [Said("when that time has come, "), task.again(), task.waiting()].into()
        }
        Problem::Moved { .. } => then(
            "open a page in a browser, for some networks want a sign-in first; if you trust that address, ",
            task.set_up_again(" with that address"),
        ),
        Problem::OtherRegion { .. } => [task.set_up_again(" with that --region")].into(),
        Problem::Denied { .. } | Problem::Forbidden { .. } => then(
            "check user, password and permissions; to change them: ",
            task.set_up_again(""),
        ),
        Problem::ClockSkew { .. } => then(
            "set this computer's date and time right, then ",
            task.again(),
        ),
        Problem::Untrusted { .. } => then(
            "check the address; if the server is yours, ",
            task.set_up_again(" with its certificate (--ca-file)"),
        ),
        Problem::NoCertificates { .. } => then(
            "install your system's package ca-certificates; or, if the server is yours, ",
            task.set_up_again(" with its certificate (--ca-file)"),
        ),
        Problem::HostKey { .. } => then(
            "ask the server's owner for the fingerprint of its host key; if it got a new key, ",
            task.set_up_again(" with --host-key SHA256:..."),
        ),
        Problem::HostKeyUnknown { .. } => then(
            "compare it with the fingerprint that the server's owner gives you; ",
            task.confirm_host_key(),
        ),
        Problem::NoWriting { .. } => then(
            "check the permissions of that folder, and that its disk is not read-only; or ",
            task.set_up_again(" with another folder"),
        ),
        Problem::InTheWay { .. } | Problem::FolderBlocked { .. } => then("move that file away, and ", task.again()),
        Problem::NoBucket { .. } => then(
            "check the name of the bucket on the service's page",
            task.waiting(),
        ),
        Problem::NoSftp { .. } => {
            "try `sftp` with the same address; on the server, .bashrc and the like must not print anything in a session without a terminal, and sshd_config needs the line Subsystem sftp".into()
        }
        Problem::NoWebDav { .. } => then(
            "check the address: Nextcloud's looks like https://cloud.example/remote.php/dav/files/USER; to change it: ",
            task.set_up_again(""),
        ),
        Problem::Full { .. } => then("make room there and ", task.again()),
        Problem::Settings { .. } => [task.set_up_again("")].into(),
        Problem::NotFound { .. } => "check the address, bucket or folder of the remote".into(),
        Problem::TooLarge { .. }
        | Problem::Refused { .. }
        | Problem::NameRefused { .. }
        | Problem::Taken { .. }
        | Problem::Other { .. } => "run again with -v and report its output".into(),
        Problem::SourceChanged { .. } | Problem::SourceGone => {
            "run `rescue verify` on the folder, then `rescue pull` with the phone attached".into()
        }
        Problem::SourceUnreadable { .. } => {
            "check that the disk is still attached and healthy".into()
        }
        Problem::Shortage { .. } => MORE_OPEN_FILES.into(),
    }
}

/// The error that a failed sign-in ends a command with.
pub(crate) fn of_sign_in(error: &SignInError, task: RemoteUse<'_>) -> Error {
    let (kind, hint): (_, Hint) = match error {
        SignInError::Problem(problem) => return of_problem(problem, task),
        SignInError::Refused { .. } => (
            Kind::RemoteDenied,
            "sign in again and press \"Allow\"; if the page did not let you, check that your address is among the test users of the project, or publish it".into(),
        ),
        SignInError::ScopeMissing { .. } => (
            Kind::RemoteDenied,
            "sign in again and tick every box on the page".into(),
        ),
        SignInError::WrongState => (
            Kind::RemoteDenied,
            "sign in again with the new link, and use it once only".into(),
        ),
        SignInError::NotAnAnswer => (
            Kind::Usage,
            [Again("; paste the whole address, which begins with http:// and holds code=")].into(),
        ),
        SignInError::NoRefreshToken { .. } => (
            Kind::RemoteDenied,
            "remove rescue's access on the service's page of connected apps, then sign in again".into(),
        ),
        SignInError::Listen { .. } => (
            Kind::Usage,
            [Said("end the program that uses this port, then "), Again("")].into(),
        ),
    };
    wrap(kind, error, hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems() -> Vec<Problem> {
        let words = || "x".to_owned();
        vec![
            Problem::Unreachable {
                host: words(),
                words: words(),
            },
            Problem::Quota { until: 0 },
            Problem::NoBucket { words: words() },
            Problem::Moved {
                to: words(),
                words: words(),
            },
            Problem::OtherRegion {
                region: words(),
                words: words(),
            },
            Problem::Denied { words: words() },
            Problem::Untrusted {
                host: words(),
                words: words(),
            },
            Problem::HostKey {
                host: words(),
                words: words(),
            },
            Problem::HostKeyUnknown {
                host: words(),
                words: words(),
            },
            Problem::NoWriting { words: words() },
            Problem::NoWebDav { words: words() },
            Problem::InTheWay { path: words() },
            Problem::Settings { words: words() },
            Problem::SignedOut {
                words: words(),
                check: words(),
            },
        ]
    }

    #[test]
    fn settings_are_the_command_line_s_fault_only_where_it_gives_them() {
        let words = "photos is not a folder".to_owned();
        let problem = Problem::Settings { words };
        let code = |task| of_problem(&problem, task).kind.exit_code();
        let waiting = "rescue upload f --to nas --wait";
        let sending = RemoteUse::Sending {
            name: "nas",
            waiting,
        };
        assert_eq!(code(RemoteUse::Adding), 2);
        assert_eq!(code(RemoteUse::Trying("nas")), 1);
        assert_eq!(code(sending), 1);
    }

    #[test]
    fn only_a_saved_remote_is_to_be_edited_and_only_an_upload_waits() {
        let hint = |problem: &Problem, task| of_problem(problem, task).hint.unwrap().to_string();
        for problem in problems() {
            let hint = hint(&problem, RemoteUse::Adding);
            for other in ["remote edit", "remote login", "--wait", "resumes"] {
                assert!(!hint.contains(other), "{problem:?}: {hint}");
            }
        }
        for problem in problems() {
            let hint = hint(&problem, RemoteUse::Trying("nas"));
            assert!(
                !hint.contains("--wait") && !hint.contains("resumes"),
                "{problem:?}: {hint}"
            );
            assert!(!hint.contains("remote edit`"), "{problem:?}: {hint}");
        }
        let signed_out = problems().pop().unwrap();
        let again = hint(&signed_out, RemoteUse::Trying("nas"));
        assert!(again.contains("`rescue remote login nas`"), "{again}");
        let waiting = "rescue upload f --to nas --wait";
        let sending = RemoteUse::Sending {
            name: "nas",
            waiting,
        };
        assert!(hint(&problems()[0], sending).contains(waiting));
    }
}
