//! The journey, whatever happens: it always asks, waits or ends; it asks little; it never says "safe"
//! when something is unknown.

use proptest::prelude::*;

use super::*;
use crate::error::Kind;
use crate::folder::{Count, Reason, ReasonCode, Summary, SurveyKind, Surveyed};
use crate::guide::states::Diagnosis;

/// Turns in a row that neither ask, wait nor end.
const MOST_BUSY_TURNS: usize = 12;

fn seen(phone: Option<&str>, state: Diagnosis) -> Sighting {
    Sighting {
        phone: phone.map(str::to_owned),
        model: None,
        state,
        detail: None,
    }
}

fn any_sight() -> impl Strategy<Value = Sight> {
    let phone = prop::sample::select(vec![None, Some("A"), Some("A"), Some("A"), Some("B")]);
    let state = prop::sample::select(states::ALL.to_vec());
    let one = (phone, state).prop_map(|(phone, state)| seen(phone, state));
    prop::collection::vec(one, 0..4).prop_map(Sight)
}

fn any_count() -> impl Strategy<Value = Count> {
    let files = prop_oneof![3 => Just(0_u64), 1 => 1..5_u64, 1 => Just(u64::MAX)];
    files.prop_map(|files| Count {
        files,
        bytes: files,
    })
}

fn any_summary() -> impl Strategy<Value = Summary> {
    prop::collection::vec(any_count(), 7).prop_map(|counts| {
        let at = |index: usize| counts.get(index).copied().unwrap_or_default();
        let by_size = at(2);
        let verified = Count {
            files: at(1).files.saturating_add(by_size.files),
            bytes: 0,
        };
        Summary {
            planned: at(0),
            verified,
            verified_by_sha256: at(1),
            verified_by_size: by_size,
            pulled: at(3),
            damaged: at(4),
            failed: at(5),
            superseded: at(6),
            ..Summary::default()
        }
    })
}

fn any_holdings() -> impl Strategy<Value = Holdings> {
    let kinds = prop::collection::vec(prop::sample::select(SurveyKind::ALL.to_vec()), 0..4);
    let surveyed = |kind| Surveyed {
        kind,
        place: Box::from(&b"/storage"[..]),
        items: 1,
        bytes: 1,
        reason: None,
    };
    let survey = kinds.prop_map(move |kinds| kinds.into_iter().map(surveyed).collect());
    (any_summary(), survey, any::<bool>(), any::<bool>()).prop_map(
        |(summary, survey, is_whole, is_choice)| Holdings {
            folder: "rescued".into(),
            summary,
            survey,
            is_whole,
            is_choice,
        },
    )
}

fn any_contents() -> impl Strategy<Value = PhoneContents> {
    (0..3_u64, 0..3_u64, any::<bool>()).prop_map(|(photos, here, leavable)| PhoneContents {
        folder: "rescued".into(),
        photos: Amount {
            files: photos,
            bytes: photos,
        },
        here: Amount {
            files: here,
            bytes: here,
        },
        groups: vec![Group {
            name: "DCIM".to_owned(),
            amount: Amount::default(),
            patterns: match leavable {
                true => vec!["DCIM/**".to_owned()],
                false => Vec::new(),
            },
        }],
        ..PhoneContents::default()
    })
}

fn any_trouble() -> impl Strategy<Value = Trouble> {
    let kinds = vec![
        Kind::PhoneGone,
        Kind::NoPhone,
        Kind::Unauthorized,
        Kind::PhoneNotReady,
        Kind::DiskFull,
        Kind::FolderBusy,
        Kind::PhoneTalksNonsense,
        Kind::Bug,
    ];
    prop::sample::select(kinds).prop_map(|kind| Trouble {
        kind,
        message: "it failed".to_owned(),
        causes: Vec::new(),
        hint: None,
        copied: Copied::Something,
    })
}

/// Everything that can happen at all.
fn anything() -> impl Strategy<Value = Happened> {
    prop_oneof![
        Just(Happened::Began),
        any_sight().prop_map(Happened::Looked),
        (0..7_usize).prop_map(Happened::Answered),
        prop::collection::vec(0..3_usize, 0..3).prop_map(Happened::AnsweredMany),
        any::<bool>().prop_map(|is_named| Happened::Placed(is_named.then(|| "/disk".into()))),
        any_contents().prop_map(Happened::Listed),
        any_holdings().prop_map(Happened::Pulled),
        any_trouble().prop_map(Happened::Failed),
        prop_oneof![
            Just(ActionEnd::Achieved),
            Just(ActionEnd::Partly),
            Just(ActionEnd::Failed)
        ]
        .prop_map(Happened::Ran),
        Just(Happened::Allowed),
    ]
}

/// What may come of each kind of turn.
#[derive(Debug, Clone)]
struct Fate {
    sight: Sight,
    answer: usize,
    many: Vec<usize>,
    place: bool,
    contents: PhoneContents,
    holdings: Holdings,
    trouble: Trouble,
    fails: bool,
}

impl Fate {
    /// What a driver hands back for a turn.
    fn of(&self, next: &Next) -> Happened {
        match next {
            Next::Look => Happened::Looked(self.sight.clone()),
            Next::Ask(question) => Happened::Answered(self.answer % question.choices().max(1)),
            Next::AskMany(_) => Happened::AnsweredMany(self.many.clone()),
            Next::AskPlace => Happened::Placed(self.place.then(|| "/disk".into())),
            Next::Wait { actions, .. } if self.answer < actions.len() => {
                Happened::Answered(self.answer)
            }
            Next::Wait {
                asks_owner: AsksOwner::Yes,
                ..
            } if self.place => Happened::Allowed,
            Next::Wait { .. } => Happened::Looked(self.sight.clone()),
            Next::List(_) | Next::Pull(_) if self.fails => Happened::Failed(self.trouble.clone()),
            Next::List(_) => Happened::Listed(self.contents.clone()),
            Next::Pull(_) => Happened::Pulled(self.holdings.clone()),
            Next::Run(_) if self.fails => Happened::Ran(ActionEnd::Failed),
            Next::Run(_) => Happened::Ran(ActionEnd::Achieved),
            Next::End(_) => Happened::Began,
        }
    }
}

fn any_fate() -> impl Strategy<Value = Fate> {
    let answers = (0..7_usize, prop::collection::vec(0..3_usize, 0..3));
    let ends = (any_contents(), any_holdings(), any_trouble());
    (any_sight(), answers, any::<bool>(), ends, any::<bool>()).prop_map(
        |(sight, (answer, many), place, (contents, holdings, trouble), fails)| Fate {
            sight,
            answer,
            many,
            place,
            contents,
            holdings,
            trouble,
            fails,
        },
    )
}

fn journey() -> Journey {
    Journey::new(None, true, vec!["nas".to_owned()])
}

fn is_for_person(next: &Next) -> bool {
    matches!(
        next,
        Next::Ask(_) | Next::AskMany(_) | Next::AskPlace | Next::Wait { .. } | Next::End(_)
    )
}

proptest! {
    #[test]
    fn every_way_asks_waits_or_ends_and_asks_at_most_four_questions(
        fates in prop::collection::vec((any_fate(), 1..30_usize), 1..20),
    ) {
        let mut journey = journey();
        let mut happened = Happened::Began;
        let (mut busy, mut doubts) = (0, Vec::new());
        // Some things go wrong in the same way again and again.
        let fates = fates.iter().flat_map(|(fate, times)| std::iter::repeat_n(fate, *times));
        for fate in fates {
            let turn = journey.turn(happened);
            busy = if is_for_person(&turn.next) { 0 } else { busy + 1 };
            prop_assert!(busy <= MOST_BUSY_TURNS, "{:?}", turn.next);
            if let Next::Ask(question) = &turn.next {
                prop_assert!(question.choices() > 0, "{question:?}");
                prop_assert!(question.usual() < question.choices(), "{question:?}");
                if let Question::Doubt(doubt) = question {
                    prop_assert!(!doubts.contains(doubt), "{doubt:?} twice");
                    doubts.push(*doubt);
                }
            }
            if let Next::AskMany(question) = &turn.next {
                prop_assert!(matches!(question, Question::Leave(_)));
            }
            if matches!(turn.next, Next::End(_)) {
                break;
            }
            happened = fate.of(&turn.next);
        }
        prop_assert!(doubts.len() <= 4);
    }

    #[test]
    fn what_answers_nothing_that_was_asked_changes_nothing(
        happenings in prop::collection::vec(anything(), 1..80),
    ) {
        let mut journey = journey();
        let mut before = journey.turn(Happened::Began).next;
        for happened in happenings {
            let fits = matches!(
                (&before, &happened),
                (Next::Look, Happened::Looked(_))
                    | (Next::Ask(_), Happened::Answered(_))
                    | (Next::Ask(Question::Doubt(_)), Happened::Looked(_))
                    | (Next::AskMany(_), Happened::AnsweredMany(_))
                    | (Next::AskPlace, Happened::Placed(_))
                    | (Next::Wait { .. }, Happened::Looked(_) | Happened::Answered(_))
                    | (Next::Wait { .. }, Happened::Allowed)
                    | (Next::List(_), Happened::Listed(_) | Happened::Failed(_))
                    | (Next::Pull(_), Happened::Pulled(_) | Happened::Failed(_))
                    | (Next::Run(_), Happened::Ran(_))
            );
            let turn = journey.turn(happened);
            if !fits {
                prop_assert_eq!(&turn.next, &before);
                prop_assert!(turn.say.is_empty());
            }
            before = turn.next;
        }
    }

    #[test]
    fn nothing_is_called_safe_while_anything_is_missing_unproven_or_unknown(
        holdings in any_holdings(),
    ) {
        let verdict = holdings.verdict();
        let has = |kinds: &[SurveyKind]| {
            holdings.survey.iter().any(|one| kinds.contains(&one.kind))
        };
        let summary = &holdings.summary;
        let missing = [summary.planned, summary.pulled, summary.verified_by_size, summary.damaged, summary.failed];
        let is_doubtful = missing.iter().any(|count| count.files > 0)
            || !holdings.is_whole
            || has(&[SurveyKind::Unreadable]);
        prop_assert_eq!(is_doubtful, verdict == Completeness::Partly);
        if verdict == Completeness::Everything {
            prop_assert!(!has(&[SurveyKind::Private, SurveyKind::OtherUser, SurveyKind::Choice]));
            prop_assert!(!holdings.is_choice && summary.verified.files > 0);
        }
        let words = crate::ui::words::journey::lines(&Note::Arrived(holdings.clone())).join("\n");
        prop_assert_eq!(words.contains("Safe: "), !matches!(verdict, Completeness::Partly | Completeness::Empty));
        prop_assert!(words.contains("Do not wipe the phone"));
        if has(&[SurveyKind::Private]) {
            prop_assert!(words.contains("Android keeps it for "), "{}", words);
        }
    }

    #[test]
    fn the_end_is_good_only_when_everything_asked_for_is_proven(
        fates in prop::collection::vec(any_fate(), 1..60),
    ) {
        let mut journey = journey();
        let mut happened = Happened::Began;
        let mut last_pull = None;
        for fate in &fates {
            if let Happened::Pulled(holdings) = &happened {
                last_pull = Some(holdings.verdict());
            }
            let turn = journey.turn(happened);
            match turn.next {
                Next::End(JourneyEnd::Safe) => {
                    prop_assert!(last_pull.is_some_and(|verdict| verdict != Completeness::Partly));
                    break;
                }
                Next::End(JourneyEnd::Unsafe) => break,
                next => happened = fate.of(&next),
            }
        }
    }
}

/// Drives a journey with what happens at each turn; the last turn.
fn after(journey: &mut Journey, happenings: Vec<Happened>) -> Turn {
    let mut turn = journey.turn(Happened::Began);
    for happened in happenings {
        turn = journey.turn(happened);
    }
    turn
}

fn sight(state: Diagnosis) -> Happened {
    Happened::Looked(Sight(vec![seen(Some("A"), state)]))
}

#[test]
fn phone_that_is_ready_is_listed_without_a_question() {
    let turn = after(&mut journey(), vec![sight(states::ready)]);
    assert_eq!(turn.next, Next::List(None));
    assert!(turn.say.contains(&Note::SafePlaces));
}

#[test]
fn nothing_attached_asks_four_questions_and_goes_on_when_the_phone_is_there() {
    let mut journey = journey();
    let mut turn = after(&mut journey, vec![Happened::Looked(Sight::default())]);
    // No finding at all is no phone, too, but the doctor says so itself.
    assert!(matches!(turn.next, Next::Wait { .. }));
    turn = journey.turn(Happened::Looked(Sight(vec![seen(
        None,
        states::nothing_on_usb,
    )])));
    let mut asked = 0;
    while let Next::Ask(Question::Doubt(_)) = turn.next {
        asked += 1;
        turn = journey.turn(Happened::Answered(2));
    }
    assert_eq!(asked, 4);
    assert_eq!(turn.next, Next::Look);
    turn = journey.turn(Happened::Looked(Sight(vec![seen(
        None,
        states::nothing_on_usb,
    )])));
    assert!(matches!(turn.next, Next::Wait { .. }), "{:?}", turn.next);
    // The same again is no news.
    let again = Sight(vec![seen(None, states::nothing_on_usb)]);
    assert!(journey.turn(Happened::Looked(again)).say.is_empty());
    assert_eq!(journey.turn(sight(states::ready)).next, Next::List(None));
}

#[test]
fn leaving_everything_is_asked_about_again() {
    let group = |name: &str| Group {
        name: name.to_owned(),
        amount: Amount { files: 1, bytes: 1 },
        patterns: vec![format!("{name}/**")],
    };
    let contents = PhoneContents {
        folder: "rescued".into(),
        photos: Amount { files: 2, bytes: 2 },
        groups: vec![group("DCIM"), group("Download")],
        ..PhoneContents::default()
    };
    for (left, is_all) in [(vec![0, 1], true), (vec![1, 1], false)] {
        let mut journey = journey();
        let listed = vec![sight(states::ready), Happened::Listed(contents.clone())];
        let turn = after(&mut journey, listed);
        let Next::Ask(Question::Take(_, wishes)) = turn.next else {
            panic!("{:?}", turn.next);
        };
        let without = TakeChoice::WithoutFolders;
        let number = wishes.iter().position(|wish| *wish == without).unwrap();
        journey.turn(Happened::Answered(number));
        let turn = journey.turn(Happened::AnsweredMany(left));
        assert_eq!(turn.say.contains(&Note::NothingLeft), is_all);
        assert_eq!(matches!(turn.next, Next::Ask(Question::Take(..))), is_all);
    }
}

#[test]
fn phone_that_was_read_and_is_gone_asks_nothing_and_its_pull_resumes() {
    let mut journey = journey();
    let contents = PhoneContents {
        folder: "rescued".into(),
        photos: Amount { files: 1, bytes: 1 },
        videos: Amount { files: 1, bytes: 1 },
        ..PhoneContents::default()
    };
    let lost = Trouble {
        kind: Kind::PhoneGone,
        message: "the phone disappeared".to_owned(),
        causes: Vec::new(),
        hint: None,
        copied: Copied::Something,
    };
    let pull = Next::Pull(Take {
        folder: "rescued".into(),
        what: What::Photos,
    });
    let turn = after(
        &mut journey,
        vec![
            sight(states::ready),
            Happened::Listed(contents),
            Happened::Answered(1),
        ],
    );
    assert_eq!(turn.next, pull);
    assert_eq!(journey.turn(Happened::Failed(lost)).next, Next::Look);
    let gone = Sight(vec![seen(None, states::nothing_on_usb)]);
    let turn = journey.turn(Happened::Looked(gone));
    assert!(matches!(turn.next, Next::Wait { .. }));
    assert!(
        turn.say
            .contains(&Note::Advice(vec![Counsel::PlugInAgain(Copied::Something)]))
    );
    let turn = journey.turn(sight(states::ready));
    assert_eq!(turn.next, pull);
    assert!(turn.say.contains(&Note::Resumes("rescued".into())));
}

#[test]
fn dead_touch_leads_to_what_this_computer_can_do() {
    for (state, action) in [
        (states::unauthorized, GuideAction::Authorize),
        (states::locked_since_boot, GuideAction::Unlock),
        (
            states::no_debugging,
            GuideAction::Keys(crate::phone::accessory::script::Recipe::AospDebugging),
        ),
    ] {
        // A picture, no touch, and the PIN is known.
        let answers = [0, 1, 0].map(Happened::Answered);
        let looks = [sight(state)];
        let happenings: Vec<_> = looks
            .clone()
            .into_iter()
            .chain(answers)
            .chain(looks)
            .collect();
        let turn = after(&mut journey(), happenings.clone());
        let Next::Wait { actions, .. } = turn.next else {
            panic!("{}", state.state);
        };
        assert!(actions.contains(&action), "{}", state.state);
        // Keys go over a cable; an address has none.
        let mut far = Journey::new(None, false, Vec::new());
        let Next::Wait { actions, .. } = after(&mut far, happenings).next else {
            panic!("{}", state.state);
        };
        let is_unlock = action == GuideAction::Unlock;
        assert_eq!(actions.contains(&action), is_unlock, "{}", state.state);
    }
}

#[test]
fn without_the_pin_no_way_to_open_the_lock_is_offered() {
    let answers = [0, 0, 1].map(Happened::Answered);
    let looks = [sight(states::locked_since_boot)];
    let happenings = looks.clone().into_iter().chain(answers).chain(looks);
    let turn = after(&mut journey(), happenings.collect());
    let Next::Wait { actions, .. } = &turn.next else {
        panic!("{:?}", turn.next);
    };
    assert!(!actions.contains(&GuideAction::Unlock));
    let is_told = |note: &Note| matches!(note, Note::Advice(counsel) if counsel.contains(&Counsel::WithoutPin));
    assert!(turn.say.iter().any(is_told));
}

#[test]
fn several_phones_are_chosen_from_and_the_other_is_left_alone() {
    let both = Sight(vec![
        seen(Some("A"), states::unauthorized),
        seen(Some("B"), states::ready),
    ]);
    let mut journey = journey();
    let turn = after(&mut journey, vec![Happened::Looked(both)]);
    assert!(matches!(&turn.next, Next::Ask(Question::Phone(phones)) if phones.len() == 2));
    assert_eq!(journey.turn(Happened::Answered(1)).next, Next::Look);
    assert_eq!(journey.phone(), Some("B"));
}

#[test]
fn folders_that_could_not_be_read_are_no_rescue() {
    let unreadable = Surveyed {
        kind: SurveyKind::Unreadable,
        place: Box::from(&b"/storage/emulated/0/DCIM"[..]),
        items: 1,
        bytes: 0,
        reason: Some(Reason::new(ReasonCode::PhoneIo, "I/O error")),
    };
    let holdings = Holdings {
        folder: "rescued".into(),
        summary: Summary {
            verified: Count { files: 1, bytes: 1 },
            verified_by_sha256: Count { files: 1, bytes: 1 },
            ..Summary::default()
        },
        survey: vec![unreadable],
        is_whole: true,
        is_choice: false,
    };
    assert_eq!(holdings.verdict(), Completeness::Partly);
}
