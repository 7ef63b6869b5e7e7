//! What is printed for programs and for people who copy it.

use crate::desk::{Desk, camera, end};

#[tokio::test]
async fn command_lines_that_make_no_sense_end_in_json_too() {
    let desk = Desk::new();
    for (arguments, told) in [
        (&["--json", "pull", "--nonsense"][..], "'--nonsense'"),
        (&["pull", "--since", "2024-02-30", "--json"], "2024-02-30"),
        (&["--json", "upload", "folder"], "--to <REMOTE>"),
        (&["--json", "nonsense"], "'nonsense'"),
        (&["--json"], "command"),
        (&["--json", "remote"], "command"),
    ] {
        let ended = desk.run(arguments).await.expect(2);
        assert_eq!(ended.lines.len(), 1, "{:?}", ended.lines);
        assert_eq!(ended.line("error")["exit_code"], 2);
        assert!(ended.message().contains(told), "{}", ended.message());
        assert_eq!(ended.stderr, "");
    }
    let helped = desk.run(&["--json", "pull", "--help"]).await.expect(0);
    assert!(helped.lines.len() > 10, "{:?}", helped.lines);
}

#[tokio::test]
async fn next_steps_can_be_copied_for_any_folder() {
    let (phone, _) = camera(&[1000]);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    let address = serving.address().to_string();
    let read = |arguments: &[&str]| {
        let mut command = desk.command(arguments);
        let reading = tokio::task::spawn_blocking(move || command.output().unwrap());
        async move {
            let output = reading.await.unwrap();
            String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
        }
    };
    let folder = "Ada's photos";
    let pulled = read(&["pull", "--tcp", &address, "-o", folder]).await;
    assert!(
        pulled.contains(r"`rescue verify 'Ada'\''s photos'`"),
        "{pulled}"
    );
    assert!(
        pulled.contains(r"`rescue open 'Ada'\''s photos'`, and"),
        "{pulled}"
    );
    let photo = desk.dir.path().join(folder);
    std::fs::remove_file(photo.join("data/internal/DCIM/Camera/0.jpg")).unwrap();
    let command = r"`rescue pull -o 'Ada'\''s photos'`";
    for look in ["status", "verify"] {
        let told = read(&[look, folder]).await;
        assert!(told.contains(command), "{told}");
    }
    let looked = read(&["doctor", "--tcp", &address]).await;
    let next = format!("next: run `rescue pull --tcp {address}`");
    assert!(looked.contains(&next), "{looked}");
}

#[tokio::test]
async fn programs_are_told_everything_that_a_check_finds() {
    let (phone, _) = camera(&[10; 60]);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    desk.pull(&serving, &[]).await.expect(0);
    std::fs::remove_dir_all(desk.folder().join("data/internal")).unwrap();
    let ended = desk.run(&["--json", "verify", "rescued"]).await.expect(1);
    let found = ended.lines.iter().filter(|line| line["type"] == "finding");
    assert!(found.clone().all(|line| line["finding"] == "missing"));
    assert_eq!(found.count(), 60);
    assert_eq!(ended.line("verified")["finding_count"], 60);
}

#[tokio::test]
async fn file_that_was_named_for_a_key_and_is_none_is_not_to_be_renamed() {
    let (phone, _) = camera(&[10]);
    let (desk, serving) = (Desk::new(), phone.serve().await.unwrap());
    std::fs::write(desk.dir.path().join("adbkey.pub"), "QAAAA ada@home").unwrap();
    for file in ["adbkey.pub", "missing"] {
        let ended = desk.pull(&serving, &["--key", file]).await.expect(1);
        assert!(ended.message().contains(file), "{}", ended.message());
        let hint = ended.line("error")["hint"].as_str().unwrap();
        assert!(hint.contains("private key"), "{hint}");
    }
}

#[tokio::test]
async fn shell_that_asks_is_told_the_remotes() {
    let desk = Desk::new();
    for name in ["nas", "neighbour", "cloud"] {
        std::fs::create_dir(desk.dir.path().join(name)).unwrap();
        desk.run(&["remote", "add", name, "folder", name])
            .await
            .expect(0);
    }
    let mut asking = desk.command(&["--", "rescue", "upload", "x", "--to", "n"]);
    asking.envs([
        ("RESCUE_COMPLETE", "bash"),
        ("_CLAP_COMPLETE_INDEX", "4"),
        ("_CLAP_IFS", "\n"),
    ]);
    let told = end(asking.spawn().unwrap()).await.expect(0);
    assert_eq!(told.lines, ["nas", "neighbour"]);
}

#[test]
fn version_says_what_the_program_was_built_for() {
    let output = Desk::new().command(&["--version"]).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    let begin = concat!("rescue ", env!("CARGO_PKG_VERSION"), " (");
    assert!(told.starts_with(begin) && told.ends_with(")\n"), "{told}");
    for part in [std::env::consts::ARCH, std::env::consts::OS] {
        assert!(told.contains(part), "{told}");
    }
}
