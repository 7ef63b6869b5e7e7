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
    let right = Xxh128::of(&scene.bytes);
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
    assert_eq!(scene.source.learnt(), Some(Xxh128::of(&scene.bytes)));
}

#[tokio::test]
async fn changed_file_never_leaves_whole_and_nothing_is_learnt_of_it() {
    let known = Xxh128::of(&Scene::new().bytes);
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
    assert_eq!(scene.source.learnt(), Some(Xxh128::of(&scene.bytes)));
}

#[tokio::test]
async fn copy_is_not_proven_by_what_is_known_of_its_file() {
    let scene = Scene::new();
    let known = Xxh128::of(&scene.bytes);
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
