//! The services of a virtual phone: `sync:` as in adbd, and the way to its shell.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::fault::{Fault, ListingFault};
use super::sending::Sending;
use super::tree::{EIO, LastLink, NodeKind};
use super::{Cable, RunningPhone, Shells, shell};
use crate::adb::RemotePath;
use crate::adb::path::PathError;
use crate::adb::sync::{MAX_DATA, Operation, RequestDecoder, Stat, SyncRequest, answers};
use crate::phone::stream::ByteStream;

/// Answers are sent together up to so many bytes.
const BATCH: usize = 256 * 1024;

/// Why a sync stream ends.
struct SyncEnded;

pub(super) async fn serve(
    running: Arc<RunningPhone>,
    cable: Cable,
    stream: ByteStream,
    name: Bytes,
) {
    if *name == *b"sync:" {
        let out = BytesMut::new();
        let mut sync = Sync {
            running,
            cable,
            stream,
            out,
        };
        let _ = sync.run().await;
        let _ = sync.flush().await;
    } else if let Some(command) = name.strip_prefix(b"shell,v2,raw:") {
        shell::run(
            &running,
            &cable,
            stream,
            command,
            shell::OutputForm::Packets,
        )
        .await;
    } else if let Some(command) = name.strip_prefix(b"exec:") {
        shell::run(&running, &cable, stream, command, shell::OutputForm::Raw).await;
    } else if let Some(command) = name.strip_prefix(b"shell:") {
        let form = match running.phone.shells {
            Shells::Raw => shell::OutputForm::Raw,
            Shells::Terminal => shell::OutputForm::Terminal,
        };
        shell::run(&running, &cable, stream, command, form).await;
    }
}

struct Sync {
    running: Arc<RunningPhone>,
    cable: Cable,
    stream: ByteStream,
    out: BytesMut,
}

impl Sync {
    async fn run(&mut self) -> Result<(), SyncEnded> {
        let mut requests = RequestDecoder::default();
        loop {
            while let Some(request) = requests.poll().map_err(|_| SyncEnded)? {
                match request {
                    SyncRequest::Quit => return Ok(()),
                    SyncRequest::Path(operation, path) => self.answer(operation, &path).await?,
                }
            }
            self.flush().await?;
            match self.stream.receive().await {
                Ok(Some(bytes)) => requests.feed(bytes),
                Ok(None) | Err(_) => return Ok(()),
            }
        }
    }

    async fn answer(&mut self, operation: Operation, path: &[u8]) -> Result<(), SyncEnded> {
        let path = match RemotePath::new(path) {
            Ok(path) => path,
            Err(PathError::TooLong) => return self.fail("path too long").await,
            Err(_) => return self.fail("No such file or directory").await,
        };
        let is_stat = matches!(
            operation,
            Operation::Stat1 | Operation::Stat2 | Operation::Lstat2
        );
        if is_stat && self.running.phone.faults.do_stats_stall() || self.running.hangs(&path) {
            self.flush().await?;
            return std::future::pending().await;
        }
        match operation {
            Operation::Stat1 | Operation::Lstat2 => self.stat(operation, &path, LastLink::Itself),
            Operation::Stat2 => self.stat(operation, &path, LastLink::Followed),
            Operation::List1 | Operation::List2 => self.list(operation, &path).await?,
            Operation::Receive1 | Operation::Receive2 => self.send_file(&path).await?,
        }
        Ok(())
    }

    fn stat(&mut self, operation: Operation, path: &RemotePath, last: LastLink) {
        let stat = match self.running.find(path, last) {
            Ok(node) => Stat {
                inode: match &node {
                    // Not 0, and the same each time: where the node is in memory.
                    Cow::Borrowed(node) => std::ptr::from_ref(*node).addr() as u64,
                    Cow::Owned(_) => 0,
                },
                ..node.stat()
            },
            Err(error) => Stat {
                error,
                ..Stat::default()
            },
        };
        answers::stat(&mut self.out, operation, &stat);
    }

    async fn list(&mut self, operation: Operation, path: &RemotePath) -> Result<(), SyncEnded> {
        let running = Arc::clone(&self.running);
        let phone = &running.phone;
        let listing = phone.faults.listing.as_ref();
        let unrolled = listing.and_then(|listing| listing.unrolled(path));
        let path = unrolled.as_ref().unwrap_or(path);
        if listing.is_some_and(|listing| listing.cuts(path)) {
            self.flush().await?;
            self.cable.pull_soon().await;
            return Err(SyncEnded);
        }
        let mut room = match listing {
            Some(ListingFault::Stall(folders, entries)) if folders.contains(path) => *entries,
            Some(ListingFault::Nonsense(folder, _) | ListingFault::Nothing(folder))
                if folder == path =>
            {
                0
            }
            _ => usize::MAX,
        };
        let folder = phone.tree.find(path, LastLink::Followed);
        let is_open = room > 0 && !running.is_closed(path);
        let folder = folder.ok().filter(|node| node.readable && is_open);
        if let Some(NodeKind::Folder(entries)) = folder.map(|node| &node.kind) {
            let own = Stat {
                mode: 0o040_771,
                size: 4096,
                ..Stat::default()
            };
            for name in [&b"."[..], b".."] {
                answers::entry(&mut self.out, operation, &own, name);
            }
            for (name, node) in entries {
                if room == 0 {
                    self.flush().await?;
                    return std::future::pending().await;
                }
                room -= 1;
                let mut stat = node.stat();
                // Not 0, and the same each time: where the node is in memory.
                stat.inode = std::ptr::from_ref(node).addr() as u64;
                if let Ok(path) = path.join(name) {
                    match running.changed().get(&path).map(|later| later.apply(node)) {
                        Some(Ok(now)) => stat = now.stat(),
                        Some(Err(_)) => continue,
                        None => {}
                    }
                    stat.size = phone.faults.listed_size(&path).unwrap_or(stat.size);
                }
                answers::entry(&mut self.out, operation, &stat, name);
                self.flush_if_full().await?;
            }
        }
        self.list_hostile(operation, path).await?;
        answers::list_end(&mut self.out, operation);
        Ok(())
    }

    async fn list_hostile(
        &mut self,
        operation: Operation,
        path: &RemotePath,
    ) -> Result<(), SyncEnded> {
        let running = Arc::clone(&self.running);
        match &running.phone.faults.listing {
            Some(ListingFault::Stall(folders, _)) if folders.contains(path) => {
                self.flush().await?;
                return std::future::pending().await;
            }
            Some(ListingFault::Nonsense(folder, bytes)) if folder == path => {
                self.out.extend_from_slice(bytes);
                self.flush().await?;
                return std::future::pending().await;
            }
            Some(ListingFault::Loop(folder)) if folder == path => {
                let node = running.phone.tree.find(path, LastLink::Followed).ok();
                let stat = Stat {
                    mode: 0o040_771,
                    inode: node.map_or(0, |node| std::ptr::from_ref(node).addr() as u64),
                    ..Stat::default()
                };
                answers::entry(&mut self.out, operation, &stat, b"again");
            }
            Some(ListingFault::Names(folder, names)) if folder == path => {
                let stat = Stat {
                    mode: 0o100_660,
                    size: 5,
                    mtime: 1_700_000_000,
                    ..Stat::default()
                };
                names
                    .iter()
                    .for_each(|name| answers::entry(&mut self.out, operation, &stat, name));
            }
            Some(ListingFault::Errors(folder, names)) if folder == path => {
                let stat = Stat {
                    error: EIO,
                    ..Stat::default()
                };
                names
                    .iter()
                    .for_each(|name| answers::entry(&mut self.out, operation, &stat, name));
            }
            Some(ListingFault::EndlessDepth) => {
                let stat = Stat {
                    mode: 0o040_771,
                    size: 4096,
                    ..Stat::default()
                };
                answers::entry(&mut self.out, operation, &stat, b"deeper");
            }
            Some(ListingFault::Endless(folder, endings)) if folder == path => {
                let stat = Stat {
                    mode: 0o100_660,
                    size: 5,
                    mtime: 1_700_000_000,
                    ..Stat::default()
                };
                for (number, ending) in endings.iter().cycle().enumerate() {
                    let name = format!("{number}{ending}");
                    answers::entry(&mut self.out, operation, &stat, name.as_bytes());
                    self.flush_if_full().await?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    async fn send_file(&mut self, path: &RemotePath) -> Result<(), SyncEnded> {
        let running = Arc::clone(&self.running);
        running.count_asked(path);
        let fault = running.phone.faults.strike(path);
        if let Some(Fault::ChangeBefore(later)) = &fault {
            running.change(path, later);
        }
        let node = match running.find(path, LastLink::Followed) {
            Ok(node) if !node.readable => return self.fail("open failed: Permission denied").await,
            Ok(node) => node,
            Err(13) => return self.fail("open failed: Permission denied").await,
            Err(_) => return self.fail("open failed: No such file or directory").await,
        };
        let content = match &node.kind {
            NodeKind::File(content) => content.clone(),
            NodeKind::Folder(_) => return self.fail("read failed: Is a directory").await,
            NodeKind::Link(_) | NodeKind::Pipe => return std::future::pending().await,
        };
        match &fault {
            Some(Fault::Refuse(words)) => return self.fail(words).await,
            Some(Fault::Vanish) => {
                return self.fail("open failed: No such file or directory").await;
            }
            Some(Fault::ChangeAfter(later)) => running.change(path, later),
            _ => {}
        }
        self.send_content(path, Sending::new(content, fault, 0, u64::MAX))
            .await?;
        answers::receive_end(&mut self.out);
        Ok(())
    }

    async fn send_content(
        &mut self,
        path: &RemotePath,
        mut sending: Sending,
    ) -> Result<(), SyncEnded> {
        while let Some(piece) = sending.next_piece(MAX_DATA as usize) {
            answers::data_header(&mut self.out, piece.len() as u32);
            self.out.extend_from_slice(&piece);
            self.running.count_sent(path, piece.len() as u64);
            self.flush_if_full().await?;
        }
        match sending.into_fault() {
            Some(Fault::Stall(_)) => {
                self.flush().await?;
                std::future::pending().await
            }
            Some(Fault::Cut(_)) => {
                self.flush().await?;
                self.cable.pull_soon().await;
                Err(SyncEnded)
            }
            Some(Fault::Restart(_, opens_after)) => {
                self.flush().await?;
                self.running.phone.faults.close_storage(opens_after);
                self.cable.pull_soon().await;
                Err(SyncEnded)
            }
            Some(Fault::HangStorage(_)) => {
                self.flush().await?;
                self.running.phone.faults.hang_storage();
                std::future::pending().await
            }
            Some(Fault::EndStream(_)) => Err(SyncEnded),
            Some(Fault::ReadError(_) | Fault::BadBlocks(_)) => {
                self.fail("read failed: I/O error").await
            }
            Some(Fault::Nonsense(bytes)) => {
                self.out.extend_from_slice(&bytes);
                self.flush().await?;
                std::future::pending().await
            }
            _ => Ok(()),
        }
    }

    /// Tells a failure and closes the stream, as the daemons of Android 10 and 11 do.
    async fn fail(&mut self, words: &str) -> Result<(), SyncEnded> {
        answers::fail(&mut self.out, words);
        self.flush().await?;
        Err(SyncEnded)
    }

    async fn flush_if_full(&mut self) -> Result<(), SyncEnded> {
        if self.out.len() >= BATCH {
            self.flush().await
        } else {
            Ok(())
        }
    }

    async fn flush(&mut self) -> Result<(), SyncEnded> {
        if self.out.is_empty() {
            return Ok(());
        }
        self.stream
            .send(self.out.split().freeze())
            .await
            .map_err(|_| SyncEnded)
    }
}
