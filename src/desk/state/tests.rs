use super::*;

fn asked(state: &mut CaseState, wanted: WantedAnswer) -> (u64, oneshot::Receiver<FaceAnswer>) {
    let (sender, receiver) = oneshot::channel();
    let text = "?".to_owned();
    (state.ask(FaceQuestion { text, wanted }, sender), receiver)
}

fn answered(state: &mut CaseState, answer: &str) -> Result<(), RefusedAnswer> {
    state.answer(serde_json::from_str(answer).unwrap())
}

fn two() -> WantedAnswer {
    WantedAnswer::One {
        choices: vec!["yes".to_owned(), "no".to_owned()],
        usual: Some(0),
    }
}

#[test]
fn answer_to_an_earlier_question_answers_none() {
    let mut state = CaseState::default();
    let (first, mut receiver) = asked(&mut state, two());
    let right = |number: u64| format!(r#"{{"question":{number},"number":1}}"#);
    assert_eq!(answered(&mut state, &right(first)), Ok(()));
    assert_eq!(receiver.try_recv(), Ok(FaceAnswer::Number(1)));
    let (second, mut receiver) = asked(&mut state, two());
    assert_ne!(first, second);
    let gone = answered(&mut state, &right(first));
    assert_eq!(gone, Err(RefusedAnswer::Gone));
    assert!(receiver.try_recv().is_err());
    // One that does not fit leaves the question as it was.
    for unfit in [r#","number":2"#, r#","text":"yes""#, ""] {
        let unfit = format!(r#"{{"question":{second}{unfit}}}"#);
        let refused = answered(&mut state, &unfit);
        assert_eq!(refused, Err(RefusedAnswer::Unfit), "{unfit}");
    }
    assert_eq!(answered(&mut state, &right(second)), Ok(()));
    assert_eq!(receiver.try_recv(), Ok(FaceAnswer::Number(1)));
}

#[test]
fn secret_is_in_nothing_that_a_page_gets() {
    let mut state = CaseState::default();
    let (number, mut receiver) = asked(&mut state, WantedAnswer::Secret);
    let secret = format!(r#"{{"question":{number},"text":"4711"}}"#);
    assert_eq!(answered(&mut state, &secret), Ok(()));
    let line = Zeroizing::new("4711".to_owned());
    assert_eq!(receiver.try_recv(), Ok(FaceAnswer::Line(line)));
    let all = state.news(&mut 0).unwrap().to_string();
    assert!(!all.contains("4711"), "{all}");
    assert!(!format!("{state:?}").contains("4711"));
}

#[test]
fn stream_gets_everything_first_and_then_what_changed() {
    let mut state = CaseState::default();
    state.tell("one", Tone::Plain);
    let mut seen = 0;
    let first = state.news(&mut seen).unwrap();
    for (_, name) in PARTS {
        assert!(first.get(name).is_some(), "{name} in {first}");
    }
    assert_eq!(state.news(&mut seen), None);
    state.tell("<b>two</b>", Tone::Bad);
    let then = state.news(&mut seen).unwrap();
    assert_eq!(then["now"][1]["line"], "<b>two</b>");
    assert_eq!(then.as_object().unwrap().len(), 1, "{then}");
    assert_eq!(state.news(&mut seen), None);
}

#[test]
fn long_work_takes_no_more_memory_than_short_work() {
    let mut state = CaseState::default();
    for number in 0..2000 {
        let path = format!("/sdcard/{number}.jpg");
        let path = RemotePath::new(path.as_bytes()).unwrap();
        let local = LocalPath::new(&format!("{number}.jpg")).unwrap();
        let size = 1;
        state.tell(&"x".repeat(10_000), Tone::Plain);
        state.hear(&Event::Pulled {
            path: path.clone(),
            local,
            size,
        });
        if number % 2 == 0 {
            let proof = crate::folder::Proof::Sha256;
            state.hear(&Event::Verified { path, proof, size });
        }
        state.turn(vec![NoteWords::Lines { lines: Vec::new() }]);
    }
    assert!(state.before.len() <= MOST_BEFORE);
    assert!(state.unproven.len() <= MOST_UNPROVEN);
    assert_eq!(state.proven.len(), MOST_PROVEN);
    assert_eq!(state.proven_files, 1000);
    assert!(
        state.picture(state.pictures).is_none(),
        "no folder is known"
    );
}

#[test]
fn trouble_stays_beside_the_next_advice_and_what_is_safe_stays_during_work() {
    let lines = |line: &str| vec![line.to_owned()];
    let trouble = NoteWords::Trouble {
        lines: lines("wrong PIN"),
    };
    let advice = NoteWords::Lines {
        lines: lines("type it"),
    };
    let mut state = CaseState::default();
    state.turn(vec![advice.clone()]);
    state.turn(vec![trouble]);
    state.turn(vec![advice.clone()]);
    let now = |state: &CaseState| state.value(StatePart::Now).to_string();
    assert!(now(&state).contains("wrong PIN") && now(&state).contains("type it"));
    state.turn(vec![advice]);
    assert!(!now(&state).contains("wrong PIN"), "{}", now(&state));
    state.tell("beside it", Tone::Plain);
    state.begin_work(Halt::default(), "Stop");
    assert_eq!(now(&state), "[]");
}
