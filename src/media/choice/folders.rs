//! The folders that are known by their names: whose files are wanted, private to apps, recycle bins or worthless.

use crate::media::kind::original_name;

/// Folders whose every file is taken, by their path below a volume's root. Elsewhere only files
/// that look like photos, videos or sound are.
const MEDIA_FOLDERS: &[&str] = &[
    "DCIM",
    "Pictures",
    "Movies",
    "Download",
    "Documents",
    "Music",
    "Recordings",
    "Android/media",
    "WhatsApp",
    "Telegram",
    // Recycle bins of galleries and file managers.
    "Android/.Trash",
    "MIUI/Gallery/cloud/.trashBin",
    ".FilesByGoogleTrash",
    ".FileManagerRecycler",
    ".oprecyclebin",
];
/// Which of those are recycle bins.
const TRASH_FOLDERS: &[&str] = &[
    "Android/.Trash",
    "MIUI/Gallery/cloud/.trashBin",
    ".FilesByGoogleTrash",
    ".FileManagerRecycler",
    ".oprecyclebin",
];
/// Folders that hold what can be made again, wherever they are.
const WORTHLESS: &[&str] = &[".thumbnails", ".thumbs", ".cache"];
/// Folders of apps, which recent versions of Android keep from every shell: they are looked into
/// where the phone lets them be.
const PRIVATE: &[&str] = &["Android/data", "Android/obb"];

/// Where the parts of a recycle bin lie below `data/`.
const TRASH: &str = "trash";

/// Where a file belongs, by its components below the root of a volume with this name: the folder below
/// `data/`, and the components below that.
pub(crate) fn in_data<'a>(label: &str, mut components: Vec<&'a [u8]>) -> (String, Vec<&'a [u8]>) {
    let thrown_away = components.last().and_then(|name| original_name(name));
    if let (Some(original), Some(last)) = (thrown_away, components.last_mut()) {
        *last = original;
        return (format!("{TRASH}/{label}"), components);
    }
    if is_trash_folder(components.iter().copied()) {
        return (format!("{TRASH}/{label}"), components);
    }
    (label.to_owned(), components)
}

/// Whether every file of a folder is taken.
pub(super) fn is_media_folder<'a>(components: impl Iterator<Item = &'a [u8]> + Clone) -> bool {
    MEDIA_FOLDERS
        .iter()
        .any(|folder| lies_in(components.clone(), folder))
}

/// Whether a folder holds what can be made again.
pub(super) fn is_worthless<'a>(components: impl Iterator<Item = &'a [u8]> + Clone) -> bool {
    components.clone().any(|part| is_listed(WORTHLESS, part)) || is_app_cache(components)
}

/// Whether components below a volume's root lie in a recycle bin.
fn is_trash_folder<'a>(components: impl Iterator<Item = &'a [u8]> + Clone) -> bool {
    TRASH_FOLDERS
        .iter()
        .any(|folder| lies_in(components.clone(), folder))
}

/// Whether Android keeps a folder from every shell, so that being refused says nothing.
pub(crate) fn is_private_folder<'a>(components: impl Iterator<Item = &'a [u8]> + Clone) -> bool {
    PRIVATE
        .iter()
        .any(|folder| lies_in(components.clone(), folder))
}

fn is_listed(list: &[&str], part: &[u8]) -> bool {
    list.iter()
        .any(|known| known.as_bytes().eq_ignore_ascii_case(part))
}

/// Whether components are a folder or lie in it; the case does not count on a phone's storage.
fn lies_in<'a>(mut components: impl Iterator<Item = &'a [u8]>, folder: &str) -> bool {
    folder.split('/').all(|part| {
        components
            .next()
            .is_some_and(|own| own.eq_ignore_ascii_case(part.as_bytes()))
    })
}

/// `Android/media/PACKAGE/cache`, and the same in `Android/data`.
fn is_app_cache<'a>(mut components: impl Iterator<Item = &'a [u8]> + Clone) -> bool {
    let is_of_apps = |folder| lies_in(components.clone(), folder);
    (is_of_apps("Android/media") || is_of_apps("Android/data"))
        && components
            .nth(3)
            .is_some_and(|part| part.eq_ignore_ascii_case(b"cache"))
}
