use std::sync::LazyLock;

use super::*;
use crate::folder::{Proof, Reason, ReasonCode, RunOutcome, State};

fn tally(files: &[(&str, State)]) -> FileTally {
    let mut tally = FileTally::default();
    let at = chrono::NaiveDate::from_ymd_opt(2024, 8, 18).and_then(|day| day.and_hms_opt(9, 30, 1));
    files
        .iter()
        .for_each(|(name, state)| tally.add(name, 1_234_567, *state, at));
    tally
}

const PROVEN: State = State::Verified(Proof::Sha256);

static PHONE: LazyLock<PhoneIdentity> = LazyLock::new(|| PhoneIdentity {
    serial: "LAB0000001".to_owned(),
    model: "<b>Pixel".to_owned(),
    manufacturer: "Google".to_owned(),
    android_version: "14".to_owned(),
});

static NO_LABEL: LazyLock<JobLabel> = LazyLock::new(JobLabel::default);

/// A page of these files, as a test changes it.
fn with<'a, T>(
    tally: &'a FileTally,
    change: impl FnOnce(&mut Page<'a>),
    then: impl FnOnce(&Page<'_>) -> T,
) -> T {
    let mut page = Page {
        lies: Lies::InFolder,
        phone: &PHONE,
        label: &NO_LABEL,
        now: Local::now(),
        tally,
        runs: &[],
        missing: &[],
        not_pulled: 0,
        left_out: &[],
        not_chosen: 0,
        strangers: &[],
        surveyed: &[],
        manifest: None,
    };
    change(&mut page);
    then(&page)
}

fn written(page: &Page<'_>) -> String {
    let mut bytes = Vec::new();
    write(&mut bytes, page).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn surveyed(kind: SurveyKind) -> Surveyed {
    Surveyed {
        kind,
        place: b"/storage/emulated/0/Android/<data>".as_slice().into(),
        items: 3,
        bytes: 0,
        reason: Some(Reason::new(ReasonCode::PermissionDenied, "no <i>entry")),
    }
}

#[test]
fn verdict_is_as_good_as_the_worst_that_is_known() {
    let (good, sized) = (
        tally(&[("a.jpg", PROVEN)]),
        tally(&[("a.jpg", PROVEN), ("b.jpg", State::Verified(Proof::Size))]),
    );
    let lost = [("/x.jpg".to_owned(), 1, "open failed".to_owned())];
    let left = [surveyed(SurveyKind::Caches)];
    let all = with(&good, |_| {}, verdict);
    assert_eq!(
        (all.is_good, all.headline.as_str()),
        (
            true,
            "Nothing is missing: 1 file is in this folder, and each is proven"
        )
    );
    let lists = with(&good, |page| page.surveyed = &left, verdict);
    assert!(lists.is_good, "{lists:?}");
    for (kind, is_good) in [(SurveyKind::Private, true), (SurveyKind::Unreadable, false)] {
        let unknown = [surveyed(kind)];
        let verdict = with(&good, |page| page.surveyed = &unknown, verdict);
        assert_eq!(verdict.is_good, is_good, "{verdict:?}");
        let begin = "Everything that could be read is here: ";
        assert!(verdict.headline.starts_with(begin), "{verdict:?}");
    }
    for (verdict, begins) in [
        (
            with(&good, |page| page.missing = &lost, verdict),
            "One file is missing; 1 file is in",
        ),
        (
            with(&sized, |_| {}, verdict),
            "2 files are in this folder; 1 file is not proven",
        ),
        (
            with(&tally(&[("a", State::Pulled)]), |_| {}, verdict),
            "1 file is in this folder; 1 file is not proven",
        ),
        (
            with(&good, |page| page.not_pulled = 2, verdict),
            "The rescue is not finished",
        ),
        (
            with(
                &good,
                |page| {
                    page.missing = &lost;
                    page.not_pulled = 1
                },
                verdict,
            ),
            "The rescue is not finished",
        ),
    ] {
        assert!(
            !verdict.is_good && verdict.headline.starts_with(begins),
            "{verdict:?}"
        );
    }
    let chosen = with(
        &good,
        |page| {
            page.lies = Lies::InArchive;
            page.not_chosen = 4
        },
        verdict,
    );
    assert!(
        chosen.is_good && chosen.more.contains("4 files were not chosen"),
        "{chosen:?}"
    );
}

#[test]
fn label_stands_below_the_verdict_as_text_and_not_where_there_is_none() {
    let tally = tally(&[("a.jpg", PROVEN)]);
    let note = "<script>alert(1)</script>\nglass & \"frame\"";
    let label = JobLabel::new("<img src=x>Ada", note).unwrap();
    let page = with(&tally, |page| page.label = &label, written);
    let (_, behind) = page.split_once("class=\"verdict\"").unwrap();
    let (label, _) = behind.split_once("class=\"numbers\"").unwrap();
    assert!(label.contains("&lt;img src=x&gt;Ada</td>"), "{label}");
    let lines = "&lt;script&gt;alert(1)&lt;/script&gt;<br>glass &amp; &quot;frame&quot;</td>";
    assert!(label.contains(lines), "{label}");
    let page = with(&tally, |_| {}, written);
    assert!(!page.contains("class=\"job\"") && !page.contains("Customer"));
}

#[test]
fn page_has_words_for_everything_and_no_markup_of_a_phone() {
    let tally = tally(&[
        ("a.jpg", PROVEN),
        ("b.mp4", State::Verified(Proof::Md5)),
        ("c.pdf", State::Superseded),
        ("d.jpg", State::Pulled),
    ]);
    let missing: Vec<_> = (0..40)
        .map(|n| {
            (
                format!("/DCIM/<img src={n}>.jpg"),
                n,
                "open & failed".to_owned(),
            )
        })
        .collect();
    let places = SurveyKind::ALL.map(surveyed);
    let run = |outcome, ended| Run {
        started: 1_700_000_000,
        ended,
        tool: "rescue <0>".to_owned(),
        outcome,
    };
    let mut runs: Vec<_> = RunOutcome::ALL
        .iter()
        .map(|outcome| run(Some(*outcome), Some(1_700_000_060)))
        .collect();
    runs.push(run(None, None));
    let page = with(
        &tally,
        |page| {
            page.missing = &missing;
            page.surveyed = &places;
            page.runs = &runs;
        },
        written,
    );
    assert!(
        page.contains("<summary>15 more missing files</summary>"),
        "{page}"
    );
    assert!(page.contains("/DCIM/&lt;img src=39&gt;.jpg") && page.contains("&lt;b&gt;Pixel"));
    for raw in [
        "<img",
        "<b>Pixel",
        "<data>",
        "<i>",
        "<0>",
        "looked_at",
        "some_failed",
        "verified_by",
        "not_mounted",
        "permission_denied",
    ] {
        assert!(!page.contains(raw), "{raw}");
    }
    for words in [
        "cut short",
        "stopped by a person",
        "some files could not be copied",
        "MD5, computed by the phone",
        "Older versions",
        "4.9 MB",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
}
