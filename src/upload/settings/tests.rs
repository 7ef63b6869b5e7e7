//! The settings of remotes in their file: kept, private, and readable by older and newer versions.

use std::fs;

use super::*;
use crate::upload::kinds::webdav::WebDavSettings;

fn webdav() -> RemoteSettings {
    RemoteSettings {
        kind: KindSettings::WebDav(WebDavSettings {
            url: "https://cloud.example/dav".to_owned(),
            user: Some("ada".to_owned()),
            certificates: None,
        }),
        secret: Some(Secret::new("hunter2")),
        in_keyring: false,
        patience_seconds: None,
    }
}

#[test]
fn settings_come_back_and_are_private() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/remotes.toml");
    let mut settings = Settings::load_from(&path).unwrap();
    let kept = settings
        .add("cloud", webdav(), Some(SecretPlace::File))
        .unwrap();
    assert_eq!(kept, Some(SecretPlace::File));
    assert!(settings.add("cloud", webdav(), None).is_err());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let again = Settings::load_from(&path).unwrap();
    assert_eq!(again.remote("cloud").unwrap(), &webdav());
    settings.remove("cloud").unwrap();
    assert!(Settings::load_from(&path).unwrap().remotes().is_empty());
}

#[test]
fn changes_of_several_runs_add_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("remotes.toml");
    let load = || Settings::load_from(&path).unwrap();
    let file = Some(SecretPlace::File);
    std::thread::scope(|scope| {
        for number in 0..8 {
            let mut settings = load();
            scope.spawn(move || {
                settings
                    .add(&format!("nas-{number}"), webdav(), file)
                    .unwrap()
            });
        }
    });
    assert_eq!(load().remotes().len(), 8);
    // Another secret of the same name is another place's.
    let (mut early, mut other) = (load(), load());
    other.set_secret("nas-0", Secret::new("hunter3")).unwrap();
    let edited = early.edit("nas-0", webdav().kind, EditedSecret::Stays);
    assert!(edited.unwrap_err().message.contains("meanwhile"));
    assert_eq!(
        load().remotes()["nas-0"].secret,
        Some(Secret::new("hunter3"))
    );
}

/// Each kind as version 0.1.0 wrote it, with all that it may hold, and what it leads to.
pub(crate) const WRITTEN: &str = r#"
[remotes.azure]
kind = "azure"
account = "ada"
certificates = "/etc/ca.pem"
container = "photos"
endpoint = "https://azure.example"
path = "old/phone"
secret = "hunter2"

[remotes.b2]
kind = "b2"
bucket = "photos"
certificates = "/etc/ca.pem"
endpoint = "https://s3.us-west-004.backblazeb2.com"
in_keyring = true
key_id = "0042"
path = "old"

[remotes.dropbox]
address = "https://dropbox.example"
client_id = "abc"
kind = "dropbox"
path = "old"

[remotes.dropbox.endpoints]
authorize = "https://a.example"
token = "https://t.example"

[remotes.folder]
kind = "folder"
path = "/mnt/disk"

[remotes.gcs]
bucket = "photos"
certificates = "/etc/ca.pem"
endpoint = "https://gcs.example"
kind = "gcs"
path = "old"

[remotes.google-drive]
client_id = "abc"
kind = "google-drive"

[remotes.google-photos]
address = "https://photos.example"
client_id = "abc"
kind = "google-photos"
patience_seconds = 7

[remotes.google-photos.endpoints]
authorize = "https://a.example"
token = "https://t.example"

[remotes.immich]
certificates = "/etc/ca.pem"
kind = "immich"
url = "https://immich.example"

[remotes.onedrive]
client_id = "abc"
kind = "onedrive"

[remotes.s3]
access_key_id = "AK"
bucket = "photos"
certificates = "/etc/ca.pem"
endpoint = "https://s3.example"
kind = "s3"
path = "old"
region = "eu-west-1"

[remotes.s3-of-amazon]
access_key_id = "AK"
bucket = "photos"
kind = "s3"
region = "us-east-1"

[remotes.sftp]
host = "nas.local"
host_key = "ssh-ed25519 AAAA"
key_file = "/home/ada/.ssh/key"
kind = "sftp"
path = "photos"
port = 2222
user = "ada"

[remotes.webdav]
certificates = "/etc/ca.pem"
kind = "webdav"
url = "https://cloud.example/dav"
user = "ada"
"#;
const LEAD_TO: [(&str, &str); 13] = [
    ("azure", "photos/old/phone at https://azure.example"),
    ("b2", "photos/old at https://s3.us-west-004.backblazeb2.com"),
    ("dropbox", "https://dropbox.example/old with client ID abc"),
    ("folder", "/mnt/disk"),
    ("gcs", "photos/old at https://gcs.example"),
    ("google-drive", "Google Drive/ with client ID abc"),
    ("google-photos", "https://photos.example with client ID abc"),
    ("immich", "https://immich.example"),
    ("onedrive", "OneDrive/ with client ID abc"),
    ("s3", "photos/old at https://s3.example"),
    ("s3-of-amazon", "photos/ at Amazon S3"),
    ("sftp", "ada@nas.local:2222 photos"),
    ("webdav", "https://cloud.example/dav as ada"),
];

#[test]
fn remotes_that_older_versions_wrote_are_read_and_written_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("remotes.toml");
    fs::write(&path, WRITTEN).unwrap();
    let settings = Settings::load_from(&path).unwrap();
    assert_eq!(settings.unknown().count(), 0);
    let lead_to = settings.remotes().iter();
    let lead_to = lead_to.map(|(name, remote)| (name.as_str(), remote.kind.target()));
    let expected = LEAD_TO.map(|(name, target)| (name, target.to_owned()));
    assert_eq!(lead_to.collect::<Vec<_>>(), expected);
    let written: SettingsFile = toml::from_str(WRITTEN).unwrap();
    for (name, remote) in settings.remotes() {
        assert!(name.starts_with(remote.kind.name()), "{name}");
        let again = toml::Table::try_from(remote).unwrap();
        assert_eq!(written.remotes.get(name), Some(&again), "{name}");
    }
}

/// What cannot be read may hold the remotes and their secrets: nobody is told to remove it.
#[test]
fn settings_that_cannot_be_read_are_not_to_be_removed() {
    let folder = tempfile::tempdir().unwrap();
    let foreign = folder.path().join("foreign.toml");
    fs::write(&foreign, b"[remotes.\xff]\n").unwrap();
    for path in [folder.path(), &foreign] {
        let error = Settings::load_from(path).unwrap_err();
        let hint = error.hint.unwrap().to_string();
        assert!(hint.starts_with("move it away"), "{hint}");
        assert!(!hint.contains("remove"), "{hint}");
        assert!(path.exists());
    }
}

#[cfg(unix)]
#[test]
fn file_in_place_of_the_settings_folder_is_what_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rescue");
    fs::write(&file, b"").unwrap();
    let error = Settings::load_from(&file.join("remotes.toml")).unwrap_err();
    let named = format!("{}: it is a file", file.display());
    assert!(error.message.contains(&named), "{}", error.message);
}

#[test]
fn damaged_settings_do_not_repeat_a_secret() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("remotes.toml");
    fs::write(&path, "[remotes.a]\nkind = \"webdav\"\nsecret = hunter2\n").unwrap();
    let error = Settings::load_from(&path).unwrap_err();
    let all = format!("{error:?} {error} {:?}", error.causes());
    assert!(!all.contains("hunter2"), "{all}");
    assert!(error.message.contains("line"), "{}", error.message);
}

#[test]
fn what_a_newer_version_wrote_leaves_the_rest_usable_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("remotes.toml");
    let newer = "format = 7\n\n[remotes.cloud]\nkind = \"webdav\"\nurl = \"https://cloud.example/dav\"\n\
                 user = \"ada\"\nsecret = \"hunter2\"\nshine = true\n\n\
                 [remotes.moon]\nkind = \"moon-base\"\nsecret = \"hunter3\"\n\
                 [remotes.moon.crater]\ndepth = 4\n";
    fs::write(&path, newer).unwrap();
    let mut settings = Settings::load_from(&path).unwrap();
    assert_eq!(settings.remote("cloud").unwrap(), &webdav());
    assert_eq!(settings.unknown().collect::<Vec<_>>(), ["moon"]);
    let error = settings.remote("moon").unwrap_err();
    assert!(error.message.contains("'moon'"), "{}", error.message);
    assert!(!format!("{error:?} {settings:?}").contains("hunter"));
    assert!(settings.add("moon", webdav(), None).is_err());
    let kept = settings.add("other", webdav(), Some(SecretPlace::File));
    assert_eq!(kept.unwrap(), Some(SecretPlace::File));
    settings
        .set_secret("cloud", Secret::new("hunter4"))
        .unwrap();
    let text = fs::read_to_string(&path).unwrap();
    for part in [
        "format = 7",
        "shine = true",
        "moon-base",
        "hunter3",
        "depth = 4",
        "hunter4",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let mut again = Settings::load_from(&path).unwrap();
    assert_eq!(again.remotes().len(), 2);
    again.remove("moon").unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert!(!text.contains("moon") && text.contains("hunter4"), "{text}");
}

#[test]
fn edited_remote_loses_what_is_gone_and_keeps_what_a_newer_version_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("remotes.toml");
    let cloud = "[remotes.cloud]\nkind = \"webdav\"\nurl = \"https://cloud.example/dav\"\nuser = \"ada\"\n\
                 secret = \"hunter2\"\nshine = true\n";
    fs::write(&path, cloud).unwrap();
    let written = || fs::read_to_string(&path).unwrap();
    let webdav = |user: Option<&str>| {
        KindSettings::WebDav(WebDavSettings {
            url: "https://other.example".to_owned(),
            user: user.map(str::to_owned),
            certificates: None,
        })
    };
    let edit = |kind, secret| {
        let mut settings = Settings::load_from(&path).unwrap();
        settings.edit("cloud", kind, secret).unwrap()
    };
    let kept = edit(webdav(Some("bob")), EditedSecret::Stays);
    assert_eq!(kept, Some(SecretPlace::File));
    let text = written();
    assert!(text.contains("bob") && text.contains("hunter2"), "{text}");
    let kept = edit(
        webdav(Some("bob")),
        EditedSecret::New(Secret::new("hunter3")),
    );
    assert_eq!(kept, Some(SecretPlace::File));
    let text = written();
    assert!(
        text.contains("hunter3") && !text.contains("hunter2"),
        "{text}"
    );
    assert_eq!(edit(webdav(None), EditedSecret::Gone), None);
    let text = written();
    for gone in ["user", "bob", "secret", "cloud.example"] {
        assert!(!text.contains(gone), "{gone}: {text}");
    }
    assert!(text.contains("shine = true"), "{text}");
    let mut settings = Settings::load_from(&path).unwrap();
    assert!(
        settings
            .edit("other", webdav(None), EditedSecret::Stays)
            .is_err()
    );
}

#[test]
fn names_that_look_like_something_else_are_refused() {
    assert!(check_name("nas-2.home_x").is_ok());
    for name in ["", "-x", "a/b", "a b", ".x", &"x".repeat(61)] {
        assert!(check_name(name).is_err(), "{name}");
    }
    for name in ["s3", "folder", "google-photos"] {
        let error = check_name(name).unwrap_err();
        assert!(error.message.contains("a kind of remote"), "{error:?}");
    }
    assert!(check_name("my-s3").is_ok());
}
