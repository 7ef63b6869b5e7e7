//! The one next step after a failure, in clauses. Its words are made last: a command has an option that another
//! lacks, and the guide does by itself what a command leaves to its user.

use std::fmt;

use serde::{Serialize, Serializer};

/// An option that only some of the commands have that can fail in the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flag {
    /// `-o`: the folder or file to write. That of an export is the archive: [`Flag::OfExport`].
    Output,
    /// `--same-phone`
    SamePhone,
    /// `--root`: folders of the phone.
    Root,
    /// `--serial`
    Serial,
    /// `--tcp`
    Tcp,
    /// `--key`
    Key,
    /// `--split`, and what else only an export can be given.
    OfExport,
}

/// A piece of a hint, and whom it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Clause {
    /// For everybody.
    Said(&'static str),
    /// For everybody, with what only the moment knows.
    Made(String),
    /// For a command that has the option.
    With(Flag, &'static str),
    /// For the user of a command; the guide does it by itself.
    ByCommand(&'static str),
    /// Has a user run the same command again, and in the guide take the same choice; the words that follow.
    Again(&'static str),
    /// `rescue pull`, as the user of a command types it; not for a pull that runs already.
    Pull {
        /// What leads to the command.
        before: &'static str,
        /// The options that choose a phone, where nobody knows yet which one.
        example: &'static str,
        /// The options behind them.
        rest: &'static str,
        /// What leads on from the command.
        behind: &'static str,
    },
}

/// Has a user run `rescue pull`.
pub(crate) const fn run_pull(behind: &'static str) -> Clause {
    Clause::Pull {
        before: "run ",
        example: "",
        rest: "",
        behind,
    }
}

/// One next step; its text is what a command says that has every option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint(Vec<Clause>);

impl Hint {
    /// The hint of a command; `None` if nothing of it is for that command.
    pub(crate) fn for_command(self, has: impl Fn(Flag) -> bool) -> Option<Self> {
        self.only(|clause| match clause {
            Clause::With(flag, _) => has(*flag),
            _ => true,
        })
    }

    /// The hint of the guide, which has the options that choose a phone; `None` if nothing of it is for the guide.
    pub(crate) fn for_guide(mut self) -> Option<Self> {
        for clause in &mut self.0 {
            if let Clause::Again(behind) = clause {
                *clause = Clause::Made(format!("choose it again{behind}"));
            }
        }
        self.only(|clause| match clause {
            Clause::With(flag, _) => matches!(flag, Flag::Serial | Flag::Tcp | Flag::Key),
            Clause::Said(_) | Clause::Made(_) | Clause::Again(_) => true,
            Clause::ByCommand(_) | Clause::Pull { .. } => false,
        })
    }

    /// The hint of a pull that runs already.
    pub(crate) fn while_pulling(self) -> Option<Self> {
        self.only(|clause| !matches!(clause, Clause::Pull { .. }))
    }

    fn only(mut self, is_kept: impl Fn(&Clause) -> bool) -> Option<Self> {
        self.0.retain(is_kept);
        (!self.0.is_empty()).then_some(self)
    }

    /// The same, with the command that pulls from the phone in question.
    pub(crate) fn pulling_by(mut self, command: &str) -> Self {
        for clause in &mut self.0 {
            if let Clause::Pull {
                before,
                rest,
                behind,
                ..
            } = clause
            {
                *clause = Clause::Made(format!("{before}`{command}{rest}`{behind}"));
            }
        }
        self
    }

    /// The same, with more behind it.
    pub(crate) fn and(mut self, clause: Clause) -> Self {
        self.0.push(clause);
        self
    }
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|clause| match clause {
            Clause::Said(words) | Clause::With(_, words) | Clause::ByCommand(words) => {
                f.write_str(words)
            }
            Clause::Made(words) => f.write_str(words),
            Clause::Again(behind) => write!(f, "run the same command again{behind}"),
            Clause::Pull {
                before,
                example,
                rest,
                behind,
            } => write!(f, "{before}`rescue pull{example}{rest}`{behind}"),
        })
    }
}

impl Serialize for Hint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl From<&'static str> for Hint {
    fn from(words: &'static str) -> Self {
        Self(vec![Clause::Said(words)])
    }
}

impl From<String> for Hint {
    fn from(words: String) -> Self {
        Self(vec![Clause::Made(words)])
    }
}

impl From<&'static [Clause]> for Hint {
    fn from(clauses: &'static [Clause]) -> Self {
        Self(clauses.to_vec())
    }
}

impl<const N: usize> From<[Clause; N]> for Hint {
    fn from(clauses: [Clause; N]) -> Self {
        Self(clauses.into())
    }
}

#[cfg(test)]
mod tests {
    use super::Clause::{ByCommand, Said, With};
    use super::*;

    fn words(hint: Option<Hint>) -> Option<String> {
        hint.map(|hint| hint.to_string())
    }

    #[test]
    fn only_clauses_that_name_a_missing_option_go() {
        let hint = || {
            Hint::from([
                Said("choose another folder"),
                With(Flag::Output, " with -o"),
                With(
                    Flag::SamePhone,
                    "; if you know that it is the same phone, add --same-phone",
                ),
            ])
        };
        let whole = "choose another folder with -o; if you know that it is the same phone, add --same-phone";
        assert_eq!(hint().to_string(), whole);
        assert_eq!(words(hint().for_command(|_| true)).as_deref(), Some(whole));
        assert_eq!(
            words(hint().for_command(|_| false)).as_deref(),
            Some("choose another folder")
        );
        let one = words(hint().for_command(|flag| flag == Flag::Output));
        assert_eq!(one.as_deref(), Some("choose another folder with -o"));
        let serial = Hint::from([With(Flag::Serial, "choose one with --serial")]);
        assert_eq!(serial.for_command(|_| false), None);
    }

    #[test]
    fn guide_says_nothing_of_what_it_does_itself() {
        let hint = Hint::from([
            run_pull(" and "),
            Said("unlock the phone"),
            With(Flag::Output, " (-o)"),
            With(Flag::Tcp, ", or name it with --tcp"),
            ByCommand(" and run the same command again"),
        ]);
        assert_eq!(
            hint.to_string(),
            "run `rescue pull` and unlock the phone (-o), or name it with --tcp and run the same command again"
        );
        let pulling = "unlock the phone (-o), or name it with --tcp and run the same command again";
        assert_eq!(
            words(hint.clone().while_pulling()).as_deref(),
            Some(pulling)
        );
        assert_eq!(
            words(hint.for_guide()).as_deref(),
            Some("unlock the phone, or name it with --tcp")
        );
        assert_eq!(Hint::from([ByCommand("run it again")]).for_guide(), None);
        let hint = Hint::from([Said("make room and "), Clause::Again(": it resumes")]);
        let command = "make room and run the same command again: it resumes";
        assert_eq!(hint.to_string(), command);
        let guide = "make room and choose it again: it resumes";
        assert_eq!(words(hint.for_guide()).as_deref(), Some(guide));
    }

    #[test]
    fn pull_names_the_phone_once_that_is_known() {
        let hint = Hint::from([Clause::Pull {
            before: "choose one: ",
            example: " --serial usb:1-2",
            rest: " -o FOLDER",
            behind: "",
        }]);
        assert_eq!(
            hint.to_string(),
            "choose one: `rescue pull --serial usb:1-2 -o FOLDER`"
        );
        let known = hint.pulling_by("rescue pull --serial A");
        let words = "choose one: `rescue pull --serial A -o FOLDER`";
        assert_eq!(known.to_string(), words);
        // Another phone's command does not take its place.
        assert_eq!(known.pulling_by("rescue pull").to_string(), words);
    }
}
