//! What a stranger may have done to a rescue folder.

use std::fs;
use std::path::Path;

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use rusqlite::types::Value;

/// Numbers that a seed decides (SplitMix64).
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        let count = self.below(most + 1);
        (0..count).map(|_| self.next() as u8).collect()
    }
}

const COLUMNS: [(&str, &str); 44] = [
    ("phone", "serial"),
    ("phone", "model"),
    ("phone", "manufacturer"),
    ("phone", "android_version"),
    ("entry", "id"),
    ("entry", "path"),
    ("entry", "version"),
    ("entry", "local"),
    ("entry", "size"),
    ("entry", "size_is_exact"),
    ("entry", "mtime"),
    ("entry", "state"),
    ("entry", "proof"),
    ("entry", "sha256"),
    ("entry", "reason"),
    ("entry", "message"),
    ("entry", "attempts"),
    ("companion", "local"),
    ("companion", "entry"),
    ("companion", "size"),
    ("companion", "sha256"),
    ("companion", "missing_bytes"),
    ("run", "id"),
    ("run", "started"),
    ("run", "ended"),
    ("run", "tool"),
    ("run", "outcome"),
    ("remote", "id"),
    ("remote", "name"),
    ("remote", "target"),
    ("upload", "id"),
    ("upload", "remote"),
    ("upload", "entry"),
    ("upload", "source"),
    ("upload", "path"),
    ("upload", "size"),
    ("upload", "sha256"),
    ("upload", "state"),
    ("upload", "there"),
    ("upload", "checksum"),
    ("upload", "reason"),
    ("upload", "message"),
    ("upload", "attempts"),
    ("upload", "changed"),
];

const TEXTS: [&str; 30] = [
    "",
    ".",
    "..",
    "/",
    "../victim/x.jpg",
    "../../victim/new.jpg",
    "/etc/passwd",
    "a/../../victim/x.jpg",
    "internal/DCIM/Camera/0.jpg",
    "internal/DCIM/../../../victim/x.jpg",
    "internal//x",
    "a\\..\\b",
    "C:\\x",
    "a\nFinished: everything is here",
    "\u{1b}[2J\u{1b}]0;title\u{7}",
    "\u{9b}2J",
    "\u{7f}",
    "\u{202e}gpj.exe",
    "\u{2066}x",
    "NUL",
    "con.txt",
    "file:x?mode=rw",
    "-rf",
    "--json",
    "planned",
    "verified",
    "sent",
    "waiting",
    "sending",
    "done",
];

const NUMBERS: [i64; 14] = [
    0,
    1,
    -1,
    2,
    255,
    65_536,
    2_147_483_648,
    4_294_967_295,
    4_294_967_296,
    1_000_000_000_000,
    253_402_300_800,
    i64::MAX,
    i64::MAX - 1,
    i64::MIN,
];

const SCHEMAS: [&str; 15] = [
    "CREATE TRIGGER x AFTER UPDATE ON entry BEGIN DELETE FROM entry; END",
    "CREATE TRIGGER x BEFORE INSERT ON run BEGIN INSERT INTO entry SELECT * FROM entry; END",
    "CREATE VIEW x AS SELECT 1",
    "DROP TABLE run; CREATE VIEW run AS SELECT 1 AS id, 2 AS started",
    "DROP TABLE companion",
    "DROP TABLE upload",
    "DROP INDEX upload_of_entry",
    "CREATE INDEX x ON entry (hex(zeroblob(size)))",
    "ALTER TABLE entry ADD COLUMN x TEXT AS (printf('%.90000000c', 'x'))",
    "CREATE TABLE x (a TEXT COLLATE NOCASE)",
    "CREATE VIRTUAL TABLE x USING fts5 (a)",
    "CREATE VIRTUAL TABLE x USING rtree (id, a, b)",
    "ANALYZE",
    "PRAGMA user_version = 3",
    "PRAGMA application_id = 7",
];

const WORDS: [(&str, &str, &str); 8] = [
    (
        "entry",
        "message TEXT",
        "message TEXT AS (printf('%.90000000c', 'x'))",
    ),
    (
        "entry",
        "sha256 BLOB",
        "sha256 BLOB AS (zeroblob(1000000000))",
    ),
    (
        "entry",
        "local TEXT NOT NULL",
        "local TEXT NOT NULL COLLATE NOCASE",
    ),
    (
        "entry",
        "mtime INTEGER",
        "mtime INTEGER CHECK (length(hex(zeroblob(100000000))) > 0)",
    ),
    (
        "upload",
        "there TEXT",
        "there TEXT DEFAULT (hex(randomblob(90000000)))",
    ),
    ("run", "outcome TEXT", "outcome TEXT AS ('done')"),
    ("remote", "STRICT", ""),
    ("companion", "STRICT, WITHOUT ROWID", "STRICT"),
];

fn value(rng: &mut Rng) -> Value {
    match rng.below(12) {
        0 => Value::Null,
        1 | 2 => Value::Integer(NUMBERS[rng.below(NUMBERS.len())]),
        3 => Value::Integer(rng.next() as i64),
        4 => Value::Real([f64::MAX, f64::NAN, -0.0, 1e300, 0.5][rng.below(5)]),
        5 => Value::Blob(rng.bytes(100)),
        6 => Value::Blob(vec![b'/'; rng.below(3000)]),
        7 => Value::Text("x/".repeat(rng.below(3000)) + "x"),
        8 => Value::Text("\u{1b}[31m".repeat(rng.below(40_000))),
        _ => Value::Text(rng.one(&TEXTS).to_owned()),
    }
}

/// A connection that may do what a stranger does.
fn open(path: &Path) -> Connection {
    let db = Connection::open(path).unwrap();
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, false)
        .unwrap();
    db.pragma_update(None, "writable_schema", true).unwrap();
    db
}

/// Changes values, also to types that their columns do not take.
fn change_rows(rng: &mut Rng, path: &Path) -> String {
    if rng.below(3) > 0 {
        return set_values(rng, path);
    }
    let mut kept: Vec<(String, String)> = Vec::new();
    let db = open(path);
    {
        let sql = "SELECT name, sql FROM sqlite_schema WHERE sql NOT NULL";
        let mut statement = db.prepare(sql).unwrap();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            kept.push((row.get(0).unwrap(), row.get(1).unwrap()));
        }
    }
    let loose =
        "UPDATE sqlite_schema SET sql = replace(replace(sql, 'STRICT, ', ''), 'STRICT', '')";
    db.execute_batch(loose).unwrap();
    drop(db);
    let told = set_values(rng, path);
    let db = open(path);
    for (name, sql) in kept {
        let sql = [name, sql];
        db.execute("UPDATE sqlite_schema SET sql = ?2 WHERE name = ?1", sql)
            .unwrap();
    }
    format!("of any type: {told}")
}

fn set_values(rng: &mut Rng, path: &Path) -> String {
    let db = open(path);
    let mut told = Vec::new();
    for _ in 0..=rng.below(3) {
        let (table, column) = COLUMNS[rng.below(COLUMNS.len())];
        let value = value(rng);
        let rows = match rng.below(2) {
            0 => "1".to_owned(),
            _ => format!("abs(random()) % {} = 0", 1 + rng.below(4)),
        };
        let sql = format!("UPDATE OR IGNORE {table} SET {column} = ? WHERE {rows}");
        // What SQLite does not take nobody can have put there in this way.
        let done = db.execute(&sql, [&value]);
        let shown: String = format!("{value:?}").chars().take(60).collect();
        told.push(format!("{table}.{column} = {shown} ({done:?})"));
    }
    if rng.below(8) == 0 {
        let bytes = rng.bytes(40);
        let sql = "UPDATE OR IGNORE entry SET message = CAST(? AS TEXT), reason = 'other'";
        let _ = db.execute(sql, [bytes]);
        told.push("bytes that are not UTF-8".to_owned());
    }
    told.join(", ")
}

fn change_schema(rng: &mut Rng, path: &Path) -> String {
    let db = open(path);
    if rng.below(2) == 0 {
        let sql = rng.one(&SCHEMAS);
        return format!("{sql}: {:?}", db.execute_batch(sql).is_ok());
    }
    let (name, from, to) = WORDS[rng.below(WORDS.len())];
    let sql = "UPDATE sqlite_schema SET sql = replace(sql, ?2, ?3) WHERE name = ?1";
    let done = db.execute(sql, [name, from, to]);
    format!("{name}: {to}: {done:?}")
}

fn change_bytes(rng: &mut Rng, path: &Path) -> String {
    let mut bytes = fs::read(path).unwrap_or_default();
    let length = bytes.len().max(1);
    let told = match rng.below(6) {
        0 => {
            bytes.truncate(rng.below(length));
            format!("cut to {}", bytes.len())
        }
        1 => {
            bytes = rng.bytes(20_000);
            "nonsense".to_owned()
        }
        2 => {
            let at = rng.below(100.min(length));
            bytes[at..(at + 4).min(length)].fill(rng.next() as u8);
            format!("header at {at}")
        }
        3 => {
            // A page in the place of another.
            let pages = (length / 4096).max(1);
            let (from, to) = (rng.below(pages) * 4096, rng.below(pages) * 4096);
            let page = bytes.get(from..from + 4096).unwrap_or_default().to_vec();
            let to_end = (to + page.len()).min(bytes.len());
            bytes[to..to_end].copy_from_slice(&page[..to_end - to]);
            format!("page {from} at {to}")
        }
        _ => {
            let count = 1 + rng.below(30);
            for _ in 0..count {
                let at = rng.below(length);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << rng.below(8);
                }
            }
            format!("{count} bits")
        }
    };
    fs::write(path, bytes).unwrap();
    told
}

/// A journal of a transaction over several databases, which names a file of somebody else.
fn leading_journal(victim: &Path) -> Vec<u8> {
    let mut journal = vec![0; 512];
    let magic = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];
    journal[..8].copy_from_slice(&magic);
    for (at, number) in [(16, 1_u32), (20, 512), (24, 4096)] {
        journal[at..at + 4].copy_from_slice(&number.to_be_bytes());
    }
    let name = victim.to_str().unwrap().as_bytes();
    let sum: u32 = name.iter().map(|byte| u32::from(*byte)).sum();
    journal.extend(((1 << 30) / 4096 + 1_u32).to_be_bytes());
    journal.extend(name);
    journal.extend((name.len() as u32).to_be_bytes());
    journal.extend(sum.to_be_bytes());
    journal.extend(magic);
    journal
}

fn change_text(rng: &mut Rng, path: &Path) -> String {
    let mut lines: Vec<String> = fs::read_to_string(path)
        .unwrap_or_default()
        .lines()
        .map(str::to_owned)
        .collect();
    for _ in 0..=rng.below(4) {
        let line = match rng.below(4) {
            0 => format!("{}  data/{}", "0".repeat(64), rng.one(&TEXTS)),
            1 => "x".repeat(rng.below(200_000)),
            2 => rng.one(&TEXTS).to_owned(),
            _ => format!("Payload-Oxum: {}.{}", u64::MAX, u64::MAX),
        };
        let at = rng.below(lines.len() + 1);
        lines.insert(at, line);
    }
    fs::write(path, lines.join("\n")).unwrap();
    "lines".to_owned()
}

fn change_links(rng: &mut Rng, rescued: &Path, victim: &Path) -> String {
    let name = rng.one(&[
        "rescue.db",
        "rescue.db-journal",
        "rescue.db-wal",
        "rescue.db-shm",
        "manifest-sha256.txt",
        "tagmanifest-sha256.txt",
        "bag-info.txt",
        "bagit.txt",
        ".partial",
        ".partial/1",
        "data/internal/DCIM",
        "data/internal/DCIM/Camera/0.jpg",
        "set-aside",
        ".rescue.lock",
        ".rescue.gives-way",
    ]);
    let path = rescued.join(name);
    let _ = fs::remove_file(&path);
    let _ = fs::remove_dir_all(&path);
    let target = victim.join("letters.txt");
    match rng.below(4) {
        0 => {
            let _ = std::os::unix::fs::symlink(victim, &path);
            format!("{name}: a link to a folder")
        }
        1 => {
            let _ = std::os::unix::fs::symlink(&target, &path);
            format!("{name}: a link to a file")
        }
        2 => {
            let _ = fs::hard_link(&target, &path);
            format!("{name}: a hard link")
        }
        _ => {
            let made = std::process::Command::new("mkfifo").arg(&path).status();
            assert!(made.is_ok());
            format!("{name}: a pipe")
        }
    }
}

/// Changes the folder on a desk as a seed decides, and tells how.
pub(super) fn change(seed: u64, desk: &Path) -> Vec<String> {
    let mut rng = Rng(seed);
    let (rescued, victim) = (desk.join("rescued"), desk.join("victim"));
    let catalogue = rescued.join("rescue.db");
    let mut told = Vec::new();
    // The worst that was found once, each time.
    if seed == 0 {
        let db = open(&catalogue);
        let sql = "UPDATE upload SET state = 'waiting', path = '../victim/' || id || '.jpg'";
        told.push(format!("{sql}: {:?}", db.execute(sql, [])));
        return told;
    }
    if seed == 1 {
        let journal = leading_journal(&victim.join("letters-mj0123459AB"));
        fs::write(rescued.join("rescue.db-journal"), journal).unwrap();
        return vec!["a journal that leads to another file".to_owned()];
    }
    told.push(match rng.below(20) {
        0..=9 => change_rows(&mut rng, &catalogue),
        10..=12 => change_schema(&mut rng, &catalogue),
        13 | 14 => change_bytes(&mut rng, &catalogue),
        15 => {
            let journal = rng.one(&["rescue.db-journal", "rescue.db-wal", "rescue.db-shm"]);
            fs::write(rescued.join(journal), rng.bytes(9000)).unwrap();
            format!("{journal}: nonsense")
        }
        16 => {
            let name = rng.one(&[
                "manifest-sha256.txt",
                "tagmanifest-sha256.txt",
                "bag-info.txt",
                "bagit.txt",
            ]);
            let path = rescued.join(name);
            let how = match rng.below(2) {
                0 => change_text(&mut rng, &path),
                _ => change_bytes(&mut rng, &path),
            };
            format!("{name}: {how}")
        }
        17 => change_links(&mut rng, &rescued, &victim),
        18 => {
            let settings = desk.join("home/.config/rescue/remotes.toml");
            let how = change_bytes(&mut rng, &settings);
            format!("remotes.toml: {how}")
        }
        _ => {
            let db = open(&catalogue);
            let done = db.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()));
            let rows = change_rows(&mut rng, &catalogue);
            format!("WAL {done:?}; {rows}")
        }
    });
    if rng.below(3) == 0
        && !catalogue.is_symlink()
        && fs::metadata(&catalogue).is_ok_and(|it| it.is_file())
    {
        told.push(format!("rescue.db: {}", change_bytes(&mut rng, &catalogue)));
    }
    told
}
