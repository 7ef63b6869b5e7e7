//! `rescue desk`: the guide on a page, as a browser sees it that speaks HTTP by hand. What needs a real one is in
//! tests/browser.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rescue::virtual_phone::tree::Tree;
use rescue::virtual_phone::{Serving, Trust, VirtualPhone};
use serde_json::{Map, Value, json};

use crate::desk::{CAMERA, Desk, camera, end, files_below, generated, kill, until};
use crate::served::photo;
use crate::terminal::Terminal;

/// What comes for a request.
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Got {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Asks a server; the headers are lines.
pub(crate) fn http(host: &str, method: &str, path: &str, headers: &[String], body: &str) -> Got {
    let mut socket = TcpStream::connect(host).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    );
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).unwrap();
    let head = answer
        .windows(4)
        .position(|bytes| bytes == b"\r\n\r\n")
        .unwrap();
    let text = std::str::from_utf8(&answer[..head]).unwrap().to_owned();
    Got {
        status: text[9..12].parse().unwrap(),
        head: text,
        body: answer[head + 4..].to_vec(),
    }
}

/// Host and path of an address.
pub(crate) fn parts(url: &str) -> (String, String) {
    let (host, path) = url
        .strip_prefix("http://")
        .unwrap()
        .split_once('/')
        .unwrap();
    (host.to_owned(), format!("/{path}"))
}

/// `rescue desk` that runs; dropped, it ends.
pub(crate) struct Served {
    program: Child,
    stdout: BufReader<ChildStdout>,
    pub(crate) host: String,
    /// The path of the page.
    path: String,
}

impl Served {
    pub(crate) fn start(desk: &Desk, phone: &Serving, more: &[&str]) -> Self {
        let address = phone.address().to_string();
        let mut command = desk.command(&["--json", "desk", "--tcp", &address]);
        command.args(["--idle-timeout", "2"]).args(more);
        if !more.contains(&"--port") {
            command.arg("--no-open");
        }
        Self::of(command)
    }

    pub(crate) fn interrupt(&self) {
        kill(self.program.id(), "INT");
    }

    /// For every phone that this adb server lists.
    pub(crate) fn on_server(desk: &Desk, port: u16) -> Self {
        let mut command = desk.command(&["--json", "desk", "--no-open", "--idle-timeout", "2"]);
        command.env("ANDROID_ADB_SERVER_PORT", port.to_string());
        Self::begin(command)
    }

    fn of(mut command: Command) -> Self {
        // No server of this computer's is asked.
        command.env("ANDROID_ADB_SERVER_PORT", "1");
        Self::begin(command)
    }

    fn begin(mut command: Command) -> Self {
        let mut program = command.spawn().unwrap();
        let mut stdout = BufReader::new(program.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let serves: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(serves["type"], "serves");
        let (host, path) = parts(serves["url"].as_str().unwrap());
        Self {
            program,
            stdout,
            host,
            path,
        }
    }

    pub(crate) fn get(&self, below: &str) -> Got {
        let host = format!("Host: {}", self.host);
        http(
            &self.host,
            "GET",
            &format!("{}{below}", self.path),
            &[host],
            "",
        )
    }

    pub(crate) fn post(&self, below: &str, body: &Value) -> Got {
        let headers = [
            format!("Host: {}", self.host),
            format!("Origin: http://{}", self.host),
        ];
        let path = format!("{}{below}", self.path);
        http(&self.host, "POST", &path, &headers, &body.to_string())
    }

    /// Opens the page in a tab.
    pub(crate) fn tab(&self) -> Tab {
        let mut socket = TcpStream::connect(&self.host).unwrap();
        // The old version has no chunks.
        let request = format!(
            "GET {}news HTTP/1.0\r\nHost: {}\r\n\r\n",
            self.path, self.host
        );
        socket.write_all(request.as_bytes()).unwrap();
        let known: Arc<Mutex<Known>> = Arc::default();
        let all: Arc<Mutex<String>> = Arc::default();
        let (state, log) = (Arc::clone(&known), Arc::clone(&all));
        let lines = BufReader::new(socket.try_clone().unwrap()).lines();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some(news) = line.strip_prefix("data: ") {
                    log.lock().unwrap().push_str(news);
                    let mut news: Value = serde_json::from_str(news).unwrap();
                    let mut known = state.lock().unwrap();
                    if let Value::Object(cases) = news["case"].take() {
                        for (number, parts) in cases {
                            let Value::Object(parts) = parts else {
                                panic!("{parts}");
                            };
                            let case = known.cases.entry(number.parse().unwrap()).or_default();
                            case.extend(parts);
                        }
                    }
                    known.desk = news;
                }
            }
        });
        Tab {
            socket,
            known,
            all,
            case: Cell::new(1),
            answered: Cell::default(),
        }
    }

    /// The end of the program: its exit code, and what it said.
    pub(crate) async fn end(mut self) -> (i32, String) {
        let mut said = String::new();
        let mut stderr = self.program.stderr.take().unwrap();
        until("the end", || self.program.try_wait().unwrap().is_some()).await;
        self.stdout.read_to_string(&mut said).unwrap();
        stderr.read_to_string(&mut said).unwrap();
        (self.program.wait().unwrap().code().unwrap_or(-1), said)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

/// What a page knows: the desk, and the parts of each case.
#[derive(Default)]
struct Known {
    desk: Value,
    cases: BTreeMap<u64, Map<String, Value>>,
}

/// A page that is open; dropped, it is closed.
pub(crate) struct Tab {
    socket: TcpStream,
    known: Arc<Mutex<Known>>,
    /// Everything that it ever got.
    all: Arc<Mutex<String>>,
    /// The case that is looked at.
    pub(crate) case: Cell<u64>,
    /// The last question that was answered here, and of which case: the news of that may still be on their way.
    answered: Cell<(u64, u64)>,
}

impl Drop for Tab {
    fn drop(&mut self) {
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
    }
}

impl Tab {
    pub(crate) fn part(&self, name: &str) -> Value {
        let known = self.known.lock().unwrap();
        let case = known.cases.get(&self.case.get());
        let part = case.and_then(|case| case.get(name));
        part.cloned().unwrap_or_default()
    }

    fn text(&self) -> String {
        let known = self.known.lock().unwrap();
        let case = known.cases.get(&self.case.get()).cloned();
        Value::Object(case.unwrap_or_default()).to_string()
    }

    /// The numbers of the open cases.
    pub(crate) fn cases(&self) -> Vec<u64> {
        let cases = self.known.lock().unwrap().desk["cases"].clone();
        serde_json::from_value(cases).unwrap_or_default()
    }

    pub(crate) async fn is_told_the_end(&self) {
        until("the end", || {
            self.known.lock().unwrap().desk["is_over"] == true
        })
        .await;
    }

    /// Waits until there are so many cases.
    pub(crate) async fn has_cases(&self, count: usize) -> Vec<u64> {
        until(&format!("{count} cases"), || self.cases().len() == count).await;
        self.cases()
    }

    pub(crate) fn post(&self, served: &Served, below: &str, body: &Value) -> Got {
        served.post(&format!("case/{}/{below}", self.case.get()), body)
    }

    /// Waits until the page shows this somewhere.
    pub(crate) async fn shows(&self, words: &str) {
        until(words, || self.text().contains(words)).await;
    }

    /// The question that is open, once the last answer is known to be taken.
    fn open(&self) -> Value {
        let question = self.part("question");
        let (case, number) = self.answered.get();
        let is_next = case != self.case.get() || question["number"].as_u64() > Some(number);
        if is_next { question } else { Value::Null }
    }

    /// Waits for a question with these words in its text.
    pub(crate) async fn asks(&self, words: &str) -> Value {
        until(words, || {
            let question = self.open();
            let text = question["text"].as_str();
            text.is_some_and(|text| text.contains(words))
        })
        .await;
        self.open()
    }

    fn answer(&self, served: &Served, mut answer: Value, question: &Value) {
        answer["question"] = question["number"].clone();
        let got = self.post(served, "answer", &answer);
        assert_eq!(got.status, 200, "{question}: {}", got.text());
        let number = question["number"].as_u64().unwrap();
        self.answered.set((self.case.get(), number));
    }

    /// Waits for a choice, and chooses it.
    pub(crate) async fn choose(&self, served: &Served, words: &str) {
        let place = |question: &Value| {
            let choices = question["choices"].as_array()?;
            let is_it = |choice: &Value| choice.as_str().unwrap().contains(words);
            choices.iter().position(is_it)
        };
        until(words, || place(&self.open()).is_some()).await;
        let question = self.open();
        self.answer(
            served,
            json!({"number": place(&question).unwrap()}),
            &question,
        );
    }

    async fn types(&self, served: &Served, question: &str, text: &str) {
        let question = self.asks(question).await;
        self.answer(served, json!({"text": text}), &question);
    }

    /// Leaves a question without an answer.
    async fn leaves(&self, served: &Served, question: &str) {
        let question = self.asks(question).await;
        self.answer(served, json!({}), &question);
    }
}

/// The rescue folder, which the guide names itself.
fn folder(desk: &Desk) -> PathBuf {
    let found = std::fs::read_dir(desk.dir.path()).unwrap();
    let mut folders = found.map(|entry| entry.unwrap().path()).filter(|path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with("Virtual-Phone-") && path.is_dir()
    });
    folders.next().expect("a rescue folder")
}

fn rescued(desk: &Desk) -> Vec<String> {
    files_below(&folder(desk).join("data"))
        .into_keys()
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn phone_that_is_ready_is_rescued_packed_copied_and_looked_at_by_answers_of_the_page() {
    let (phone, _) = camera(&[10_000; 3]);
    let phone = phone.serve().await.unwrap();
    let desk = Desk::new();
    let disk = crate::guide::on_another_disk(desk.dir.path());
    let served = Served::start(&desk, &phone, &[]);
    let page = served.get("");
    assert!(page.status == 200 && page.body.starts_with(b"<!doctype html>"));
    for policy in ["default-src 'none'", "no-store", "no-referrer", "nosniff"] {
        assert!(page.head.contains(policy), "{}", page.head);
    }
    for file in ["desk.js", "desk.css"] {
        assert_eq!(served.get(file).status, 200);
    }
    let tab = served.tab();
    tab.shows("The phone is only read").await;
    tab.shows("3 photos").await;
    tab.shows("photos.google.com").await;
    assert_eq!(tab.part("shelf"), Value::Null);
    tab.choose(&served, "Everything (recommended)").await;
    tab.shows("Safe: everything asked for on the phone is here")
        .await;
    assert_eq!(tab.part("proven")["files"], 3);
    assert_eq!(rescued(&desk), [photo(0), photo(1), photo(2)].concat());

    tab.choose(&served, "Make one zip file").await;
    tab.shows("Look at the pictures").await;
    assert!(folder(&desk).with_extension("zip").is_file());
    tab.choose(&served, "Copy it to another disk").await;
    // A folder on the same disk is refused, and asked for again.
    tab.types(&served, "Which folder?", desk.dir.path().to_str().unwrap())
        .await;
    tab.shows("is on the same disk as the rescue folder").await;
    let listed = served.post("folders", &json!({"path": disk.path()}));
    let listed: Value = serde_json::from_slice(&listed.body).unwrap();
    assert_eq!(listed["path"], disk.path().to_str().unwrap());
    tab.types(&served, "Which folder?", disk.path().to_str().unwrap())
        .await;
    tab.shows("disk: Backup complete").await;
    assert_eq!(files_below(disk.path()).len(), 3);

    // The album and its files come from another port, and from the rescue folder alone.
    let shelf = tab.part("shelf");
    let (host, path) = parts(shelf.as_str().unwrap());
    assert_ne!(host, served.host);
    let header = format!("Host: {host}");
    let look = |below: &str| {
        let headers = [header.clone()];
        http(&host, "GET", &format!("{path}{below}"), &headers, "")
    };
    let album = look("index.html");
    assert!(album.status == 200 && album.text().contains("Rescued pictures"));
    assert_eq!(look("report.html").status, 200);
    let list = album.text();
    let list = list.split("<script src=\"").nth(1).unwrap();
    let list = look(list.split('"').next().unwrap());
    assert!(list.text().contains("0.jpg"), "{}", list.text());
    let picture = look("data/internal/DCIM/Camera/0.jpg");
    let bytes = std::fs::read(folder(&desk).join("data/internal/DCIM/Camera/0.jpg")).unwrap();
    assert!(picture.status == 200 && picture.body == bytes);
    assert!(picture.head.contains("image/jpeg"), "{}", picture.head);
    let headers = [header.clone(), "Range: bytes=10-19".to_owned()];
    let name = format!("{path}data/internal/DCIM/Camera/0.jpg");
    let part = http(&host, "GET", &name, &headers, "");
    assert!(part.status == 206 && part.body == bytes[10..20]);
    std::os::unix::fs::symlink("/etc/passwd", folder(&desk).join("data/internal/a.txt")).unwrap();
    std::os::unix::fs::symlink("/etc", folder(&desk).join("data/etc")).unwrap();
    for below in [
        "rescue.db",
        "bag-info.txt",
        "data/internal/a.txt",
        "data/etc/passwd",
        "data/../rescue.db",
        "data/%2e%2e/rescue.db",
        "data/internal",
        "album/",
        "",
    ] {
        assert_eq!(look(below).status, 404, "{below}");
    }
    let wrong = http(&host, "GET", "/0/index.html", &[header], "");
    assert_eq!(wrong.status, 403);

    tab.choose(&served, "Finish").await;
    tab.choose(&served, "End rescue").await;
    tab.is_told_the_end().await;
    let (code, said) = served.end().await;
    assert_eq!(code, 0, "{said}");
}

/// A phone with this many photos that takes a while to send them.
pub(crate) fn slow_camera(photos: usize) -> VirtualPhone {
    let (mut phone, _) = camera(&vec![100_000; photos]);
    phone.rate = Some(400_000);
    phone
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn page_that_is_closed_and_opened_again_finds_the_state_and_an_old_one_answers_nothing() {
    let phone = slow_camera(10).serve().await.unwrap();
    let desk = Desk::new();
    let served = Served::start(&desk, &phone, &[]);
    let old = served.tab();
    let question = old.asks("What do you want to take?").await;
    drop(old);
    // Nobody looks: the question stays.
    let (one, two) = (served.tab(), served.tab());
    assert_eq!(one.asks("What do you want to take?").await, question);
    assert_eq!(two.asks("What do you want to take?").await, question);
    two.choose(&served, "Everything").await;
    one.shows("of 1.0 MB").await;
    assert_eq!(one.part("question"), Value::Null);
    let again = json!({"question": question["number"], "number": 0});
    assert_eq!(served.post("case/1/answer", &again).status, 409);
    // Nobody looks at the pull, which goes on.
    drop((one, two));
    until("the last file", || {
        let data = folder(&desk).join("data/internal/DCIM/Camera");
        std::fs::read_dir(data).is_ok_and(|found| found.count() == 10)
    })
    .await;
    let tab = served.tab();
    tab.shows("Safe: everything").await;
    // What was told before is there, too, and the earlier answer answers no later question.
    assert!(tab.part("before").to_string().contains("10 photos"));
    tab.asks("What next?").await;
    assert_eq!(served.post("case/1/answer", &again).status, 409);
    for unfit in [
        json!({}),
        json!({"question": "1"}),
        json!({"question": 1, "number": 0, "more": 0}),
        json!([]),
        json!({"question": tab.part("question")["number"], "number": 99}),
        json!({"question": tab.part("question")["number"], "text": "0"}),
        json!({"question": tab.part("question")["number"], "text": "x".repeat(20_000)}),
    ] {
        let refused = served.post("case/1/answer", &unfit);
        assert_eq!(refused.status, 400, "{unfit}: {}", refused.text());
    }
    tab.choose(&served, "Finish").await;
    tab.choose(&served, "End rescue").await;
    assert_eq!(served.end().await.0, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pull_that_is_paused_stops_safely_and_continues() {
    let phone = slow_camera(20).serve().await.unwrap();
    let desk = Desk::new();
    let served = Served::start(&desk, &phone, &[]);
    let tab = served.tab();
    // Nothing is under way.
    tab.asks("What do you want to take?").await;
    assert_eq!(served.post("case/1/pause", &json!({})).status, 409);
    tab.choose(&served, "Everything").await;
    until("some of it", || tab.part("progress")["stop"] == "Pause").await;
    assert_eq!(served.post("case/1/pause", &json!({})).status, 200);
    tab.asks("Paused.").await;
    assert!(rescued(&desk).len() < 20);
    tab.choose(&served, "Continue").await;
    tab.shows("Safe: everything").await;
    assert_eq!(rescued(&desk).len(), 20);
    // Ctrl-C ends it, also while it asks.
    served.interrupt();
    let (code, said) = served.end().await;
    assert_eq!(code, 130, "{said}");
    assert!(said.contains("everything done so far is safe"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pin_goes_to_the_phone_alone() {
    let (phone, _) = camera(&[10_000]);
    let mut locked = phone.clone();
    locked.set_property("sys.user.0.ce_available", "");
    locked.tree = Tree::default();
    let phone = locked.serve().await.unwrap();
    let desk = Desk::new();
    let served = Served::start(&desk, &phone, &["-vv"]);
    let tab = served.tab();
    for (question, answer) in [("picture?", "Yes"), ("finger?", "No"), ("password?", "Yes")] {
        tab.asks(question).await;
        tab.choose(&served, answer).await;
    }
    tab.choose(&served, "Type the PIN on this computer").await;
    let question = tab.asks("not shown").await;
    assert_eq!(question["kind"], "secret");
    tab.types(&served, "not shown", "471199").await;
    // This phone takes no keys: that is told, and the guide waits on.
    tab.shows("This went wrong: the phone does not accept")
        .await;
    tab.asks("when the phone is ready").await;
    // A question can be left.
    tab.choose(&served, "Type the PIN on this computer").await;
    tab.leaves(&served, "not shown").await;
    tab.shows("no PIN was given").await;
    let later = served.tab();
    later.asks("when the phone is ready").await;
    for tab in [&tab, &later] {
        let all = tab.all.lock().unwrap().clone();
        assert!(!all.contains("471199"), "{all}");
    }
    served.interrupt();
    let (_, said) = served.end().await;
    assert!(!said.contains("471199"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_the_page_of_the_desk_gets_nothing() {
    let (phone, _) = camera(&[10_000]);
    let phone = phone.serve().await.unwrap();
    let desk = Desk::new();
    let (served, other) = (
        Served::start(&desk, &phone, &[]),
        Served::start(&desk, &phone, &[]),
    );
    let tab = served.tab();
    let question = tab.asks("What do you want to take?").await;
    let answer = json!({"question": question["number"], "number": 0}).to_string();
    let (host, path) = (format!("Host: {}", served.host), &served.path);
    let own = format!("Origin: http://{}", served.host);
    let evil = "Origin: http://evil.example".to_owned();
    let wrong = format!("/{}/", "0".repeat(path.len() - 2));
    let named = format!(
        "Host: evil.example:{}",
        served.host.rsplit(':').next().unwrap()
    );
    for (method, path, headers) in [
        ("GET", "/".to_owned(), vec![host.clone()]),
        ("GET", "/news".to_owned(), vec![host.clone()]),
        ("GET", wrong.clone(), vec![host.clone()]),
        ("GET", format!("{wrong}news"), vec![host.clone()]),
        // The address of the other desk.
        ("GET", format!("{}news", other.path), vec![host.clone()]),
        (
            "POST",
            format!("{}answer", other.path),
            vec![host.clone(), own.clone()],
        ),
        (
            "POST",
            format!("{wrong}answer"),
            vec![host.clone(), own.clone()],
        ),
        // A name that somebody made lead here.
        ("GET", format!("{path}news"), vec![named.clone()]),
        ("POST", format!("{path}answer"), vec![named, own.clone()]),
        // A page from elsewhere, and none at all.
        (
            "GET",
            format!("{path}news"),
            vec![host.clone(), evil.clone()],
        ),
        ("POST", format!("{path}answer"), vec![host.clone()]),
        (
            "POST",
            format!("{path}answer"),
            vec![host.clone(), evil.clone()],
        ),
        (
            "POST",
            format!("{path}answer"),
            vec![host.clone(), "Origin: null".to_owned()],
        ),
        (
            "POST",
            format!("{path}answer"),
            vec![host.clone(), own.clone(), evil.clone()],
        ),
        (
            "POST",
            format!("{path}pause"),
            vec![host.clone(), evil.clone()],
        ),
        ("POST", format!("{path}folders"), vec![host.clone(), evil]),
    ] {
        let body = if method == "POST" { &answer } else { "" };
        let got = http(&served.host, method, &path, &headers, body);
        assert_eq!(got.status, 403, "{method} {path} {headers:?}");
        assert!(!got.text().contains("photo"), "{}", got.text());
    }
    for (method, below) in [
        ("GET", "answer"),
        ("GET", "case/1/proven/1"),
        ("GET", "case/1/proven/x"),
        ("GET", "../"),
    ] {
        let got = http(
            &served.host,
            method,
            &format!("{path}{below}"),
            std::slice::from_ref(&host),
            "",
        );
        assert_eq!(got.status, 404, "{below}");
    }
    // Nothing was answered.
    assert_eq!(tab.part("question"), question);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_desks_for_one_phone_do_not_write_into_one_folder() {
    let phone = slow_camera(10).serve().await.unwrap();
    let desk = Desk::new();
    let (first, second) = (
        Served::start(&desk, &phone, &[]),
        Served::start(&desk, &phone, &[]),
    );
    let (one, two) = (first.tab(), second.tab());
    two.asks("What do you want to take?").await;
    one.choose(&first, "Everything").await;
    one.shows("of 1.0 MB").await;
    two.choose(&second, "Everything").await;
    one.shows("Safe: everything").await;
    // The second one waits for the folder for a while, and finds what the first one brought.
    until("the second one", || {
        two.text().contains("Safe: everything") || two.text().contains("What now?")
    })
    .await;
    if two.text().contains("What now?") {
        two.choose(&second, "Try again").await;
        two.shows("Safe: everything").await;
    }
    assert_eq!(two.part("proven")["files"], 10);
    assert_eq!(rescued(&desk).len(), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn name_with_markup_is_text_in_the_news() {
    let mut phone = VirtualPhone::new("TEST0001");
    let name = "<img src=x onerror=alert(1)>\u{202e}.jpg";
    let path = format!("{CAMERA}/{name}");
    phone
        .tree
        .add_file(&path, generated(1000, 1), 1_700_000_000);
    let refused = format!("{CAMERA}/<script>alert(2)<-script>.jpg");
    phone
        .tree
        .add_file(&refused, generated(1000, 2), 1_700_000_000);
    let phone = phone.serve().await.unwrap();
    let desk = Desk::new();
    let served = Served::start(&desk, &phone, &[]);
    let tab = served.tab();
    tab.choose(&served, "Everything").await;
    tab.shows("Safe: everything").await;
    let all = tab.all.lock().unwrap().clone();
    assert!(!all.contains('\u{202e}'), "{all}");
    // Every message is JSON, of a type that no browser takes for a page.
    let news = http(
        &served.host,
        "POST",
        &format!("{}news", served.path),
        &[
            format!("Host: {}", served.host),
            format!("Origin: http://{}", served.host),
        ],
        "",
    );
    assert_eq!(news.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn address_among_a_programs_arguments_leads_to_the_page_once() {
    let (phone, _) = camera(&[10_000]);
    let phone = phone.serve().await.unwrap();
    let desk = Desk::new();
    let mut command = desk.command(&["--json", "desk", "--tcp", &phone.address().to_string()]);
    with_desktop(&desk, &mut command);
    let served = Served::of(command);
    until("a browser", || desk.path("opened").is_file()).await;
    let opened = std::fs::read_to_string(desk.path("opened")).unwrap();
    let (host, path) = parts(&opened);
    assert_eq!(host, served.host);
    assert_ne!(path, served.path);
    let headers = [format!("Host: {host}")];
    // Nothing but the page is behind it.
    assert_eq!(
        http(&host, "GET", &format!("{path}news"), &headers, "").status,
        403
    );
    let first = http(&host, "GET", &path, &headers, "");
    assert_eq!(first.status, 303);
    assert!(
        first.head.contains(&format!("location: {}", served.path)),
        "{}",
        first.head
    );
    let again = http(&host, "GET", &path, &headers, "");
    assert_eq!(again.status, 403);
    assert!(!again.head.contains(&served.path));
    assert_eq!(served.get("").status, 200);
}

/// A desktop whose browser notes the address that it is to open.
fn with_desktop(desk: &Desk, command: &mut Command) {
    use std::os::unix::fs::PermissionsExt as _;
    let programs = desk.path("programs");
    std::fs::create_dir_all(&programs).unwrap();
    let browser = programs.join("xdg-open");
    let words = format!(
        "#!/bin/sh\nprintf %s \"$1\" > '{0}.new'; mv '{0}.new' '{0}'\n",
        desk.path("opened").display()
    );
    std::fs::write(&browser, words).unwrap();
    std::fs::set_permissions(&browser, std::fs::Permissions::from_mode(0o755)).unwrap();
    command.env("PATH", format!("{}:/usr/bin:/bin", programs.display()));
    command.env("DISPLAY", ":1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rescue_alone_on_a_desktop_offers_the_browser_and_stays_in_the_terminal_on_no() {
    let (phone, _) = camera(&[10_000]);
    let phone = phone.serve().await.unwrap();
    let desk = Desk::new();
    let address = phone.address().to_string();
    let start = || {
        let mut command = desk.command(&["guide", "--tcp", &address, "--idle-timeout", "2"]);
        command.env("ANDROID_ADB_SERVER_PORT", "1");
        with_desktop(&desk, &mut command);
        Terminal::start(command, 100)
    };
    let mut terminal = start();
    terminal.shows("in your browser? [Y/n]").await;
    terminal.type_keys("perhaps\n");
    terminal.type_keys("n\n");
    terminal.shows("What do you want to take?").await;
    assert!(!desk.path("opened").exists());
    terminal.interrupt();
    assert_eq!(terminal.end().await.0, 130);

    let mut terminal = start();
    terminal.shows("in your browser? [Y/n]").await;
    terminal.type_keys("\n");
    terminal.shows("http://127.0.0.1:").await;
    until("a browser", || desk.path("opened").is_file()).await;
    terminal.interrupt();
    let (code, screen) = terminal.end().await;
    assert_eq!(code, 130, "{screen}");
    assert!(!screen.contains("What do you want"), "{screen}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn port_of_the_desk_that_is_taken_is_named() {
    let desk = Desk::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let command = desk
        .command(&["--json", "desk", "--no-open", "--port", &port])
        .spawn();
    let refused = end(command.unwrap()).await.expect(1);
    assert!(refused.message().contains(&port), "{}", refused.message());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn remote_is_set_up_by_the_questions_of_the_page_and_uploaded_to() {
    let (phone, _) = camera(&[10_000]);
    let phone = phone.serve().await.unwrap();
    let desk = Desk::new();
    let place = desk.path("cloud");
    std::fs::create_dir(&place).unwrap();
    let served = Served::start(&desk, &phone, &[]);
    let tab = served.tab();
    tab.choose(&served, "Everything").await;
    // A question that is left adds nothing, and leads back.
    tab.choose(&served, "Set up a cloud or a server").await;
    tab.leaves(&served, "A short name for the place").await;
    tab.shows("nothing was saved").await;
    tab.choose(&served, "Set up a cloud or a server").await;
    tab.types(&served, "A short name for the place", "not a name")
        .await;
    tab.types(&served, "A short name for the place", "cloud")
        .await;
    tab.choose(&served, "folder: ").await;
    tab.types(&served, "older", place.to_str().unwrap()).await;
    tab.choose(&served, "Upload it to cloud").await;
    tab.shows("cloud: Backup complete").await;
    assert_eq!(files_below(&place).len(), 1);
    tab.choose(&served, "Finish").await;
    tab.choose(&served, "Rescue another phone").await;
    tab.shows("Nothing is new on the phone").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_else_can_be_tried_stands_beside_the_next_step() {
    let desk = Desk::new();
    let served = Served::of(desk.command(&["--json", "desk", "--no-open"]));
    let tab = served.tab();
    for question in ["picture?", "finger?", "password?", "this phone?"] {
        let asked = tab.asks(question).await;
        assert_eq!(asked["usual"], Value::Null, "no answer stands out");
        tab.choose(&served, "I don't know").await;
    }
    tab.asks("Waiting").await;
    for _ in 0..2 {
        tab.choose(&served, "What else can I try?").await;
        tab.asks("Waiting").await;
    }
    until("both", || {
        let now = tab.part("now").to_string();
        now.contains("No phone shows on USB yet") && now.matches("You can also try").count() == 1
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn phone_that_waits_for_a_tap_is_rescued_by_itself_after_it() {
    let (mut phone, _) = camera(&[10_000]);
    phone.trust = Trust::Known {
        keys: Vec::new(),
        approves_after: Some(Duration::from_millis(100)),
    };
    let phone = phone.serve().await.unwrap();
    let desk = Desk::new();
    let served = Served::start(&desk, &phone, &[]);
    let tab = served.tab();
    for question in ["picture?", "finger?", "password?"] {
        tab.asks(question).await;
        tab.choose(&served, "Yes").await;
    }
    // Nobody presses anything on the page: the next question comes by itself.
    tab.choose(&served, "Everything").await;
    tab.shows("Safe: everything").await;
    assert!(tab.all.lock().unwrap().contains("tap 'Allow'"));
    assert_eq!(rescued(&desk), photo(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn phone_unplugged_twice_in_the_middle_is_waited_for_and_the_page_counts_on() {
    let slow = slow_camera(20);
    let serving = slow.clone().serve().await.unwrap();
    let address = serving.address();
    let desk = Desk::new();
    let served = Served::start(&desk, &serving, &["--wait", "1"]);
    let tab = served.tab();
    tab.choose(&served, "Everything").await;
    let is_proven = |files: u64| tab.part("proven")["files"].as_u64() >= Some(files);
    let mut serving = Some(serving);
    for files in [2, 6] {
        until("some files", || is_proven(files)).await;
        drop(serving.take());
        tab.shows("Interrupted: ").await;
        tab.asks("Waiting").await;
        serving = Some(crate::guide::back(&slow, address.port()).await);
    }
    tab.shows("Safe: everything").await;
    assert_eq!(tab.part("proven")["files"], 20);
    assert_eq!(rescued(&desk).len(), 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pull_that_is_stopped_for_good_ends_the_desk_as_interrupted() {
    let phone = slow_camera(20).serve().await.unwrap();
    let desk = Desk::new();
    let served = Served::start(&desk, &phone, &[]);
    let tab = served.tab();
    tab.choose(&served, "Everything").await;
    until("some of it", || tab.part("progress")["stop"] == "Pause").await;
    assert_eq!(served.post("case/1/pause", &json!({})).status, 200);
    tab.choose(&served, "Stop here").await;
    tab.shows("everything done so far is safe").await;
    tab.choose(&served, "End rescue").await;
    let (code, said) = served.end().await;
    assert_eq!(code, 130, "{said}");
}
