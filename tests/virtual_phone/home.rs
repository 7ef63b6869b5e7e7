//! Runs whose home folder is missing, or takes nothing: what needs none does without.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use rescue::virtual_phone::{Trust, VirtualPhone};

use crate::desk::{CAMERA, Desk, camera, end, refs, text};

/// Homes of no use: none, one that is not there and cannot be made, and a file.
const HOMES: [Option<&str>; 3] = [None, Some("/proc/no-home"), Some("/dev/null")];

#[tokio::test]
async fn pull_from_a_phone_that_asks_for_no_key_needs_no_home() {
    let (phone, expected) = camera(&[50_000, 70_000]);
    let serving = phone.serve().await.unwrap();
    for home in HOMES {
        let desk = Desk::new();
        let with_home = |mut command: std::process::Command| {
            command.env_remove("HOME");
            for variable in [
                "HOME",
                "XDG_CONFIG_HOME",
                "XDG_STATE_HOME",
                "ANDROID_USER_HOME",
            ] {
                home.map(|home| command.env(variable, home));
            }
            command
        };
        let mut pull = with_home(desk.pull_command(&serving, &[]));
        end(pull.spawn().unwrap()).await.expect(0);
        desk.expect_files(&refs(&expected));
        for arguments in [
            &["--json", "status", "rescued"][..],
            &["--json", "verify", "rescued"],
            &["--json", "export", "rescued", "-o", "out.zip"],
        ] {
            let mut command = with_home(desk.command(arguments));
            end(command.spawn().unwrap()).await.expect(0);
        }
    }
}

#[tokio::test]
async fn home_that_takes_nothing_does_not_end_a_pull_that_needs_nothing_of_it() {
    let (phone, expected) = camera(&[50_000]);
    let serving = phone.serve().await.unwrap();
    let desk = Desk::new();
    let home = desk.dir.path().join("home");
    fs::remove_dir_all(home.join(".android")).unwrap();
    // Nor is a folder in the place of the key one.
    fs::create_dir_all(home.join(".android/adbkey/x")).unwrap();
    fs::set_permissions(&home, fs::Permissions::from_mode(0o555)).unwrap();
    desk.pull(&serving, &[]).await.expect(0);
    desk.expect_files(&refs(&expected));
}

#[tokio::test]
async fn phone_that_asks_for_a_key_names_the_home_that_is_missing() {
    let (mut phone, _) = camera(&[50_000]);
    phone.trust = Trust::Known {
        keys: Vec::new(),
        approves_after: None,
    };
    let serving = phone.serve().await.unwrap();
    let desk = Desk::new();
    let mut pull = desk.pull_command(&serving, &[]);
    pull.env_remove("HOME");
    let ended = end(pull.spawn().unwrap()).await.expect(1);
    let hint = ended.line("error")["hint"].to_string();
    assert!(hint.contains("set HOME"), "{hint}");
}

#[tokio::test]
async fn json_of_hostile_names_steers_nothing() {
    let mut phone = VirtualPhone::new("TEST0001");
    let name = "\u{9b}2J\u{7f}\u{202e}gpj.exe\u{2066}.jpg";
    let path = format!("{CAMERA}/{name}");
    phone.tree.add_file(&path, text("photo"), 1_700_000_000);
    let serving = phone.serve().await.unwrap();
    let desk = Desk::new();
    let mut pull = desk.pull_command(&serving, &["-v"]);
    let ended = tokio::task::spawn_blocking(move || pull.output())
        .await
        .unwrap()
        .unwrap();
    let said = [ended.stdout.clone(), ended.stderr].concat();
    let said = String::from_utf8(said).unwrap();
    let steers = |c: &char| {
        (c.is_control() && *c != '\n')
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    assert_eq!(said.chars().find(steers), None, "{said:?}");
    // And programs read the same name as before.
    let stdout = String::from_utf8(ended.stdout).unwrap();
    let lines = stdout
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let mut pulled = lines.filter(|line| line["type"] == "pulled");
    assert_eq!(pulled.next().unwrap()["path"], path, "{stdout}");
}
