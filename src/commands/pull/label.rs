//! The label of a folder: whose phone it is, and a note. A pull records it; it can also be changed without the phone.

use std::path::Path;

use chrono::Local;

use crate::error::Error;
use crate::export::album;
use crate::folder::{CatalogueError, Folder, JobLabel, bag};

/// Records another label in a folder. Returns whether it differs from the recorded one.
pub(super) fn record(folder: &mut Folder, label: &JobLabel) -> Result<bool, CatalogueError> {
    let differs = folder.catalogue().job()? != *label;
    if differs {
        folder.catalogue_mut().set_job(label)?;
    }
    Ok(differs)
}

/// Reads the label of a folder, also while another `rescue` works on it.
pub(in crate::commands) fn label_of(folder: &Path) -> Result<JobLabel, Error> {
    Ok(Folder::look(folder)?.catalogue().job()?)
}

/// Changes the label of a folder, and writes again what shows it: the bag's own files, the report and the album. Blocks.
///
/// # Errors
///
/// Another `rescue` holds the folder and did not give way within seconds ([`Kind::FolderBusy`](crate::error::Kind)),
/// or the disk fails. The label is then as it was.
pub(in crate::commands) fn relabel(folder: &Path, label: &JobLabel) -> Result<(), Error> {
    let mut folder = Folder::open_after_asking(folder)?;
    let before = folder.catalogue().job()?;
    if !record(&mut folder, label)? {
        return Ok(());
    }
    let shown = show(&folder);
    if shown.is_err() {
        // So that another try finds something to do; what was written already, the next pull sets right.
        let _ = folder.catalogue_mut().set_job(&before);
    }
    shown
}

fn show(folder: &Folder) -> Result<(), Error> {
    bag::write(folder, Local::now().date_naive())?;
    Ok(album::write_to_folder(
        folder,
        album::ReceivedFiles::default(),
    )?)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::error::Kind;
    use crate::folder::check::check;
    use crate::folder::tests::{fresh, pull};

    #[test]
    fn another_label_is_shown_everywhere_and_the_bag_stays_valid() {
        let (_place, mut folder) = fresh();
        pull(&mut folder, &[("internal/a.jpg", b"a")]);
        bag::write(&folder, Local::now().date_naive()).unwrap();
        let root = folder.root().to_owned();
        let label = JobLabel::new("Ada", "front glass").unwrap();
        let error = relabel(&root, &label).unwrap_err();
        assert_eq!(error.kind, Kind::FolderBusy);
        // Whoever works on it is not in the way of a look.
        assert_eq!(label_of(&root).unwrap(), JobLabel::default());
        drop(folder);

        relabel(&root, &label).unwrap();
        assert_eq!(label_of(&root).unwrap(), label);
        let text = |name: &str| fs::read_to_string(root.join(name)).unwrap();
        assert!(text("bag-info.txt").contains("\nContact-Name: Ada\n"));
        assert!(text("report.html").contains(">front glass</td>"));
        let folder = Folder::open(&root).unwrap();
        let checked = check(&folder, &mut |_| {}).unwrap();
        assert_eq!(checked.finding_count, 0);
        drop(folder);

        // The same again writes nothing.
        fs::write(root.join("report.html"), "as it was").unwrap();
        relabel(&root, &label).unwrap();
        assert_eq!(text("report.html"), "as it was");
        relabel(&root, &JobLabel::default()).unwrap();
        assert!(!text("bag-info.txt").contains("Ada") && !text("report.html").contains("Ada"));
    }

    #[test]
    fn label_that_cannot_be_shown_is_not_recorded() {
        let (_place, folder) = fresh();
        let root = folder.root().to_owned();
        drop(folder);
        fs::create_dir_all(root.join("bag-info.txt/x")).unwrap();
        let label = JobLabel::new("Ada", "").unwrap();
        assert!(relabel(&root, &label).is_err());
        assert_eq!(label_of(&root).unwrap(), JobLabel::default());
        fs::remove_dir_all(root.join("bag-info.txt")).unwrap();
        relabel(&root, &label).unwrap();
        assert_eq!(label_of(&root).unwrap(), label);
    }
}
