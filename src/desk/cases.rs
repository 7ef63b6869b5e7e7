//! All cases of the desk, one for each phone, and what a stream of news sends of them.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::state::CaseState;

/// All cases.
#[derive(Debug, Default)]
pub(super) struct DeskCases {
    cases: BTreeMap<u64, CaseState>,
    /// Cases up to now.
    opened: u64,
    form: DeskForm,
}

/// What a page shows beside the cases.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
struct DeskForm {
    /// Whether there may be cases of other phones.
    takes_more: bool,
    is_over: bool,
}

/// What a stream sent already.
#[derive(Debug, Default)]
pub(super) struct SeenNews {
    /// The time of each case.
    cases: BTreeMap<u64, u64>,
    form: Option<DeskForm>,
}

/// What a stream sends.
#[derive(Serialize)]
struct DeskNews {
    /// The open cases, in their order.
    cases: Vec<u64>,
    #[serde(flatten)]
    form: DeskForm,
    /// The changed parts of cases.
    case: BTreeMap<u64, Value>,
}

impl DeskCases {
    /// Opens a case; its number.
    pub(super) fn open(&mut self) -> u64 {
        self.opened += 1;
        self.cases.insert(self.opened, CaseState::default());
        self.opened
    }

    /// Closes a case. The last one stays, for whoever reads it yet.
    pub(super) fn close(&mut self, case: u64) {
        if self.cases.len() > 1 {
            self.cases.remove(&case);
        }
    }

    /// Ends a case that is not the last, unless work is under way; whether it does.
    pub(super) fn give_up(&mut self, case: u64) -> bool {
        let mut others = self.cases.iter().filter(|(number, _)| **number != case);
        others.any(|(_, state)| !state.is_ending())
            && self.cases.get(&case).is_some_and(CaseState::give_up)
    }

    /// How many are open.
    pub(super) fn count(&self) -> usize {
        self.cases.len()
    }

    pub(super) fn case(&self, case: u64) -> Option<&CaseState> {
        self.cases.get(&case)
    }

    pub(super) fn case_mut(&mut self, case: u64) -> Option<&mut CaseState> {
        self.cases.get_mut(&case)
    }

    pub(super) fn take_more(&mut self) {
        self.form.takes_more = true;
    }

    pub(super) fn takes_more(&self) -> bool {
        self.form.takes_more
    }

    pub(super) fn end(&mut self) {
        self.form.is_over = true;
    }

    /// What changed since a stream sent last.
    pub(super) fn news(&self, seen: &mut SeenNews) -> Option<Value> {
        let known = std::mem::take(&mut seen.cases);
        let mut case = BTreeMap::new();
        for (number, state) in &self.cases {
            let mut time = known.get(number).copied().unwrap_or_default();
            case.extend(state.news(&mut time).map(|news| (*number, news)));
            seen.cases.insert(*number, time);
        }
        let is_same = seen.form.replace(self.form) == Some(self.form);
        let is_same = is_same && known.keys().eq(self.cases.keys());
        if is_same && case.is_empty() {
            return None;
        }
        let news = DeskNews {
            cases: self.cases.keys().copied().collect(),
            form: self.form,
            case,
        };
        // Nothing of it can fail.
        serde_json::to_value(news).ok()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ui::face::Tone;

    #[test]
    fn stream_gets_all_cases_and_then_what_changed_of_each() {
        let mut desk = DeskCases::default();
        let (first, second) = (desk.open(), desk.open());
        let mut seen = SeenNews::default();
        let news = desk.news(&mut seen).unwrap();
        assert_eq!(news["cases"], json!([first, second]));
        assert_eq!(news["case"].as_object().unwrap().len(), 2);
        assert_eq!(desk.news(&mut seen), None);
        desk.case_mut(second).unwrap().tell("two", Tone::Plain);
        let news = desk.news(&mut seen).unwrap();
        assert_eq!(news["case"].as_object().unwrap().len(), 1);
        assert!(news["case"]["2"].to_string().contains("two"));
        desk.close(first);
        let news = desk.news(&mut seen).unwrap();
        assert_eq!((&news["cases"], &news["case"]), (&json!([2]), &json!({})));
        desk.close(second);
        assert_eq!(desk.count(), 1, "the last stays");
        desk.end();
        assert_eq!(desk.news(&mut seen).unwrap()["is_over"], true);
    }
}
