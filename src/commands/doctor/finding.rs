//! What the doctor found, for a person and for programs.

use serde::Serialize;

use crate::guide::journey::Sighting;
use crate::guide::states::Diagnosis;
use crate::hint::Hint;
use crate::ui::plain;

/// One thing that was found.
#[derive(Debug, Serialize)]
pub(in crate::commands) struct DoctorFinding {
    r#type: &'static str,
    /// What chooses the phone with --serial, or its serial number where an address chose it; `None` for
    /// what concerns no phone.
    pub(super) phone: Option<String>,
    model: Option<String>,
    /// What was measured or said, beyond the state.
    detail: Option<String>,
    #[serde(flatten)]
    pub(super) state: Diagnosis,
    /// The next step, with what chooses this phone.
    pub(super) next: Hint,
}

impl DoctorFinding {
    pub(super) fn of(state: Diagnosis) -> Self {
        Self {
            r#type: "finding",
            phone: None,
            model: None,
            detail: None,
            next: state.next(),
            state,
        }
    }

    pub(super) fn about(state: Diagnosis, phone: &str, model: Option<&str>) -> Self {
        Self {
            phone: Some(phone.to_owned()),
            model: model.map(str::to_owned),
            ..Self::of(state)
        }
    }

    pub(super) fn with(self, detail: impl Into<Option<String>>) -> Self {
        let detail = detail.into();
        Self { detail, ..self }
    }

    /// The same, for the guide.
    pub(in crate::commands) fn into_seen(self) -> Sighting {
        Sighting {
            phone: self.phone,
            model: self.model,
            state: self.state,
            detail: self.detail,
        }
    }

    pub(in crate::commands) fn lines(&self) -> Vec<String> {
        let words = self.state.state.replace('_', " ");
        let phone = self.phone.as_deref().map(plain).unwrap_or_default();
        let model = self.model.as_deref().map(plain).unwrap_or_default();
        let subject = format!("{phone} {model}").trim().to_owned();
        let mut lines = vec![match subject.is_empty() {
            true => words,
            false => format!("{subject}: {words}"),
        }];
        lines.push(format!("  {}", self.state.meaning));
        lines.extend(
            self.detail
                .iter()
                .map(|detail| format!("  ({})", plain(detail))),
        );
        lines.push(format!("  next: {}", self.next));
        let others = self.state.alternatives.iter();
        lines.extend(others.map(|other| format!("  or:   {other}")));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guide::states;

    #[test]
    fn finding_reads_as_name_meaning_and_next_step() {
        let finding = DoctorFinding::about(states::only_charging, "AB\x1b[2J", Some("Pixel 7a"));
        assert_eq!(
            finding.lines()[..3],
            [
                "AB\\u{1b}[2J Pixel 7a: only charging",
                "  a device of a phone maker is on USB and offers no data: USB debugging is off, or the phone is set to charge only",
                &format!("  next: {}", states::only_charging.next()),
            ]
        );
        let json = serde_json::to_value(&finding).unwrap();
        assert_eq!(json["state"], "only_charging");
        assert_eq!(json["phone"], "AB\x1b[2J");
    }
}
