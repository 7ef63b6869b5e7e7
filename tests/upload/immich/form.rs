//! Reads a multipart form (RFC 7578) as it comes, and says what is wrong with it.

use std::collections::BTreeMap;
use std::io::{BufRead, Read};

use sha1::Digest as _;

/// A form with one file.
#[derive(Default)]
pub(crate) struct Form {
    pub(crate) fields: BTreeMap<String, String>,
    pub(crate) file: Option<FormFile>,
}

pub(crate) struct FormFile {
    pub(crate) name: String,
    pub(crate) size: u64,
    pub(crate) sha1: String,
}

pub(crate) fn read(content_type: &str, body: &mut dyn Read) -> Result<Form, String> {
    let boundary = content_type
        .strip_prefix("multipart/form-data;")
        .and_then(|rest| rest.trim().strip_prefix("boundary="))
        .ok_or("content type must be multipart/form-data with a boundary")?
        .trim_matches('"');
    if !(1..=71).contains(&boundary.len()) {
        return Err("a boundary has 1 to 70 characters".to_owned());
    }
    let mut input = Input {
        body,
        buffer: Vec::new(),
        ended: false,
    };
    let first = format!("--{boundary}\r\n");
    if input.until(first.as_bytes(), 0, |_| {})? != 0 {
        return Err("something before the first boundary".to_owned());
    }
    let delimiter = format!("\r\n--{boundary}");
    let mut form = Form::default();
    loop {
        let mut head = Vec::new();
        input.until(b"\r\n\r\n", 8192, |bytes| head.extend_from_slice(bytes))?;
        let head = String::from_utf8(head).map_err(|_| "a part's headers are no text")?;
        let (name, file_name) = names(&head)?;
        match file_name {
            Some(file_name) if name == "assetData" && form.file.is_none() => {
                if !head.to_ascii_lowercase().contains("content-type:") {
                    return Err("a file needs a type".to_owned());
                }
                let mut hasher = sha1::Sha1::new();
                let size =
                    input.until(delimiter.as_bytes(), u64::MAX, |bytes| hasher.update(bytes))?;
                let sha1 = hasher.finalize();
                form.file = Some(FormFile {
                    name: file_name,
                    size,
                    sha1: sha1.iter().map(|byte| format!("{byte:02x}")).collect(),
                });
            }
            Some(_) => return Err(format!("Unexpected field {name}")),
            None => {
                let mut value = Vec::new();
                input.until(delimiter.as_bytes(), 65_536, |bytes| {
                    value.extend_from_slice(bytes);
                })?;
                let value = String::from_utf8(value).map_err(|_| "a field is no text")?;
                if form.fields.insert(name.clone(), value).is_some() {
                    return Err(format!("{name} comes twice"));
                }
            }
        }
        match input.two()? {
            [b'\r', b'\n'] => {}
            [b'-', b'-'] => {
                let mut rest = Vec::new();
                input.rest(&mut rest);
                return match rest.as_slice() {
                    b"" | b"\r\n" => Ok(form),
                    _ => Err("something after the last boundary".to_owned()),
                };
            }
            _ => return Err("a boundary goes on".to_owned()),
        }
    }
}

/// `name` and `filename` of a part.
fn names(head: &str) -> Result<(String, Option<String>), String> {
    let line = head
        .split("\r\n")
        .find(|line| {
            line.to_ascii_lowercase()
                .starts_with("content-disposition: form-data;")
        })
        .ok_or("a part without Content-Disposition")?;
    let quoted = |key: &str| {
        let from = line.find(&format!("; {key}=\""))? + key.len() + 4;
        let text = line.get(from..)?;
        Some(text.get(..text.find('"')?)?.to_owned())
    };
    let name = quoted("name").ok_or("a part without a name")?;
    Ok((name, quoted("filename")))
}

struct Input<'a> {
    body: &'a mut dyn Read,
    buffer: Vec<u8>,
    ended: bool,
}

impl Input<'_> {
    fn more(&mut self) -> Result<(), String> {
        let mut piece = vec![0; 256 * 1024];
        let count = self.body.read(&mut piece).map_err(|e| e.to_string())?;
        if count == 0 {
            self.ended = true;
            return Err("Unexpected end of form".to_owned());
        }
        self.buffer.extend_from_slice(&piece[..count]);
        Ok(())
    }

    /// Gives what comes before a mark, and takes the mark away.
    fn until(
        &mut self,
        mark: &[u8],
        limit: u64,
        mut give: impl FnMut(&[u8]),
    ) -> Result<u64, String> {
        let mut given = 0;
        loop {
            let found = self
                .buffer
                .windows(mark.len())
                .position(|window| window[0] == mark[0] && window == mark);
            let sure = found.unwrap_or_else(|| self.buffer.len().saturating_sub(mark.len() - 1));
            give(&self.buffer[..sure]);
            given += sure as u64;
            if given > limit {
                return Err("a part is too long".to_owned());
            }
            self.buffer.drain(..sure);
            if found.is_some() {
                self.buffer.drain(..mark.len());
                return Ok(given);
            }
            self.more()?;
        }
    }

    fn two(&mut self) -> Result<[u8; 2], String> {
        while self.buffer.len() < 2 {
            self.more()?;
        }
        let two = [self.buffer[0], self.buffer[1]];
        self.buffer.drain(..2);
        Ok(two)
    }

    fn rest(&mut self, into: &mut Vec<u8>) {
        into.append(&mut self.buffer);
        let _ = self.body.take(1024).read_to_end(into);
    }
}

/// What is said of a request that ends too early: nobody is there to hear it.
pub(crate) const CUT_OFF: &str = "cut off";

/// A body of a known length.
pub(crate) struct Measured<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Measured<R> {
    pub(crate) fn new(inner: R, length: u64) -> Self {
        Self {
            inner,
            left: length,
        }
    }
}

impl<R: Read> Read for Measured<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let wanted = buffer.len().min(usize::try_from(self.left).unwrap());
        let count = match wanted {
            0 => 0,
            wanted => self.inner.read(&mut buffer[..wanted])?,
        };
        if count == 0 && self.left > 0 {
            return Err(std::io::Error::other(CUT_OFF));
        }
        self.left -= count as u64;
        Ok(count)
    }
}

/// A body in chunks (RFC 9112, section 7.1).
pub(crate) struct Chunked<R> {
    inner: R,
    left: usize,
    ended: bool,
}

impl<R: BufRead> Chunked<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self {
            inner,
            left: 0,
            ended: false,
        }
    }

    fn line(&mut self) -> std::io::Result<String> {
        let mut line = String::new();
        self.inner.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }
}

impl<R: BufRead> Read for Chunked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.left == 0 && !self.ended {
            let size = self.line()?;
            self.left = usize::from_str_radix(&size, 16)
                .map_err(|_| std::io::Error::other("a chunk without a size"))?;
            if self.left == 0 {
                self.ended = true;
                self.line()?;
            }
        }
        if self.ended {
            return Ok(0);
        }
        let wanted = buffer.len().min(self.left);
        let count = self.inner.read(&mut buffer[..wanted])?;
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= count;
        if self.left == 0 {
            self.line()?;
        }
        Ok(count)
    }
}
