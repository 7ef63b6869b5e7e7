//! The program: parse, run, exit code.

use std::io::IsTerminal as _;
use std::process::ExitCode;

use rescue::cli::{Cli, ColorChoice};
use rescue::error::Error;
use rescue::ui::{Style, Ui};

// musl's own is slow.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    rescue::cli::complete::answer_shell();
    let has_person = rescue::ui::terminal::is_there() && std::io::stdout().is_terminal();
    let read = match has_person {
        true => Cli::of_person(std::env::args_os()),
        false => Cli::of_arguments(std::env::args_os()),
    };
    let cli = match read {
        Ok(cli) => cli,
        Err(error) => return refuse(error),
    };
    rescue::ui::start_tracing(cli.output.verbose);
    rescue::ui::terminal::restore_on_panic();
    let color = match cli.output.color {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => {
            let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
            std::io::stderr().is_terminal() && !unwanted && rescue::ui::terminal::takes_colors()
        }
    };
    let ui = Ui::new(Style {
        json: cli.output.json,
        quiet: cli.output.quiet,
        color,
    });
    ExitCode::from(rescue::commands::run(cli, &ui))
}

/// Reports what is wrong with a command line, or prints the help that it asks for.
fn refuse(error: clap::Error) -> ExitCode {
    // An invalid command line does not say whether JSON is asked for.
    let asks_for_json = std::env::args_os().any(|argument| argument == "--json");
    let is_json = asks_for_json && error.use_stderr();
    let (code, error) = match is_json {
        true => {
            let error = Error::from(error);
            (error.kind.exit_code(), Some(error))
        }
        false => {
            let printed = error.print();
            if let (Err(failed), false) = (printed, error.use_stderr()) {
                rescue::ui::note_output_failure(&failed);
            }
            (u8::try_from(error.exit_code()).unwrap_or(2), None)
        }
    };
    let ui = Ui::new(Style {
        json: is_json,
        quiet: false,
        color: false,
    });
    let error = error.or_else(|| ui.output_error());
    let code = error.as_ref().map_or(code, |error| error.kind.exit_code());
    if let Some(error) = error {
        ui.error(&error);
    }
    ExitCode::from(code)
}
