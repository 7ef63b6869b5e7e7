//! Asks the oracle, which is a program of its own.

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};

use super::owner::{Claims, Owner};
use crate::desk::{command, project};
use crate::report::Try;

/// What has to be whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whole {
    Nothing,
    Folder,
    Remote,
    Archive,
}

/// Has the oracle look at the rescue folder, and at the other disk where that is mounted.
pub(crate) fn look(owner: &Owner, claims: &Claims, whole: Whole, other: bool, tried: &mut Try) {
    let complete: &[&str] = match whole {
        Whole::Nothing => &[],
        Whole::Folder => &["folder"],
        Whole::Remote => &["folder", "remote"],
        Whole::Archive => &["folder", "archive"],
    };
    let shown = |path: &Path| other.then(|| path.to_str().unwrap().to_owned());
    let asked = json!({
        "phone": owner.on_phone(),
        "folder": owner.folder(),
        "remote": shown(&owner.remote()),
        "archive": shown(&owner.archive()),
        "verified": claims.verified,
        "uploaded": claims.uploaded,
        "complete": complete,
    });
    let mut oracle = command("/usr/bin/python3");
    oracle.arg(project().join("tests/torture/power/oracle.py"));
    oracle.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut asking = oracle.stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = asking.stdin.take().unwrap();
    stdin.write_all(asked.to_string().as_bytes()).unwrap();
    drop(stdin);
    let output = asking.wait_with_output().unwrap();
    assert!(output.status.success(), "the oracle: {output:?}");
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    for (kind, into) in [
        ("lost", &mut tried.lost),
        ("wrong", &mut tried.wrong),
        ("other", &mut tried.other),
    ] {
        let found = found[kind].as_array().unwrap().iter();
        into.extend(found.map(|what| what.as_str().unwrap().to_owned()));
    }
}
