//! Runs every body over its corpus, as `cargo test` does with everything else.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rescue::fuzz::BODIES;

fn names_in(folder: &Path) -> BTreeSet<PathBuf> {
    let entries = std::fs::read_dir(folder);
    let entries = entries.unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    paths.collect::<Result<_, _>>().expect("a readable folder")
}

#[test]
fn whole_corpus_passes() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz");
    for (name, body) in BODIES {
        let inputs = names_in(&fuzz.join("corpus").join(name));
        assert!(!inputs.is_empty(), "{name} has no corpus");
        for input in inputs {
            println!("{}", input.display());
            body(&std::fs::read(input).unwrap());
        }
    }
}

#[test]
fn every_body_is_a_target_and_has_a_corpus() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz");
    let expected: BTreeSet<_> = BODIES.map(|(name, _)| name.to_owned()).into();
    for folder in ["targets", "corpus"] {
        let found: BTreeSet<_> = names_in(&fuzz.join(folder))
            .into_iter()
            .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
            .collect();
        assert_eq!(found, expected, "{folder}");
    }
}
