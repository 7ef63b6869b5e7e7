//! Where the program keeps what is its own, below the person's home folder, and how nobody else reads it.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// The person's home folder: `HOME`, which Windows calls `USERPROFILE`.
pub(crate) fn folder() -> Option<PathBuf> {
    named("HOME").or_else(|| named("USERPROFILE"))
}

/// `$XDG_CONFIG_HOME/rescue`, below `~/.config` where that is not set.
pub(crate) fn config() -> Option<PathBuf> {
    let config = named("XDG_CONFIG_HOME").or_else(|| Some(folder()?.join(".config")))?;
    Some(config.join("rescue"))
}

/// `$XDG_STATE_HOME/rescue`, below `~/.local/state` where that is not set.
pub(crate) fn state() -> Option<PathBuf> {
    let state = named("XDG_STATE_HOME").or_else(|| Some(folder()?.join(".local").join("state")))?;
    Some(state.join("rescue"))
}

/// The XDG specification has what is no absolute path be as good as unset.
fn named(variable: &str) -> Option<PathBuf> {
    let path = std::env::var_os(variable).map(PathBuf::from);
    path.filter(|path| path.is_absolute())
}

/// Makes sure that a folder exists; one that is made is its owner's alone.
pub(crate) fn create_private_folder(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    // Elsewhere a person's own folder is closed to others, and hands that on.
    builder.create(path)
}

/// Has a file that is created with these be its owner's alone.
pub(crate) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    with_mode(options, 0o600)
}

/// Has a file that is created with these have this mode; systems without modes take the folder's.
pub(crate) fn with_mode(options: &mut OpenOptions, mode: u32) -> &mut OpenOptions {
    #[cfg(unix)]
    return std::os::unix::fs::OpenOptionsExt::mode(options, mode);
    #[cfg(not(unix))]
    {
        let _ = mode;
        options
    }
}
