//! `rescue desk` with several phones at once, on an adb server: each has a case of its own.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use rescue::adb::features::Features;
use rescue::virtual_phone::{Serving, VirtualPhone};
use serde_json::{Value, json};

use crate::desk::{CAMERA, Desk, camera, generated, until};
use crate::page::{Served, Tab, http, parts, slow_camera};
use crate::screen::PICTURE;
use crate::served::Shelf;

/// Phones of as many owners, on one adb server that lists none of them yet.
struct Phones {
    serving: Vec<Serving>,
    shelf: Arc<Shelf>,
    port: u16,
}

impl Phones {
    async fn new(count: u64) -> Self {
        let mut shelf = Shelf {
            features: Some(Features::all()),
            ..Shelf::default()
        };
        let mut serving = Vec::new();
        for id in 1..=count {
            let mut phone = VirtualPhone::new(&format!("PHONE{id}"));
            for at in 0..20 {
                let path = format!("{CAMERA}/{id}-{at}.jpg");
                let content = generated(5_000, id * 100 + at);
                phone.tree.add_file(&path, content, 1_700_000_000);
            }
            let phone = phone.serve().await.unwrap();
            let choice = format!("transport-id:{id}");
            shelf.phones.insert(choice, phone.address());
            serving.push(phone);
        }
        let (shelf, port) = shelf.serve("127.0.0.1").await;
        Self {
            serving,
            shelf,
            port,
        }
    }

    /// Has the server list these, each in this state.
    fn attach(&self, phones: &[(u64, &str)]) {
        let mut list = String::new();
        for (id, state) in phones {
            let _ = writeln!(list, "PHONE{id} {state} model:Model_{id} transport_id:{id}");
        }
        *self.shelf.list.lock().unwrap() = list;
    }

    /// The case of a phone.
    async fn case(&self, tab: &Tab, id: u64) -> u64 {
        let name = format!("PHONE{id}");
        let mut found = None;
        until(&name, || {
            found = tab.cases().into_iter().find(|case| {
                tab.case.set(*case);
                tab.part("phone").to_string().contains(&name)
            });
            found.is_some()
        })
        .await;
        found.unwrap()
    }
}

/// Says whose phone it is.
fn label(served: &Served, tab: &Tab, customer: &str, note: &str) {
    let label = json!({"customer": customer, "note": note});
    assert_eq!(tab.post(served, "label", &label).status, 200);
}

/// What the bags of all rescue folders say of themselves.
fn bags(desk: &Desk) -> String {
    let found = std::fs::read_dir(desk.dir.path()).unwrap();
    let infos = found.map(|entry| entry.unwrap().path().join("bag-info.txt"));
    infos
        .filter_map(|info| std::fs::read_to_string(info).ok())
        .collect()
}

/// The photos in all rescue folders, by folder.
fn rescued(desk: &Desk) -> Vec<Vec<String>> {
    let found = std::fs::read_dir(desk.dir.path()).unwrap();
    let cameras = found.map(|entry| entry.unwrap().path().join("data/internal/DCIM/Camera"));
    let photos = cameras.filter(|camera| camera.is_dir()).map(|camera| {
        let found = std::fs::read_dir(camera).unwrap();
        let names = found.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    });
    photos.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_phones_at_once_are_rescued_each_by_its_own_answers_into_its_own_folder() {
    let phones = Phones::new(5).await;
    phones.attach(&[1, 2, 3, 4, 5].map(|id| (id, "device")));
    let desk = Desk::new();
    let served = Served::on_server(&desk, phones.port);
    let tab = served.tab();
    tab.has_cases(5).await;
    let mut cases = Vec::new();
    for id in 1..=5 {
        cases.push(phones.case(&tab, id).await);
    }
    assert_eq!(cases.iter().collect::<BTreeSet<_>>().len(), 5);
    // All of them are asked for something at the same time, and no answer is another's.
    for (case, id) in cases.iter().zip(1..) {
        tab.case.set(*case);
        tab.asks("What do you want to take?").await;
        tab.shows(&format!("PHONE{id}")).await;
    }
    for case in &cases {
        tab.case.set(*case);
        // Whose phone it is, typed before the pull, and for one of them after it.
        if *case != cases[4] {
            label(&served, &tab, &format!("Customer {case}"), "job <b>7</b>");
        }
        tab.choose(&served, "Everything (recommended)").await;
    }
    let mut shelves = BTreeSet::new();
    for case in &cases {
        tab.case.set(*case);
        tab.shows("Safe: everything asked for").await;
        assert_eq!(tab.part("proven")["files"], 20);
        shelves.insert(tab.part("shelf").as_str().unwrap().to_owned());
    }
    let folders = rescued(&desk);
    assert_eq!(folders.len(), 5, "{folders:?}");
    for photos in &folders {
        let owner = photos[0].split('-').next().unwrap();
        let is_of_owner = |name: &String| name.split('-').next() == Some(owner);
        assert!(photos.len() == 20 && photos.iter().all(is_of_owner));
    }
    // Each has its own album.
    assert_eq!(shelves.len(), 5);
    let mut albums = BTreeSet::new();
    for shelf in &shelves {
        let (host, path) = parts(shelf);
        let headers = [format!("Host: {host}")];
        let get = |below: &str| http(&host, "GET", &format!("{path}{below}"), &headers, "");
        assert_eq!(get("index.html").status, 200);
        albums.insert(get("report.html").text());
    }
    assert_eq!(albums.len(), 5);
    let labelled = albums
        .iter()
        .filter(|report| report.contains("job &lt;b&gt;7"));
    assert_eq!(labelled.count(), 4);
    assert_eq!(tab.case.get(), cases[4]);
    label(&served, &tab, "Customer late", "at the end");
    until("the late label", || bags(&desk).contains("Customer late")).await;
    for case in &cases[..4] {
        let name = format!("Contact-Name: Customer {case}\n");
        assert!(bags(&desk).contains(&name), "{name}");
    }
    // It is not this desk's phone, or no longer.
    let nobody = json!({"customer": "Nobody", "note": ""});
    assert_eq!(served.post("case/99/label", &nobody).status, 409);
    until("what the report shows", || {
        tab.part("label")["is_written"] == true
    })
    .await;
    let long = json!({"customer": "x".repeat(201), "note": ""});
    let refused = tab.post(&served, "label", &long);
    assert!(refused.status == 400 && refused.text().contains("200"));

    // A phone whose place is closed does not come again by itself; a new one does, and one that was unplugged.
    tab.case.set(cases[0]);
    tab.choose(&served, "Finish").await;
    tab.choose(&served, "Close this phone's card").await;
    tab.has_cases(4).await;
    phones.attach(&[2, 3, 4, 5].map(|id| (id, "device")));
    tokio::time::sleep(std::time::Duration::from_millis(2500)).await;
    assert_eq!(tab.cases().len(), 4);
    phones.attach(&[1, 2, 3, 4, 5].map(|id| (id, "device")));
    tab.has_cases(5).await;
    let again = phones.case(&tab, 1).await;
    assert!(!cases.contains(&again));
    tab.shows("Nothing is new on the phone").await;
    let customer = format!("Customer {}", cases[0]);
    until("its customer", || tab.part("label")["customer"] == customer).await;
    for case in [again, cases[1], cases[2], cases[3]] {
        tab.case.set(case);
        tab.choose(&served, "Finish").await;
        tab.choose(&served, "Close this phone's card").await;
    }
    tab.has_cases(1).await;
    tab.case.set(cases[4]);
    tab.choose(&served, "Finish").await;
    tab.choose(&served, "End rescue").await;
    tab.is_told_the_end().await;
    let (code, said) = served.end().await;
    assert_eq!(code, 0, "{said}");
    drop(phones.serving);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn phone_that_comes_later_has_a_place_and_one_that_is_not_ready_holds_up_no_other() {
    let phones = Phones::new(3).await;
    phones.attach(&[]);
    let desk = Desk::new();
    let served = Served::on_server(&desk, phones.port);
    let tab = served.tab();
    // The place of any phone waits; another one for any is not opened.
    tab.has_cases(1).await;
    assert_eq!(served.post("another", &json!({})).status, 200);
    phones.attach(&[(1, "unauthorized")]);
    assert_eq!(phones.case(&tab, 1).await, 1);
    phones.attach(&[(1, "unauthorized"), (2, "device")]);
    tab.has_cases(2).await;
    assert_eq!(phones.case(&tab, 2).await, 2);
    tab.choose(&served, "Everything").await;
    tab.shows("Safe: everything asked for").await;
    tab.case.set(1);
    tab.asks("Does the phone's screen still show a picture?")
        .await;
    // It goes before it was ever ready: its place is free for the next.
    // What is typed about it is not said of the next one.
    label(&served, &tab, "Alice", "PIN 1234");
    phones.attach(&[(2, "device")]);
    until("no phone", || tab.part("phone").is_null()).await;
    phones.attach(&[(2, "device"), (3, "device")]);
    assert_eq!(phones.case(&tab, 3).await, 1);
    tab.asks("What do you want to take?").await;
    assert_eq!(tab.part("label")["customer"], "");
    // Now there is none for any: a page may open one.
    assert_eq!(served.post("another", &json!({})).status, 200);
    assert_eq!(tab.has_cases(3).await, [1, 2, 3]);
    tab.case.set(3);
    tab.asks("Does the phone's screen still show a picture?")
        .await;
    // Nobody has to wait for a phone that does not come.
    assert_eq!(tab.post(&served, "give-up", &json!({})).status, 200);
    assert_eq!(tab.has_cases(2).await, [1, 2]);
    // The last card stays, whoever is quick.
    let given_up = [2, 1].map(|case| {
        served
            .post(&format!("case/{case}/give-up"), &json!({}))
            .status
    });
    assert_eq!(given_up, [200, 409]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn label_typed_during_a_pull_that_is_stopped_is_in_the_folder() {
    let phone = slow_camera(20).serve().await.unwrap();
    let desk = Desk::new();
    let served = Served::start(&desk, &phone, &[]);
    let tab = served.tab();
    tab.choose(&served, "Everything").await;
    until("some of it", || tab.part("progress")["stop"] == "Pause").await;
    label(&served, &tab, "Carol", "");
    assert_eq!(tab.part("label")["is_written"], false);
    served.interrupt();
    assert_eq!(served.end().await.0, 130);
    assert!(bags(&desk).contains("Contact-Name: Carol"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn desk_for_one_phone_takes_no_other_and_shows_its_screen() {
    let (mut phone, _) = camera(&[10_000]);
    phone.screen = Some(bytes::Bytes::from_static(PICTURE));
    let phone = phone.serve().await.unwrap();
    let desk = Desk::new();
    let served = Served::start(&desk, &phone, &[]);
    let tab = served.tab();
    assert_eq!(served.post("another", &json!({})).status, 409);
    let screen = |tab: &Tab| tab.part("screen");
    assert_eq!(served.get("case/1/live/screen.png").status, 409);
    tab.choose(&served, "First show the phone's screen").await;
    tab.asks("You can use the phone here.").await;
    assert_eq!(screen(&tab), Value::Bool(true));
    assert_eq!(served.get("case/1/live/screen.png").body, PICTURE);
    assert_eq!(served.get("live.js").status, 200);
    let tap = json!({"tap": {"x": 3, "y": 4}});
    let tapped = tab.post(&served, "live/touch", &tap);
    assert_eq!(tapped.status, 200, "{}", tapped.text());
    until("a tap", || phone.inputs() == ["tap 3 4"]).await;
    tab.choose(&served, "I am done with the screen").await;
    tab.asks("What do you want to take?").await;
    assert_eq!(screen(&tab), Value::Bool(false));
    assert_eq!(served.get("case/1/live/screen.png").status, 409);
    for nobody in ["case/2/live/screen.png", "case/x/live/screen.png", "case/1"] {
        assert!([404, 409].contains(&served.get(nobody).status), "{nobody}");
    }
    assert_eq!(
        served
            .post("case/2/answer", &json!({"question": 1, "number": 0}))
            .status,
        409
    );
}
