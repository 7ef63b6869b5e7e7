//! A whole phone to Google Photos through everything that can go wrong: failing requests, a daily
//! quota, expired tokens of both kinds, kills.
//!
//! The short form runs with the other tests. The long one takes some minutes and 2 GB:
//!
//! ```text
//! RESCUE_SHOW=long cargo test --release --test upload everything_that -- --nocapture
//! ```

use std::time::{Duration, Instant};

use super::desk::Desk;
use super::library::{Fault, Library, everything_is_there_once, jpeg, mp4, settle_in};

struct Form {
    photos: usize,
    videos: usize,
    video_bytes: usize,
    /// Requests a day.
    quota: usize,
    /// Requests that an access token is good for.
    uses: u32,
    /// After how many requests the program is killed.
    kills: &'static [usize],
    parallel: usize,
}

const SHORT: Form = Form {
    photos: 100,
    videos: 1,
    video_bytes: 20_000_000,
    quota: 70,
    uses: 40,
    kills: &[20, 90],
    parallel: 2,
};

const LONG: Form = Form {
    photos: 3000,
    videos: 3,
    video_bytes: 300_000_000,
    quota: 1500,
    uses: 400,
    kills: &[300, 900, 1700, 2400, 3100],
    parallel: 8,
};

#[test]
fn everything_that_goes_wrong_costs_little_and_doubles_nothing() {
    let form = match std::env::var("RESCUE_SHOW").as_deref() {
        Ok("long") => LONG,
        _ => SHORT,
    };
    // One of twenty fails, in four ways.
    let library = Library::start(|request| {
        let mixed = (request.nth as u32).wrapping_mul(2_654_435_761) >> 12;
        let fails = request.kind != "token" && mixed.is_multiple_of(20);
        fails.then_some(match mixed / 20 % 4 {
            0 => Fault::Answer(503, None),
            1 => Fault::Answer(429, Some(0)),
            2 => Fault::CutMidway,
            _ => Fault::CutBeforeTheAnswer,
        })
    });
    let desk = Desk::new();
    settle_in(&desk, &library, true);
    let photos = (1..=form.photos).map(|nth| {
        let size = 3000 + nth % 1000;
        (
            format!("internal/DCIM/Camera/IMG_{nth:06}.jpg"),
            jpeg(nth, size),
        )
    });
    let videos = (1..=form.videos).map(|nth| {
        let bytes = mp4(90_000 + nth, form.video_bytes + nth);
        (format!("internal/DCIM/Camera/VID_{nth}.mp4"), bytes)
    });
    desk.rescue(&photos.chain(videos).collect::<Vec<_>>());
    {
        let mut state = library.state();
        (state.quota, state.uses) = (form.quota, form.uses);
    }
    let begin = Instant::now();
    let parallel = form.parallel.to_string();
    let arguments = [
        "upload",
        "rescued",
        "--to",
        "photos",
        "--json",
        "--tries",
        "20",
        "--parallel",
        &parallel,
    ];
    let (mut kills, mut days, mut expired) = (form.kills.iter().peekable(), 0, 0);
    'runs: loop {
        assert!(
            begin.elapsed() < Duration::from_secs(1500),
            "it does not end"
        );
        let mut child = desk.start(&arguments);
        // Nobody reads what it says, and a full pipe would hold it up.
        let stdout = child.stdout.take().unwrap();
        let reading = std::thread::spawn(move || std::io::read_to_string(stdout).unwrap());
        let status = loop {
            if kills.next_if(|at| library.totals().0 >= **at).is_some() {
                child.kill().unwrap();
                child.wait().unwrap();
                continue 'runs;
            }
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        let said = reading.join().unwrap();
        match status.code() {
            Some(0) => break,
            Some(1) if said.contains("daily quota") => {
                days += 1;
                library.new_day();
                if days == 1 {
                    // The night was long.
                    expired = library.expire_upload_tokens();
                }
            }
            code => panic!("{code:?}: {said}"),
        }
    }
    let elapsed = begin.elapsed();
    everything_is_there_once(&desk, &library);
    let (requests, faults) = library.totals();
    let (unauthorised, over_quota) = library.state().refused;
    let files = form.photos + form.videos;
    let bare = form.photos + 2 * form.videos + files.div_ceil(50);
    // What failed has to be asked again, an access token's end and a quota's end have to be told
    // once each, and bytes of expired upload tokens have to be sent again.
    let least = bare + faults + unauthorised + days + expired;
    let more = 100.0 * (requests as f64 / least as f64 - 1.0);
    println!(
        "{} photos, {} videos of {} MB: {requests} requests in {:.0} s; at least {least} = {bare} + \
         {faults} failing + {unauthorised} tokens that ended + {days} days + {expired} expired \
         uploads: {more:.1} % more. {} kills, {over_quota} answers of a used-up quota, {} MB sent",
        form.photos,
        form.videos,
        form.video_bytes / 1_000_000,
        elapsed.as_secs_f64(),
        form.kills.len(),
        library.state().bytes / 1_000_000,
    );
    assert!(kills.peek().is_none(), "not all kills took place");
    // What a kill, or the end of a day, costs is what was under way at once.
    let under_way = (form.kills.len() + days) * (form.parallel + 2);
    assert!(
        requests <= least + under_way,
        "{requests} requests, {least} needed"
    );
    if form.photos >= 1000 {
        assert!(more <= 3.0, "{more} % more requests than needed");
        assert!(days >= 2, "the quota hit {days} times");
    }
    let status = desk.run(&["status", "rescued", "--json"]);
    let counts = &status.line("status")["remotes"][0]["counts"];
    assert_eq!(counts.as_array().unwrap().len(), 1, "{counts}");
    assert_eq!(counts[0]["state"], "there");
    assert_eq!(counts[0]["files"], files);
    {
        let mut state = library.state();
        (state.quota, state.uses) = (0, 0);
    }
}
