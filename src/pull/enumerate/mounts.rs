//! The phone's mount table: which storage is there, whatever it is called. Reading it is pure.

use super::super::enumerate::known_path;
use super::ask::unless_gone;
use crate::adb::RemotePath;
use crate::phone::{Phone, PhoneError};

/// More than any phone's table, in bytes.
const MAX_TABLE: usize = 1024 * 1024;
/// Filesystems that cards and sticks have, or that stand before them.
const OF_CARDS: [&[u8]; 14] = [
    b"vfat",
    b"exfat",
    b"texfat",
    b"sdfat",
    b"ntfs",
    b"ntfs3",
    b"tntfs",
    b"ufsd",
    b"fuseblk",
    b"hfsplus",
    b"fuse",
    b"sdcardfs",
    b"esdfs",
    b"fuse.rclone",
];
/// Filesystems that hold nothing but places for others.
const OF_PLACES: [&[u8]; 3] = [b"tmpfs", b"rootfs", b"ramfs"];

/// The phone's table of mounted filesystems.
#[derive(Debug, Default)]
pub(super) struct Mounts {
    points: Vec<(RemotePath, Box<[u8]>)>,
}

impl Mounts {
    /// Reads the table from the phone; it is empty if the phone does not answer.
    pub(super) async fn read(phone: &Phone) -> Result<Self, PhoneError> {
        let table = phone
            .run("mounts", b"cat /proc/mounts", MAX_TABLE, phone.idle())
            .await;
        let table = unless_gone(phone, table).await?;
        Ok(table.map_or_else(Self::default, |table| Self::of_table(&table.stdout)))
    }

    fn of_table(table: &[u8]) -> Self {
        let lines = table.split(|byte| matches!(byte, b'\n' | b'\r'));
        let points = lines.filter_map(|line| {
            let mut fields = line.split(|byte| *byte == b' ').skip(1);
            let point = RemotePath::new(&unescaped(fields.next()?)).ok()?;
            Some((point, Box::from(fields.next()?)))
        });
        Self {
            points: points.collect(),
        }
    }

    /// Returns the cards and sticks that are mounted directly in a folder.
    pub(super) fn cards_in<'a>(
        &'a self,
        folder: &'a RemotePath,
    ) -> impl Iterator<Item = &'a RemotePath> {
        let points = self.points.iter();
        let cards = points.filter(|(point, filesystem)| {
            point.parent().as_ref() == Some(folder) && OF_CARDS.contains(&&**filesystem)
        });
        cards.map(|(point, _)| point)
    }

    /// Returns whether a folder is an empty mount point for a card: nothing is mounted there, and its own filesystem
    /// cannot hold files.
    pub(super) fn is_empty_place(&self, folder: &RemotePath) -> bool {
        if self.points.iter().any(|(point, _)| point == folder) {
            return false;
        }
        let root = known_path("/");
        let above = self
            .points
            .iter()
            .filter(|(point, _)| *point == root || folder.below(point).is_some());
        // Of those mounted at one place, the last is seen.
        above
            .max_by_key(|(point, _)| point.as_bytes().len())
            .is_some_and(|(_, filesystem)| OF_PLACES.contains(&&**filesystem))
    }
}

/// A field of the table, which writes blanks as `\040`.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        let octal = |digits: &[u8]| {
            let digits = std::str::from_utf8(digits).ok()?;
            u8::from_str_radix(digits, 8).ok()
        };
        match (byte, after.split_at_checked(3)) {
            (b'\\', Some((digits, behind))) if let Some(byte) = octal(digits) => {
                text.push(byte);
                rest = behind;
            }
            _ => text.push(*byte),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[u8] = b"rootfs / rootfs ro 0 0\n\
        tmpfs /storage tmpfs rw 0 0\n\
        /dev/fuse /storage/emulated fuse rw 0 0\n\
        /dev/fuse /storage/1A2B-3C4D fuse rw 0 0\n\
        /dev/block/vold/public:8,1 /mnt/media_rw/My\\040stick exfat rw 0 0\n\
        /dev/block/dm-1 /mnt/vendor ext4 rw 0 0\n\
        nonsense\n\n/x \\400 y\r\n";

    fn path(text: &str) -> RemotePath {
        RemotePath::new(text.as_bytes()).unwrap()
    }

    #[test]
    fn cards_are_found_by_what_is_mounted() {
        let mounts = Mounts::of_table(TABLE);
        let cards = |folder: &str| {
            let folder = path(folder);
            let cards = mounts.cards_in(&folder).map(ToString::to_string);
            cards.collect::<Vec<_>>()
        };
        assert_eq!(
            cards("/storage"),
            ["/storage/emulated", "/storage/1A2B-3C4D"]
        );
        assert_eq!(cards("/mnt/media_rw"), ["/mnt/media_rw/My stick"]);
        assert!(cards("/mnt").is_empty());
    }

    #[test]
    fn place_without_a_card_is_told_from_a_folder() {
        let mounts = Mounts::of_table(TABLE);
        assert!(mounts.is_empty_place(&path("/storage/UsbDriveA")));
        assert!(!mounts.is_empty_place(&path("/storage/1A2B-3C4D")));
        assert!(!mounts.is_empty_place(&path("/storage/emulated/10")));
        assert!(!Mounts::default().is_empty_place(&path("/storage/UsbDriveA")));
        let on_disk = Mounts::of_table(b"/dev/x / ext4 rw 0 0\n/dev/x /storage ext4 rw 0 0\n");
        assert!(!on_disk.is_empty_place(&path("/storage/sdcard1")));
    }
}
