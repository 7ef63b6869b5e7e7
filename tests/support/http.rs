//! HTTP/1.1, as far as stand-ins for services need it. Strict: what a client may not send panics or ends the
//! connection.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use percent_encoding::percent_decode_str;
use serde_json::Value;

/// Serves connections on a free port, each in a thread of its own.
pub(crate) fn serve(each: impl Fn(TcpStream) + Send + Sync + Clone + 'static) -> SocketAddr {
    serve_at(TcpListener::bind("127.0.0.1:0").unwrap(), each)
}

pub(crate) fn serve_at(
    listener: TcpListener,
    each: impl Fn(TcpStream) + Send + Sync + Clone + 'static,
) -> SocketAddr {
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let each = each.clone();
            thread::spawn(move || each(stream));
        }
    });
    address
}

/// A request up to its body.
pub(crate) struct Head {
    pub(crate) method: String,
    /// Path and query as they came.
    pub(crate) target: String,
    /// By their names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
}

impl Head {
    /// `None` at the end of the connection.
    pub(crate) fn read(reader: &mut impl BufRead) -> Option<Self> {
        let line = line(reader)?;
        let mut words = line.split(' ');
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        Some(Self {
            method,
            target,
            headers: headers(reader)?,
        })
    }

    /// Empty where there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// Bytes of the body; one in chunks has none.
    pub(crate) fn length(&self) -> u64 {
        let length = self.headers.get("content-length");
        length.map_or(0, |length| length.parse().unwrap())
    }

    pub(crate) fn is_chunked(&self) -> bool {
        self.header("transfer-encoding") == "chunked"
    }

    pub(crate) fn path(&self) -> String {
        decoded(self.target.split('?').next().unwrap())
    }

    /// The arguments behind the path, in order.
    pub(crate) fn arguments(&self) -> Vec<(String, String)> {
        pairs(self.target.split_once('?').map_or("", |(_, query)| query))
    }

    /// The values of the arguments of a name.
    pub(crate) fn queries(&self, name: &str) -> impl Iterator<Item = String> {
        let these = self.arguments().into_iter();
        these.filter_map(move |(key, value)| (key == name).then_some(value))
    }

    /// The first of them.
    pub(crate) fn query(&self, name: &str) -> Option<String> {
        self.queries(name).next()
    }
}

/// A line without its end; `None` at the end of the connection.
fn line(reader: &mut impl BufRead) -> Option<String> {
    let mut line = String::new();
    let count = reader.read_line(&mut line).ok()?;
    (count > 0).then(|| line.trim_end().to_owned())
}

/// The lines up to an empty one.
fn headers(reader: &mut impl BufRead) -> Option<BTreeMap<String, String>> {
    let mut headers = BTreeMap::new();
    loop {
        let line = line(reader)?;
        let Some((name, value)) = line.split_once(':') else {
            return Some(headers);
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
}

/// Hands over so many bytes of a body, piece by piece.
pub(crate) fn read_body(
    reader: &mut impl BufRead,
    count: u64,
    mut take: impl FnMut(&[u8]),
) -> Option<()> {
    let mut rest = count;
    while rest > 0 {
        let buffer = reader.fill_buf().ok().filter(|read| !read.is_empty())?;
        let most = usize::try_from(rest).unwrap_or(usize::MAX);
        let count = buffer.len().min(most);
        take(&buffer[..count]);
        reader.consume(count);
        rest -= count as u64;
    }
    Some(())
}

/// Hands over all of a body, also one in chunks, as rclone sends it.
pub(crate) fn read_whole(
    reader: &mut impl BufRead,
    head: &Head,
    mut take: impl FnMut(&[u8]),
) -> Option<()> {
    if !head.is_chunked() {
        return read_body(reader, head.length(), take);
    }
    loop {
        let count = u64::from_str_radix(&line(reader)?, 16).ok()?;
        read_body(reader, count, &mut take)?;
        line(reader)?;
        if count == 0 {
            return Some(());
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn new(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    pub(crate) fn text(status: u16, body: impl Into<String>) -> Self {
        let body = body.into().into_bytes();
        Self {
            body,
            ..Self::new(status)
        }
    }

    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::text(status, body.to_string()).with("Content-Type", "application/json; charset=UTF-8")
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// `None` where the connection is gone.
    pub(crate) fn write(&self, stream: &mut impl Write) -> Option<()> {
        let mut head = format!(
            "HTTP/1.1 {} X\r\nContent-Length: {}\r\n",
            self.status,
            self.body.len()
        );
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        let all = [head.as_bytes(), b"\r\n", &self.body].concat();
        stream.write_all(&all).ok()?;
        stream.flush().ok()
    }
}

/// What a client may keep in its buffers while we read.
pub(crate) fn reader<S: std::io::Read>(stream: S) -> BufReader<S> {
    BufReader::with_capacity(256 * 1024, stream)
}

pub(crate) fn pairs(query: &str) -> Vec<(String, String)> {
    let url = reqwest::Url::parse(&format!("http://x/?{query}")).unwrap();
    url.query_pairs().into_owned().collect()
}

pub(crate) fn decoded(text: &str) -> String {
    let bytes = percent_decode_str(text);
    bytes.decode_utf8().unwrap().into_owned()
}
