//! The services of a virtual phone: `sync:` as adbd does it, and the way to its shell.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::fault::{Fault, Listing};
use super::tree::{Content, NodeKind};
use super::{Cable, Running, fault_of, shell};
use crate::adb::RemotePath;
use crate::adb::path::PathError;
use crate::adb::sync::{MAX_DATA, Operation, Request, RequestDecoder, Stat, answers};
use crate::phone::stream::ByteStream;

/// Answers are sent together up to so many bytes.
const BATCH: usize = 256 * 1024;

/// Why a sync stream ends.
struct End;

pub(super) async fn serve(running: Arc<Running>, cable: Cable, stream: ByteStream, name: Bytes) {
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
        shell::run(&running, stream, command, shell::Form::Packets).await;
    } else if let Some(command) = name
        .strip_prefix(b"exec:")
        .or_else(|| name.strip_prefix(b"shell:"))
    {
        shell::run(&running, stream, command, shell::Form::Raw).await;
    }
}

struct Sync {
    running: Arc<Running>,
    cable: Cable,
    stream: ByteStream,
    out: BytesMut,
}

impl Sync {
    async fn run(&mut self) -> Result<(), End> {
        let mut requests = RequestDecoder::default();
        loop {
            while let Some(request) = requests.poll().map_err(|_| End)? {
                match request {
                    Request::Quit => return Ok(()),
                    Request::Path(operation, path) => self.answer(operation, &path).await?,
                }
            }
            self.flush().await?;
            match self.stream.receive().await {
                Ok(Some(bytes)) => requests.feed(bytes),
                Ok(None) | Err(_) => return Ok(()),
            }
        }
    }

    async fn answer(&mut self, operation: Operation, path: &[u8]) -> Result<(), End> {
        let path = match RemotePath::new(path) {
            Ok(path) => path,
            Err(PathError::TooLong) => return self.fail("path too long").await,
            Err(_) => return self.fail("No such file or directory").await,
        };
        match operation {
            Operation::Stat1 | Operation::Lstat2 => self.stat(operation, &path, false),
            Operation::Stat2 => self.stat(operation, &path, true),
            Operation::List1 | Operation::List2 => self.list(operation, &path).await?,
            Operation::Receive1 | Operation::Receive2 => self.send_file(&path).await?,
        }
        Ok(())
    }

    fn stat(&mut self, operation: Operation, path: &RemotePath, follow: bool) {
        let stat = match self.running.phone.tree.find(path, follow) {
            Ok(node) => node.stat(),
            Err(error) => Stat {
                error,
                ..Stat::default()
            },
        };
        answers::stat(&mut self.out, operation, &stat);
    }

    async fn list(&mut self, operation: Operation, path: &RemotePath) -> Result<(), End> {
        let running = Arc::clone(&self.running);
        let phone = &running.phone;
        let folder = phone
            .tree
            .find(path, true)
            .ok()
            .filter(|node| node.readable);
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
                let mut stat = node.stat();
                if let Some(size) = path
                    .join(name)
                    .ok()
                    .and_then(|path| phone.faults.listed_size(&path))
                {
                    stat.size = size;
                }
                answers::entry(&mut self.out, operation, &stat, name);
                self.flush_if_full().await?;
            }
        }
        self.list_hostile(operation, path);
        answers::list_end(&mut self.out, operation);
        Ok(())
    }

    fn list_hostile(&mut self, operation: Operation, path: &RemotePath) {
        match &self.running.phone.faults.listing {
            Some(Listing::Names(folder, names)) if folder == path => {
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
            Some(Listing::EndlessDepth) => {
                let stat = Stat {
                    mode: 0o040_771,
                    size: 4096,
                    ..Stat::default()
                };
                answers::entry(&mut self.out, operation, &stat, b"deeper");
            }
            _ => {}
        }
    }

    async fn send_file(&mut self, path: &RemotePath) -> Result<(), End> {
        let running = Arc::clone(&self.running);
        let node = match running.phone.tree.find(path, true) {
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
        let fault = fault_of(&running, path);
        match &fault {
            Some(Fault::Refuse(words)) => return self.fail(words).await,
            Some(Fault::Vanish) => {
                return self.fail("open failed: No such file or directory").await;
            }
            _ => {}
        }
        self.send_content(path, &content, fault).await?;
        answers::receive_end(&mut self.out);
        Ok(())
    }

    async fn send_content(
        &mut self,
        path: &RemotePath,
        content: &Content,
        fault: Option<Fault>,
    ) -> Result<(), End> {
        let size = match &fault {
            Some(Fault::SendMore(more)) => content.size() + more,
            Some(Fault::SendLess(less)) => content.size().saturating_sub(*less),
            _ => content.size(),
        };
        let stop_at = match &fault {
            Some(
                Fault::Stall(at) | Fault::Cut(at) | Fault::EndStream(at) | Fault::ReadError(at),
            ) => Some(*at),
            Some(Fault::Nonsense(_)) => Some(0),
            _ => None,
        };
        let mut offset = 0;
        while offset < size {
            if stop_at.is_some_and(|at| offset >= at) {
                break;
            }
            let room = stop_at
                .map_or(u64::MAX, |at| at - offset)
                .min(size - offset)
                .min(u64::from(MAX_DATA));
            let mut piece = content.read(offset, room as usize);
            if piece.len() < room as usize {
                let mut padded = BytesMut::from(piece);
                padded.resize(room as usize, b'?');
                piece = padded.freeze();
            }
            if let Some(Fault::FlipBit(at)) = fault
                && (offset..offset + room).contains(&at)
            {
                piece = flipped(&piece, (at - offset) as usize);
            }
            answers::data_header(&mut self.out, piece.len() as u32);
            self.out.extend_from_slice(&piece);
            offset += piece.len() as u64;
            self.running.count_sent(path, piece.len() as u64);
            self.flush_if_full().await?;
        }
        match fault.filter(|_| stop_at.is_some_and(|at| offset >= at)) {
            Some(Fault::Stall(_)) => {
                self.flush().await?;
                std::future::pending().await
            }
            Some(Fault::Cut(_)) => {
                self.flush().await?;
                // What was sent has to leave the loop before the cable is pulled.
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                self.cable.pull();
                Err(End)
            }
            Some(Fault::EndStream(_)) => Err(End),
            Some(Fault::ReadError(_)) => self.fail("read failed: I/O error").await,
            Some(Fault::Nonsense(bytes)) => {
                self.out.extend_from_slice(&bytes);
                self.flush().await?;
                std::future::pending().await
            }
            _ => Ok(()),
        }
    }

    /// Tells a failure and closes the stream, as the daemons of Android 10 and 11 do.
    async fn fail(&mut self, words: &str) -> Result<(), End> {
        answers::fail(&mut self.out, words);
        self.flush().await?;
        Err(End)
    }

    async fn flush_if_full(&mut self) -> Result<(), End> {
        if self.out.len() >= BATCH {
            self.flush().await
        } else {
            Ok(())
        }
    }

    async fn flush(&mut self) -> Result<(), End> {
        if self.out.is_empty() {
            return Ok(());
        }
        self.stream
            .send(self.out.split().freeze())
            .await
            .map_err(|_| End)
    }
}

fn flipped(piece: &Bytes, at: usize) -> Bytes {
    let mut piece = BytesMut::from(piece.clone());
    if let Some(byte) = piece.get_mut(at) {
        *byte ^= 1;
    }
    piece.freeze()
}
