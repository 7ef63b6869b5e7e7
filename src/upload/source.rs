//! A file to be sent: read in pieces, and proven to be what was verified before its last byte
//! leaves this computer.
//!
//! A large file whose XXH3 is known beside its SHA-256 is proven by that: where a service takes bytes
//! as fast as this computer gives them, SHA-256 would take longer than all else. It is made for
//! accidents, and so is this proof: whoever can change the file can change the catalogue, too. What
//! it does not confirm, SHA-256 decides.

use std::fs::File;
use std::io::{Read, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::checksum::{Algorithm, Checksum, Summer};
use super::limit::Limit;
use super::problem::Problem;
use crate::digest::{Hasher, QuickHasher, Sha256, Xxh128};
use crate::event::{Event, Events};
use crate::export::dates::Taken;
use crate::export::look::Looker;
use crate::folder::DataReader;
use crate::folder::reader::Found;
use crate::names::LocalPath;
use crate::pull::kind::MediaKind;

/// Files up to this size are held in memory as a whole, in bytes.
pub const SMALL_BYTES: u64 = 2 * 1024 * 1024;
/// How much is read at once, in bytes: what is read is hashed and sent while the processor still has
/// it at hand.
const READ_BYTES: usize = 256 * 1024;
/// What waits to be sent, in bytes: on a busy computer who reads and who sends wait for their turns,
/// and none of the two should wait for the other.
const AHEAD_BYTES: usize = 2 * 1024 * 1024;

/// Where the bytes are.
#[derive(Debug, Clone)]
pub enum Place {
    /// Below `data/` of a rescue folder.
    Data(DataReader, LocalPath),
    /// Anywhere on this computer.
    File(PathBuf),
    /// A copy: a file with other bytes in some places.
    Copy {
        /// Where the file is.
        of: Box<Place>,
        /// Its size in bytes.
        original_size: u64,
        /// What the copy consists of.
        parts: Arc<[Part]>,
    },
}

/// A part of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Bytes of its own.
    Bytes(Bytes),
    /// A range of the file. The ranges of a copy come in their order, and do not overlap.
    Original {
        /// Its first byte.
        from: u64,
        /// The byte behind its last one.
        to: u64,
    },
}

/// A file to be sent; cheap to clone.
#[derive(Debug, Clone)]
pub struct Source {
    place: Place,
    /// Its size in bytes.
    pub size: u64,
    /// The SHA-256 of its bytes.
    pub sha256: Sha256,
    /// When it was last changed, in seconds since 1970.
    pub mtime: Option<i64>,
    /// What XXH3 makes of the same bytes, as far as that is recorded,
    known: Option<Xxh128>,
    /// and as it turned out.
    learnt: Arc<OnceLock<Xxh128>>,
    limit: Arc<Limit>,
    events: Events,
    told: Arc<AtomicU64>,
}

impl Source {
    /// A file with the size and hash that it had when it was verified.
    pub fn new(
        place: Place,
        (size, sha256): (u64, Sha256),
        mtime: Option<i64>,
        limit: Arc<Limit>,
        events: Events,
    ) -> Self {
        Self {
            place,
            size,
            sha256,
            mtime,
            known: None,
            learnt: Arc::default(),
            limit,
            events,
            told: Arc::default(),
        }
    }

    /// The same file, of which this is on record.
    pub(super) fn known_as(self, known: Option<Xxh128>) -> Self {
        Self { known, ..self }
    }

    /// The XXH3 of its bytes, when it was computed beside their SHA-256: to be recorded.
    pub(super) fn learnt(&self) -> Option<Xxh128> {
        self.learnt.get().copied()
    }

    /// Whether [`Source::whole`] is for it.
    pub fn is_small(&self) -> bool {
        self.size <= SMALL_BYTES
    }

    /// All its bytes, proven. For small files.
    pub async fn whole(&self) -> Result<Bytes, Problem> {
        let (place, size, sha256) = (self.place.clone(), self.size, self.sha256);
        let bytes = blocking(move || {
            let file = place.open(size)?;
            let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default() + 1);
            file.take(size + 1)
                .read_to_end(&mut bytes)
                .map_err(|e| unreadable(&e))?;
            if bytes.len() as u64 != size {
                return Err(changed("it has another size"));
            }
            if Sha256::of(&bytes) != sha256 {
                return Err(changed("its SHA-256 is another one"));
            }
            Ok(Bytes::from(bytes))
        })
        .await?;
        self.limit.take(bytes.len()).await;
        self.tell(bytes.len() as u64);
        Ok(bytes)
    }

    /// Its first bytes, to see what it is.
    pub async fn head(&self, bytes: usize) -> Result<Vec<u8>, Problem> {
        let (place, size) = (self.place.clone(), self.size);
        blocking(move || {
            let mut head = Vec::new();
            place
                .open(size)?
                .take(bytes as u64)
                .read_to_end(&mut head)
                .map_err(|e| unreadable(&e))?;
            Ok(head)
        })
        .await
    }

    /// Its bytes from an offset on, in pieces of `piece_bytes` (the last one may be shorter). The
    /// last piece comes only when all of the file is proven.
    pub fn pieces(&self, piece_bytes: usize, offset: u64) -> Pieces {
        let (sender, receiver) = mpsc::channel((AHEAD_BYTES / piece_bytes.max(1)).max(1));
        let pieces = PieceReader {
            place: self.place.clone(),
            piece_bytes,
            offset,
            size: self.size,
            sha256: self.sha256,
            known: self.known,
            learnt: Arc::clone(&self.learnt),
        };
        tokio::task::spawn_blocking(move || {
            if let Err(problem) = pieces.read(&sender) {
                // Nobody waits for it when the sending failed.
                let _ = sender.blocking_send(Err(problem));
            }
        });
        Pieces {
            receiver,
            source: self.clone(),
        }
    }

    /// The MD5 of the file as it is now, for services that give theirs, as hexadecimal digits.
    pub async fn md5(&self) -> Result<String, Problem> {
        self.digest::<md5::Md5>().await
    }

    /// The SHA-1 of the file, as hexadecimal digits; an error when it is not the file that was
    /// verified.
    pub async fn sha1(&self) -> Result<String, Problem> {
        self.digest::<sha1::Sha1>().await
    }

    /// Reads all of it once, and proves it on the way.
    async fn digest<D: md5::Digest + Send + 'static>(&self) -> Result<String, Problem> {
        let (place, size, sha256) = (self.place.clone(), self.size, self.sha256);
        blocking(move || {
            let mut file = place.open(size)?;
            let (mut wanted, mut proof) = (D::new(), Hasher::default());
            let mut buffer = vec![0; READ_BYTES];
            loop {
                let count = file.read(&mut buffer).map_err(|e| unreadable(&e))?;
                if count == 0 {
                    break;
                }
                let bytes = buffer.get(..count).unwrap_or_default();
                wanted.update(bytes);
                proof.update(bytes);
            }
            if proof.finish() != sha256 {
                return Err(changed("its SHA-256 is another one"));
            }
            let digest = wanted.finalize();
            Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
        })
        .await
    }

    /// When what it shows was made: by its own metadata, its name, or its date on the disk.
    pub async fn taken(&self, name: &str) -> Result<Option<Taken>, Problem> {
        let (place, size) = (self.place.clone(), self.size);
        let (name, mtime) = (name.to_owned(), self.mtime.unwrap_or_default());
        blocking(move || {
            let file = place.open_original(size)?;
            let kind = MediaKind::of_name(name.as_bytes());
            Ok(Looker::default().look(kind, &name, mtime, file).taken)
        })
        .await
    }

    /// A checksum of the file as it is now.
    pub async fn checksum(&self, algorithm: Algorithm) -> Result<Checksum, Problem> {
        let (place, size) = (self.place.clone(), self.size);
        blocking(move || {
            let mut file = place.open(size)?;
            let mut summer = Summer::new(algorithm);
            let mut buffer = vec![0; READ_BYTES];
            loop {
                let count = file.read(&mut buffer).map_err(|e| unreadable(&e))?;
                if count == 0 {
                    return Ok(summer.finish());
                }
                summer.update(buffer.get(..count).unwrap_or_default());
            }
        })
        .await
    }

    /// Calls `look` with the file, open.
    pub(super) async fn look_into<T: Send + 'static>(
        &self,
        look: impl FnOnce(&mut File) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let (place, size) = (self.place.clone(), self.size);
        blocking(move || Ok(look(&mut place.open_original(size)?))).await
    }

    /// All its bytes, proven, for what needs them all at once; nothing of it counts as sent.
    pub(super) async fn whole_of_large(&self, max_bytes: u64) -> Result<Bytes, Problem> {
        let (place, size, sha256) = (self.place.clone(), self.size, self.sha256);
        blocking(move || {
            if size > max_bytes {
                return Err(Problem::other("too large to be held in memory"));
            }
            let mut file = place.open(size)?;
            let mut bytes = vec![0; usize::try_from(size).unwrap_or_default()];
            file.read_exact(&mut bytes).map_err(|e| unreadable(&e))?;
            match Sha256::of(&bytes) == sha256 {
                true => Ok(Bytes::from(bytes)),
                false => Err(changed("its SHA-256 is another one")),
            }
        })
        .await
    }

    /// A copy that consists of these parts, with its own size and SHA-256. The file is proven on
    /// the way.
    pub(super) async fn copy_of(&self, parts: Vec<Part>) -> Result<Self, Problem> {
        let (place, size, sha256) = (self.place.clone(), self.size, self.sha256);
        let parts: Arc<[Part]> = parts.into();
        let told = Arc::clone(&parts);
        let (copy_size, copy_sha256) = blocking(move || {
            let mut file = place.open_original(size)?;
            let (mut proof, mut hasher) = (Hasher::default(), Hasher::default());
            let (mut position, mut copy_size) = (0, 0);
            let mut buffer = vec![0; READ_BYTES];
            let mut read = |until: u64, also: Option<&mut Hasher>| {
                let mut also = also;
                while position < until {
                    let wanted = (until - position).min(READ_BYTES as u64) as usize;
                    let piece = buffer.get_mut(..wanted).unwrap_or_default();
                    file.read_exact(piece).map_err(|e| unreadable(&e))?;
                    proof.update(piece);
                    if let Some(hasher) = also.as_mut() {
                        hasher.update(piece);
                    }
                    position += wanted as u64;
                }
                Ok::<_, Problem>(())
            };
            for part in told.iter() {
                match part {
                    Part::Bytes(bytes) => {
                        hasher.update(bytes);
                        copy_size += bytes.len() as u64;
                    }
                    Part::Original { from, to } => {
                        read(*from, None)?;
                        read(*to, Some(&mut hasher))?;
                        copy_size += to - from;
                    }
                }
            }
            read(size, None)?;
            match proof.finish() == sha256 {
                true => Ok((copy_size, hasher.finish())),
                false => Err(changed("its SHA-256 is another one")),
            }
        })
        .await?;
        Ok(Self {
            place: Place::Copy {
                of: Box::new(self.place.clone()),
                original_size: self.size,
                parts,
            },
            size: copy_size,
            sha256: copy_sha256,
            // What is known is known of the file.
            known: None,
            learnt: Arc::default(),
            ..self.clone()
        })
    }

    /// Takes back what was told to have been sent: it is sent again, or never.
    pub fn withdraw(&self) {
        let bytes = self.told.swap(0, Ordering::Relaxed);
        if bytes > 0 {
            self.events.emit(Event::Discarded { bytes });
        }
    }

    /// Tells that bytes count as sent.
    pub fn tell(&self, bytes: u64) {
        self.told.fetch_add(bytes, Ordering::Relaxed);
        self.events.emit(Event::Received { bytes });
    }
}

/// Pieces of a file, in order.
#[derive(Debug)]
pub struct Pieces {
    receiver: mpsc::Receiver<Result<Bytes, Problem>>,
    source: Source,
}

impl Pieces {
    /// The next piece; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        match self.receiver.recv().await.transpose()? {
            Some(piece) => {
                self.source.limit.take(piece.len()).await;
                self.source.tell(piece.len() as u64);
                Ok(Some(piece))
            }
            None => Ok(None),
        }
    }
}

struct PieceReader {
    place: Place,
    piece_bytes: usize,
    offset: u64,
    size: u64,
    sha256: Sha256,
    known: Option<Xxh128>,
    learnt: Arc<OnceLock<Xxh128>>,
}

impl PieceReader {
    fn read(&self, sender: &mpsc::Sender<Result<Bytes, Problem>>) -> Result<(), Problem> {
        let mut file = self.place.open(self.size)?;
        let mut sums = match self.known {
            Some(_) => Sums::quick(),
            None => Sums::both(),
        };
        let buffers = Buffers::default();
        let mut position = 0;
        while position < self.offset {
            let wanted = (self.offset - position).min(READ_BYTES as u64) as usize;
            let bytes = buffers.read(&mut file, wanted)?;
            sums.update(&bytes);
            position += wanted as u64;
        }
        while position < self.size {
            let wanted = (self.size - position).min(self.piece_bytes as u64) as usize;
            let bytes = buffers.read(&mut file, wanted)?;
            sums.update(&bytes);
            position += wanted as u64;
            if position == self.size {
                if file.read(&mut [0]).map_err(|e| unreadable(&e))? > 0 {
                    return Err(changed("it has another size"));
                }
                self.prove(std::mem::take(&mut sums))?;
            }
            if sender.blocking_send(Ok(bytes)).is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Whether what was read are the bytes that were verified.
    fn prove(&self, read: Sums) -> Result<(), Problem> {
        let quick = read.quick.finish();
        let sha256 = match read.sha256 {
            Some(hasher) => hasher.finish(),
            None if self.known == Some(quick) => return Ok(()),
            None => {
                // The record may be wrong instead of the file.
                let (again, sha256) = self.read_again()?;
                if again != quick {
                    return Err(changed("it changes while it is read"));
                }
                sha256
            }
        };
        if sha256 != self.sha256 {
            return Err(changed("its SHA-256 is another one"));
        }
        // One that an earlier try learnt is the same.
        let _ = self.learnt.set(quick);
        Ok(())
    }

    fn read_again(&self) -> Result<(Xxh128, Sha256), Problem> {
        let mut file = self.place.open(self.size)?;
        let (mut quick, mut hasher) = (QuickHasher::default(), Hasher::default());
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let count = file.read(&mut buffer).map_err(|e| unreadable(&e))?;
            if count == 0 {
                return Ok((quick.finish(), hasher.finish()));
            }
            let bytes = buffer.get(..count).unwrap_or_default();
            quick.update(bytes);
            hasher.update(bytes);
        }
    }
}

/// What proves the bytes read so far.
#[derive(Default)]
struct Sums {
    quick: QuickHasher,
    /// Where nothing else is known of them.
    sha256: Option<Hasher>,
}

impl Sums {
    fn quick() -> Self {
        Self::default()
    }

    fn both() -> Self {
        Self {
            quick: QuickHasher::default(),
            sha256: Some(Hasher::default()),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        self.quick.update(bytes);
        if let Some(hasher) = &mut self.sha256 {
            hasher.update(bytes);
        }
    }
}

/// Buffers of one file, which come back when their bytes are sent: the system clears each new one,
/// and that takes as long as reading into it.
#[derive(Default)]
struct Buffers {
    free: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Buffers {
    /// The next bytes of a file, exactly so many.
    fn read(&self, file: &mut Opened, wanted: usize) -> Result<Bytes, Problem> {
        let free = self
            .free
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let mut lent = Lent {
            bytes: free.unwrap_or_default(),
            free: Arc::clone(&self.free),
        };
        // Costs nothing in one that was as long before.
        lent.bytes.resize(wanted, 0);
        read_exactly(file, &mut lent.bytes)?;
        Ok(Bytes::from_owner(lent))
    }
}

/// A buffer that goes back to the others.
struct Lent {
    bytes: Vec<u8>,
    free: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.push(bytes);
    }
}

fn read_exactly(file: &mut Opened, bytes: &mut [u8]) -> Result<(), Problem> {
    match file.read_exact(bytes) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            Err(changed("it has another size"))
        }
        Err(error) => Err(unreadable(&error)),
    }
}

/// A file or a copy, open.
enum Opened {
    File(File),
    Copy {
        file: File,
        parts: Arc<[Part]>,
        /// Which part, and how much of it was read.
        next: usize,
        done: u64,
    },
}

impl Read for Opened {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let (file, parts, next, done) = match self {
            Self::File(file) => return file.read(buffer),
            Self::Copy {
                file,
                parts,
                next,
                done,
            } => (file, parts, next, done),
        };
        while let Some(part) = parts.get(*next) {
            let count = match part {
                Part::Bytes(bytes) => {
                    let rest = usize::try_from(*done).ok().and_then(|at| bytes.get(at..));
                    let mut rest = rest.unwrap_or_default();
                    rest.read(buffer)?
                }
                Part::Original { from, to } => {
                    let left = (to - from).saturating_sub(*done);
                    if *done == 0 && left > 0 {
                        file.seek(SeekFrom::Start(*from))?;
                    }
                    file.take(left).read(buffer)?
                }
            };
            if count > 0 || buffer.is_empty() {
                *done += count as u64;
                return Ok(count);
            }
            (*next, *done) = (*next + 1, 0);
        }
        Ok(0)
    }
}

impl Place {
    fn open(&self, size: u64) -> Result<Opened, Problem> {
        Ok(match self {
            Self::Copy {
                of,
                original_size,
                parts,
            } => Opened::Copy {
                file: of.open_original(*original_size)?,
                parts: Arc::clone(parts),
                next: 0,
                done: 0,
            },
            Self::Data(..) | Self::File(_) => Opened::File(self.open_original(size)?),
        })
    }

    /// The file itself, also of a copy.
    fn open_original(&self, size: u64) -> Result<File, Problem> {
        let file = match self {
            Self::Copy {
                of, original_size, ..
            } => return of.open_original(*original_size),
            Self::Data(reader, local) => match reader.open(local) {
                Ok(Found::File(file)) => file,
                Ok(Found::Nothing) => return Err(Problem::SourceGone),
                Ok(Found::Other) => return Err(changed("it is a symbolic link, or no file")),
                Err(error) => {
                    return Err(Problem::SourceUnreadable {
                        words: error.to_string(),
                    });
                }
            },
            Self::File(path) => match File::open(path) {
                Ok(file) => file,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    return Err(Problem::SourceGone);
                }
                Err(error) => return Err(unreadable(&error)),
            },
        };
        let found = file.metadata().map_err(|e| unreadable(&e))?;
        if !found.is_file() || found.len() != size {
            return Err(changed("it has another size"));
        }
        Ok(file)
    }
}

fn changed(what: &str) -> Problem {
    Problem::SourceChanged {
        what: what.to_owned(),
    }
}

fn unreadable(error: &std::io::Error) -> Problem {
    Problem::SourceUnreadable {
        words: error.to_string(),
    }
}

/// Runs what blocks on a thread of its own.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: usize = 3_000_000;

    fn xxh128_of(bytes: &[u8]) -> Xxh128 {
        let mut hasher = QuickHasher::default();
        hasher.update(bytes);
        hasher.finish()
    }

    struct Scene {
        _folder: tempfile::TempDir,
        path: PathBuf,
        bytes: Vec<u8>,
        source: Source,
    }

    impl Scene {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("video.mp4");
            let bytes: Vec<u8> = (0..SIZE as u32).map(|n| (n % 251) as u8).collect();
            std::fs::write(&path, &bytes).unwrap();
            let source = Source::new(
                Place::File(path.clone()),
                (SIZE as u64, Sha256::of(&bytes)),
                None,
                Arc::new(Limit::new(None)),
                Events::to(|_| {}),
            );
            Self {
                _folder: folder,
                path,
                bytes,
                source,
            }
        }

        fn known_as(mut self, known: Xxh128) -> Self {
            self.source = self.source.known_as(Some(known));
            self
        }

        /// The bytes that leave from an offset on, and how that ends.
        async fn sent(&self, offset: u64) -> (Vec<u8>, Result<(), Problem>) {
            let mut pieces = self.source.pieces(100_000, offset);
            let mut sent = Vec::new();
            loop {
                match pieces.next().await {
                    Ok(Some(piece)) => sent.extend_from_slice(&piece),
                    Ok(None) => return (sent, Ok(())),
                    Err(problem) => return (sent, Err(problem)),
                }
            }
        }

        fn change(&self, at: usize) {
            let mut bytes = self.bytes.clone();
            bytes[at] ^= 1;
            std::fs::write(&self.path, bytes).unwrap();
        }
    }

    #[tokio::test]
    async fn file_is_proven_by_its_quick_hash_where_that_is_known() {
        let scene = Scene::new();
        let right = xxh128_of(&scene.bytes);
        let mut scene = scene.known_as(right);
        // Which of the two decides is seen by a SHA-256 that is of other bytes.
        scene.source.sha256 = Sha256::of(b"other bytes");
        for offset in [0, 1, 2_900_001] {
            let (sent, end) = scene.sent(offset).await;
            assert!(end.is_ok() && sent == scene.bytes[offset as usize..]);
        }
        assert_eq!(scene.source.learnt(), None);
    }

    #[tokio::test]
    async fn quick_hash_is_learnt_where_none_is_known() {
        let scene = Scene::new();
        let (sent, end) = scene.sent(0).await;
        assert!(end.is_ok() && sent == scene.bytes);
        assert_eq!(scene.source.learnt(), Some(xxh128_of(&scene.bytes)));
    }

    #[tokio::test]
    async fn changed_file_never_leaves_whole_and_nothing_is_learnt_of_it() {
        let known = xxh128_of(&Scene::new().bytes);
        for scene in [Scene::new(), Scene::new().known_as(known)] {
            for at in [0, 1_234_567, SIZE - 1] {
                scene.change(at);
                for offset in [0, 2_500_000] {
                    let (sent, end) = scene.sent(offset).await;
                    assert!(matches!(end, Err(Problem::SourceChanged { .. })), "{end:?}");
                    assert!(offset as usize + sent.len() < SIZE);
                }
            }
            assert_eq!(scene.source.learnt(), None);
        }
    }

    #[tokio::test]
    async fn sha256_decides_where_the_quick_hash_on_record_is_wrong() {
        let scene = Scene::new().known_as(Xxh128([7; 16]));
        let (sent, end) = scene.sent(0).await;
        assert!(end.is_ok() && sent == scene.bytes);
        assert_eq!(scene.source.learnt(), Some(xxh128_of(&scene.bytes)));
    }

    #[tokio::test]
    async fn copy_is_not_proven_by_what_is_known_of_its_file() {
        let scene = Scene::new();
        let known = xxh128_of(&scene.bytes);
        let mut scene = scene.known_as(known);
        let (from, to) = (1000, SIZE as u64);
        let part = Part::Original { from, to };
        scene.source = scene.source.copy_of(vec![part]).await.unwrap();
        let (sent, end) = scene.sent(0).await;
        assert!(end.is_ok() && sent == scene.bytes[1000..]);
        scene.change(5000);
        let (_, end) = scene.sent(0).await;
        assert!(matches!(end, Err(Problem::SourceChanged { .. })));
        // Nor by its own, when its file becomes what the copy is.
        assert_ne!(scene.source.learnt(), Some(known));
    }
}
