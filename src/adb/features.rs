//! What both sides can do beyond the first protocol: names in the `CNXN` banner.

use std::fmt;

/// An ADB feature that this program uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Feature {
    /// `shell_v2`: a shell with an exit code and separate stdout and stderr (since about Android 7).
    ShellV2,
    /// `stat_v2`, the requests `STA2` and `LST2`: 64-bit sizes and error numbers (since about Android 8).
    StatV2,
    /// `ls_v2`, the request `LIS2`: directory listings with 64-bit sizes (since about Android 11).
    LsV2,
    /// `sendrecv_v2`, the request `RCV2` (since about Android 11).
    SendRecvV2,
    /// `delayed_ack`: acknowledgement by bytes instead of by message (since about Android 13).
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

/// A set of features. Its text form is the features' names, separated by commas.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Features(u8);

impl Features {
    /// Returns the set of every feature that this program knows.
    pub fn all() -> Self {
        Feature::ALL
            .iter()
            .fold(Self::default(), |set, (feature, _)| set.with(*feature))
    }

    /// Parses names separated by commas; unknown names are ignored.
    pub fn parse(names: &str) -> Self {
        let known = |name| Feature::ALL.iter().find(|(_, known)| *known == name);
        let found = names.split(',').filter_map(|name| known(name.trim()));
        found.fold(Self::default(), |set, (feature, _)| set.with(*feature))
    }

    /// Returns this set with `feature` added.
    #[must_use]
    pub fn with(self, feature: Feature) -> Self {
        Self(self.0 | 1 << feature as u8)
    }

    /// Returns this set with `feature` removed.
    #[must_use]
    pub fn without(self, feature: Feature) -> Self {
        Self(self.0 & !(1 << feature as u8))
    }

    /// Returns the features that are in both sets.
    #[must_use]
    pub fn common(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Returns whether the set contains `feature`.
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
