//! Files that are sent as they were verified, that changed, and of which a record is wrong.

use std::path::PathBuf;

use super::*;

const SIZE: usize = 3_000_000;

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
            Origin::File(path.clone()),
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
async fn file_leaves_whole_where_its_bytes_are_the_verified_ones() {
    let scene = Scene::new();
    for offset in [0, 1, 2_900_001] {
        let (sent, end) = scene.sent(offset).await;
        assert!(end.is_ok() && sent == scene.bytes[offset as usize..]);
    }
}

#[tokio::test]
async fn changed_file_never_leaves_whole() {
    let scene = Scene::new();
    for at in [0, 1_234_567, SIZE - 1] {
        scene.change(at);
        for offset in [0, 2_500_000] {
            let (sent, end) = scene.sent(offset).await;
            assert!(matches!(end, Err(Problem::SourceChanged { .. })), "{end:?}");
            assert!(offset as usize + sent.len() < SIZE);
        }
    }
}

#[tokio::test]
async fn copy_is_proven_by_its_own_bytes() {
    let mut scene = Scene::new();
    let (from, to) = (1000, SIZE as u64);
    let part = Part::Original { from, to };
    scene.source = scene.source.copy_of(vec![part]).await.unwrap();
    let (sent, end) = scene.sent(0).await;
    assert!(end.is_ok() && sent == scene.bytes[1000..]);
    scene.change(5000);
    let (_, end) = scene.sent(0).await;
    assert!(matches!(end, Err(Problem::SourceChanged { .. })));
}
