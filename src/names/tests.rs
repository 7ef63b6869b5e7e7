use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

fn allocate(names: &mut Names, path: &str) -> String {
    let components = path.split('/').map(str::as_bytes);
    names.allocate("internal", components).to_string()
}

fn remember(names: &mut Names, path: &str, local: &str) {
    let components = path.split('/').map(str::as_bytes);
    names.remember("internal", components, &LocalPath::new(local).unwrap());
}

/// What a filesystem that ignores case and the like would take the path for.
fn folded_path(local: &LocalPath) -> String {
    let parts: Vec<_> = local.components().map(folded).collect();
    parts.join("/")
}

#[test]
fn ordinary_paths_stay_as_they_are() {
    let mut names = Names::new();
    let path = "DCIM/Camera/IMG_0001.jpg";
    assert_eq!(allocate(&mut names, path), format!("internal/{path}"));
    let local = names.allocate("sd-1A2B-3C4D", [b"x".as_slice()]);
    assert_eq!(local.as_str(), "sd-1A2B-3C4D/x");
    assert_eq!(local.name(), "x");
    assert_eq!(local.parent(), LocalPath::new("sd-1A2B-3C4D").ok());
    assert_eq!(names.allocate("", [b"x".as_slice()]).as_str(), "x");
    assert_eq!(names.allocate("", []).as_str(), "_");
}

#[test]
fn a_volume_named_to_climb_out_stays_inside() {
    let mut names = Names::new();
    let local = names.allocate("../..", [b"..".as_slice(), b"etc"]);
    assert_eq!(local.as_str(), ".．/.．/.．/etc");
    assert!(LocalPath::new(local.as_str()).is_ok());
}

#[test]
fn namesakes_are_numbered_before_the_extension() {
    let mut names = Names::new();
    for (path, local) in [
        ("a/IMG.jpg", "internal/a/IMG.jpg"),
        ("a/img.JPG", "internal/a/img (2).JPG"),
        ("a/Img.jpg", "internal/a/Img (3).jpg"),
        ("a/IMG (2).jpg", "internal/a/IMG (2) (2).jpg"),
        ("b/IMG.jpg", "internal/b/IMG.jpg"),
        ("a/.nomedia", "internal/a/.nomedia"),
        ("a/.NoMedia", "internal/a/.NoMedia (2)"),
        ("a/e\u{301}", "internal/a/e\u{301}"),
        ("a/\u{e9}", "internal/a/\u{e9} (2)"),
    ] {
        assert_eq!(allocate(&mut names, path), local);
    }
}

#[test]
fn the_same_file_again_is_its_next_version() {
    let mut names = Names::new();
    assert_eq!(allocate(&mut names, "a/x.jpg"), "internal/a/x.jpg");
    assert_eq!(allocate(&mut names, "a/x.jpg"), "internal/a/x (2).jpg");
}

#[test]
fn folders_that_differ_in_case_stay_two() {
    let mut names = Names::new();
    assert_eq!(allocate(&mut names, "DCIM/a.x/1"), "internal/DCIM/a.x/1");
    assert_eq!(
        allocate(&mut names, "dcim/A.x/1"),
        "internal/dcim (2)/A.x/1"
    );
    assert_eq!(
        allocate(&mut names, "DCIM/A.x/1"),
        "internal/DCIM/A.x (2)/1"
    );
    assert_eq!(
        allocate(&mut names, "dcim/A.x/2"),
        "internal/dcim (2)/A.x/2"
    );
}

#[test]
fn a_file_and_a_folder_never_share_a_name() {
    let mut names = Names::new();
    assert_eq!(allocate(&mut names, "a"), "internal/a");
    assert_eq!(allocate(&mut names, "A/x"), "internal/A (2)/x");
    assert_eq!(allocate(&mut names, "B/x"), "internal/B/x");
    assert_eq!(allocate(&mut names, "b"), "internal/b (2)");
}

#[test]
fn companions_stand_beside_their_file_under_a_free_name() {
    let mut names = Names::new();
    let local: LocalPath = allocate(&mut names, "a/x.jpg").parse().unwrap();
    allocate(&mut names, "a/X.jpg.damaged");
    let beside = names.allocate_beside(&local, ".damaged");
    assert_eq!(beside.as_str(), "internal/a/x.jpg (2).damaged");
    assert_eq!(
        names.allocate_beside(&local, ".txt").as_str(),
        "internal/a/x.jpg.txt"
    );

    let long = format!("internal/{}", "y".repeat(255)).parse().unwrap();
    let beside = names.allocate_beside(&long, ".damaged");
    assert!(beside.name().len() <= 255 && beside.name().ends_with(".damaged"));
}

#[test]
fn another_name_for_a_file_lies_in_the_same_folder() {
    let mut names = Names::new();
    allocate(&mut names, "DCIM/x.jpg");
    let local: LocalPath = allocate(&mut names, "dcim/x.jpg").parse().unwrap();
    assert_eq!(local.as_str(), "internal/dcim (2)/x.jpg");
    let other = names.allocate_beside(&local, "");
    assert_eq!(other.as_str(), "internal/dcim (2)/x (2).jpg");
}

#[test]
fn a_later_run_continues_where_the_catalogue_ends() {
    let mut names = Names::new();
    remember(&mut names, "dcim/a.jpg", "internal/dcim (2)/a.jpg");
    remember(&mut names, "x", "internal/x (2)");
    names.occupy(&LocalPath::new("internal/dcim (2)/a.jpg.damaged").unwrap());
    assert_eq!(
        allocate(&mut names, "dcim/b.jpg"),
        "internal/dcim (2)/b.jpg"
    );
    assert_eq!(allocate(&mut names, "DCIM/b.jpg"), "internal/DCIM/b.jpg");
    assert_eq!(
        allocate(&mut names, "dcim/A.jpg"),
        "internal/dcim (2)/A (2).jpg"
    );
    assert_eq!(
        allocate(&mut names, "dcim/A.jpg.DAMAGED"),
        "internal/dcim (2)/A.jpg (2).DAMAGED"
    );
    assert_eq!(allocate(&mut names, "X (2)"), "internal/X (2) (2)");
}

#[test]
fn a_catalogue_that_makes_no_sense_still_keeps_its_paths() {
    let mut names = Names::new();
    remember(&mut names, "a/b/c", "elsewhere");
    remember(&mut names, "a/b/d", "x/y/z/too/deep");
    remember(&mut names, "a/b/e", "internal/q/r/e");
    remember(&mut names, "a/b/f", "internal/s/t/f");
    remember(&mut names, "a", "internal/s");
    assert_eq!(
        names.allocate("", [b"ELSEWHERE".as_slice()]).as_str(),
        "ELSEWHERE (2)"
    );
    assert_eq!(allocate(&mut names, "a/b/new"), "internal/q/r/new");
    assert_eq!(allocate(&mut names, "S"), "internal/S (2)");
}

#[test]
fn deep_folders_get_a_short_path_and_keep_it() {
    let deep = format!("{}/folder", ["0123456789".repeat(20).as_str(); 5].join("/"));
    let mut names = Names::new();
    let first = allocate(&mut names, &format!("{deep}/a.jpg"));
    assert!(first.len() < 700 && first.contains("/deep~"), "{first}");
    let folder = first.strip_suffix("a.jpg").unwrap();
    assert_eq!(
        allocate(&mut names, &format!("{deep}/b.jpg")),
        format!("{folder}b.jpg")
    );
    let other = allocate(&mut names, &format!("{}/a.jpg", deep.to_uppercase()));
    assert_ne!(other.to_uppercase(), first.to_uppercase());

    let mut later = Names::new();
    remember(&mut later, &format!("{deep}/a.jpg"), &first);
    assert_eq!(
        allocate(&mut later, &format!("{deep}/c.jpg")),
        format!("{folder}c.jpg")
    );
    assert_eq!(allocate(&mut later, "c.jpg"), "internal/c.jpg");
}

#[test]
fn numbered_folders_in_numbered_folders_keep_paths_short() {
    let mut names = Names::new();
    let mut folder = String::new();
    for _ in 0..290 {
        allocate(&mut names, &format!("{folder}a/x"));
        folder.push_str("A/");
        let local = allocate(&mut names, &format!("{folder}x"));
        assert!(local.len() < 1000, "{local}");
    }
}

#[test]
fn ten_thousand_namesakes_take_no_quadratic_time() {
    // All spellings of a name in upper and lower case; and long names, which a number shortens.
    for rest in [String::new(), "z".repeat(240)] {
        let mut names = Names::new();
        let mut seen = HashSet::new();
        for bits in 0..10_000_u32 {
            let case = |i: u32| if bits >> i & 1 == 1 { 'A' } else { 'a' };
            let name: String = (0..14).map(case).chain(rest.chars()).collect();
            let local = names.allocate("internal", [name.as_bytes()]);
            assert!(local.name().len() <= MAX_NAME_BYTES);
            assert!(seen.insert(folded_path(&local)), "{local}");
        }
        // Each name is tried once, then once numbered: no counting from 2.
        assert_eq!(
            names.numbers.values().max().map(|n| *n < 10_002),
            Some(true)
        );
        assert!(names.numbers.len() <= 10_000);
    }
}

#[test]
fn memory_per_file_stays_small() {
    let mut names = Names::new();
    let camera = [b"DCIM".as_slice(), b"Camera"];
    for number in 0..50_000 {
        let name = format!("IMG_20240101_{number:06}_a_long_name_that_nobody_has_to_keep.jpg");
        names.allocate("internal", camera.into_iter().chain([name.as_bytes()]));
    }
    assert_eq!(names.folders.len(), 4);
    let per_file = names.taken.capacity() * (8 + 1) / 50_000;
    assert!(per_file < 25, "{per_file}");
    assert!(names.numbers.is_empty());
}

/// Path components as a phone may send them: no slash, no NUL, not empty, not `.` or `..`.
fn component() -> impl Strategy<Value = Vec<u8>> {
    let any_bytes = prop::collection::vec(1_u8.., 1..300);
    let unicode = any::<String>().prop_map(String::into_bytes);
    let few = prop::sample::select(vec![
        "a", "A", "a (2)", "b.jpg", "B.JPG", "é", "e\u{301}", "con",
    ]);
    prop_oneof![
        any_bytes,
        unicode,
        few.prop_map(|name| name.as_bytes().to_vec())
    ]
    .prop_filter_map("a component", |mut bytes| {
        bytes.retain(|byte| !matches!(byte, 0 | b'/'));
        (!matches!(&bytes[..], b"" | b"." | b"..")).then_some(bytes)
    })
}

fn paths() -> impl Strategy<Value = HashSet<Vec<Vec<u8>>>> {
    prop::collection::hash_set(prop::collection::vec(component(), 1..6), 1..12)
}

fn given(names: &mut Names, path: &[Vec<u8>]) -> LocalPath {
    names.allocate("internal", path.iter().map(Vec::as_slice))
}

proptest! {
    #[test]
    fn any_bytes_give_a_name_that_every_filesystem_takes(raw in prop::collection::vec(any::<u8>(), 0..600)) {
        let name = spell(&raw);
        prop_assert!(LocalPath::new(&name).is_ok(), "{name:?}");
        prop_assert!(!name.ends_with(['.', ' ']));
        prop_assert!(name.len() <= MAX_NAME_BYTES);
        prop_assert_eq!(spell(name.as_bytes()), name.clone(), "spelling is stable");
    }

    #[test]
    fn distinct_files_get_paths_that_no_filesystem_confuses(paths in paths()) {
        let mut names = Names::new();
        let mut files = HashSet::new();
        let mut folders = HashSet::new();
        for path in &paths {
            let local = given(&mut names, path);
            prop_assert!(LocalPath::new(local.as_str()).is_ok(), "{local:?}");
            prop_assert!(files.insert(folded_path(&local)), "{local:?}");
            folders.extend(std::iter::successors(local.parent(), LocalPath::parent).map(|f| folded_path(&f)));
        }
        prop_assert!(files.is_disjoint(&folders));
    }

    #[test]
    fn a_later_run_gives_new_files_the_old_folders_and_names_of_their_own(paths in paths()) {
        let mut names = Names::new();
        let locals: Vec<_> = paths.iter().map(|path| (path, given(&mut names, path))).collect();
        let mut later = Names::new();
        for (path, local) in &locals {
            later.remember("internal", path.iter().map(Vec::as_slice), local);
        }
        let mut taken: HashSet<_> = locals.iter().map(|(_, local)| folded_path(local)).collect();
        for (path, local) in &locals {
            let mut sibling = (*path).clone();
            sibling.pop();
            sibling.push(b"new.jpg".to_vec());
            let sibling = given(&mut later, &sibling);
            prop_assert_eq!(sibling.parent(), local.parent());
            prop_assert!(taken.insert(folded_path(&sibling)), "{sibling:?}");
        }
    }
}
