//! The program: parse, run, exit code.

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::Parser as _;
use rescue::cli::{Cli, ColorChoice};
use rescue::ui::{Style, Ui};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    rescue::ui::start_tracing(cli.output.verbose);
    let color = match cli.output.color {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
    };
    let ui = Ui::new(Style { json: cli.output.json, quiet: cli.output.quiet, color });
    ExitCode::from(rescue::commands::run(cli, &ui).await)
}
