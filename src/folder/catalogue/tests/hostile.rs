//! Catalogues that somebody altered: another schema, pages in circles, values that no run writes.

use proptest::prelude::*;

use super::*;

/// Changes what a closed catalogue says that its tables are.
fn rewrite(path: &Path, name: &str, from: &str, to: &str) {
    let db = Connection::open(path).unwrap();
    db.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_DEFENSIVE, false)
        .unwrap();
    db.pragma_update(None, "writable_schema", true).unwrap();
    let changed = db
        .execute(
            "UPDATE sqlite_schema SET sql = replace(sql, ?2, ?3) \
             WHERE name = ?1 AND sql LIKE '%' || ?2 || '%'",
            params![name, from, to],
        )
        .unwrap();
    assert_eq!(changed, 1, "{name}: {from}");
}

#[test]
fn tables_that_differ_from_ours_in_a_word_are_refused() {
    let open = |path: &Path, what: &str| {
        for access in [Access::ReadOnly, Access::ReadWrite] {
            let result = Catalogue::open(path, access);
            assert!(
                matches!(result, Err(CatalogueError::Corrupt { .. })),
                "{what}: {result:?}"
            );
        }
    };
    for sql in [
        "CREATE TRIGGER x AFTER UPDATE ON entry BEGIN DELETE FROM entry; END",
        "CREATE VIEW x AS SELECT 1",
        "CREATE TABLE x (id)",
        "CREATE INDEX x ON entry (abs(size))",
        "CREATE UNIQUE INDEX x ON run (outcome)",
        "CREATE TABLE x (id INTEGER PRIMARY KEY AUTOINCREMENT); DROP TABLE x",
        "DROP TABLE run; CREATE VIEW run AS SELECT 1",
        "DROP TABLE companion",
        "DROP INDEX upload_of_entry",
        "DROP INDEX upload_of_entry; CREATE INDEX upload_of_entry ON upload (entry COLLATE NOCASE)",
        "ALTER TABLE entry ADD COLUMN x TEXT GENERATED ALWAYS AS (printf('%.1000000c', 'x'))",
        "ALTER TABLE entry ADD COLUMN x TEXT DEFAULT 'x'",
        "ANALYZE",
        "PRAGMA user_version = 2",
    ] {
        let (folder, catalogue) = fresh();
        drop(catalogue);
        let path = folder.path().join("rescue.db");
        tamper(&path, sql);
        open(&path, sql);
    }
    for (table, from, to) in [
        (
            "entry",
            "message TEXT",
            "message TEXT AS (printf('%.90000000c', 'x'))",
        ),
        (
            "entry",
            "local TEXT NOT NULL",
            "local TEXT NOT NULL COLLATE NOCASE",
        ),
        (
            "entry",
            "size INTEGER NOT NULL",
            "size INTEGER NOT NULL CHECK (size > 0)",
        ),
        (
            "upload",
            "there TEXT",
            "there TEXT DEFAULT (hex(randomblob(90000000)))",
        ),
        ("run", "STRICT", ""),
        ("companion", "STRICT, WITHOUT ROWID", "STRICT"),
    ] {
        let (folder, catalogue) = fresh();
        drop(catalogue);
        let path = folder.path().join("rescue.db");
        rewrite(&path, table, from, to);
        open(&path, to);
    }
}

#[test]
fn journal_that_leads_to_another_file_is_refused_and_the_file_stays() {
    let (folder, mut catalogue) = fresh();
    planned(&mut catalogue, &["a"]);
    drop(catalogue);
    let path = folder.path().join("rescue.db");
    // The bundled SQLite takes only names that end like those of such journals.
    let victim = folder.path().join("letters-mj0123459AB");
    fs::write(&victim, "not a list of journals").unwrap();
    // A journal that was cut off, as a power cut leaves it, of a transaction over two databases.
    let name = victim.to_str().unwrap().as_bytes();
    let mut journal = vec![0; 512];
    journal[..8].copy_from_slice(&[0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7]);
    for (at, number) in [(8, 0_u32), (12, 1), (16, 1), (20, 512), (24, 4096)] {
        journal[at..at + 4].copy_from_slice(&number.to_be_bytes());
    }
    let sum: u32 = name.iter().map(|byte| u32::from(*byte)).sum();
    journal.extend(((1 << 30) / 4096 + 1_u32).to_be_bytes());
    journal.extend(name);
    journal.extend((name.len() as u32).to_be_bytes());
    journal.extend(sum.to_be_bytes());
    journal.extend([0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7]);
    fs::write(folder.path().join("rescue.db-journal"), journal).unwrap();
    for access in [Access::ReadOnly, Access::ReadWrite] {
        let result = Catalogue::open(&path, access);
        assert!(
            matches!(result, Err(CatalogueError::Corrupt { .. })),
            "{result:?}"
        );
    }
    assert!(victim.exists(), "SQLite removes what a journal names");
}

/// Has a page of a table lead to the same page many times, on several floors: few bytes, rows
/// without end.
#[test]
fn pages_that_lead_in_circles_end_soon() {
    let (folder, mut catalogue) = fresh();
    let names: Vec<_> = (0..4000).map(|n| format!("folder/IMG_{n}.jpg")).collect();
    let new = names.iter().map(|name| new_entry(name));
    catalogue.insert_planned(new).unwrap();
    drop(catalogue);
    let path = folder.path().join("rescue.db");
    let db = Connection::open(&path).unwrap();
    let root: u32 = db
        .query_row(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'entry'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    drop(db);
    let root = root as usize;
    let mut bytes = fs::read(&path).unwrap();
    let page_size = usize::from(u16::from_be_bytes([bytes[16], bytes[17]]));
    let at = |page: usize| (page - 1) * page_size;
    let child = |bytes: &[u8], cell: usize, page: usize| {
        let pointer = at(page) + 12 + 2 * cell;
        let cell = usize::from(u16::from_be_bytes([bytes[pointer], bytes[pointer + 1]]));
        at(page) + cell
    };
    assert_eq!(bytes[at(root)], 5, "an interior page");
    let leaf = bytes[child(&bytes, 0, root)..][..4].to_vec();
    let cells = usize::from(u16::from_be_bytes([
        bytes[at(root) + 3],
        bytes[at(root) + 4],
    ]));
    let floors: Vec<usize> = (0..8)
        .map(|n| {
            let place = child(&bytes, n + 1, root);
            u32::from_be_bytes(bytes[place..place + 4].try_into().unwrap()) as usize
        })
        .collect();
    let template = bytes[at(root)..at(root) + page_size].to_vec();
    let mut below = u32::from_be_bytes(leaf.try_into().unwrap());
    for page in floors.into_iter().chain([root]) {
        bytes[at(page)..at(page) + page_size].copy_from_slice(&template);
        for cell in 0..cells {
            let place = child(&bytes, cell, page);
            bytes[place..place + 4].copy_from_slice(&below.to_be_bytes());
        }
        let right = at(page) + 8;
        bytes[right..right + 4].copy_from_slice(&below.to_be_bytes());
        below = page as u32;
    }
    fs::write(&path, bytes).unwrap();
    let catalogue = Catalogue::open(&path, Access::ReadOnly).unwrap();
    let corrupt = |what: &str, result: Result<(), CatalogueError>| {
        assert!(
            matches!(result, Err(CatalogueError::Corrupt { .. })),
            "{what}: {result:?}"
        );
    };
    corrupt("summary", catalogue.summary().map(drop));
    corrupt("all", catalogue.for_each(|_| Ok(())));
    corrupt("failed", catalogue.for_each_failed(|_| Ok(())));
    corrupt("structure", catalogue.check_structure());
}

#[test]
fn values_that_make_no_sense_are_errors() {
    for change in [
        "local = '../../etc/passwd'",
        "local = '/etc/passwd'",
        "path = x'2f612f2e2e'",
        "path = x'61'",
        "sha256 = x'00'",
        "size = -1",
        "version = -1",
        "version = 5000000000",
        "size_is_exact = 9",
        "attempts = -1",
        "attempts = 9223372036854775807",
        "version = 4294967295",
        "size = -9223372036854775808",
        "reason = 'other', message = printf('%.70000c', 'x')",
        "reason = 'other', message = printf('%.2000000c', 'x')",
        "local = printf('%.3000c', 'x')",
        "path = zeroblob(2000)",
        "path = x''",
        "local = ''",
        "local = 'a/../b'",
        "local = 'a' || char(10) || 'b'",
        "local = 'a' || char(27) || '[2Jb'",
        "state = 'perfect'",
        "state = 'verified', proof = 'because'",
        "state = 'verified', proof = NULL",
        "state = 'verified', proof = 'sha256'",
        "state = 'pulled'",
        "state = 'superseded'",
        "reason = 'whatever'",
        "local = CAST(x'ff' AS TEXT)",
    ] {
        let (folder, mut catalogue) = fresh();
        planned(&mut catalogue, &["a"]);
        drop(catalogue);
        let path = folder.path().join("rescue.db");
        tamper(&path, &format!("UPDATE entry SET {change}"));
        let catalogue = Catalogue::open(&path, Access::ReadWrite).unwrap();
        let result = all(&catalogue);
        if change == "size_is_exact = 9" {
            assert!(result.unwrap()[0].item.size_is_exact);
        } else {
            assert!(
                matches!(result, Err(CatalogueError::Corrupt { .. })),
                "{change}: {result:?}"
            );
        }
    }
}

#[test]
fn values_of_other_tables_are_checked_when_they_are_read() {
    let cases = [
        "UPDATE phone SET serial = printf('%.70000c', 'x')",
        "DELETE FROM phone",
        "UPDATE run SET started = 9223372036854775807",
        "UPDATE run SET ended = -9223372036854775808",
        "UPDATE run SET outcome = 'perfect'",
        "UPDATE run SET tool = printf('%.5000c', 'x')",
        "UPDATE remote SET name = printf('%.5000c', 'x')",
        "UPDATE upload SET path = '../victim/x.jpg'",
        "UPDATE upload SET path = '/etc/cron.d/x'",
        "UPDATE upload SET path = '.'",
        "UPDATE upload SET path = ''",
        "UPDATE upload SET path = 'a/./b'",
        "UPDATE upload SET path = 'a' || char(0) || 'b'",
        "UPDATE upload SET path = 'a' || char(8238) || 'gpj.exe'",
        "UPDATE upload SET path = printf('%.5000c', 'x')",
        "UPDATE upload SET source = '../../../etc/shadow'",
        "UPDATE upload SET source = '/etc/shadow'",
        "UPDATE upload SET entry = NULL, source = ''",
        "UPDATE upload SET size = -1",
        "UPDATE upload SET attempts = 5000000000",
        "UPDATE upload SET changed = 9223372036854775807",
        "UPDATE upload SET state = 'perfect'",
        "UPDATE upload SET reason = 'perfect'",
        "UPDATE upload SET sha256 = x'00'",
        "UPDATE upload SET there = printf('%.70000c', 'x')",
        "UPDATE pledge SET given = -9223372036854775808",
        "UPDATE pledge SET token = printf('%.70000c', 'x')",
        "UPDATE companion SET missing_bytes = -1",
        "UPDATE job SET customer = printf('%.201c', 'x')",
        "UPDATE job SET note = printf('%.2001c', 'x')",
        "UPDATE job SET note = printf('%.70000c', 'x')",
        "UPDATE job SET note = CAST(x'ff' AS TEXT)",
        "UPDATE companion SET local = '../x'",
        "UPDATE companion SET size = -1",
    ];
    for sql in cases {
        let (folder, mut catalogue) = fresh();
        let ids = planned(&mut catalogue, &["a"]);
        catalogue.record(&[pulled(ids[0], b"a")]).unwrap();
        catalogue.begin_run(1, "rescue").unwrap();
        catalogue
            .set_job(&JobLabel::new("Ada", "").unwrap())
            .unwrap();
        let remote = catalogue.remote("nas", "/nas").unwrap();
        let upload = NewUpload {
            entry: Some(ids[0]),
            source: "internal/a".to_owned(),
            path: UploadPath::new("phone/a").unwrap(),
            size: 1,
            sha256: Sha256::of(b"a"),
        };
        let id = catalogue.queue_uploads(remote, &[upload], 0).unwrap()[0];
        let pledged = UploadRecord::Pledged {
            id,
            sha256: Sha256::of(b"a"),
            pledge: Pledge::Token("t".to_owned()),
        };
        catalogue.record_uploads(&[pledged], 0).unwrap();
        drop(catalogue);
        let path = folder.path().join("rescue.db");
        let companion = "INSERT INTO companion VALUES ('internal/b', 1, 1, zeroblob(32), NULL);";
        tamper(&path, &format!("{companion} {sql}"));
        let catalogue = Catalogue::open(&path, Access::ReadWrite).unwrap();
        let read = || {
            catalogue.identity()?;
            catalogue.runs()?;
            catalogue.job()?;
            catalogue.known_remotes()?;
            catalogue.for_each_upload(remote, |_| Ok::<_, CatalogueError>(()))?;
            catalogue.upload_counts(remote)?;
            catalogue.pledge(id)?;
            catalogue.for_each_companion(|_| Ok::<_, CatalogueError>(()))
        };
        let result: Result<(), CatalogueError> = read();
        let Err(CatalogueError::Corrupt { path: named, what }) = result else {
            panic!("{sql}: {result:?}");
        };
        assert_eq!(named, path);
        // Which row it is.
        let names_row = what.contains(" 1: ") || what.contains("row 1: ");
        assert!(names_row || sql.starts_with("DELETE"), "{sql}: {what}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_damage_to_the_file_gives_errors_and_no_panic(
        hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        cut in any::<Option<prop::sample::Index>>(),
    ) {
        let (folder, mut catalogue) = fresh();
        let names: Vec<_> = (0..50).map(|n| format!("folder/IMG_{n}.jpg")).collect();
        let ids = catalogue.insert_planned(names.iter().map(|name| new_entry(name))).unwrap();
        catalogue.record(&ids.iter().map(|id| pulled(*id, b"x")).collect::<Vec<_>>()).unwrap();
        drop(catalogue);
        let path = folder.path().join("rescue.db");
        let mut bytes = fs::read(&path).unwrap();
        for (index, value) in hits {
            let at = index.index(bytes.len());
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        fs::write(&path, bytes).unwrap();
        if let Ok(mut catalogue) = Catalogue::open(&path, Access::ReadWrite) {
            let _ = all(&catalogue);
            let _ = catalogue.summary();
            let _ = catalogue.check_structure();
            let _ = catalogue.for_each_payload(|_| Ok::<_, CatalogueError>(()));
            let _ = catalogue.record(&[pulled(ids[0], b"y")]);
        }
    }
}
