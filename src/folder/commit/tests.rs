use std::fs;
#[cfg(unix)]
use std::os::unix::fs::symlink;

use super::*;
use crate::folder::tests::{finished, fresh, local, modified};
use crate::folder::{EntryId, Folder, PartialFile};

fn to_commit(folder: &Folder, id: i64, path: &str, bytes: &[u8]) -> ToCommit {
    ToCommit {
        finished: finished(folder.root(), EntryId(id), bytes),
        local: local(path),
    }
}

fn read(folder: &Folder, path: &str) -> Vec<u8> {
    fs::read(folder.data_path(&local(path))).unwrap()
}

fn is_waiting(folder: &Folder, id: i64) -> bool {
    PartialFile::resume(folder.root(), EntryId(id))
        .unwrap()
        .is_some()
}

#[test]
fn groups_of_any_size_end_up_in_place() {
    let (_place, folder) = fresh();
    let mut committer = folder.committer().unwrap();
    for size in [0, 1, 7, 8, 100] {
        let path = |n: i64| format!("internal/{size}/{}/{n}.jpg", n % 10);
        let group = (0..size)
            .map(|n| to_commit(&folder, n, &path(n), &n.to_le_bytes()))
            .collect();
        let outcomes = committer.commit(group).unwrap();
        assert_eq!(outcomes.len() as i64, size);
        assert!(
            outcomes
                .iter()
                .all(|outcome| matches!(outcome, CommitOutcome::InPlace))
        );
        for n in 0..size {
            assert_eq!(read(&folder, &path(n)), n.to_le_bytes());
            assert!(!is_waiting(&folder, n));
        }
        if size > 0 {
            assert_eq!(modified(&folder.data_path(&local(&path(0)))), 1_700_000_000);
        }
    }
}

#[test]
fn a_file_left_by_a_run_cut_short_is_replaced_and_another_one_is_not() {
    let (_place, folder) = fresh();
    let mut committer = folder.committer().unwrap();
    fs::create_dir_all(folder.root().join("data/internal/folder")).unwrap();
    for (name, bytes) in [("same", "right"), ("size", "longer"), ("hash", "wrong")] {
        fs::write(folder.data_path(&local(&format!("internal/{name}"))), bytes).unwrap();
    }
    let names = ["same", "size", "hash", "folder", "new"];
    let group = (0..)
        .zip(names)
        .map(|(id, name)| to_commit(&folder, id, &format!("internal/{name}"), b"right"))
        .collect();
    let mut outcomes = committer.commit(group).unwrap().into_iter();
    assert!(matches!(outcomes.next(), Some(CommitOutcome::Replaced)));
    assert!(!is_waiting(&folder, 0));
    assert_eq!(
        modified(&folder.data_path(&local("internal/same"))),
        1_700_000_000
    );
    for (id, next) in (1..4).zip(["size (2)", "hash (2)", "folder (2)"]) {
        let Some(CommitOutcome::TargetExists(finished)) = outcomes.next() else {
            panic!("{id} should be in the way");
        };
        assert!(is_waiting(&folder, id));
        let local = local(&format!("internal/{next}"));
        let again = committer
            .commit(vec![ToCommit {
                finished,
                local: local.clone(),
            }])
            .unwrap();
        assert!(matches!(again[..], [CommitOutcome::InPlace]));
        assert_eq!(read(&folder, local.as_str()), b"right");
    }
    assert!(matches!(outcomes.next(), Some(CommitOutcome::InPlace)));
    assert_eq!(read(&folder, "internal/size"), b"longer");
    assert_eq!(read(&folder, "internal/hash"), b"wrong");
}

#[test]
fn a_file_whose_name_another_bears_by_now_is_not_taken_for_it() {
    let (_place, folder) = fresh();
    let mut committer = folder.committer().unwrap();
    let group = vec![
        to_commit(&folder, 1, "replaced", b"right"),
        to_commit(&folder, 2, "removed", b"right"),
        to_commit(&folder, 3, "whole", b"right"),
    ];
    PartialFile::create(folder.root(), EntryId(1))
        .unwrap()
        .write(b"wrong")
        .unwrap();
    PartialFile::discard(folder.root(), EntryId(2)).unwrap();
    let outcomes = committer.commit(group).unwrap();
    assert!(matches!(
        outcomes[..],
        [
            CommitOutcome::Failed(_, DiskError::Displaced { .. }),
            CommitOutcome::Failed(_, DiskError::Displaced { .. }),
            CommitOutcome::InPlace,
        ]
    ));
    assert!(!folder.data_path(&local("replaced")).exists());
    assert_eq!(read(&folder, "whole"), b"right");
}

#[test]
fn two_files_of_one_group_for_one_name_do_not_overwrite_each_other() {
    let (_place, folder) = fresh();
    let mut committer = folder.committer().unwrap();
    let group = vec![
        to_commit(&folder, 1, "a", b"one"),
        to_commit(&folder, 2, "a", b"two"),
    ];
    let outcomes = committer.commit(group).unwrap();
    assert!(matches!(
        outcomes[..],
        [CommitOutcome::InPlace, CommitOutcome::TargetExists(_)]
    ));
    assert_eq!(read(&folder, "a"), b"one");
}

#[cfg(unix)]
#[test]
fn a_link_in_place_of_a_file_is_not_written_through() {
    let (place, folder) = fresh();
    let outside = place.path().join("outside");
    fs::write(&outside, "right").unwrap();
    fs::create_dir(folder.root().join("data/internal")).unwrap();
    symlink(&outside, folder.root().join("data/internal/a")).unwrap();
    let group = vec![to_commit(&folder, 1, "internal/a", b"right")];
    let outcomes = folder.committer().unwrap().commit(group).unwrap();
    assert!(
        matches!(outcomes[..], [CommitOutcome::TargetExists(_)]),
        "{outcomes:?}"
    );
}

#[cfg(unix)]
#[test]
fn a_link_in_place_of_a_folder_is_named_and_nothing_leaves_the_folder() {
    let (place, folder) = fresh();
    let outside = place.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::create_dir(folder.root().join("data/internal")).unwrap();
    let link = folder.root().join("data/internal/DCIM");
    symlink(&outside, &link).unwrap();
    fs::write(outside.join("precious"), "x").unwrap();
    let mut committer = folder.committer().unwrap();
    for path in ["internal/DCIM/a.jpg", "internal/DCIM/Camera/a.jpg"] {
        let error = committer
            .commit(vec![to_commit(&folder, 1, path, b"x")])
            .unwrap_err();
        assert!(
            matches!(&error, DiskError::Symlink { path } if *path == link),
            "{error}"
        );
        assert!(is_waiting(&folder, 1));
    }
    assert!(committer.remove(&local("internal/DCIM/precious")).is_err());
    assert!(
        committer
            .rename(&local("internal/DCIM/precious"), &local("b"))
            .is_err()
    );
    assert!(
        committer
            .rename(&local("b"), &local("internal/DCIM/c"))
            .is_err()
    );
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
}

#[test]
fn a_file_in_place_of_a_folder_fails_alone() {
    let (_place, folder) = fresh();
    fs::create_dir(folder.root().join("data/internal")).unwrap();
    fs::write(folder.root().join("data/internal/DCIM"), "x").unwrap();
    let group = vec![
        to_commit(&folder, 1, "internal/DCIM/a.jpg", b"x"),
        to_commit(&folder, 2, "internal/b.jpg", b"x"),
    ];
    let outcomes = folder.committer().unwrap().commit(group).unwrap();
    assert!(
        matches!(
            outcomes[..],
            [
                CommitOutcome::Failed(_, DiskError::NotAFolder { .. }),
                CommitOutcome::InPlace
            ]
        ),
        "{outcomes:?}"
    );
    assert!(is_waiting(&folder, 1));
}

#[test]
fn a_damaged_file_can_be_set_aside_and_removed() {
    let (_place, folder) = fresh();
    let mut committer = folder.committer().unwrap();
    let group = vec![
        to_commit(&folder, 1, "a/b", b"one"),
        to_commit(&folder, 2, "c", b"two"),
    ];
    committer.commit(group).unwrap();
    assert!(!committer.rename(&local("a/b"), &local("c")).unwrap());
    assert!(
        committer
            .rename(&local("a/b"), &local("d/b.damaged"))
            .unwrap()
    );
    assert_eq!(read(&folder, "d/b.damaged"), b"one");
    committer.remove(&local("d/b.damaged")).unwrap();
    committer.remove(&local("d/b.damaged")).unwrap();
    committer.remove(&local("no/such/folder")).unwrap();
    assert!(!folder.data_path(&local("d/b.damaged")).exists());
}

/// Swaps a folder below `data/` for a link to another place at the first change that `is_it`.
#[cfg(unix)]
fn swap_at(
    folder: &Folder,
    outside: &Path,
    swapped: &str,
    is_it: impl Fn(&disk::Change) -> bool + Send + 'static,
) {
    let swapped = folder.data_path(&local(swapped));
    let (outside, mut done) = (outside.to_owned(), false);
    let swap = move |change| {
        if !done && is_it(&change) {
            done = true;
            fs::rename(&swapped, swapped.with_extension("away")).unwrap();
            symlink(&outside, &swapped).unwrap();
        }
    };
    disk::observe(folder.root(), Box::new(swap));
}

#[cfg(unix)]
#[test]
fn folder_swapped_for_a_link_at_any_step_takes_nothing_outside_and_proves_nothing() {
    type At = fn(&disk::Change) -> bool;
    let steps: [(&str, At); 4] = [
        ("synced", |change| matches!(change, disk::Change::Synced(_))),
        ("renamed", |change| {
            matches!(change, disk::Change::Renamed(..))
        }),
        (
            "made",
            |change| matches!(change, disk::Change::FolderCreated(path) if path.ends_with("new")),
        ),
        ("removed", |change| {
            matches!(change, disk::Change::Removed(_))
        }),
    ];
    for (step, at) in steps {
        for swapped in ["internal/DCIM", "internal/DCIM/Camera"] {
            let (place, folder) = fresh();
            let outside = place.path().join("outside");
            fs::create_dir(&outside).unwrap();
            fs::create_dir(outside.join("Camera")).unwrap();
            let mut committer = folder.committer().unwrap();
            let first = to_commit(&folder, 1, "internal/DCIM/Camera/1.jpg", b"first");
            committer.commit(vec![first]).unwrap();
            let group = vec![
                to_commit(&folder, 2, "internal/DCIM/Camera/2.jpg", b"second"),
                to_commit(&folder, 3, "internal/DCIM/Camera/new/3.jpg", b"third"),
                to_commit(&folder, 4, "internal/DCIM/Camera/4.jpg", b"fourth"),
            ];
            swap_at(&folder, &outside, swapped, at);
            let removed = committer.remove(&local("internal/DCIM/Camera/1.jpg"));
            let committed = committer.commit(group);
            disk::stop_observing(folder.root());
            let took = walkdir::WalkDir::new(&outside).into_iter();
            let took = took
                .map(Result::unwrap)
                .filter(|one| one.file_type().is_file());
            assert_eq!(took.count(), 0, "{step} {swapped}");
            assert!(committed.is_err(), "{step} {swapped}: {committed:?}");
            assert!(removed.is_ok(), "{step} {swapped}");
        }
    }
}
