//! The program: parse, run, exit code.

use std::io::IsTerminal as _;
use std::process::ExitCode;

use rescue::cli::{Cli, ColorChoice};
use rescue::error::{Error, Kind};
use rescue::ui::{Style, Ui};

fn main() -> ExitCode {
    let cli = Cli::of_arguments(std::env::args_os());
    rescue::ui::start_tracing(cli.output.verbose);
    rescue::ui::terminal::restore_on_panic();
    let color = match cli.output.color {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => {
            std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
        }
    };
    let ui = Ui::new(Style {
        json: cli.output.json,
        quiet: cli.output.quiet,
        color,
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            ui.error(&Error::new(Kind::Disk, "the system gives no event loop").caused_by(error));
            return ExitCode::from(Kind::Disk.exit_code());
        }
    };
    let code = runtime.block_on(rescue::commands::run(cli, &ui));
    // Who pressed Ctrl-C does not wait for a thread that reads a disk or a pipe.
    runtime.shutdown_background();
    ExitCode::from(code)
}
