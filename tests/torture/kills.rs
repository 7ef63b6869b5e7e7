//! SIGKILL at any moment of a pull from a real phone; then a plain run.

use std::fs;
use std::time::{Duration, Instant};

use crate::cable::Cable;
use crate::report::Try;
use crate::rng::Rng;
use crate::scene::{Scene, expect_bag, expect_code, note_end, recorded};
use crate::tree::identities;

/// What a plain run reads besides files: properties, listings, and for each file that is not
/// recorded a header, the phone's hash, and the block in which a held part ends.
const BYTES_PER_FILE: u64 = 2048;

pub(crate) fn worker() -> Box<dyn FnMut(u64) -> Try> {
    let scene = Scene::new();
    let cable = Cable::new(scene.phone.port(), 200_000_000);
    let address = cable.address();
    let (mut whole, mut idle_bytes) = (Duration::ZERO, 0);
    Box::new(move |seed| {
        let (mut rng, mut tried) = (Rng::new(seed), Try::default());
        let folder = scene.desk.path("rescued");
        let to = folder.to_str().unwrap().to_owned();
        let pull = ["pull", "--tcp", &address, "-o", &to];
        if whole.is_zero() {
            // How long a run takes that nobody kills, and what one reads that has nothing to do.
            let began = Instant::now();
            let finished = scene.run(&pull, &mut tried);
            whole = began.elapsed();
            expect_code(&finished, 0, &mut tried);
            let before = cable.received();
            expect_code(&scene.run(&pull, &mut tried), 0, &mut tried);
            idle_bytes = cable.received() - before;
            let _ = fs::remove_dir_all(&folder);
        }
        if !tried.is_clean() {
            // What such a run says is worth more than what killing it would show.
            tried
                .other
                .push(format!("the phone's daemon said\n{}", scene.phone.log()));
            whole = Duration::ZERO;
            return tried;
        }
        // One kill, or several one after the other.
        for _ in 0..=rng.below(3) {
            let at = Duration::from_micros(rng.below(whole.as_micros() as u64 * 11 / 10));
            let mut running = scene.desk.rescue_started(&pull);
            std::thread::sleep(at);
            if running.is_running() {
                running.signal("KILL");
            }
            note_end(&running.finish(), &mut tried);
            scene.compare(&folder, false, &mut tried);
        }
        let done = recorded(&folder);
        let before = match folder.join("data").exists() {
            true => identities(&folder.join("data")),
            false => Default::default(),
        };
        let done_bytes: u64 = done
            .iter()
            .map(|path| fs::metadata(path).unwrap().len())
            .sum();
        let received = cable.received();
        expect_code(&scene.run(&pull, &mut tried), 0, &mut tried);
        let read = cable.received() - received;
        let missing = (scene.on_phone.len() - done.len()) as u64;
        let most = scene.bytes - done_bytes + idle_bytes + missing * BYTES_PER_FILE;
        // Pulled but not proven yet: the phone's hash of each.
        let most = most + done.len() as u64 * 200;
        if read > most {
            tried
                .other
                .push(format!("{read} bytes read, {most} needed"));
        }
        let after = identities(&folder.join("data"));
        for path in &done {
            if before.get(path) != after.get(path) {
                tried
                    .other
                    .push(format!("written again: {}", path.display()));
            }
        }
        scene.compare(&folder, true, &mut tried);
        expect_bag(&folder, &mut tried);
        let _ = fs::remove_dir_all(&folder);
        tried
    })
}
