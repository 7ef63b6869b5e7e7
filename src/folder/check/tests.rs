#[cfg(unix)]
use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::*;
use crate::folder::manifest::bag_is_whole;
use crate::folder::tests::{fresh, local, plan, pull};
use crate::folder::{Companion, Reason, ReasonCode, Record, bag};

/// A folder with a few files, as a run leaves it.
fn rescued() -> (TempDir, Folder) {
    let (place, mut folder) = fresh();
    let big = vec![7; 9_000_000];
    pull(
        &mut folder,
        &[
            ("internal/a.jpg", b"first"),
            ("internal/DCIM/b.jpg", b"second"),
            ("internal/c", b""),
            ("sd/d", &big),
        ],
    );
    plan(&mut folder, "internal/not here yet");
    write_bag(&folder);
    (place, folder)
}

fn write_bag(folder: &Folder) {
    bag::write(folder, chrono::NaiveDate::default()).unwrap();
}

fn checked(folder: &Folder) -> CheckResult {
    check(folder, &mut |_| {}).unwrap()
}

#[cfg(unix)]
fn path(folder: &Folder, text: &str) -> std::path::PathBuf {
    folder.data_path(&local(text))
}

fn append(folder: &Folder, name: &str, text: &str) {
    let mut held = fs::read(folder.root().join(name)).unwrap();
    held.extend_from_slice(text.as_bytes());
    fs::write(folder.root().join(name), held).unwrap();
}

/// What the check finds besides the manifest's own hash, which every change to it breaks.
fn found_in_manifest(folder: &Folder) -> Vec<Finding> {
    let mut findings = checked(folder).findings;
    let changed = Finding::TagFileWrong {
        name: MANIFEST.to_owned(),
    };
    assert_eq!(
        findings.iter().position(|finding| *finding == changed),
        Some(0)
    );
    findings.remove(0);
    findings
}

#[test]
fn an_untouched_folder_is_intact() {
    let (_place, folder) = rescued();
    let (mut bytes, mut files) = (0, 0);
    let report = check(&folder, &mut |progress| match progress {
        CheckProgress::Bytes(count) => bytes += count,
        CheckProgress::File => files += 1,
        CheckProgress::Finding(finding) => panic!("{finding:?}"),
    })
    .unwrap();
    assert!(report.is_intact());
    assert_eq!((report.files, report.bytes), (4, 9_000_011));
    assert_eq!((files, bytes), (4, 9_000_011));

    let (_place, empty) = fresh();
    write_bag(&empty);
    assert!(checked(&empty).is_intact());
}

#[cfg(unix)]
#[test]
fn every_kind_of_damage_to_files_is_found() {
    let (place, folder) = rescued();
    let outside = place.path().join("outside");
    fs::write(&outside, b"second").unwrap();
    fs::remove_file(path(&folder, "internal/c")).unwrap();
    fs::write(path(&folder, "internal/a.jpg"), b"fIrst").unwrap();
    fs::write(path(&folder, "sd/d"), b"cut").unwrap();
    fs::remove_file(path(&folder, "internal/DCIM/b.jpg")).unwrap();
    symlink(&outside, path(&folder, "internal/DCIM/b.jpg")).unwrap();
    fs::write(path(&folder, "internal/DCIM/new"), b"").unwrap();
    symlink(place.path(), path(&folder, "internal/link")).unwrap();

    let mut told = Vec::new();
    let report = check(&folder, &mut |progress| {
        if let CheckProgress::Finding(finding) = progress {
            told.push(finding.clone());
        }
    })
    .unwrap();
    assert_eq!(report.findings, told);
    assert_eq!(report.finding_count, 6);
    assert!(!report.is_intact());
    for expected in [
        Finding::Missing {
            local: local("internal/c"),
        },
        Finding::WrongHash {
            local: local("internal/a.jpg"),
            expected: Sha256::of(b"first"),
            found: Sha256::of(b"fIrst"),
        },
        Finding::WrongSize {
            local: local("sd/d"),
            expected_bytes: 9_000_000,
            found_bytes: 3,
        },
        Finding::NotAFile {
            local: local("internal/DCIM/b.jpg"),
        },
        Finding::Extra {
            path: "data/internal/DCIM/new".to_owned(),
            below_data: "internal/DCIM/new".into(),
        },
        Finding::Extra {
            path: "data/internal/link".to_owned(),
            below_data: "internal/link".into(),
        },
    ] {
        assert!(told.contains(&expected), "{expected:?} in {told:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_folder_replaced_by_a_link_hides_nothing() {
    let (place, folder) = rescued();
    let elsewhere = place.path().join("elsewhere");
    fs::rename(path(&folder, "internal/DCIM"), &elsewhere).unwrap();
    symlink(&elsewhere, path(&folder, "internal/DCIM")).unwrap();
    let findings = checked(&folder).findings;
    let expected = [
        Finding::NotAFile {
            local: local("internal/DCIM/b.jpg"),
        },
        Finding::Extra {
            path: "data/internal/DCIM".to_owned(),
            below_data: "internal/DCIM".into(),
        },
    ];
    assert_eq!(findings, expected);
}

#[cfg(unix)]
#[test]
fn files_behind_a_link_count_for_nothing() {
    let (place, folder) = rescued();
    let data = folder.root().join(DATA);
    fs::rename(&data, place.path().join("elsewhere")).unwrap();
    symlink(place.path().join("elsewhere"), &data).unwrap();
    let findings = checked(&folder).findings;
    assert_eq!(findings.len(), 4);
    assert!(
        findings
            .iter()
            .all(|finding| matches!(finding, Finding::NotAFile { .. }))
    );
}

#[test]
fn a_manifest_that_says_otherwise_is_found() {
    let (_place, folder) = rescued();
    let manifest = fs::read_to_string(folder.root().join(MANIFEST)).unwrap();
    let sha256 = Sha256::of(b"first").to_string();

    let changed = manifest.replace(&sha256, &Sha256::of(b"other").to_string());
    fs::write(folder.root().join(MANIFEST), changed).unwrap();
    let differs = Finding::ManifestDiffers {
        local: local("internal/a.jpg"),
    };
    assert_eq!(found_in_manifest(&folder), [differs]);

    let without = manifest.replace(&format!("{sha256}  data/internal/a.jpg\n"), "");
    fs::write(folder.root().join(MANIFEST), without).unwrap();
    let missing = Finding::NotInManifest {
        local: local("internal/a.jpg"),
    };
    assert_eq!(found_in_manifest(&folder), [missing]);

    let twice = format!("{manifest}{sha256}  data/internal/a.jpg\n{sha256} *data/internal/more\n");
    fs::write(folder.root().join(MANIFEST), twice).unwrap();
    let unknown = ["internal/a.jpg", "internal/more"]
        .map(|path| Finding::UnknownInManifest { local: local(path) });
    assert_eq!(found_in_manifest(&folder), unknown);
}

#[test]
fn hostile_lines_are_counted_and_lead_nowhere() {
    let (_place, folder) = rescued();
    let sha256 = Sha256::of(b"");
    for line in [
        "nonsense".to_owned(),
        String::new(),
        format!("{sha256}  data/../rescue.db"),
        format!("{sha256}  /etc/passwd"),
        format!("{sha256}  data/a%0Ab"),
        format!("{sha256}"),
        format!("{}  data/internal/c", "0".repeat(63)),
        format!("{sha256}  data/{}", "x".repeat(100_000)),
    ] {
        write_bag(&folder);
        append(&folder, MANIFEST, &format!("{line}\n"));
        let bad = Finding::BadLine {
            manifest: MANIFEST.to_owned(),
            line: 5,
        };
        assert_eq!(found_in_manifest(&folder), [bad], "{line:.80}");
    }
    write_bag(&folder);
    append(&folder, TAG_MANIFEST, &format!("{sha256}  ../outside\n"));
    let bad = Finding::BadLine {
        manifest: TAG_MANIFEST.to_owned(),
        line: 4,
    };
    assert_eq!(checked(&folder).findings, [bad]);
    assert!(!bag_is_whole(folder.root()).unwrap());
}

#[test]
fn bag_is_current_as_long_as_the_payload_is_the_same() {
    let (_place, mut folder) = rescued();
    let inventory = |folder: &Folder| {
        let (mut inventory, mut ids) = (bag::Inventory::default(), Vec::new());
        let catalogue = folder.catalogue();
        let entries = catalogue.for_each_by_path(|entry| {
            inventory.add_entry(&entry);
            ids.extend((entry.sha256.is_some()).then_some(entry.id));
            Ok::<_, CatalogueError>(())
        });
        let companions = catalogue.for_each_companion(|companion| {
            inventory.add_companion(&companion);
            Ok::<_, CatalogueError>(())
        });
        entries.and(companions).unwrap();
        (inventory, ids)
    };
    let (before, ids) = inventory(&folder);
    assert!(bag::is_current(&folder, &before));
    let damaged = Record::Damaged {
        id: ids[0],
        reason: Reason::new(ReasonCode::PhoneIo, "I/O error"),
        kept: vec![Companion {
            local: local("internal/a.jpg.damaged"),
            size: 4,
            sha256: Sha256::of(b"kept"),
            missing_bytes: None,
        }],
    };
    // A superseded file stays where it is.
    for (record, is_same) in [(Record::Supersede { id: ids[1] }, true), (damaged, false)] {
        folder.catalogue_mut().record(&[record]).unwrap();
        let (now, _) = inventory(&folder);
        assert_eq!(bag::is_current(&folder, &now), is_same);
        write_bag(&folder);
        assert!(bag::is_current(&folder, &now));
        assert!(is_same || !bag::is_current(&folder, &before));
    }
}

#[test]
fn missing_and_wrong_tag_files_are_found() {
    let (place, folder) = rescued();
    for name in [BAGIT_TXT, BAG_INFO_TXT, MANIFEST, TAG_MANIFEST] {
        write_bag(&folder);
        assert!(bag_is_whole(folder.root()).unwrap());
        fs::remove_file(folder.root().join(name)).unwrap();
        assert!(!bag_is_whole(folder.root()).unwrap(), "{name}");
        let findings = checked(&folder).findings;
        assert_eq!(
            findings[0],
            Finding::TagFileMissing {
                name: name.to_owned()
            }
        );
        assert_eq!(findings.len(), if name == MANIFEST { 5 } else { 1 });
    }
    for name in [BAGIT_TXT, BAG_INFO_TXT] {
        write_bag(&folder);
        append(&folder, name, "More: lines\n");
        assert!(!bag_is_whole(folder.root()).unwrap(), "{name}");
        let wrong = Finding::TagFileWrong {
            name: name.to_owned(),
        };
        assert_eq!(checked(&folder).findings, [wrong]);
    }
    write_bag(&folder);
    fs::write(place.path().join("info"), "x").unwrap();
    fs::remove_file(folder.root().join(BAG_INFO_TXT)).unwrap();
    #[cfg(not(unix))]
    fs::create_dir(folder.root().join(BAG_INFO_TXT)).unwrap();
    #[cfg(unix)]
    symlink(place.path().join("info"), folder.root().join(BAG_INFO_TXT)).unwrap();
    let wrong = Finding::TagFileWrong {
        name: BAG_INFO_TXT.to_owned(),
    };
    assert_eq!(checked(&folder).findings, [wrong]);
}

#[test]
fn a_report_keeps_a_bounded_number_of_findings_and_counts_all() {
    let (_place, folder) = fresh();
    write_bag(&folder);
    for n in 0..MAX_KEPT_FINDINGS + 5 {
        fs::write(folder.root().join("data").join(n.to_string()), b"").unwrap();
    }
    let report = checked(&folder);
    assert_eq!(report.findings.len(), MAX_KEPT_FINDINGS);
    assert_eq!(report.finding_count, MAX_KEPT_FINDINGS as u64 + 5);
}
