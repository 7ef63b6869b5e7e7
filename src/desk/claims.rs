//! Which phone belongs to which case of the desk, so that no phone is rescued twice at once and each finds its place.
//!
//! In: the names of the attached phones, and what each case sees. Out: what a case may see, and the phones that need a
//! case of their own. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::guide::journey::Sight;

/// The phones of all cases.
#[derive(Debug, Default)]
pub(crate) struct PhoneClaims {
    /// The phone of each open case.
    of_case: BTreeMap<u64, CasePhone>,
    /// Phones whose case is finished, as long as they stay attached.
    finished: BTreeSet<String>,
}

/// An attached phone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AttachedPhone {
    /// What chooses it: its serial number, or its place while another phone has the same number.
    pub(crate) name: String,
    pub(crate) serial: String,
}

impl AttachedPhone {
    /// Whether this name may mean it. A phone that got its case by its serial number keeps it when a twin comes.
    fn is_called(&self, name: &str) -> bool {
        self.name == name || self.serial == name
    }
}

/// The phone of a case.
#[derive(Debug, Default, PartialEq, Eq)]
enum CasePhone {
    /// It waits for any.
    #[default]
    Any,
    /// It sees this one, and waits for any other when this one goes away.
    Seen(String),
    /// It rescues this one.
    Bound(String),
}

impl CasePhone {
    fn name(&self) -> Option<&str> {
        match self {
            Self::Any => None,
            Self::Seen(name) | Self::Bound(name) => Some(name),
        }
    }
}

impl PhoneClaims {
    /// A case begins, for any phone.
    pub(crate) fn open(&mut self, case: u64) {
        self.of_case.insert(case, CasePhone::Any);
    }

    /// A case rescues this phone.
    pub(crate) fn bind(&mut self, case: u64, phone: &str) {
        let phone = CasePhone::Bound(phone.to_owned());
        self.of_case.insert(case, phone);
    }

    /// A case is finished with its phone, which begins again only when it is attached again. The case waits for any.
    pub(crate) fn finish(&mut self, case: u64) {
        let phone = self.of_case.insert(case, CasePhone::Any);
        let phone = phone.as_ref().and_then(CasePhone::name);
        self.finished.extend(phone.map(str::to_owned));
    }

    /// A case ends.
    pub(crate) fn close(&mut self, case: u64) {
        self.finish(case);
        self.of_case.remove(&case);
    }

    /// The phone of a case.
    pub(crate) fn of(&self, case: u64) -> Option<&str> {
        self.of_case.get(&case)?.name()
    }

    /// Whether a case waits for any phone.
    pub(crate) fn has_free_case(&self) -> bool {
        self.of_case.values().any(|phone| *phone == CasePhone::Any)
    }

    /// The phones that a case has to leave alone.
    pub(crate) fn others(&self, case: u64) -> BTreeSet<String> {
        let others = self.of_case.iter().filter(|(other, _)| **other != case);
        let claimed = others.filter_map(|(_, phone)| phone.name());
        let finished = self.finished.iter().map(String::as_str);
        claimed.chain(finished).map(str::to_owned).collect()
    }

    /// What a case may see of this: one phone, which is its own from now on, and whatever concerns no phone. A case
    /// keeps its phone as long as it sees it.
    pub(crate) fn narrow(&mut self, case: u64, sight: Sight) -> Sight {
        let others = self.others(case);
        let own = self.of(case);
        let names = || sight.0.iter().filter_map(|seen| seen.phone.as_deref());
        let kept = names()
            .find(|name| Some(*name) == own)
            .or_else(|| names().find(|name| !others.contains(*name)))
            .map(str::to_owned);
        let fits = |phone: &Option<String>| phone.is_none() || *phone == kept;
        let seen = sight.0.into_iter().filter(|seen| fits(&seen.phone));
        let sight = Sight(seen.collect());
        if !matches!(self.of_case.get(&case), Some(CasePhone::Bound(_))) {
            let phone = kept.map_or(CasePhone::Any, CasePhone::Seen);
            self.of_case.insert(case, phone);
        }
        sight
    }

    /// The attached phones that belong to no case yet. A finished phone that is gone is forgotten.
    pub(crate) fn newcomers(&mut self, attached: &[AttachedPhone]) -> Vec<String> {
        let is_attached = |name: &String| attached.iter().any(|phone| phone.is_called(name));
        self.finished.retain(is_attached);
        let claimed = self.of_case.values().filter_map(CasePhone::name);
        let known: Vec<_> = claimed
            .chain(self.finished.iter().map(String::as_str))
            .collect();
        let is_new = |phone: &&AttachedPhone| !known.iter().any(|name| phone.is_called(name));
        let new = attached.iter().filter(is_new);
        new.map(|phone| phone.name.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guide::journey::Sighting;
    use crate::guide::states;

    fn sight(phones: &[&str]) -> Sight {
        let seen = phones.iter().map(|phone| Sighting {
            phone: Some((*phone).to_owned()),
            model: None,
            state: states::ready,
            detail: None,
        });
        Sight(seen.collect())
    }

    fn names(phones: &[&str]) -> Vec<String> {
        phones.iter().map(|phone| (*phone).to_owned()).collect()
    }

    fn attached(phones: &[&str]) -> Vec<AttachedPhone> {
        let phones = names(phones).into_iter();
        let phones = phones.map(|name| AttachedPhone {
            serial: name.clone(),
            name,
        });
        phones.collect()
    }

    #[test]
    fn five_phones_at_once_get_a_case_each() {
        let mut claims = PhoneClaims::default();
        claims.open(1);
        let all = ["A", "B", "C", "D", "E"];
        assert_eq!(claims.narrow(1, sight(&all)), sight(&["A"]));
        assert_eq!(claims.newcomers(&attached(&all)), names(&all[1..]));
        for (case, phone) in (2..).zip(&all[1..]) {
            claims.bind(case, phone);
        }
        assert_eq!(claims.newcomers(&attached(&all)), names(&[]));
        assert_eq!(claims.others(3).len(), 4);
        // Each sees its own alone.
        assert_eq!(claims.narrow(3, sight(&all)), sight(&["C"]));
    }

    #[test]
    fn phone_that_goes_away_before_it_is_rescued_leaves_its_case_free_for_the_next() {
        let mut claims = PhoneClaims::default();
        claims.open(1);
        assert_eq!(claims.narrow(1, sight(&["A"])), sight(&["A"]));
        assert!(!claims.has_free_case());
        // Another one that comes does not take its place.
        assert_eq!(claims.narrow(1, sight(&["B", "A"])), sight(&["A"]));
        assert_eq!(claims.narrow(1, sight(&[])), sight(&[]));
        assert!(claims.has_free_case());
        assert_eq!(claims.narrow(1, sight(&["B"])), sight(&["B"]));
    }

    #[test]
    fn case_that_rescues_a_phone_waits_for_it_and_takes_no_other() {
        let mut claims = PhoneClaims::default();
        claims.bind(1, "A");
        assert_eq!(claims.narrow(1, sight(&[])), sight(&[]));
        assert!(!claims.has_free_case());
        assert_eq!(claims.of(1), Some("A"));
        assert_eq!(claims.newcomers(&attached(&["B"])), names(&["B"]));
    }

    #[test]
    fn twin_of_a_phone_that_is_rescued_does_not_bring_that_phone_a_second_case() {
        let mut claims = PhoneClaims::default();
        claims.bind(1, "TWIN");
        let twins = ["usb:1-5", "usb:1-6"].map(|place| AttachedPhone {
            name: place.to_owned(),
            serial: "TWIN".to_owned(),
        });
        assert_eq!(claims.newcomers(&twins), names(&[]));
        // Two that come together are told apart by their places.
        let mut claims = PhoneClaims::default();
        assert_eq!(claims.newcomers(&twins), names(&["usb:1-5", "usb:1-6"]));
    }

    #[test]
    fn finished_phone_begins_again_only_when_it_is_attached_again() {
        let mut claims = PhoneClaims::default();
        claims.bind(1, "A");
        claims.finish(1);
        assert!(claims.has_free_case());
        assert_eq!(claims.newcomers(&attached(&["A"])), names(&[]));
        assert_eq!(claims.narrow(1, sight(&["A"])), sight(&[]));
        assert_eq!(claims.newcomers(&attached(&[])), names(&[]));
        assert_eq!(claims.newcomers(&attached(&["A"])), names(&["A"]));
        assert_eq!(claims.narrow(1, sight(&["A"])), sight(&["A"]));
        claims.close(1);
        assert!(!claims.has_free_case());
        assert_eq!(claims.newcomers(&attached(&["A"])), names(&[]));
    }
}
