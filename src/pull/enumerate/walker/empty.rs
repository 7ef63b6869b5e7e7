//! Folders that list nothing at all, not even themselves: the phone's shell tells whether they are empty or closed to it.

use super::super::volumes::VolumeKind;
use super::{PendingFolder, Walker};
use crate::adb::RemotePath;
use crate::adb::shell::quote;
use crate::event::{Event, Events};
use crate::folder::{Reason, ReasonCode, SurveyKind};
use crate::item::Volume;
use crate::media::choice::is_private_folder;
use crate::phone::{Phone, PhoneError};

/// More than the answers to one round of questions, in bytes.
const MAX_ANSWER: usize = 1024 * 1024;

impl Walker<'_> {
    /// Distinguishes empty folders from those that the phone may not read.
    pub(super) async fn question_empty_folders(
        &mut self,
        phone: &Phone,
        events: &Events,
    ) -> Result<(), PhoneError> {
        while !self.suspicious.is_empty() {
            let (command, asked) = questions(&self.suspicious, phone.max_command_bytes());
            let answers = ask(phone, &command, asked).await?;
            let batch: Vec<PendingFolder> = self.suspicious.drain(..asked).collect();
            for (index, folder) in batch.iter().enumerate() {
                let answer = answers.as_ref().and_then(|answers| answers.get(index));
                self.judge_empty(folder, answer.copied(), events);
            }
        }
        Ok(())
    }

    fn judge_empty(&mut self, folder: &PendingFolder, answer: Option<Readable>, events: &Events) {
        if answer == Some(Readable::Yes) {
            return;
        }
        match (self.standing_of(&folder.path), answer) {
            (Some(VolumeKind::User), answer) => {
                let words = match answer {
                    Some(Readable::Missing) => "Android does not show another user's storage here",
                    _ => "Android hides another user's storage from this one's shell",
                };
                let reason = Reason::new(ReasonCode::PermissionDenied, words);
                self.close(SurveyKind::OtherUser, folder, reason, events);
            }
            (Some(VolumeKind::EmptyPlace), _) => {
                let reason = Reason::new(ReasonCode::StorageGone, "nothing is mounted there");
                self.close(SurveyKind::NotMounted, folder, reason, events);
            }
            (Some(_), Some(Readable::Missing)) => {
                // It was there when the phone was asked what storage it has.
                let words =
                    "this storage does not answer: is the card out or broken, or the phone locked?";
                let reason = Reason::new(ReasonCode::StorageGone, words);
                self.refuse(folder.path.clone(), reason);
            }
            (None, Some(Readable::Missing)) => {
                let words = "the phone has no folder of this name";
                let reason = Reason::new(ReasonCode::Vanished, words);
                self.refuse(folder.path.clone(), reason);
            }
            (_, None) => {
                let words = "the phone lists nothing in it, not even itself, and does not say why";
                self.refuse_folder(folder, Reason::new(ReasonCode::Refused, words), events);
            }
            _ => {
                let words = "the phone does not let its shell read this folder";
                let reason = Reason::new(ReasonCode::PermissionDenied, words);
                self.refuse_folder(folder, reason, events);
            }
        }
    }

    /// Returns the kind of the volume at a path, if it is one that the user did not name.
    fn standing_of(&self, path: &RemotePath) -> Option<VolumeKind> {
        let mut volumes = self.found.volumes.iter().zip(&self.standings);
        let (_, (standing, _)) = volumes.find(|(volume, _)| volume.root == *path)?;
        Some(*standing)
    }

    /// Records a place that is not listed and need not be.
    fn close(&mut self, kind: SurveyKind, folder: &PendingFolder, reason: Reason, events: &Events) {
        events.emit(Event::FolderRefused {
            path: folder.path.clone(),
            expected: true,
        });
        self.closed.add(kind, folder.path.clone(), reason);
    }

    fn refuse_folder(&mut self, folder: &PendingFolder, reason: Reason, events: &Events) {
        // `Android/data` or `Android/obb`, when nobody asked for it by its name.
        let of_apps = {
            let volume = self.found.volumes.get(folder.volume);
            let below = |volume: &Volume| {
                let below = folder.path.below(&volume.root)?;
                (!self.asks_for_private && is_private_folder(below.clone())).then_some(())?;
                let join = |place: RemotePath, part| place.join(part).unwrap_or(place);
                Some(below.take(2).fold(volume.root.clone(), join))
            };
            volume.and_then(below)
        };
        let expected = of_apps.is_some();
        events.emit(Event::FolderRefused {
            path: folder.path.clone(),
            expected,
        });
        match of_apps {
            Some(of_apps) => self.closed.add_private(of_apps),
            None => self.refuse(folder.path.clone(), reason),
        }
    }
}

/// Whether the phone's shell may read a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Readable {
    Yes,
    No,
    Missing,
}

/// Asks the phone's shell about `asked` folders; returns `None` if the answer is invalid.
async fn ask(
    phone: &Phone,
    command: &[u8],
    asked: usize,
) -> Result<Option<Vec<Readable>>, PhoneError> {
    let output = phone.run("test", command, MAX_ANSWER, phone.idle()).await;
    match output {
        Ok(output) => Ok(answers(&output.stdout, asked)),
        Err(PhoneError::Idle { .. } | PhoneError::StreamEnded { .. }) => {
            // Not the phone, when it still opens streams: only its shell.
            drop(phone.sync().await?);
            Ok(None)
        }
        Err(
            PhoneError::ServiceRefused { .. }
            | PhoneError::Shell(_)
            | PhoneError::TooMuchOutput { .. },
        ) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads the answers to [`questions`]; `None` unless there is one for each.
fn answers(output: &[u8], asked: usize) -> Option<Vec<Readable>> {
    let mut read = Vec::with_capacity(asked);
    let (mut exists, mut is_readable) = (false, false);
    let lines = output.split(|byte| matches!(byte, b'\n' | b'\r'));
    for line in lines.filter(|line| !line.is_empty()) {
        match line {
            b"d" => exists = true,
            b"r" => is_readable = true,
            b"." => {
                read.push(match (exists, is_readable) {
                    (true, true) => Readable::Yes,
                    (true, false) => Readable::No,
                    (false, _) => Readable::Missing,
                });
                (exists, is_readable) = (false, false);
            }
            // A shell that complains answers nothing.
            _ => return None,
        }
    }
    (read.len() == asked).then_some(read)
}

/// A command line that tells for each folder whether it exists and can be read, and for how many.
fn questions(folders: &[PendingFolder], max_bytes: usize) -> (Vec<u8>, usize) {
    let mut command = Vec::new();
    for (index, folder) in folders.iter().enumerate() {
        let path = quote(folder.path.as_bytes());
        let question = [
            b"test -d ",
            &*path,
            b" && echo d; test -r ",
            &path,
            b" && echo r; echo .; ",
        ]
        .concat();
        if index > 0 && command.len() + question.len() > max_bytes {
            return (command, index);
        }
        command.extend_from_slice(&question);
    }
    (command, folders.len())
}

#[cfg(test)]
mod tests {
    use super::super::super::known_path;
    use super::*;
    use crate::media::choice::Walk;

    #[test]
    fn questions_fit_the_command_line() {
        let folder = |n: usize| PendingFolder {
            path: known_path(&format!("/a/{n}")),
            volume: 0,
            root: 0,
            walk: Walk::Everything,
            place: None,
            failures: 0,
        };
        let folders: Vec<_> = (0..10).map(folder).collect();
        let (command, asked) = questions(&folders, 100);
        assert!(
            (1..10).contains(&asked) && command.len() <= 100,
            "{asked} {}",
            command.len()
        );
        assert_eq!(questions(&folders, 1).1, 1);
        assert_eq!(questions(&folders, 10_000).1, 10);
    }

    #[test]
    fn answers_that_are_not_one_for_each_are_none() {
        use Readable::{Missing, No, Yes};
        let read = |text: &str, asked| answers(text.as_bytes(), asked);
        assert_eq!(read("d\nr\n.\nd\n.\n.\n", 3), Some(vec![Yes, No, Missing]));
        assert_eq!(read("d\nr\n.\n", 2), None);
        assert_eq!(read("", 1), None);
        assert_eq!(read("sh: test: not found\n.\n", 1), None);
        assert_eq!(read("d\r\n.\r\n", 1), Some(vec![No]));
    }
}
