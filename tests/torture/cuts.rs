//! A cable that breaks after any number of bytes, in either direction: in the middle of a header,
//! a listing, a signature, a file. The run itself has to complete.

use std::fs;

use crate::cable::{Cable, Cut};
use crate::report::Try;
use crate::rng::Rng;
use crate::scene::{Scene, expect_bag, expect_code};

pub(crate) fn worker() -> Box<dyn FnMut(u64) -> Try> {
    let scene = Scene::new();
    let cable = Cable::new(scene.phone.port(), 200_000_000);
    let address = cable.address();
    // What an undisturbed run sends: requests, acknowledgements.
    let sent_bytes = 40_000;
    Box::new(move |seed| {
        let (mut rng, mut tried) = (Rng::new(seed), Try::default());
        let folder = scene.desk.path("rescued");
        let to = folder.to_str().unwrap().to_owned();
        let cuts = (0..=rng.below(3)).map(|_| {
            let from_phone = rng.percent(70);
            let end = if from_phone { scene.bytes } else { sent_bytes };
            let after_bytes = match rng.percent(50) {
                true => rng.any_magnitude_below(end),
                false => rng.below(end),
            };
            Cut {
                from_phone,
                after_bytes,
            }
        });
        cable.cut_next(cuts.collect());
        let pull = ["pull", "--wait", "30", "--tcp", &address, "-o", &to];
        expect_code(&scene.run(&pull, &mut tried), 0, &mut tried);
        cable.cut_next(Vec::new());
        scene.compare(&folder, true, &mut tried);
        expect_bag(&folder, &mut tried);
        let _ = fs::remove_dir_all(&folder);
        tried
    })
}
