//! Counts the files of a report.

use chrono::NaiveDateTime;

use crate::folder::{Count, Proof, State};
use crate::media::kind::MediaKind;

/// Counts of the files, by kind and by how they are proven.
#[derive(Debug, Default, Clone)]
pub(in crate::export) struct FileTally {
    pub(super) photos: Count,
    pub(super) videos: Count,
    pub(super) others: Count,
    pub(super) by_proof: [u64; Proof::ALL.len()],
    pub(super) not_compared: u64,
    pub(super) older: u64,
    pub(super) taken: Option<(NaiveDateTime, NaiveDateTime)>,
}

impl FileTally {
    /// Adds a file that is present.
    pub(in crate::export) fn add(
        &mut self,
        name: &str,
        size: u64,
        state: State,
        taken: Option<NaiveDateTime>,
    ) {
        let kind = MediaKind::of_name(name.as_bytes());
        let count = match kind {
            MediaKind::Photo => &mut self.photos,
            MediaKind::Video => &mut self.videos,
            MediaKind::Audio | MediaKind::Other => &mut self.others,
        };
        count.files += 1;
        count.bytes = count.bytes.saturating_add(size);
        match state {
            State::Verified(proof) => {
                let all = Proof::ALL.iter().zip(&mut self.by_proof);
                all.filter(|(one, _)| **one == proof)
                    .for_each(|(_, sum)| *sum += 1);
            }
            State::Superseded => self.older += 1,
            _ => self.not_compared += 1,
        }
        if let (Some(at), MediaKind::Photo | MediaKind::Video) = (taken, kind) {
            let (first, last) = self.taken.unwrap_or((at, at));
            self.taken = Some((first.min(at), last.max(at)));
        }
    }

    pub(super) fn files(&self) -> u64 {
        self.photos.files + self.videos.files + self.others.files
    }

    pub(super) fn bytes(&self) -> u64 {
        let all = [self.photos, self.videos, self.others];
        all.iter().fold(0, |sum, it| sum.saturating_add(it.bytes))
    }

    /// Returns the number of files that nothing but their size supports, or not even that.
    pub(super) fn unproven(&self) -> u64 {
        self.not_compared + self.by_proof.last().copied().unwrap_or_default()
    }
}
