//! Servers in this process that refuse, and repeat every secret that they can think of: in bodies,
//! codes, headers and addresses. Every connection has a thread of its own and takes one request.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use russh::keys::PrivateKey;
use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::server::{Auth, ChannelOpenHandle, Msg, Session};
use russh::{Channel, ChannelId};

use crate::support::http::{self, Head};

/// How the server refuses; with 200 it does not, and repeats secrets in place of ids.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    pub(crate) status: u16,
    pub(crate) form: Form,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Form {
    Xml,
    Json,
    Text,
}

#[derive(Default)]
struct State {
    manner: Option<Manner>,
    /// What is repeated, in every spelling.
    planted: Vec<String>,
    /// What came in requests and is as good as a secret.
    heard: BTreeSet<String>,
    requests: usize,
}

pub(crate) struct Echo {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Echo {
    pub(crate) fn start(planted: &[&str]) -> Self {
        let state = Arc::new(Mutex::new(State {
            planted: planted.iter().copied().flat_map(spellings).collect(),
            ..State::default()
        }));
        let served = Arc::clone(&state);
        let address = http::serve(move |stream| {
            let here = stream.local_addr().unwrap();
            serve(&stream, &served, here);
        });
        Self { address, state }
    }

    pub(crate) fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn behave(&self, manner: Manner) {
        lock(&self.state).manner = Some(manner);
    }

    /// How many requests came so far.
    pub(crate) fn requests(&self) -> usize {
        lock(&self.state).requests
    }

    pub(crate) fn heard(&self) -> BTreeSet<String> {
        lock(&self.state).heard.clone()
    }
}

/// A secret as it may be spelt.
pub(crate) fn spellings(secret: &str) -> Vec<String> {
    let percent: String = secret.bytes().map(|byte| format!("%{byte:02X}")).collect();
    vec![
        secret.to_owned(),
        percent,
        STANDARD.encode(secret),
        secret.to_ascii_lowercase(),
    ]
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(stream: &TcpStream, state: &Mutex<State>, address: SocketAddr) -> Option<()> {
    let patience = Some(Duration::from_secs(20));
    stream.set_read_timeout(patience).ok()?;
    stream.set_write_timeout(patience).ok()?;
    let mut reader = BufReader::new(stream);
    let head = Head::read(&mut reader)?;
    let mut body = Vec::new();
    http::read_body(&mut reader, head.length(), |piece| {
        body.extend_from_slice(piece)
    })?;
    let body = String::from_utf8_lossy(&body);
    let answer = answer(
        &mut lock(state),
        &head.target,
        &head.headers,
        &body,
        address,
    );
    let mut stream = stream;
    stream.write_all(&answer).ok()?;
    Some(())
}

fn answer(
    state: &mut State,
    path: &str,
    headers: &BTreeMap<String, String>,
    body: &str,
    address: SocketAddr,
) -> Vec<u8> {
    state.requests += 1;
    let mut said = state.planted.clone();
    for name in ["authorization", "x-api-key"] {
        if let Some(value) = headers.get(name) {
            let parts = value.split([' ', ',', '=', '/']);
            // Not the words of the scheme, nor the id that stands beside a signature.
            let long = parts.filter(|part| part.len() >= 24 && !part.contains("HMAC"));
            state.heard.extend(long.map(str::to_owned));
            said.push(value.clone());
        }
    }
    for field in ["assertion=", "code_verifier=", "&code="] {
        let body = format!("&{body}");
        if let Some((_, rest)) = body.split_once(field) {
            let value = rest.split('&').next().unwrap_or_default();
            state.heard.insert(value.to_owned());
            said.push(value.to_owned());
        }
    }
    let manner = state.manner.unwrap();
    let one = said[state.requests % said.len()].clone();
    let all = said.join(" ");
    // A token is had with the planted ones, so that there is something to refuse afterwards.
    let grants = path.starts_with("/token") && !body.contains("grant_type=authorization_code");
    let (status, text) = match grants {
        true => {
            let granted = serde_json::json!({
                "access_token": "PlantedAccessToken",
                "token_type": "Bearer",
                "expires_in": 3600,
            });
            (200, granted.to_string())
        }
        false => (manner.status, refusal(manner.form, &one, &all)),
    };
    // Some are no characters of a header; percent-encoded they are.
    let header: String = one.chars().filter(char::is_ascii_graphic).collect();
    let kind = match manner.form {
        _ if grants => "application/json",
        Form::Xml => "application/xml",
        Form::Json => "application/json",
        Form::Text => "text/plain",
    };
    let head = format!(
        "HTTP/1.1 {status} {header}\r\nContent-Length: {}\r\nConnection: close\r\nContent-Type: {kind}\r\n\
         Location: http://{header}@127.0.0.1:1/{header}?{header}\r\nETag: \"{header}\"\r\n\
         WWW-Authenticate: {header}\r\nx-amz-bucket-region: {header}\r\nRetry-After: 0\r\n\
         x-amz-request-id: {header}\r\nServer: {header}\r\nX-Goog-Upload-URL: http://{address}/{header}\r\n\
         X-Goog-Upload-Status: {header}\r\nContent-MD5: {header}\r\n\r\n",
        text.len()
    );
    [head.as_bytes(), text.as_bytes()].concat()
}

/// What is said in place of what was asked for; `one` where there is room for one word.
fn refusal(form: Form, one: &str, all: &str) -> String {
    match form {
        Form::Xml => format!(
            "<?xml version=\"1.0\"?><Error><Code>{one}</Code><Message>{all}</Message>\
             <RequestId>{one}</RequestId><Resource>{one}</Resource></Error>"
        ),
        Form::Json => serde_json::json!({
            "error": {
                "code": one, "message": all, "status": one, "errors": [{ "reason": one, "message": all }],
            },
            "error_summary": format!("{one}/{all}"),
            "error_description": all,
            "message": all,
            "id": one, "name": one, "status": one, "eTag": one, "duplicateId": one,
            "uploadUrl": format!("http://127.0.0.1:1/{one}"),
            "session_id": one,
            "newMediaItemResults": [{ "status": { "code": 3, "message": all } }],
            "mediaItemResults": [{ "status": { "code": 5, "message": all } }],
            "results": [{ "id": "0", "action": "reject", "reason": one, "success": false, "error": one }],
        })
        .to_string(),
        Form::Text => match one.len() % 2 {
            0 => format!("{{\"error\": \"{one}\", \"error_description\": \"{all}\"}}"),
            _ => all.to_owned(),
        },
    }
}

/// An SSH server that refuses a password in its banner, or takes it and repeats it in each answer
/// of SFTP.
pub(crate) struct EchoSsh {
    pub(crate) port: u16,
    asked: Arc<Mutex<usize>>,
}

impl EchoSsh {
    pub(crate) fn start(planted: &[&str], takes_passwords: bool) -> Self {
        let all = planted.iter().copied().flat_map(spellings);
        let words = all.collect::<Vec<_>>().join(" ");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(0));
        let counted = Arc::clone(&asked);
        let config = russh::server::Config {
            keys: vec![key()],
            auth_rejection_time: Duration::ZERO,
            auth_rejection_time_initial: Some(Duration::ZERO),
            ..russh::server::Config::default()
        };
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.unwrap().block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let config = Arc::new(config);
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    let handler = Ssh {
                        words: words.clone(),
                        takes_passwords,
                        asked: Arc::clone(&counted),
                        open: Vec::new(),
                    };
                    let config = Arc::clone(&config);
                    tokio::spawn(async move {
                        if let Ok(session) =
                            russh::server::run_stream(config, stream, handler).await
                        {
                            let _ = session.await;
                        }
                    });
                }
            });
        });
        Self { port, asked }
    }

    /// How often a password came, or something was asked over SFTP.
    pub(crate) fn requests(&self) -> usize {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Some key.
pub(crate) fn key() -> PrivateKey {
    PrivateKey::from(Ed25519Keypair::from_seed(&[7; 32]))
}

struct Ssh {
    words: String,
    takes_passwords: bool,
    asked: Arc<Mutex<usize>>,
    /// One that is dropped is closed.
    open: Vec<Channel<Msg>>,
}

impl Ssh {
    fn count(&self) {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) += 1;
    }
}

impl russh::server::Handler for Ssh {
    type Error = russh::Error;

    async fn auth_password(&mut self, _: &str, _: &str) -> Result<Auth, Self::Error> {
        self.count();
        Ok(match self.takes_passwords {
            true => Auth::Accept,
            false => Auth::reject(),
        })
    }

    async fn authentication_banner(&mut self) -> Result<Option<String>, Self::Error> {
        Ok(Some(self.words.clone()))
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        reply.accept().await;
        self.open.push(channel);
        Ok(())
    }

    async fn subsystem_request(
        &mut self,
        channel: ChannelId,
        _: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_success(channel)
    }

    /// Answers SFTP's first request with its version, and every other with a status.
    async fn data(
        &mut self,
        channel: ChannelId,
        data: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        // The requests of this client come whole.
        let mut rest = data;
        while rest.len() > 8 {
            let length = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
            let (packet, id) = (rest[4], &rest[5..9]);
            let answer = match packet {
                1 => vec![2, 0, 0, 0, 3],
                _ => {
                    self.count();
                    // A failure, or a refusal, with words and a language.
                    let status = if packet % 2 == 0 { 4 } else { 3 };
                    let words = self.words.as_bytes();
                    let mut answer = vec![101];
                    answer.extend(id);
                    answer.extend(u32::to_be_bytes(status));
                    answer.extend((words.len() as u32).to_be_bytes());
                    answer.extend(words);
                    answer.extend(0_u32.to_be_bytes());
                    answer
                }
            };
            let framed = [&(answer.len() as u32).to_be_bytes()[..], &answer].concat();
            session.data(channel, framed)?;
            rest = rest.get(4 + length..).unwrap_or_default();
        }
        Ok(())
    }
}
