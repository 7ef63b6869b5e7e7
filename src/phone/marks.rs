//! Marks other than the serial number that distinguish one phone from another.

use super::{Phone, PhoneError};
use crate::item::Marks;

/// Android's own number of an installation: it is another after the phone was wiped.
pub(crate) const ANDROID_ID: &str = "android_id";
/// What one unit has alone, where a phone tells it to the shell.
pub(crate) const UNIT: [&str; 8] = [
    ANDROID_ID,
    "ro.boot.serialno",
    "ro.boot.cpuid",
    "ro.boot.chipid",
    "ro.boot.uid",
    "ro.boot.em.did",
    "ril.serialnumber",
    "ro.ril.oem.sno",
];
/// What all phones of a model have in common until an update.
pub(crate) const LOOKS: [&str; 2] = ["ro.build.fingerprint", "ro.product.device"];

/// Every emulator of some years, and many a copied system, has this Android ID.
const ID_OF_MANY: &str = "9774d56d682e549c";
/// More than `settings` prints for it, in bytes.
const MAX_ID: usize = 4096;

impl Phone {
    /// What its properties tell.
    pub fn marks(&self) -> Marks {
        let names = UNIT.iter().chain(&LOOKS);
        let told = names.filter_map(|name| {
            let value = self.properties().value(name)?;
            (!is_filler(value)).then(|| ((*name).to_owned(), value.to_owned()))
        });
        Marks(told.collect())
    }

    /// Those of them that belong to this unit alone.
    pub(crate) fn unit_marks(&self) -> Marks {
        let mut marks = self.marks();
        marks.0.retain(|name, _| UNIT.contains(&name.as_str()));
        marks
    }

    /// Its Android ID; `None` where the shell may not read it. Takes as long as a small program.
    pub async fn android_id(&self) -> Result<Option<String>, PhoneError> {
        let command = b"settings get secure android_id";
        let output = self.run("settings", command, MAX_ID, self.idle()).await?;
        let text = String::from_utf8_lossy(&output.stdout);
        let id = text.trim();
        let is_id = (8..=32).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_hexdigit());
        Ok((is_id && id != ID_OF_MANY).then(|| id.to_ascii_lowercase()))
    }
}

/// Whether this stands where a number should.
fn is_filler(value: &str) -> bool {
    let is_word = ["unknown", "null", "none", "default"]
        .iter()
        .any(|word| value.eq_ignore_ascii_case(word));
    is_word || value.bytes().all(|byte| byte == b'0' || byte == b'x')
}
