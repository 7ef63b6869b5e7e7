//! Other users of the phone: second persons, guests, work profiles, and the spaces in which some
//! makers run an app twice.

use std::ops::RangeInclusive;

use super::ask::{list_folder, unless_gone};
use super::known_path;
use crate::adb::RemotePath;
use crate::adb::features::Feature;
use crate::adb::sync::{FileType, Operation, Stat, SyncAnswer};
use crate::phone::{Phone, PhoneError};

/// The folder that contains each user's storage, in a folder named by the user's number.
pub(super) const EMULATED: &str = "/storage/emulated";
/// Numbers that phones give: 10 and on, 95, 128, 150 and 999 for apps that run twice or apart.
const GIVEN: [RangeInclusive<u32>; 2] = [1..=255, 900..=999];
/// A number that no phone gives: what is said of it says nothing about others.
const GIVEN_TO_NOBODY: u32 = 4_000_000;
/// Requests under way at once.
const STATS_AHEAD: usize = 128;
/// More than the list of any phone's users, in bytes.
const MAX_LIST: usize = 256 * 1024;
/// The most users accepted; no phone allows that many.
pub(super) const MAX_USERS: usize = 32;
/// `EACCES`.
const REFUSED: u32 = 13;

/// The phone's users other than the first.
#[derive(Debug, Default)]
pub(super) struct Users {
    /// The users' numbers.
    pub(super) present: Vec<u32>,
    /// Whether the phone refuses to show which users exist, so that its package manager has to be asked.
    pub(super) is_unsure: bool,
}

/// Returns the root of a user's storage.
pub(super) fn storage_of_user(user: u32) -> RemotePath {
    known_path(&format!("{EMULATED}/{user}"))
}

/// Looks for the storage of other users. Recent phones refuse access to every number alike, whether a user has it or
/// not.
pub(super) async fn look(phone: &Phone) -> Result<Users, PhoneError> {
    let emulated = known_path(EMULATED);
    let (listed, answers) = tokio::join!(list_folder(phone, &emulated), stats(phone));
    let listed = unless_gone(phone, listed).await?.flatten();
    let answers = unless_gone(phone, answers).await?.unwrap_or_default();
    let of_nobody = answers.first().map_or(0, |(_, stat)| stat.error);
    let there = answers.iter().skip(1).filter(|(_, stat)| {
        let is_folder = FileType::of_mode(stat.mode) == FileType::Folder;
        stat.error == 0 && is_folder || stat.error == REFUSED && of_nobody != REFUSED
    });
    let mut present: Vec<u32> = there.map(|(user, _)| *user).collect();
    for (_, name) in listed.iter().flatten() {
        let user = std::str::from_utf8(name).ok().and_then(number);
        present.extend(user.filter(|user| *user != 0));
    }
    present.sort_unstable();
    present.dedup();
    present.truncate(MAX_USERS);
    Ok(Users {
        is_unsure: present.is_empty() && of_nobody == REFUSED,
        present,
    })
}

async fn stats(phone: &Phone) -> Result<Vec<(u32, Stat)>, PhoneError> {
    let operation = match phone.features().has(Feature::StatV2) {
        true => Operation::Stat2,
        false => Operation::Stat1,
    };
    let users: Vec<u32> = std::iter::once(GIVEN_TO_NOBODY)
        .chain(GIVEN.into_iter().flatten())
        .collect();
    let mut sync = phone.sync().await?;
    let mut answers = Vec::with_capacity(users.len());
    for some in users.chunks(STATS_AHEAD) {
        for user in some {
            sync.request(operation, &storage_of_user(*user));
        }
        sync.flush().await?;
        for user in some {
            match sync.next().await? {
                Some(SyncAnswer::Stat(stat)) => answers.push((*user, stat)),
                _ => return Ok(answers),
            }
        }
    }
    Ok(answers)
}

/// Asks the phone's package manager for the users; returns none if it does not answer.
pub(super) async fn ask(phone: &Phone) -> Result<Vec<u32>, PhoneError> {
    let idle = phone.idle();
    let told = phone.run("pm", b"pm list users", MAX_LIST, idle).await;
    let told = unless_gone(phone, told).await?;
    Ok(told.map_or_else(Vec::new, |told| of_list(&told.stdout)))
}

/// Parses lines such as `UserInfo{10:Work profile:1030} running`.
fn of_list(list: &[u8]) -> Vec<u32> {
    let list = String::from_utf8_lossy(list);
    let users = list.lines().filter_map(|line| {
        let (_, info) = line.split_once("UserInfo{")?;
        number(info.split_once(':')?.0)
    });
    let mut users: Vec<u32> = users.filter(|user| *user != 0).take(MAX_USERS).collect();
    users.sort_unstable();
    users.dedup();
    users
}

fn number(text: &str) -> Option<u32> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_read_from_the_package_managers_list() {
        let list =
            b"Users:\n\tUserInfo{0:Owner:c13} running\n\tUserInfo{10:UserInfo{11:x:1030} running\n\
            \tUserInfo{999:Dual: app:30}\r\n\tUserInfo{-1:x:0}\nUserInfo{\n";
        assert_eq!(of_list(list), [10, 999]);
        assert!(of_list(b"Error: unknown command\n").is_empty());
    }
}
