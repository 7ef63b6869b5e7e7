//! The multipart form that a file is sent in (RFC 7578). Pure.

use bytes::Bytes;

use crate::digest::Sha256;
use crate::upload::body::Envelope;

/// A multipart form under construction; the file comes last.
pub(super) struct Form {
    boundary: String,
    text: String,
}

impl Form {
    /// Creates a form for a file. The boundary contains the file's hash, so it cannot occur in the file.
    pub(super) fn new(sha256: &Sha256) -> Self {
        Self {
            boundary: format!("rescue-{sha256}"),
            text: String::new(),
        }
    }

    /// Returns the value of the request's `Content-Type` header.
    pub(super) fn content_type(&self) -> String {
        format!("multipart/form-data; boundary={}", self.boundary)
    }

    /// Adds a field.
    pub(super) fn field(&mut self, name: &str, value: &str) {
        self.part(name, "");
        self.text.push_str("\r\n");
        self.text.push_str(value);
        self.text.push_str("\r\n");
    }

    /// Completes the form with a file; returns the bytes before and after the file's content.
    pub(super) fn file(mut self, name: &str, file_name: &str, content_type: &str) -> Envelope {
        let file_name = escaped(file_name);
        self.part(name, &format!("; filename=\"{file_name}\""));
        self.text
            .push_str(&format!("Content-Type: {content_type}\r\n\r\n"));
        Envelope {
            before: Bytes::from(self.text),
            after: Bytes::from(format!("\r\n--{}--\r\n", self.boundary)),
        }
    }

    fn part(&mut self, name: &str, more: &str) {
        self.text.push_str(&format!(
            "--{}\r\nContent-Disposition: form-data; name=\"{name}\"{more}\r\n",
            self.boundary
        ));
    }
}

/// Escapes a name as browsers do, so that it cannot end its quotes or its line.
fn escaped(name: &str) -> String {
    name.replace('"', "%22")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_as_the_standard_says() {
        let sha256 = Sha256::of(b"x");
        let mut form = Form::new(&sha256);
        let boundary = format!("rescue-{sha256}");
        assert!(boundary.len() <= 71, "one more than RFC 2046 allows");
        form.field("isFavorite", "false");
        let frame = form.file("assetData", "a\"b\r\n.jpg", "image/jpeg");
        let expected = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"isFavorite\"\r\n\r\nfalse\r\n\
             --{boundary}\r\nContent-Disposition: form-data; name=\"assetData\"; \
             filename=\"a%22b%0D%0A.jpg\"\r\nContent-Type: image/jpeg\r\n\r\n"
        );
        assert_eq!(frame.before, expected);
        assert_eq!(frame.after, format!("\r\n--{boundary}--\r\n"));
    }
}
