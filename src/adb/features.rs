//! What both sides can do beyond the first protocol: names in the `CNXN` banner.

use std::fmt;

/// A feature that this program knows and uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Feature {
    /// Shell with exit code and separate stdout and stderr (about Android 7).
    ShellV2,
    /// `STA2`/`LST2`: 64-bit sizes and error numbers (about Android 8).
    StatV2,
    /// `LIS2`: listing with 64-bit sizes (about Android 11).
    LsV2,
    /// `RCV2` (about Android 11).
    SendRecvV2,
    /// Acknowledgement by bytes instead of by message (about Android 13).
    DelayedAck,
}

impl Feature {
    const ALL: [(Self, &'static str); 5] = [
        (Self::ShellV2, "shell_v2"),
        (Self::StatV2, "stat_v2"),
        (Self::LsV2, "ls_v2"),
        (Self::SendRecvV2, "sendrecv_v2"),
        (Self::DelayedAck, "delayed_ack"),
    ];
}

/// A set of features; shown and read as names with commas between them.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Features(u8);

impl Features {
    /// Every feature known here.
    pub fn all() -> Self {
        Feature::ALL
            .iter()
            .fold(Self::default(), |set, (feature, _)| set.with(*feature))
    }

    /// Reads names with commas between them; unknown names are passed over.
    pub fn parse(names: &str) -> Self {
        let known = |name| Feature::ALL.iter().find(|(_, known)| *known == name);
        let found = names.split(',').filter_map(|name| known(name.trim()));
        found.fold(Self::default(), |set, (feature, _)| set.with(*feature))
    }

    /// This set and one more.
    #[must_use]
    pub fn with(self, feature: Feature) -> Self {
        Self(self.0 | 1 << feature as u8)
    }

    /// This set but one.
    #[must_use]
    pub fn without(self, feature: Feature) -> Self {
        Self(self.0 & !(1 << feature as u8))
    }

    /// What both sets hold.
    #[must_use]
    pub fn common(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether the set holds a feature.
    pub fn has(self, feature: Feature) -> bool {
        self.0 & 1 << feature as u8 != 0
    }
}

impl fmt::Display for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Feature::ALL
            .iter()
            .filter(|(feature, _)| self.has(*feature));
        for (index, (_, name)) in names.enumerate() {
            write!(f, "{}{name}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Features({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_unknown_ones_are_passed_over() {
        let set = Features::parse("cmd,shell_v2,,stat_v2,track_app, delayed_ack");
        assert_eq!(set.to_string(), "shell_v2,stat_v2,delayed_ack");
        assert_eq!(Features::parse(&set.to_string()), set);
        assert!(!set.without(Feature::ShellV2).has(Feature::ShellV2));
        assert_eq!(Features::all().common(set), set);
    }
}
