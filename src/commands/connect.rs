//! `rescue connect HOST:PORT [--pair CODE]`: a wireless phone, through the adb server that runs.
//!
//! The crate `adb_client` speaks to the server here. It would start `adb start-server` by itself,
//! which replaces a running server of another version; so it is given no program to start, and
//! whether a server runs is asked first.

use std::net::{SocketAddr, SocketAddrV4};

use adb_client::server::ADBServer;
use serde::Serialize;

use super::Done;
use crate::cli::ConnectArgs;
use crate::error::{Error, Kind};
use crate::phone::PhoneError;
use crate::phone::server::ServerAddress;
use crate::ui::Ui;

#[derive(Serialize)]
struct Connected<'a> {
    r#type: &'static str,
    address: &'a str,
    paired: bool,
}

pub(super) async fn run(args: &ConnectArgs, ui: &Ui) -> Result<Done, Error> {
    let server = ServerAddress::from_environment().await?;
    if server.devices().await?.is_none() {
        return Err(Error::new(Kind::AdbServer, format!("no adb server runs at {}", server.0))
            .with_hint("start it with `adb start-server`, or use `rescue pull --tcp HOST:PORT`"));
    }
    let server = ipv4(server.0).ok_or_else(|| {
        Error::new(Kind::AdbServer, format!("the adb server's address {} is not IPv4", server.0))
            .with_hint("set ANDROID_ADB_SERVER_ADDRESS=127.0.0.1")
    })?;
    let phone = resolve(&args.address).await?;
    let code = args.pair.clone();
    let talked = tokio::task::spawn_blocking(move || {
        let mut server = ADBServer::new_from_path(server, Some(String::new()));
        match code {
            Some(code) => server.pair(phone, code),
            None => server.connect_device(phone),
        }
    });
    let answer = match talked.await {
        Ok(answer) => answer,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    };
    answer.map_err(|error| refused(args, &error.to_string()))?;
    let paired = args.pair.is_some();
    let (done, next) = match paired {
        true => ("Paired with", "Next: `rescue connect` with the address of the page 'Wireless debugging'"),
        false => ("Connected to", "Next: `rescue pull`"),
    };
    let lines = [format!("{done} {}", args.address), next.to_owned()];
    ui.result(&Connected { r#type: "connected", address: &args.address, paired }, &lines);
    Ok(Done::All)
}

fn refused(args: &ConnectArgs, words: &str) -> Error {
    let (what, hint) = match args.pair {
        Some(_) => ("paired with", "open 'Pair device with pairing code' on the phone; its code and port change each time"),
        None => ("connected to", "open 'Wireless debugging' on the phone for its address; a new phone has to be paired first: --pair CODE"),
    };
    Error::new(Kind::NoPhone, format!("{} cannot be {what}", args.address))
        .caused_by(words.trim().to_owned())
        .with_hint(hint)
}

async fn resolve(address: &str) -> Result<SocketAddrV4, Error> {
    let bad = |why| PhoneError::BadAddress { address: address.to_owned(), why };
    let found = tokio::net::lookup_host(address).await.map_err(|_| bad("HOST:PORT is expected"))?;
    let found = found.filter_map(ipv4).next();
    found.ok_or_else(|| bad("the adb server's crate takes IPv4 addresses only").into())
}

fn ipv4(address: SocketAddr) -> Option<SocketAddrV4> {
    match address {
        SocketAddr::V4(address) => Some(address),
        SocketAddr::V6(_) => None,
    }
}
