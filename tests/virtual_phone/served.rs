//! Phones behind an adb server as adb's own is, with serial numbers and manners that are not those of
//! a test bench: blanks, none, twice the same, a server from before there were features.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use rescue::adb::connection::{Connection, HostConfig, Introduction};
use rescue::adb::features::Features;
use rescue::phone::drive::{Link, LinkEvent};
use rescue::virtual_phone::{Serving, VirtualPhone};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::desk::{CAMERA, Desk, Ended, end, files_below, generated};
use crate::terminal::Terminal;

/// What a server knows: its list, and the phone behind each way to choose one.
#[derive(Default)]
pub(crate) struct Shelf {
    pub(crate) list: Mutex<String>,
    pub(crate) phones: HashMap<String, SocketAddr>,
    /// What phones and server both can do; `None` for a server that knows no such question.
    pub(crate) features: Option<Features>,
    /// Whether it is from before there was the long list.
    pub(crate) lists_shortly: bool,
    pub(crate) requests: Mutex<Vec<String>>,
}

impl Shelf {
    /// One with a phone that is known by its transport id, 1, and is not listed yet.
    pub(crate) fn of(phone: &Serving) -> Self {
        let choice = "transport-id:1".to_owned();
        Self {
            phones: HashMap::from([(choice, phone.address())]),
            features: Some(Features::all()),
            ..Self::default()
        }
    }

    /// Serves on these addresses of one port, until the test ends.
    pub(crate) async fn serve(self, address: &str) -> (Arc<Self>, u16) {
        let listener = TcpListener::bind((address, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shelf = Arc::new(self);
        let shared = Arc::clone(&shelf);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(answer(Arc::clone(&shared), socket));
            }
        });
        (shelf, port)
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn answer(shelf: Arc<Shelf>, mut socket: TcpStream) -> Option<()> {
    let request = read_request(&mut socket).await?;
    shelf.requests.lock().unwrap().push(request.clone());
    let features = |choice: &str| request == format!("host-{choice}:features");
    let list = match shelf.lists_shortly {
        true => "host:devices",
        false => "host:devices-l",
    };
    if request == list {
        let list = shelf.list.lock().unwrap().clone();
        put(&mut socket, "OKAY", &list).await
    } else if let Some(features) = shelf
        .features
        .filter(|_| shelf.phones.keys().any(|choice| features(choice)))
    {
        put(&mut socket, "OKAY", &features.to_string()).await
    } else if let Some(address) = request.strip_prefix("host:connect:") {
        put(&mut socket, "OKAY", &format!("connected to {address}")).await
    } else if let Some(phone) = chosen(&shelf, &request) {
        socket.write_all(b"OKAY").await.ok()?;
        let service = read_request(&mut socket).await?;
        pass_on(
            socket,
            phone,
            service.as_bytes(),
            shelf.features.unwrap_or_default(),
        )
        .await
    } else {
        put(&mut socket, "FAIL", "unknown host service").await
    }
}

fn chosen(shelf: &Shelf, request: &str) -> Option<SocketAddr> {
    let choice = request.strip_prefix("host:")?;
    let choice = match choice.strip_prefix("transport:") {
        Some(serial) => format!("serial:{serial}"),
        None => choice.to_owned(),
    };
    shelf.phones.get(&choice).copied()
}

async fn read_request(socket: &mut TcpStream) -> Option<String> {
    let mut length = [0; 4];
    socket.read_exact(&mut length).await.ok()?;
    let length = usize::from_str_radix(std::str::from_utf8(&length).ok()?, 16).ok()?;
    let mut request = vec![0; length];
    socket.read_exact(&mut request).await.ok()?;
    String::from_utf8(request).ok()
}

async fn put(socket: &mut TcpStream, status: &str, text: &str) -> Option<()> {
    let answer = format!("{status}{:04x}{text}", text.len());
    socket.write_all(answer.as_bytes()).await.ok()
}

/// Has the phone answer over this socket from here on.
async fn pass_on(
    mut socket: TcpStream,
    phone: SocketAddr,
    service: &[u8],
    features: Features,
) -> Option<()> {
    let config = HostConfig {
        introduction: Introduction::OfferKey,
        keys: Vec::new(),
        name: String::new(),
        features,
    };
    let wire = TcpStream::connect(phone).await.ok()?;
    let (link, mut events) = Link::start(Connection::host(config), wire);
    while !matches!(events.recv().await?, LinkEvent::Connected(_)) {}
    let Some(mut stream) = link.open(service).await.ok()? else {
        return put(&mut socket, "FAIL", "closed").await;
    };
    socket.write_all(b"OKAY").await.ok()?;
    let mut input = vec![0; 64 * 1024];
    loop {
        tokio::select! {
            bytes = stream.receive() => socket.write_all(&bytes.ok()??).await.ok()?,
            read = socket.read(&mut input) => match read.ok()? {
                0 => return None,
                count => stream.send(input[..count].to_vec().into()).await.ok()?,
            },
        }
    }
}

pub(crate) async fn phone(serial: &str, photo: u64) -> Serving {
    let mut phone = VirtualPhone::new(serial);
    let content = generated(10_000, photo);
    phone
        .tree
        .add_file(&format!("{CAMERA}/{photo}.jpg"), content, 1_700_000_000);
    phone.serve().await.unwrap()
}

async fn run(desk: &Desk, port: u16, arguments: &[&str]) -> Ended {
    let mut command = desk.command(arguments);
    command.env("ANDROID_ADB_SERVER_PORT", port.to_string());
    end(command.spawn().unwrap()).await
}

/// Pulls the phone that `choice` chooses, and returns the photos that came.
async fn pulled(desk: &Desk, port: u16, choice: &str, to: &str) -> Vec<String> {
    let arguments = ["--json", "pull", "--wait", "2", "-s", choice, "-o", to];
    run(desk, port, &arguments).await.expect(0);
    let found = files_below(&desk.dir.path().join(to).join("data"));
    found.into_keys().collect()
}

pub(crate) fn photo(number: u64) -> Vec<String> {
    vec![format!("internal/DCIM/Camera/{number}.jpg")]
}

#[tokio::test]
async fn phones_are_chosen_by_what_the_list_calls_them_whatever_that_is() {
    let mdns = "adb-2A061JEGR09553-3LY3CR (2)._adb-tls-connect._tcp";
    let names = [
        mdns,
        "My Phone 7",
        "usb:1-3",
        "usb:1-4",
        "usb:1-5",
        "usb:1-6",
    ];
    let list = format!(
        "{mdns} device product:x model:X device:x transport_id:1\n\
         My Phone 7             device usb:1-2 product:two words model:X device:x transport_id:2\n\
         (no serial number)     device usb:1-3 product:x model:X device:x transport_id:3\n\
         (no serial number)     device usb:1-4 product:x model:X device:x transport_id:4\n\
         TWIN                   device usb:1-5 transport_id:5\n\
         TWIN                   device usb:1-6 transport_id:6\n"
    );
    let mut shelf = Shelf {
        list: list.into(),
        features: Some(Features::all()),
        ..Shelf::default()
    };
    let mut phones = Vec::new();
    for id in 1..=6 {
        let phone = phone(&format!("OWN{id}"), id).await;
        shelf
            .phones
            .insert(format!("transport-id:{id}"), phone.address());
        phones.push(phone);
    }
    let (shelf, port) = shelf.serve("127.0.0.1").await;
    let desk = Desk::new();
    for (name, id) in names.iter().zip(1..) {
        assert_eq!(
            pulled(&desk, port, name, &id.to_string()).await,
            photo(id),
            "{name}"
        );
    }
    let by_serial =
        |request: &String| request.contains("transport:") || request.contains("serial:");
    assert!(
        !shelf.requests().iter().any(by_serial),
        "{:?}",
        shelf.requests()
    );

    let twins = run(&desk, port, &["--json", "pull", "-s", "TWIN", "-o", "x"]).await;
    let told = twins.expect(2).message();
    assert!(told.contains("usb:1-5, usb:1-6"), "{told}");

    let mut command = desk.command(&["devices"]);
    command.env("ANDROID_ADB_SERVER_PORT", port.to_string());
    let listed = end(command.spawn().unwrap()).await.expect(0);
    let listed = format!("{:?}", listed.lines);
    for name in [
        mdns,
        "My Phone 7",
        "usb:1-3",
        "TWIN at usb:1-5",
        "TWIN at usb:1-6",
    ] {
        assert!(listed.contains(name), "{name}: {listed}");
    }

    // Each command that the doctor recommends, as a shell takes it, finds its phone.
    let doctor = run(&desk, port, &["--json", "doctor"]).await.expect(0);
    let ready = doctor.lines.iter().filter(|line| line["state"] == "ready");
    let mut recommended = 0;
    for (line, id) in ready.zip(1..) {
        let next = line["next"].as_str().unwrap();
        let words = next
            .split('`')
            .nth(1)
            .unwrap()
            .strip_prefix("rescue")
            .unwrap();
        let script = format!(
            "exec {} {words} --wait 2 -o by-doctor-{id}",
            env!("CARGO_BIN_EXE_rescue")
        );
        let mut command = std::process::Command::new("sh");
        command.args(["-c", &script]).current_dir(desk.dir.path());
        command.env("HOME", desk.dir.path().join("home"));
        command.env("ANDROID_ADB_SERVER_PORT", port.to_string());
        let output = tokio::task::spawn_blocking(move || command.output().unwrap());
        let output = output.await.unwrap();
        assert!(output.status.success(), "{next}: {output:?}");
        let folder = desk.dir.path().join(format!("by-doctor-{id}/data"));
        assert_eq!(
            files_below(&folder).into_keys().collect::<Vec<_>>(),
            photo(id),
            "{next}"
        );
        recommended += 1;
    }
    assert_eq!(recommended, 4);
    let twins = doctor.line("finding");
    assert_eq!(twins["state"], "same_serial");
    let next = twins["next"].as_str().unwrap();
    assert!(
        next.contains("`rescue pull --serial usb:1-5 -o FOLDER`"),
        "{next}"
    );
    let doctor = run(&desk, port, &["--json", "doctor", "-s", "usb:1-5"])
        .await
        .expect(0);
    assert_eq!(
        doctor.line("finding")["next"],
        "run `rescue pull --serial usb:1-5`"
    );
}

#[tokio::test]
async fn old_server_that_knows_no_features_and_no_ids_gives_everything() {
    let phone = phone("OLD1", 1).await;
    let mut shelf = Shelf {
        list: "My Phone               device usb:1-1 product:x model:X device:x\n\
               ????????????           device usb:1-2\n"
            .to_owned()
            .into(),
        ..Shelf::default()
    };
    shelf
        .phones
        .insert("serial:My Phone".to_owned(), phone.address());
    shelf
        .phones
        .insert("serial:usb:1-2".to_owned(), phone.address());
    let (_, port) = shelf.serve("127.0.0.1").await;
    let desk = Desk::new();
    assert_eq!(pulled(&desk, port, "My Phone", "a").await, photo(1));
    assert_eq!(pulled(&desk, port, "usb:1-2", "b").await, photo(1));

    let mut shelf = Shelf {
        list: "My Phone\tdevice\n".to_owned().into(),
        lists_shortly: true,
        ..Shelf::default()
    };
    shelf
        .phones
        .insert("serial:My Phone".to_owned(), phone.address());
    let (_, port) = shelf.serve("127.0.0.1").await;
    let desk = Desk::new();
    assert_eq!(pulled(&desk, port, "My Phone", "a").await, photo(1));
    let doctor = run(&desk, port, &["--json", "doctor"]).await.expect(0);
    assert_eq!(doctor.line("finding")["state"], "ready");
}

#[tokio::test]
async fn twins_without_places_are_chosen_by_their_numbers() {
    // As a server on Windows lists them.
    let mut shelf = Shelf {
        list: "TWIN device model:X transport_id:3\nTWIN device model:X transport_id:4\n"
            .to_owned()
            .into(),
        features: Some(Features::all()),
        ..Shelf::default()
    };
    let (one, other) = (phone("TWIN", 3).await, phone("TWIN", 4).await);
    for (id, phone) in [(3, &one), (4, &other)] {
        let choice = format!("transport-id:{id}");
        shelf.phones.insert(choice, phone.address());
    }
    let (_, port) = shelf.serve("127.0.0.1").await;
    let desk = Desk::new();
    let told = run(&desk, port, &["--json", "pull", "-s", "TWIN", "-o", "x"]).await;
    let told = told.expect(2).message();
    assert!(told.contains("transport_id:3, transport_id:4"), "{told}");
    for id in [3, 4] {
        let choice = format!("transport_id:{id}");
        assert_eq!(pulled(&desk, port, &choice, &choice).await, photo(id));
        let doctor = run(&desk, port, &["--json", "doctor", "-s", &choice]).await;
        let next = doctor.expect(0).line("finding")["next"].clone();
        assert_eq!(next, format!("run `rescue pull --serial {choice}`"));
    }
    for chosen in [&[][..], &["-s", "TWIN"]] {
        let doctor = run(&desk, port, &[&["--json", "doctor"], chosen].concat()).await;
        let next = doctor.expect(2).line("finding")["next"].clone();
        let next = next.as_str().unwrap();
        assert!(
            next.contains("`rescue pull --serial transport_id:3 -o FOLDER`"),
            "{next}"
        );
    }
}

#[tokio::test]
async fn doctor_finds_the_phone_that_pull_would_find_and_no_other() {
    let mut shelf = Shelf {
        list: "My Phone  device usb:1-2 transport_id:7\n"
            .to_owned()
            .into(),
        features: Some(Features::all()),
        ..Shelf::default()
    };
    let phone = phone("OWN", 1).await;
    let choice = "transport-id:7".to_owned();
    shelf.phones.insert(choice, phone.address());
    let (_, port) = shelf.serve("127.0.0.1").await;
    let desk = Desk::new();
    for choice in ["My Phone", " My Phone ", "usb:1-2", "transport_id:7"] {
        assert_eq!(pulled(&desk, port, choice, "rescued").await, photo(1));
        let doctor = run(&desk, port, &["--json", "doctor", "-s", choice]).await;
        assert_eq!(
            doctor.expect(0).line("finding")["state"],
            "ready",
            "{choice}"
        );
    }
    let told = run(&desk, port, &["--json", "doctor", "-s", "NOWHERE"]).await;
    let told = told.expect(10).message();
    assert!(
        told.contains("no phone has the serial number NOWHERE; attached: My Phone"),
        "{told}"
    );
}

#[tokio::test]
async fn next_step_of_connect_chooses_the_phone_where_others_are() {
    const NEXT: &str = "Next: `rescue pull";
    for (list, environment, next) in [
        ("[::1]:7  device transport_id:1\n", "", "`"),
        (
            "[::1]:7  device transport_id:1\n",
            "OTHER",
            " --serial '[::1]:7'`",
        ),
        (
            "OTHER device usb:1-1 transport_id:2\n[::1]:7  device transport_id:1\n",
            "",
            " --serial '[::1]:7'`",
        ),
        (
            "adb-X._adb-tls-connect._tcp  device transport_id:1\n",
            "",
            "",
        ),
    ] {
        let shelf = Shelf {
            list: list.to_owned().into(),
            ..Shelf::default()
        };
        let (_, port) = shelf.serve("127.0.0.1").await;
        let desk = Desk::new();
        let mut command = desk.command(&["connect", "[::1]:7"]);
        command.env("ANDROID_ADB_SERVER_PORT", port.to_string());
        command.env("ANDROID_SERIAL", environment);
        let running = tokio::task::spawn_blocking(move || command.output().unwrap());
        let ended = running.await.unwrap();
        let told = String::from_utf8(ended.stdout).unwrap();
        match next {
            "" => assert!(told.contains("Next: `rescue devices`"), "{told}"),
            next => assert!(told.contains(&format!("{NEXT}{next}")), "{told}"),
        }
    }
}

#[tokio::test]
async fn server_at_the_second_address_of_its_name_is_found() {
    // The first address of localhost may be ::1, where an adb server seldom listens; or the server is
    // there alone.
    for address in ["127.0.0.1", "::1"] {
        let phone = phone("HERE1", 1).await;
        let mut shelf = Shelf {
            list: "HERE1                  device usb:1-1 transport_id:1\n"
                .to_owned()
                .into(),
            features: Some(Features::all()),
            ..Shelf::default()
        };
        shelf
            .phones
            .insert("transport-id:1".to_owned(), phone.address());
        let (_, port) = shelf.serve(address).await;
        for (name, value) in [
            ("ANDROID_ADB_SERVER_PORT", port.to_string()),
            ("ADB_SERVER_SOCKET", format!("tcp:{port}")),
            ("ADB_SERVER_SOCKET", format!("tcp:localhost:{port}")),
        ] {
            let desk = Desk::new();
            let mut command = desk.command(&["--json", "pull", "--wait", "2", "-o", "rescued"]);
            command.env(name, value);
            end(command.spawn().unwrap()).await.expect(0);
        }
    }
    for host in ["::1", "[::1]"] {
        let phone = phone("HERE1", 1).await;
        let mut shelf = Shelf {
            list: "HERE1                  device usb:1-1 transport_id:1\n"
                .to_owned()
                .into(),
            features: Some(Features::all()),
            ..Shelf::default()
        };
        shelf
            .phones
            .insert("transport-id:1".to_owned(), phone.address());
        let (_, port) = shelf.serve("::1").await;
        let desk = Desk::new();
        let mut command = desk.command(&["--json", "pull", "--wait", "2", "-o", "rescued"]);
        command.env("ANDROID_ADB_SERVER_ADDRESS", host);
        command.env("ANDROID_ADB_SERVER_PORT", port.to_string());
        end(command.spawn().unwrap()).await.expect(0);
    }
}

#[tokio::test]
async fn doctor_names_no_serial_that_the_server_does_not_know() {
    let phone = phone("OWNSERIAL", 1).await;
    let other = crate::served::phone("OTHER", 2).await;
    let mut shelf = Shelf {
        list: "192.168.1.7:5555       device transport_id:1\n-odd 'name'            device transport_id:2\n".to_owned().into(),
        features: Some(Features::all()),
        ..Shelf::default()
    };
    shelf
        .phones
        .insert("transport-id:1".to_owned(), phone.address());
    shelf
        .phones
        .insert("transport-id:2".to_owned(), other.address());
    let (_, port) = shelf.serve("127.0.0.1").await;
    let desk = Desk::new();
    let doctor = run(&desk, port, &["--json", "doctor", "--key", "my key"]).await;
    let next: Vec<_> = doctor
        .lines
        .iter()
        .filter_map(|line| line["next"].as_str())
        .collect();
    assert!(
        !format!("{:?}", doctor.lines).contains("OWNSERIAL"),
        "{next:?}"
    );
    assert_eq!(
        next[..2],
        [
            "run `rescue pull --serial 192.168.1.7:5555 --key 'my key'`",
            r"run `rescue pull --serial='-odd '\''name'\''' --key 'my key'`",
        ]
    );
    // One alone needs no choice, but for a serial number in the environment that is another's.
    let mut command = desk.command(&["--json", "doctor", "--serial", "192.168.1.7:5555"]);
    command.env("ANDROID_ADB_SERVER_PORT", port.to_string());
    command.env("ANDROID_SERIAL", "ANOTHER");
    let doctor = end(command.spawn().unwrap()).await.expect(0);
    assert_eq!(
        doctor.line("finding")["next"],
        "run `rescue pull --serial 192.168.1.7:5555`"
    );
}

#[tokio::test]
async fn several_phones_are_listed_and_one_is_chosen_by_its_number() {
    let list = "ONE device model:Pixel_7a transport_id:1\n\
                TWO device model:Pixel_4 transport_id:2\n\
                THREE unauthorized transport_id:3\n";
    let mut shelf = Shelf {
        list: list.to_owned().into(),
        features: Some(Features::all()),
        ..Shelf::default()
    };
    let phones = [phone("ONE", 1).await, phone("TWO", 2).await];
    for (id, phone) in (1..).zip(&phones) {
        let choice = format!("transport-id:{id}");
        shelf.phones.insert(choice, phone.address());
    }
    let (_shelf, port) = shelf.serve("127.0.0.1").await;
    let desk = Desk::new();
    let mut command = desk.command(&["pull", "-o", "x"]);
    command.env("ANDROID_ADB_SERVER_PORT", port.to_string());
    let mut terminal = Terminal::start(command, 80);
    terminal.shows("Which one? [1-3] ").await;
    let screen = terminal.screen();
    for line in [
        "1  ONE (Pixel 7a, ready)",
        "2  TWO (Pixel 4, ready)",
        "3  THREE (unauthorized)",
    ] {
        assert!(screen.contains(line), "{line} in\n{screen}");
    }
    // What is no number of the list is asked again.
    terminal.type_keys("4\n");
    terminal.shows("[1-3] 4\nWhich one? [1-3] ").await;
    terminal.type_keys("2\n");
    let (code, screen) = terminal.end().await;
    assert_eq!(code, 0, "{screen}");
    let found = files_below(&desk.dir.path().join("x/data"));
    assert_eq!(found.into_keys().collect::<Vec<_>>(), photo(2));

    let ended = run(&desk, port, &["--json", "pull", "-o", "y"]).await;
    let message = ended.expect(2).message();
    assert!(
        message.contains("several phones are attached: ONE (Pixel 7a, ready), TWO"),
        "{message}"
    );
}

#[tokio::test]
async fn pull_that_may_wait_begins_when_the_phone_is_attached() {
    let phone = phone("ONE", 1).await;
    let (shelf, port) = Shelf::of(&phone).serve("127.0.0.1").await;
    let desk = Desk::new();
    let mut command = desk.command(&["pull", "--wait", "100", "-o", "x"]);
    command.env("ANDROID_ADB_SERVER_PORT", port.to_string());
    let terminal = Terminal::start(command, 80);
    terminal.shows("nothing on usb").await;
    terminal.shows("Waiting for the phone: 1 min ").await;
    *shelf.list.lock().unwrap() = "ONE device transport_id:1\n".to_owned();
    let (code, screen) = terminal.end().await;
    assert_eq!(code, 0, "{screen}");
    let found = files_below(&desk.dir.path().join("x/data"));
    assert_eq!(found.into_keys().collect::<Vec<_>>(), photo(1));
}
