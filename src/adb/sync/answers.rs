//! Encoders for the phone's answers; each appends to `out`.

use bytes::{BufMut as _, BytesMut};

use super::{Operation, Stat};

/// Appends the answer to a stat request.
pub fn stat(out: &mut BytesMut, operation: Operation, stat: &Stat) {
    out.extend_from_slice(&operation.id());
    match operation {
        Operation::Stat1 => fields_v1(out, stat),
        _ => fields_v2(out, stat),
    }
}

/// Appends one entry of a listing.
pub fn entry(out: &mut BytesMut, operation: Operation, stat: &Stat, name: &[u8]) {
    match operation {
        Operation::List1 => {
            out.extend_from_slice(b"DENT");
            fields_v1(out, stat);
        }
        _ => {
            out.extend_from_slice(b"DNT2");
            fields_v2(out, stat);
        }
    }
    out.put_u32_le(name.len() as u32);
    out.extend_from_slice(name);
}

/// Appends the end of a listing.
pub fn list_end(out: &mut BytesMut, operation: Operation) {
    out.extend_from_slice(b"DONE");
    out.put_bytes(
        0,
        if operation == Operation::List1 {
            16
        } else {
            72
        },
    );
}

/// Appends the header of a `DATA` packet; the caller sends the `length` bytes of the file after it.
pub fn data_header(out: &mut BytesMut, length: u32) {
    out.extend_from_slice(b"DATA");
    out.put_u32_le(length);
}

/// Appends the end of a file.
pub fn receive_end(out: &mut BytesMut) {
    out.extend_from_slice(b"DONE");
    out.put_u32_le(0);
}

/// Appends a failure with its message.
pub fn fail(out: &mut BytesMut, message: &str) {
    out.extend_from_slice(b"FAIL");
    out.put_u32_le(message.len() as u32);
    out.extend_from_slice(message.as_bytes());
}

fn fields_v1(out: &mut BytesMut, stat: &Stat) {
    out.put_u32_le(stat.mode);
    out.put_u32_le(stat.size as u32);
    out.put_u32_le(stat.mtime as u32);
}

fn fields_v2(out: &mut BytesMut, stat: &Stat) {
    out.put_u32_le(stat.error);
    out.put_u64_le(stat.device);
    out.put_u64_le(stat.inode);
    out.put_u32_le(stat.mode);
    out.put_bytes(0, 12);
    out.put_u64_le(stat.size);
    out.put_i64_le(stat.mtime);
    out.put_i64_le(stat.mtime);
    out.put_i64_le(stat.mtime);
}
