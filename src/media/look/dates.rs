//! Finds out when each of many files was taken, looking into several at once.

use std::io::{Read, Seek};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Looker, READERS};
use crate::media::kind::MediaKind;
use crate::media::taken::Taken;
use crate::threads::spawn_scoped;

/// A file of which only the date is wanted.
#[derive(Debug)]
pub(crate) struct Undated<F> {
    pub(crate) name: String,
    /// The modification time in seconds since 1970.
    pub(crate) mtime: i64,
    /// The open file; `None` if it cannot be opened.
    pub(crate) file: Option<F>,
}

/// Returns when each of `count` files was taken, in their order. Looks into several at once; `open` opens one by its
/// number, or returns `None` if nothing is to be known of it. Blocks.
pub(crate) fn taken_of_each<F: Read + Seek, E: Send>(
    count: usize,
    open: impl Fn(usize) -> Result<Option<Undated<F>>, E> + Sync,
) -> Result<Vec<Option<Taken>>, E> {
    let (looker, next) = (Looker::default(), AtomicUsize::new(0));
    let look = || {
        let mut seen = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return Ok(seen);
            }
            let Some(Undated { name, mtime, file }) = open(number)? else {
                continue;
            };
            let taken = match file {
                Some(file) => {
                    let kind = MediaKind::of_name(name.as_bytes());
                    looker.look(kind, &name, mtime, file).taken
                }
                None => Taken::of_name_or_mtime(&name, mtime),
            };
            seen.push((number, taken));
        }
    };
    let mut all = vec![None; count];
    let seen = std::thread::scope(|scope| {
        // This thread looks as well, so that there is one.
        let others: Vec<_> = (1..READERS)
            .filter_map(|_| spawn_scoped(scope, look).ok())
            .collect();
        let mut seen = look()?;
        for thread in others {
            match thread.join() {
                Ok(more) => seen.extend(more?),
                Err(panicked) => std::panic::resume_unwind(panicked),
            }
        }
        Ok(seen)
    })?;
    for (number, taken) in seen {
        if let Some(place) = all.get_mut(number) {
            *place = taken;
        }
    }
    Ok(all)
}
