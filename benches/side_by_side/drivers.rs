//! Peers that are no program: this very program, run with the name of one, is it.

use std::fs::{self, File};
use std::net::SocketAddrV4;
use std::path::Path;

use adb_client::ADBListItemType;
use adb_client::server_device::ADBServerDevice;
use bytes::BytesMut;
use rescue::adb::RemotePath;
use rescue::adb::connection::{Connection, HostConfig, Introduction};
use rescue::adb::features::Features;
use rescue::adb::sync::{Operation, SERVICE, SyncAnswer, SyncClient};
use rescue::phone::drive::{Link, LinkEvent};

/// Becomes a driver when the arguments name one; false when they do not.
pub(crate) fn run(arguments: &[String]) -> bool {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["adb-client", server, serial, from, to] => pull_with_adb_client(server, serial, from, to),
        ["discard", phone, path] => discard(phone, path),
        _ => return false,
    }
    true
}

/// A folder of files with the crate `adb_client`, as its documentation shows it.
fn pull_with_adb_client(server: &str, serial: &str, from: &str, to: &str) {
    let server: SocketAddrV4 = server.parse().unwrap();
    let mut device = ADBServerDevice::new(serial.to_owned(), Some(server));
    fs::create_dir_all(to).unwrap();
    for item in device.list(from).unwrap() {
        if let ADBListItemType::File(item) = item {
            let mut file = File::create(Path::new(to).join(&item.name)).unwrap();
            let path = format!("{from}/{}", item.name);
            device.pull(&path, &mut file).unwrap();
        }
    }
}

/// The least that any client has to do: one stream, one request, and nothing with what comes.
fn discard(phone: &str, path: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(async {
        let socket = tokio::net::TcpStream::connect(phone).await.unwrap();
        socket.set_nodelay(true).unwrap();
        let connection = Connection::host(HostConfig {
            introduction: Introduction::OfferKey,
            keys: Vec::new(),
            name: String::new(),
            features: Features::all(),
        });
        let (link, mut events) = Link::start(connection, socket);
        assert!(matches!(events.recv().await, Some(LinkEvent::Connected(_))));
        let mut stream = link.open(SERVICE).await.unwrap().unwrap();
        let (mut client, mut request) = (SyncClient::default(), BytesMut::new());
        let path = RemotePath::new(path.as_bytes()).unwrap();
        client.request(Operation::Receive1, &path, &mut request);
        stream.send(request.freeze()).await.unwrap();
        loop {
            match client.poll().unwrap() {
                Some(SyncAnswer::Data(_)) => {}
                Some(SyncAnswer::ReceiveEnd) => return,
                Some(other) => panic!("{other:?}"),
                None => client.feed(stream.receive().await.unwrap().unwrap()),
            }
        }
    });
}
