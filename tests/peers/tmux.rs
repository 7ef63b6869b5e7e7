//! tmux: a terminal with a person at it, who reads what it shows and types.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::desk::{Desk, command, output_of, peers, wait_for};
use crate::support::choices::number_of;

/// A window of tmux with one program in it; dropped, both end.
#[derive(Debug)]
pub(crate) struct Tmux {
    server: Child,
    socket: PathBuf,
    /// The file that the program's exit code is written into.
    exit_code: PathBuf,
    /// Lines that were there when the person answered last.
    read: usize,
}

impl Tmux {
    /// Starts `rescue` with these arguments in a window of 100 columns and 30 lines.
    pub(crate) fn start(desk: &Desk, arguments: &[&str]) -> Self {
        let socket = desk.path("tmux");
        // Not in the background: it ends with the test, however that ends.
        let mut server = desk.command("tmux");
        let server = server
            .arg("-S")
            .arg(&socket)
            .args(["-f", "/dev/null", "-D"]);
        let server = server.stdout(Stdio::null()).spawn().unwrap();
        let tmux = Self {
            server,
            socket,
            exit_code: desk.path("exit-code"),
            read: 0,
        };
        wait_for("tmux", || tmux.socket.exists());
        let window = ["new-session", "-d", "-x", "100", "-y", "30", "-c"];
        let options = [";", "set", "remain-on-exit", "on"];
        let mut start = tmux.command();
        start.args(window).arg(desk.path(""));
        // tmux itself forgets now and then to ask how its program ended.
        start.args(["sh", "-c", r#""$@"; echo $? > "$0""#]);
        start.arg(&tmux.exit_code).arg(env!("CARGO_BIN_EXE_rescue"));
        output_of(start.args(arguments).args(options));
        tmux
    }

    fn command(&self) -> Command {
        let mut command = command("tmux");
        command.arg("-S").arg(&self.socket);
        command
    }

    /// Everything that stands in the window and above it.
    pub(crate) fn screen(&self) -> String {
        let mut capture = self.command();
        let captured = output_of(capture.args(["capture-pane", "-p", "-J", "-S", "-"]));
        String::from_utf8(captured).unwrap()
    }

    /// What stands there since the person answered last.
    pub(crate) fn news(&self) -> String {
        let screen = self.screen();
        let news: Vec<_> = screen.trim_end().lines().skip(self.read).collect();
        news.join("\n")
    }

    /// Waits until there is news with these words.
    #[track_caller]
    pub(crate) fn shows(&self, words: &str) {
        let what = format!("'{words}' in the window");
        wait_for(&what, || {
            let shown = self.news().contains(words);
            assert!(
                shown || self.exit_code().is_none(),
                "no {words} in\n{}",
                self.screen()
            );
            shown
        });
    }

    /// Types an answer to the question on the screen.
    pub(crate) fn type_line(&mut self, line: &str) {
        self.read = self.screen().trim_end().lines().count();
        output_of(self.command().args(["send-keys", "-l", line]));
        output_of(self.command().args(["send-keys", "Enter"]));
    }

    /// Waits for a question with these words among its choices, and chooses that.
    #[track_caller]
    pub(crate) fn choose(&mut self, words: &str) {
        self.shows(words);
        wait_for("a question", || self.screen().trim_end().ends_with(':'));
        let news = self.news();
        let number = number_of(words, &news);
        self.type_line(&number.unwrap_or_else(|| panic!("no choice {words} in\n{news}")));
    }

    /// The exit code; `None` while the program runs.
    fn exit_code(&self) -> Option<i32> {
        fs::read_to_string(&self.exit_code)
            .ok()?
            .trim()
            .parse()
            .ok()
    }

    /// Waits for the program's end; its exit code, and all that it showed, which is kept for whoever wants to look.
    pub(crate) fn end(self, name: &str) -> (i32, String) {
        let mut code = None;
        wait_for("the end", || {
            code = self.exit_code();
            code.is_some()
        });
        let folder = peers().join("screens");
        fs::create_dir_all(&folder).unwrap();
        let screen = self.screen();
        fs::write(folder.join(name).with_extension("txt"), &screen).unwrap();
        (code.unwrap(), screen)
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let _ = self.command().arg("kill-server").output();
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
