//! `forumd`: reads the command line, and says how it ended: 0 in order, 1 it could not, 2 it was not
//! understood.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use forumd::args::{Arguments, Offline};
use forumd::offline;
use forumd::startup::{self, Failed};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let data = &arguments.data;
    let result = match &arguments.offline {
        None => startup::serve(&arguments.serve, data),
        Some(Offline::Export { dir }) => offline::export(data, dir),
        Some(Offline::Import { dir }) => offline::import(data, dir),
        Some(Offline::Check) => offline::check(data),
        Some(Offline::ResetPassword { name }) => offline::reset_password(data, name),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed::Usage(text)) => {
            eprintln!("{text}");
            ExitCode::from(2)
        }
        Err(Failed::Other(text)) => {
            eprintln!("forumd: {text}");
            ExitCode::FAILURE
        }
    }
}
