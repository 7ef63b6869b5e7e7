//! The beginning of a connection: who the ends are, what both can do, and whether the phone allows the computer.

use bytes::Bytes;

use super::{Connection, ConnectionError, ConnectionEvent, Introduction, Role};
use crate::adb::auth::{PublicKey, TOKEN_BYTES, Token};
use crate::adb::features::{Feature, Features};
use crate::adb::wire::{
    AdbCommand, ChecksumMode, MAX_PAYLOAD, MIN_PAYLOAD, Message, VERSION_SKIPS_CHECKSUM,
};

pub(super) const AUTH_TOKEN: u32 = 1;
pub(super) const AUTH_SIGNATURE: u32 = 2;
pub(super) const AUTH_PUBLIC_KEY: u32 = 3;

/// The longest peer state kept, in characters. Real ones (`sideload`, `bootloader`) are shorter, and the state is shown
/// to the user.
pub(super) const MAX_STATE_CHARS: usize = 64;

/// What a peer reports about itself in its `CNXN` message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Banner {
    /// The peer's state: `device`, `recovery`, `sideload`, `host`...
    pub state: String,
    /// The peer's properties, such as `ro.product.model`, in the order sent.
    pub properties: Vec<(String, String)>,
    /// The features that both ends support.
    pub features: Features,
}

impl Banner {
    pub(super) fn parse(text: &[u8], ours: Features) -> Self {
        let text = String::from_utf8_lossy(text);
        let text = text.trim_end_matches('\0');
        let (state, rest) = text.split_once("::").unwrap_or((text, ""));
        let properties: Vec<(String, String)> = rest
            .split(';')
            .filter_map(|property| property.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let features = properties.iter().find(|(name, _)| name == "features");
        let theirs = features.map_or(Features::default(), |(_, names)| Features::parse(names));
        Self {
            state: state.chars().take(MAX_STATE_CHARS).collect(),
            features: theirs.common(ours),
            properties,
        }
    }

    /// Returns the value of a property, or `None` if the peer did not send it.
    pub fn property(&self, name: &str) -> Option<&str> {
        self.properties
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

impl Connection {
    pub(super) fn handle_hello(&mut self, message: &Message) -> Result<(), ConnectionError> {
        self.peer_max_payload = message.arg1.clamp(MIN_PAYLOAD, MAX_PAYLOAD);
        self.checksum = if message.arg0 >= VERSION_SKIPS_CHECKSUM {
            ChecksumMode::Skipped
        } else {
            ChecksumMode::Sent
        };
        self.decoder.set_checksum(self.checksum);
        let ours = match &self.role {
            Role::Host { config, .. } => config.features,
            Role::Device { config } => {
                self.peer_max_payload = self.peer_max_payload.min(config.max_payload);
                config.features
            }
        };
        let banner = Banner::parse(&message.payload, ours);
        self.delayed_ack = banner.features.has(Feature::DelayedAck);
        match &self.role {
            Role::Host { .. } => {
                self.connected = true;
                self.events.push_back(ConnectionEvent::Connected(banner));
            }
            Role::Device { config } => {
                let token = config
                    .auth
                    .as_ref()
                    .map(|(token, _)| Bytes::copy_from_slice(token));
                self.hello = Some(banner);
                match token {
                    Some(token) => self.send_auth(AUTH_TOKEN, token),
                    None => self.accept_host(),
                }
            }
        }
        Ok(())
    }

    pub(super) fn handle_auth(&mut self, message: &Message) -> Result<(), ConnectionError> {
        let unexpected = |why| ConnectionError::Unexpected {
            command: AdbCommand::Auth,
            why,
        };
        match &mut self.role {
            Role::Host { config, next_key } => {
                let token: Token = <[u8; TOKEN_BYTES]>::try_from(&*message.payload)
                    .ok()
                    .filter(|_| message.arg0 == AUTH_TOKEN)
                    .ok_or_else(|| unexpected("no token of 20 bytes"))?;
                if let Some(key) = config.keys.get(*next_key) {
                    *next_key += 1;
                    let signature = key.sign(&token)?;
                    self.send_auth(AUTH_SIGNATURE, signature.into());
                } else if config.introduction == Introduction::SignaturesOnly {
                    self.events.push_back(ConnectionEvent::NotKnown);
                } else if *next_key == config.keys.len() {
                    *next_key += 1;
                    if let Some(key) = config.keys.first() {
                        let line = key.public().to_line(&config.name) + "\0";
                        self.send_auth(AUTH_PUBLIC_KEY, line.into());
                    }
                    self.events.push_back(ConnectionEvent::AwaitingApproval);
                }
                // A further token after the public key only says that nobody has tapped yet.
            }
            Role::Device { config } => {
                let (token, known) = config
                    .auth
                    .as_ref()
                    .ok_or_else(|| unexpected("nobody asked"))?;
                match message.arg0 {
                    AUTH_SIGNATURE => {
                        if known
                            .iter()
                            .any(|key| key.verifies(token, &message.payload))
                        {
                            self.accept_host();
                        } else {
                            let token = Bytes::copy_from_slice(token);
                            self.send_auth(AUTH_TOKEN, token);
                        }
                    }
                    AUTH_PUBLIC_KEY => {
                        let key = PublicKey::from_line(&message.payload)?;
                        self.events.push_back(ConnectionEvent::KeyOffered(key));
                    }
                    _ => return Err(unexpected("neither signature nor public key")),
                }
            }
        }
        Ok(())
    }

    /// Device end: the computer is known; answers its hello.
    pub(super) fn accept_host(&mut self) {
        let Role::Device { config } = &self.role else {
            return;
        };
        let Some(hello) = self.hello.take() else {
            return;
        };
        let mut banner = format!("{}::", config.state);
        for (name, value) in &config.properties {
            banner.push_str(&format!("{name}={value};"));
        }
        banner.push_str(&format!("features={}", config.features));
        self.connected = true;
        self.send_hello(config.max_payload, &banner);
        self.events.push_back(ConnectionEvent::Connected(hello));
    }

    pub(super) fn send_hello(&mut self, max_payload: u32, banner: &str) {
        let payload = Bytes::copy_from_slice(banner.as_bytes());
        self.send(Message {
            command: AdbCommand::Cnxn,
            arg0: VERSION_SKIPS_CHECKSUM,
            arg1: max_payload,
            payload,
        });
    }

    fn send_auth(&mut self, kind: u32, payload: Bytes) {
        self.send(Message {
            command: AdbCommand::Auth,
            arg0: kind,
            arg1: 0,
            payload,
        });
    }
}
