//! Disks that we control: files of a filesystem of our own (FUSE), for loop devices to stand on.
//!
//! Every write and every flush is heard in order, so that the disks can be made again as a power
//! cut would leave them: what was flushed is there, and of what came after the last flush any part.
//! Writes can also be refused for a while, as by a cable that sits loose.
//!
//! The protocol is spoken here (`linux/fuse.h`): a dozen requests are all that a loop device needs,
//! and a crate for it would have half of this project's dependencies built a second time, with
//! other features, for the tests alone.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::thread::JoinHandle;

use crate::desk::command;
use crate::rng::Rng;

const BLOCK: usize = 4096;
/// Files begin at sectors, and so does what marks their bytes.
const SECTOR: usize = 512;
/// The largest write that is taken at once.
pub(crate) const MAX_WRITE: usize = 128 * 1024;
const ENOENT: i32 = 2;
const EIO: i32 = 5;
const ENOSYS: i32 = 38;
/// Every disk has a number; below these are the folder's.
const FIRST_NODE: u64 = 16;

/// What a disk holds; a block that is missing is zeros.
#[derive(Clone, Default)]
pub(crate) struct Blocks(BTreeMap<u64, Arc<[u8; BLOCK]>>);

impl Blocks {
    fn read(&self, offset: u64, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length + BLOCK);
        let first = offset / BLOCK as u64;
        let skip = (offset % BLOCK as u64) as usize;
        for number in first.. {
            match self.0.get(&number) {
                Some(block) => bytes.extend_from_slice(&block[..]),
                None => bytes.resize(bytes.len() + BLOCK, 0),
            }
            if bytes.len() >= skip + length {
                break;
            }
        }
        bytes.drain(..skip);
        bytes.truncate(length);
        bytes
    }

    fn write(&mut self, mut offset: u64, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (number, at) = (offset / BLOCK as u64, (offset % BLOCK as u64) as usize);
            let (piece, rest) = bytes.split_at(bytes.len().min(BLOCK - at));
            let block = self.0.entry(number);
            let block = block.or_insert_with(|| Arc::new([0; BLOCK]));
            Arc::make_mut(block)[at..at + piece.len()].copy_from_slice(piece);
            if block.iter().all(|byte| *byte == 0) {
                self.0.remove(&number);
            }
            offset += piece.len() as u64;
            bytes = rest;
        }
    }
}

/// What a disk was told.
#[derive(Clone)]
pub(crate) enum Told {
    Write { offset: u64, bytes: Arc<[u8]> },
    Flush,
}

/// One disk to be: its size, the bytes that it writes all or nothing, and what it holds.
#[derive(Clone)]
pub(crate) struct Blank {
    pub(crate) bytes: u64,
    pub(crate) sector: usize,
    pub(crate) blocks: Blocks,
}

/// Which writes fail, and how many.
pub(crate) struct Loose {
    /// Fails only what holds these bytes somewhere; everything when there are none.
    pub(crate) only: Option<Vec<u8>>,
    /// So many writes of those go well before.
    pub(crate) after: u64,
    /// So many writes fail.
    pub(crate) times: u64,
}

/// Disks of one computer: they lose their power together.
pub(crate) struct Computer {
    first: u64,
    disks: Vec<Blank>,
    state: Mutex<State>,
}

struct State {
    now: Vec<Blocks>,
    log: Vec<(usize, Told)>,
    loose: Option<Loose>,
    failed: u64,
}

impl Computer {
    /// How much the disks were told up to now.
    pub(crate) fn moment(&self) -> usize {
        self.state.lock().unwrap().log.len()
    }

    /// What the disks were told.
    pub(crate) fn log(&self) -> Vec<(usize, Told)> {
        self.state.lock().unwrap().log.clone()
    }

    /// What a disk holds now.
    pub(crate) fn blocks(&self, disk: usize) -> Blocks {
        self.state.lock().unwrap().now[disk].clone()
    }

    /// Lets writes fail from now on.
    pub(crate) fn loosen(&self, loose: Loose) {
        let mut state = self.state.lock().unwrap();
        (state.loose, state.failed) = (Some(loose), 0);
    }

    /// Changes a byte of a file, as a disk that decays does; the sector is told by what it begins
    /// with, and changed wherever else it stands, too.
    pub(crate) fn spoil(&self, disk: usize, mark: &[u8]) {
        let mut state = self.state.lock().unwrap();
        let sectors = |(number, block): (&u64, &Arc<[u8; BLOCK]>)| {
            let begin = number * BLOCK as u64;
            let block = Arc::clone(block);
            (0..BLOCK)
                .step_by(SECTOR)
                .map(move |at| (begin + at as u64, block[at..at + SECTOR].to_vec()))
        };
        let all: Vec<_> = state.now[disk].0.iter().flat_map(sectors).collect();
        let marked = all.iter().find(|(_, bytes)| bytes.starts_with(mark));
        let (_, wanted) = marked.expect("the file is on this disk");
        for (offset, bytes) in &all {
            if bytes == wanted {
                let changed = bytes[100] ^ 1;
                state.now[disk].write(offset + 100, &[changed]);
            }
        }
    }

    /// Lets no write fail any more; says how many did.
    pub(crate) fn fasten(&self) -> u64 {
        let mut state = self.state.lock().unwrap();
        state.loose = None;
        state.failed
    }

    fn write(&self, disk: usize, offset: u64, bytes: &[u8]) -> Result<(), i32> {
        let mut state = self.state.lock().unwrap();
        if let Some(loose) = &mut state.loose
            && loose.times > 0
            && loose.only.as_ref().is_none_or(|only| holds(bytes, only))
        {
            match loose.after {
                0 => {
                    loose.times -= 1;
                    state.failed += 1;
                    return Err(EIO);
                }
                _ => loose.after -= 1,
            }
        }
        state.now[disk].write(offset, bytes);
        let bytes = bytes.into();
        state.log.push((disk, Told::Write { offset, bytes }));
        Ok(())
    }
}

fn holds(bytes: &[u8], mark: &[u8]) -> bool {
    bytes.chunks(SECTOR).any(|sector| sector.starts_with(mark))
}

/// The disks as they may be when the power goes after so many things that they were told.
pub(crate) fn cut(
    before: &[Blank],
    log: &[(usize, Told)],
    moment: usize,
    rng: &mut Rng,
) -> Vec<Blank> {
    let disks = before.iter().cloned().enumerate();
    disks
        .map(|(number, mut disk)| {
            let told: Vec<&Told> = log[..moment]
                .iter()
                .filter(|(of, _)| *of == number)
                .map(|(_, told)| told)
                .collect();
            let flush = told.iter().rposition(|told| matches!(told, Told::Flush));
            let (sure, open) = told.split_at(flush.map_or(0, |flush| flush + 1));
            for told in sure {
                if let Told::Write { offset, bytes } = told {
                    disk.blocks.write(*offset, bytes);
                }
            }
            // Of what was not flushed: nothing, all, the first so many, any, or any and torn.
            let how = rng.below(5);
            let first = rng.below(open.len() as u64 + 1);
            for (place, told) in open.iter().enumerate() {
                let Told::Write { offset, bytes } = told else {
                    continue;
                };
                let kept = match how {
                    0 => false,
                    1 => true,
                    2 => (place as u64) < first,
                    _ => rng.percent(50),
                };
                if how == 4 && rng.percent(30) {
                    let is_prefix = rng.percent(50);
                    let sectors = bytes.len().div_ceil(disk.sector) as u64;
                    let end = rng.below(sectors + 1);
                    for (number, sector) in bytes.chunks(disk.sector).enumerate() {
                        let kept = match is_prefix {
                            true => (number as u64) < end,
                            false => rng.percent(50),
                        };
                        if kept {
                            let at = offset + (number * disk.sector) as u64;
                            disk.blocks.write(at, sector);
                        }
                    }
                } else if kept {
                    disk.blocks.write(*offset, bytes);
                }
            }
            disk
        })
        .collect()
}

/// The filesystem in which the disks are files; it ends with this.
pub(crate) struct Shelf {
    at: PathBuf,
    disks: Arc<Mutex<HashMap<u64, Weak<Computer>>>>,
    next: AtomicU64,
    serving: Option<JoinHandle<()>>,
}

impl Shelf {
    /// Makes it, at a folder that does not exist.
    pub(crate) fn new(at: PathBuf) -> Self {
        fs::create_dir(&at).unwrap();
        let fuse = OpenOptions::new().read(true).write(true).open("/dev/fuse");
        let fuse = fuse.unwrap_or_else(|e| panic!("the disks need /dev/fuse: {e}"));
        let mut mount = command("mount");
        mount
            .args(["-i", "-t", "fuse", "-o"])
            .arg("fd=0,rootmode=40000,user_id=0,group_id=0,max_read=131072")
            .arg("disks")
            .arg(&at)
            .stdin(Stdio::from(fuse.try_clone().unwrap()));
        let disks = Arc::<Mutex<HashMap<_, _>>>::default();
        let served = Arc::clone(&disks);
        // Before the mount: newer programs look at what they mounted.
        let serving = std::thread::spawn(move || serve(fuse, &served));
        let mounted = mount.output().unwrap();
        assert!(mounted.status.success(), "FUSE is needed: {mounted:?}");
        Self {
            at,
            disks,
            next: AtomicU64::new(FIRST_NODE),
            serving: Some(serving),
        }
    }

    /// Puts the disks of a computer onto it.
    pub(crate) fn put(&self, disks: Vec<Blank>) -> Arc<Computer> {
        let first = self.next.fetch_add(disks.len() as u64, Ordering::Relaxed);
        let state = State {
            now: disks.iter().map(|disk| disk.blocks.clone()).collect(),
            log: Vec::new(),
            loose: None,
            failed: 0,
        };
        let computer = Arc::new(Computer {
            first,
            disks,
            state: Mutex::new(state),
        });
        let mut known = self.disks.lock().unwrap();
        known.retain(|_, computer| computer.strong_count() > 0);
        let numbers = first..first + computer.disks.len() as u64;
        known.extend(numbers.map(|number| (number, Arc::downgrade(&computer))));
        computer
    }

    /// The file that is a disk.
    pub(crate) fn file(&self, computer: &Computer, disk: usize) -> PathBuf {
        self.at.join((computer.first + disk as u64).to_string())
    }
}

impl Drop for Shelf {
    fn drop(&mut self) {
        let unmounted = command("umount").arg(&self.at).status();
        // What is still in use keeps it; it ends with this process then.
        if unmounted.is_ok_and(|status| status.success())
            && let Some(serving) = self.serving.take()
        {
            let _ = serving.join();
        }
    }
}

/// Answers the kernel until the filesystem is unmounted.
fn serve(mut fuse: File, disks: &Mutex<HashMap<u64, Weak<Computer>>>) {
    let mut buffer = vec![0; MAX_WRITE + BLOCK];
    loop {
        let length = match fuse.read(&mut buffer) {
            Ok(length) => length,
            // Not mounted yet, or a request that was taken back.
            Err(e) if matches!(e.raw_os_error(), Some(1 | 2 | 4 | 11)) => {
                std::thread::yield_now();
                continue;
            }
            Err(_) => return,
        };
        let request = Request(&buffer[..length]);
        let answer = match request.opcode() {
            // FORGET, INTERRUPT and BATCH_FORGET want none.
            2 | 36 | 42 => continue,
            _ => answer(&request, disks),
        };
        let (error, body) = match answer {
            Ok(body) => (0, body),
            Err(error) => (-error, Vec::new()),
        };
        let mut out = Vec::with_capacity(16 + body.len());
        out.extend((16 + body.len() as u32).to_ne_bytes());
        out.extend(i32::to_ne_bytes(error));
        out.extend(request.u64(8).to_ne_bytes());
        out.extend(body);
        // One that was taken back meanwhile is not there any more.
        let _ = fuse.write(&out);
    }
}

/// A request as it lies in the buffer: 40 bytes of header, then what its kind has.
struct Request<'a>(&'a [u8]);

impl Request<'_> {
    fn u32(&self, at: usize) -> u32 {
        u32::from_ne_bytes(self.0[at..at + 4].try_into().unwrap())
    }

    fn u64(&self, at: usize) -> u64 {
        u64::from_ne_bytes(self.0[at..at + 8].try_into().unwrap())
    }

    fn opcode(&self) -> u32 {
        self.u32(4)
    }

    fn node(&self) -> u64 {
        self.u64(16)
    }
}

fn answer(
    request: &Request<'_>,
    disks: &Mutex<HashMap<u64, Weak<Computer>>>,
) -> Result<Vec<u8>, i32> {
    let computer = |node: u64| {
        let known = disks.lock().unwrap();
        let computer = known.get(&node).and_then(Weak::upgrade);
        let computer = computer.ok_or(ENOENT)?;
        let disk = (node - computer.first) as usize;
        Ok::<_, i32>((computer, disk))
    };
    let mut out = Vec::new();
    match request.opcode() {
        // LOOKUP
        1 => {
            let name = request.0[40..].split(|byte| *byte == 0).next();
            let name = std::str::from_utf8(name.unwrap_or_default()).map_err(|_| ENOENT)?;
            let node = name.parse().map_err(|_| ENOENT)?;
            let (computer, disk) = computer(node)?;
            // Node, generation, and no time for which the kernel may remember either.
            for word in [node, 0, 0, 0, 0] {
                out.extend(word.to_ne_bytes());
            }
            out.extend(attributes(node, Some(computer.disks[disk].bytes)));
        }
        // GETATTR, and SETATTR that changes nothing: a disk stays as large as it is.
        3 | 4 => {
            let bytes = match request.node() {
                1 => None,
                node => {
                    let (computer, disk) = computer(node)?;
                    Some(computer.disks[disk].bytes)
                }
            };
            out.extend([0; 16]);
            out.extend(attributes(request.node(), bytes));
        }
        // OPEN: with FOPEN_DIRECT_IO, so that nothing stands between a device and its disk.
        14 => {
            for word in [0_u64, 1] {
                out.extend(word.to_ne_bytes());
            }
        }
        // READ
        15 => {
            let (computer, disk) = computer(request.node())?;
            let (offset, length) = (request.u64(48), request.u32(56));
            let left = computer.disks[disk].bytes.saturating_sub(offset);
            let length = u64::from(length).min(left) as usize;
            out = computer.state.lock().unwrap().now[disk].read(offset, length);
        }
        // WRITE
        16 => {
            let (computer, disk) = computer(request.node())?;
            let (offset, bytes) = (request.u64(48), &request.0[80..]);
            computer.write(disk, offset, bytes)?;
            out.extend((bytes.len() as u64).to_ne_bytes());
        }
        // STATFS
        17 => out.extend([0; 80]),
        // FSYNC: what a loop device makes of a flush.
        20 => {
            let (computer, disk) = computer(request.node())?;
            let mut state = computer.state.lock().unwrap();
            state.log.push((disk, Told::Flush));
        }
        // INIT: version 7.31, with large writes (BIG_WRITES, MAX_PAGES), of pages that need not
        // begin where pages do.
        26 => {
            let (flags, pages) = (1 << 5 | 1 << 22, 2 * (MAX_WRITE / BLOCK) as u32);
            for word in [
                7,
                31,
                MAX_WRITE as u32,
                flags,
                0,
                MAX_WRITE as u32,
                1,
                pages,
            ] {
                out.extend(u32::to_ne_bytes(word));
            }
            out.resize(64, 0);
        }
        // RELEASE, FLUSH (of a descriptor that is closed), DESTROY
        18 | 25 | 38 => {}
        _ => return Err(ENOSYS),
    }
    Ok(out)
}

/// What `stat` says of a disk, or of the folder.
fn attributes(node: u64, bytes: Option<u64>) -> Vec<u8> {
    let mode: u32 = match bytes {
        Some(_) => 0o100_600,
        None => 0o40_700,
    };
    let bytes = bytes.unwrap_or_default();
    let mut out = Vec::new();
    for word in [node, bytes, bytes / 512, 0, 0, 0] {
        out.extend(word.to_ne_bytes());
    }
    // Times, mode, links, owner, group, device, block size, flags.
    for word in [0, 0, 0, mode, 1, 0, 0, 0, BLOCK as u32, 0] {
        out.extend(word.to_ne_bytes());
    }
    out
}

/// Whether a folder is a mount point now.
pub(crate) fn is_mounted(at: &Path) -> bool {
    let mut asks = command("mountpoint");
    let asks = asks.arg("-q").arg(at).status();
    asks.is_ok_and(|status| status.success())
}
