//! What a test stands on: a room of its own, `rescue`, and the programs that look at its archives.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Instant;

use tempfile::TempDir;

/// The project's folder.
pub(crate) fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What `tests/archive/install` made.
pub(crate) fn target() -> PathBuf {
    project().join("target/archive")
}

/// One test's world, on a real disk.
pub(crate) struct Room(TempDir);

impl Room {
    pub(crate) fn new() -> Self {
        static INSTALLED: OnceLock<()> = OnceLock::new();
        INSTALLED.get_or_init(|| {
            let install = project().join("tests/archive/install");
            let check = Command::new("bash")
                .arg(install)
                .arg("--check")
                .output()
                .unwrap();
            let why = String::from_utf8_lossy(&check.stderr);
            assert!(
                check.status.success(),
                "{why}run `bash tests/archive/install` first"
            );
        });
        let rooms = target().join("rooms");
        fs::create_dir_all(&rooms).unwrap();
        Self(TempDir::new_in(rooms).unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The names of an archive's files; all three programs agree on them. Who unpacks it too has
    /// every byte tested by that.
    pub(crate) fn names_for_everybody(&self, archive: &Path) -> BTreeSet<String> {
        let unzip = text(command("zipinfo").arg("-1").arg(archive));
        let unzip: BTreeSet<String> = unzip.lines().map(str::to_owned).collect();
        let seven = text(
            command("7z")
                .args(["l", "-slt", "-ba", "-sccUTF-8"])
                .arg(archive),
        );
        let seven: BTreeSet<String> = seven
            .lines()
            .filter_map(|line| Some(line.strip_prefix("Path = ")?.to_owned()))
            .collect();
        let script =
            "import sys, zipfile; print('\\n'.join(zipfile.ZipFile(sys.argv[1]).namelist()))";
        let python = text(
            command("/usr/bin/python3")
                .args(["-c", script])
                .arg(archive),
        );
        let python: BTreeSet<String> = python.lines().map(str::to_owned).collect();
        assert_eq!(unzip, python);
        assert_eq!(unzip, seven);
        unzip
    }

    /// Unpacks an archive with each of the three programs; where to.
    pub(crate) fn unpacked_by_everybody(&self, archive: &Path) -> [PathBuf; 3] {
        let places = ["by-unzip", "by-7z", "by-python"].map(|name| self.path(name));
        let [unzip, seven, python] = &places;
        self.unpack_by_unzip(archive, unzip);
        let to = format!("-o{}", seven.display());
        run(command("7z").args(["x", "-y", "-bd", &to]).arg(archive));
        let script = "import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2])";
        run(command("/usr/bin/python3")
            .args(["-c", script])
            .arg(archive)
            .arg(python));
        places
    }

    pub(crate) fn unpack_by_unzip(&self, archive: &Path, to: &Path) {
        run(command("unzip").arg("-q").arg(archive).arg("-d").arg(to));
    }

    /// The SHA-256 of one file of an archive, as each of the three programs reads it.
    pub(crate) fn hash_by_everybody(
        &self,
        archive: &Path,
        name: &str,
    ) -> Vec<(&'static str, String)> {
        let hash = |script: &str| {
            let mut shell = command("bash");
            shell.args(["-ec", &format!("set -o pipefail; {script}"), "bash"]);
            let line = text(shell.arg(archive).arg(name));
            line.split(' ').next().unwrap().trim().to_owned()
        };
        let python = "/usr/bin/python3 -c 'import sys, zipfile, shutil; \
            shutil.copyfileobj(zipfile.ZipFile(sys.argv[1]).open(sys.argv[2]), sys.stdout.buffer, 1 << 20)' \"$1\" \"$2\" | sha256sum";
        let unzip = || hash("unzip -p \"$1\" \"$2\" | sha256sum");
        let seven = || hash("7z x -so \"$1\" \"$2\" | sha256sum");
        std::thread::scope(|scope| {
            let (unzip, seven) = (scope.spawn(unzip), scope.spawn(seven));
            let python = ("python", hash(python));
            [("unzip", unzip), ("7z", seven)]
                .map(|(by, reading)| (by, reading.join().unwrap()))
                .into_iter()
                .chain([python])
                .collect()
        })
    }
}

/// A run of `rescue` that ended.
pub(crate) struct Finished {
    code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) seconds: f64,
    /// The most memory that it held, in bytes.
    pub(crate) peak_bytes: u64,
}

impl Finished {
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        self
    }
}

/// Runs `rescue` in a room.
pub(crate) fn rescue(room: &Room, arguments: &[&str]) -> Finished {
    // Says on a pipe of its own what the system counted.
    let script = "import os, resource, subprocess, sys\n\
        code = subprocess.run(sys.argv[2:]).returncode\n\
        open(sys.argv[1], 'w').write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024))\n\
        sys.exit(code)";
    let counted = tempfile::NamedTempFile::new().unwrap();
    let mut command = command("/usr/bin/python3");
    command.args(["-c", script]).arg(counted.path());
    command.arg(env!("CARGO_BIN_EXE_rescue")).args(arguments);
    let begin = Instant::now();
    let output = command.current_dir(room.0.path()).output().unwrap();
    let seconds = begin.elapsed().as_secs_f64();
    Finished {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
        seconds,
        peak_bytes: fs::read_to_string(counted.path()).unwrap().parse().unwrap(),
    }
}

/// Starts `rescue` in a room.
pub(crate) fn spawn(room: &Room, arguments: &[&str]) -> Child {
    let mut command = command(env!("CARGO_BIN_EXE_rescue"));
    command.args(arguments).current_dir(room.0.path());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// A program in an environment without anything of the person who runs the tests.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_clear().stdin(Stdio::null());
    command.env(
        "PATH",
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    );
    command.env("LC_ALL", "C.UTF-8").env("HOME", target());
    // Its own group, so that a Ctrl-C at the tests is not its.
    command.process_group(0);
    command
}

/// Demands that a program succeeds.
#[track_caller]
pub(crate) fn run(command: &mut Command) {
    text(command);
}

/// What a program prints; it has to succeed.
#[track_caller]
pub(crate) fn text(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{command:?}: {}\n{stderr}",
        output.status
    );
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
pub(crate) fn assert_same_trees(one: &Path, other: &Path) {
    run(command("diff")
        .arg("-r")
        .arg("--no-dereference")
        .arg(one)
        .arg(other));
    assert_eq!(files_below(one), files_below(other));
}

pub(crate) fn files_below(folder: &Path) -> BTreeSet<PathBuf> {
    let found = walkdir::WalkDir::new(folder)
        .into_iter()
        .map(Result::unwrap);
    let files = found.filter(|found| found.file_type().is_file());
    files
        .map(|found| found.path().strip_prefix(folder).unwrap().to_owned())
        .collect()
}

/// Demands that the BagIt validator and `sha256sum` accept a bag.
#[track_caller]
pub(crate) fn assert_valid_bag(bag: &Path) {
    let python = target().join("venv/bin/python");
    run(command(python)
        .args(["-m", "bagit", "--validate", "--quiet"])
        .arg(bag));
    for manifest in ["manifest-sha256.txt", "tagmanifest-sha256.txt"] {
        let mut check = command("sha256sum");
        run(check
            .args(["--check", "--strict", "--quiet", manifest])
            .current_dir(bag));
    }
}

/// Opens a folder's album in Chromium; what it showed. The pictures of it stay in `target/archive/NAME*.png`.
pub(crate) fn look(folder: &Path, name: &str) -> serde_json::Value {
    let script = project().join("tests/archive/album.py");
    let mut looking = command("/usr/bin/python3");
    looking.arg(script).arg(folder).arg(target().join(name));
    looking.arg(target().join("axe/axe_playwright_python/axe.min.js"));
    serde_json::from_str(&text(&mut looking)).unwrap()
}

/// Writes a figure down in `target/archive/figures.txt`.
pub(crate) fn note(figure: &str) {
    let path = target().join("figures.txt");
    let mut file = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .unwrap();
    writeln!(file, "{figure}").unwrap();
}
