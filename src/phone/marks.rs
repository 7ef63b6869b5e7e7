//! Marks other than the serial number that distinguish one phone from another.

use super::{Phone, PhoneError};
use crate::item::Marks;

/// The setting that identifies one installation of Android; it changes when the phone is reset.
pub(crate) const ANDROID_ID: &str = "android_id";
/// Properties that are unique to one unit, on phones that show them to the shell.
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
/// Properties that all phones of a model share until the next update.
pub(crate) const LOOKS: [&str; 2] = ["ro.build.fingerprint", "ro.product.device"];

/// Every emulator of some years, and many a copied system, has this Android ID.
const ID_OF_MANY: &str = "9774d56d682e549c";
/// More than `settings` prints for it, in bytes.
const MAX_ID: usize = 4096;

impl Phone {
    /// Returns the identifying marks in these properties.
    pub fn marks(&self) -> Marks {
        let names = UNIT.iter().chain(&LOOKS);
        let told = names.filter_map(|name| {
            let value = self.properties().value(name)?;
            (!is_filler(value)).then(|| ((*name).to_owned(), value.to_owned()))
        });
        Marks(told.collect())
    }

    /// Returns only the marks that are unique to this unit.
    pub(crate) fn unit_marks(&self) -> Marks {
        let mut marks = self.marks();
        marks.0.retain(|name, _| UNIT.contains(&name.as_str()));
        marks
    }

    /// Returns the phone's Android ID; `None` if the shell may not read it. Starts a small program on the phone.
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
