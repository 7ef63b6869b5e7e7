//! What a look at the phones found.

use crate::guide::states::{self, Diagnosis};

/// What a look at the phones found: the doctor's findings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sight(pub(crate) Vec<Sighting>);

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sighting {
    /// What chooses the phone; `None` for what concerns no phone.
    pub(crate) phone: Option<String>,
    /// Its model.
    pub(crate) model: Option<String>,
    /// Its state.
    pub(crate) state: Diagnosis,
    /// What was measured or said beyond the state.
    pub(crate) detail: Option<String>,
}

impl Sight {
    /// Whether the same phones are in the same states; measured values may differ.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        let states = |sight: &Self| -> Vec<_> {
            let seen = sight.0.iter();
            seen.map(|seen| (seen.phone.clone(), seen.state.state))
                .collect()
        };
        states(self) == states(other)
    }

    /// The phones in it, each once.
    pub(super) fn phones(&self) -> Vec<&Sighting> {
        let mut phones: Vec<&Sighting> = Vec::new();
        for seen in self.0.iter().filter(|seen| seen.phone.is_some()) {
            if !phones.iter().any(|known| known.phone == seen.phone) {
                phones.push(seen);
            }
        }
        phones
    }

    /// The finding that decides what is next: a phone that can be read, else what keeps it from that.
    pub(super) fn main(&self) -> Option<&Sighting> {
        let is_ready = |seen: &&Sighting| seen.state == states::ready;
        let stands_in_the_way = |seen: &&Sighting| seen.state.kind.is_some();
        let mut seen = self.0.iter();
        let ready = seen.clone().find(is_ready);
        ready.or_else(|| seen.find(stands_in_the_way))
    }
}
