//! The executable: reads the command line and hands over.

use std::process::ExitCode;

use clap::Parser;

use albatross::config::Cli;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    albatross::app::run(Cli::parse())
}
