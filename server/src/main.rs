//! `forumd`: reads the command line, and says how it ended: 0 in order, 1 it could not, 2 it was not
//! understood.
#![forbid(unsafe_code)]

use std::env;
use std::process::ExitCode;

use clap::Parser;
use forum_common::process::{self, Standard};
use forumd::admin;
use forumd::args::{AdminCommand, Arguments, TlsCommand, assignments};
use forumd::console;
use forumd::failed::Failed;
use forumd::startup;
use forumd::tls;

/// The command line was not understood.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    process::survive_file_size_limit();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(said) => {
            let words: Vec<String> = env::args_os().filter_map(|word| word.into_string().ok()).collect();
            return match assignments::meant(&words).filter(|_| said.use_stderr()) {
                Some(meant) => {
                    console::say(format_args!("forumd: {meant}"));
                    ExitCode::from(USAGE)
                }
                None => say_instead(&said),
            };
        }
    };
    if !arguments.dumpable {
        process::hide_memory();
    }
    let data = &arguments.data;
    // What they have to say is why they are asked; serving has its words on standard error.
    if arguments.admin.is_some()
        && let Some(status) = without_output()
    {
        return status;
    }
    let result = match &arguments.admin {
        None => startup::serve(&arguments.serve, data),
        Some(AdminCommand::Export { dir, salvage: false }) => admin::export(data, dir),
        Some(AdminCommand::Export { dir, salvage: true }) => admin::salvage(data, dir),
        Some(AdminCommand::Import { dir }) => admin::import(data, dir),
        Some(AdminCommand::Check) => admin::check(data),
        Some(AdminCommand::ResetPassword { name }) => admin::reset_password(data, name),
        Some(AdminCommand::Tls { command: TlsCommand::Init { dir, names } }) => tls::init(dir, names),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed::Usage(text)) => {
            console::say(text);
            ExitCode::from(USAGE)
        }
        Err(Failed::Other(text)) => {
            console::say(format_args!("forumd: {text}"));
            ExitCode::FAILURE
        }
    }
}

/// Help, the version, or what is wrong with the command line. What was asked for and can't be shown is an error.
fn say_instead(said: &clap::Error) -> ExitCode {
    if !said.use_stderr()
        && let Some(status) = without_output()
    {
        return status;
    }
    match said.print() {
        _ if said.use_stderr() => ExitCode::from(USAGE),
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            console::say(format_args!("forumd: can't write to standard output: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// The status of a program that was to write to standard output, if that was closed when it began.
fn without_output() -> Option<ExitCode> {
    let closed = Standard::Output.expect_open().err()?;
    console::say(format_args!("forumd: {closed}"));
    Some(ExitCode::FAILURE)
}
