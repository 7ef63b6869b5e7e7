//! What the code remarks with `tracing`, on standard error.

use super::output::eprint_line;
use super::text::plain;

/// Standard error for remarks, which may hold words of a phone or server.
struct PlainStderr;

impl std::io::Write for PlainStderr {
    /// Takes a whole remark with its line's end.
    fn write(&mut self, remark: &[u8]) -> std::io::Result<usize> {
        let text = String::from_utf8_lossy(remark);
        let line = text.strip_suffix('\n').unwrap_or(&text);
        writeln!(std::io::stderr().lock(), "{}", plain(line))?;
        Ok(remark.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}

/// Sends what the code remarks to standard error: warnings, or everything of this program with
/// `-v`. `RESCUE_LOG` decides in detail.
pub fn start_tracing(verbose: u8) {
    use tracing_subscriber::EnvFilter;
    let level = match verbose {
        0 => "error",
        1 => "rescue=debug",
        _ => "trace",
    };
    let usual = || EnvFilter::new(level);
    let filter = match std::env::var_os("RESCUE_LOG").filter(|text| !text.is_empty()) {
        Some(text) => EnvFilter::try_new(text.to_string_lossy()).unwrap_or_else(|error| {
            eprint_line(&format!(
                "warning: RESCUE_LOG is not used: {error}; set it as in RESCUE_LOG=rescue=debug"
            ));
            usual()
        }),
        None => usual(),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| PlainStderr)
        .without_time()
        .init();
}
