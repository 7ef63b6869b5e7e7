//! What the catalogue knows of runs, of uploads and of what a run looked at.

use super::*;

#[test]
fn runs_are_noted() {
    let (_folder, mut catalogue) = fresh();
    assert_eq!(catalogue.last_run().unwrap(), None);
    let first = catalogue.begin_run(100, "rescue/0.1.0").unwrap();
    catalogue
        .end_run(first, 200, RunOutcome::SomeFailed)
        .unwrap();
    let run = catalogue.last_run().unwrap().unwrap();
    assert_eq!(
        (run.started, run.ended, run.outcome),
        (100, Some(200), Some(RunOutcome::SomeFailed))
    );
    assert_eq!(run.tool, "rescue/0.1.0");
    catalogue.begin_run(300, "rescue/0.2.0").unwrap();
    let run = catalogue.last_run().unwrap().unwrap();
    assert_eq!((run.started, run.ended, run.outcome), (300, None, None));
}

#[test]
fn only_the_bytes_that_are_here_count_as_sent() {
    let (folder, mut catalogue) = fresh();
    let ids = planned(&mut catalogue, &["a", "b", "never pulled"]);
    let pulls = [pulled(ids[0], b"a"), pulled(ids[1], b"b")];
    catalogue.record(&pulls).unwrap();
    let remote = catalogue.remote("nas", "/nas").unwrap();
    assert_eq!(catalogue.not_on(remote).unwrap(), Some(3));
    let upload = |entry: Option<EntryId>, name: &str| NewUpload {
        entry,
        source: name.to_owned(),
        path: UploadPath::new(name).unwrap(),
        size: 1,
        sha256: Sha256::of(name.as_bytes()),
    };
    let send = |catalogue: &mut Catalogue, upload: NewUpload| {
        let queued = catalogue.queue_uploads(remote, &[upload], 0).unwrap();
        let sent = UploadRecord::Sent {
            id: queued[0],
            there: None,
            checksum: None,
        };
        catalogue.record_uploads(&[sent], 0).unwrap();
    };
    // Of archives alone nobody can tell what is in them.
    send(&mut catalogue, upload(None, "all.zip"));
    assert_eq!(catalogue.not_on(remote).unwrap(), None);
    send(&mut catalogue, upload(Some(ids[0]), "a"));
    send(&mut catalogue, upload(Some(ids[1]), "b"));
    assert_eq!(catalogue.not_on(remote).unwrap(), Some(1));
    let other = catalogue.remote("other", "/other").unwrap();
    assert_eq!(catalogue.not_on(other).unwrap(), Some(3));
    // The same item, pulled again with other bytes.
    catalogue.record(&[pulled(ids[1], b"edited")]).unwrap();
    assert_eq!(catalogue.not_on(remote).unwrap(), Some(2));
    drop(folder);
}

#[test]
fn run_that_was_cut_short_ends_when_its_manifest_is_written() {
    let (_folder, mut catalogue) = fresh();
    let outcome = |catalogue: &Catalogue| {
        let run = catalogue.last_run().unwrap().unwrap();
        (run.ended, run.outcome)
    };
    catalogue.end_cut_short(1).unwrap();
    let run = catalogue.begin_run(10, "rescue").unwrap();
    catalogue.end_run(run, 20, RunOutcome::Done).unwrap();
    catalogue.end_cut_short(30).unwrap();
    assert_eq!(outcome(&catalogue), (Some(20), Some(RunOutcome::Done)));
    catalogue.begin_run(40, "rescue").unwrap();
    catalogue.end_cut_short(50).unwrap();
    assert_eq!(
        outcome(&catalogue),
        (Some(50), Some(RunOutcome::Interrupted))
    );
}

#[test]
fn survey_is_of_the_last_run_and_what_was_accepted_stays() {
    let (folder, mut catalogue) = fresh();
    let row = |kind, place: &[u8], reason: Option<Reason>| Surveyed {
        kind,
        place: place.into(),
        items: 3,
        bytes: 1 << 40,
        reason,
    };
    let refused = Reason::new(ReasonCode::PermissionDenied, "no");
    let first = [
        row(SurveyKind::Unreadable, b"/storage/\xff", Some(refused)),
        row(SurveyKind::Ending, b"apk", None),
    ];
    catalogue.set_survey(&first).unwrap();
    assert_eq!(catalogue.survey().unwrap(), first);
    catalogue.set_survey(&first[1..]).unwrap();
    assert_eq!(catalogue.survey().unwrap(), first[1..]);

    let path = |name: &str| RemotePath::new(format!("/sdcard/{name}").as_bytes()).unwrap();
    let denied = ReasonCode::PermissionDenied;
    let ids = planned(&mut catalogue, &["a"]);
    let here = catalogue.entry(ids[0]).unwrap().unwrap().item.path;
    catalogue
        .accept(&[(path("x"), denied), (here.clone(), denied)])
        .unwrap();
    catalogue
        .accept(&[(path("x"), ReasonCode::PhoneIo)])
        .unwrap();
    let accepted = catalogue.accepted().unwrap();
    assert_eq!(accepted.len(), 2);
    assert_eq!(accepted[&path("x")], ReasonCode::PhoneIo);
    // What could be had after all is news again when it cannot any more.
    catalogue.record(&[pulled(ids[0], b"a")]).unwrap();
    catalogue.forget_accepted_that_are_here().unwrap();
    assert_eq!(catalogue.accepted().unwrap().len(), 1);
    drop(catalogue);

    let file = folder.path().join("rescue.db");
    for change in [
        "survey SET kind = 'whatever'",
        "survey SET items = -1",
        "survey SET reason = 'because'",
        "accepted SET reason = 'because'",
        "accepted SET path = x'61'",
    ] {
        let before = fs::read(&file).unwrap();
        tamper(&file, &format!("UPDATE {change}"));
        let catalogue = Catalogue::open(&file, Access::ReadOnly).unwrap();
        let read = catalogue.survey().and(catalogue.accepted().map(drop));
        assert!(
            matches!(read, Err(CatalogueError::Corrupt { .. })),
            "{change}: {read:?}"
        );
        drop(catalogue);
        fs::write(&file, before).unwrap();
    }
}
