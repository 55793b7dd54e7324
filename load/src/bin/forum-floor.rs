//! `forum-floor`: the least that a server can do, to measure servers against.
#![forbid(unsafe_code)]
// They panic when nobody reads: see `output`.
#![warn(clippy::print_stdout, clippy::print_stderr)]

use std::convert::Infallible;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use forum_common::process;
use forum_load::floor::files::{By, Digest};
use forum_load::floor::log::Sync;
use forum_load::floor::{self, echo, fan, files, log};
use forum_load::output::explain;

/// The command line makes no sense.
const USAGE: u8 = 2;

/// The least that a server can do, to measure servers against. Not for where strangers are
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Address and port to listen on; port 0 = any free one
    #[arg(long, global = true, value_name = "ADDR:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    #[command(subcommand)]
    floor: Floor,
}

#[derive(Subcommand)]
enum Floor {
    /// Return whatever comes; with --log, write frames to a file and answer each with 50 bytes
    Echo {
        /// File to write frames to (replaced): `u32 length`, then `u8 kind`, `u32 tag` and a body
        #[arg(long, value_name = "FILE")]
        log: Option<PathBuf>,
        /// When the file is synced: before the answer, each second, or never
        #[arg(long, requires = "log", value_name = "WHEN", default_value = "always")]
        sync: Sync,
    },
    /// Pass each frame on to everybody else
    Fan,
    /// Send a file to each who connects: `u64 size`, then its bytes
    Send {
        /// The file
        file: PathBuf,
        /// Inside the kernel, instead of by read and write
        #[arg(long)]
        sendfile: bool,
        /// What is sent at once
        #[arg(long, value_name = "KIB", default_value_t = 64)]
        #[arg(value_parser = clap::value_parser!(u16).range(1..))]
        piece_kib: u16,
    },
    /// Store what each who connects sends: `u64 size`, then the bytes. Answered by the size once it is durable
    Receive {
        /// Where to store it
        dir: PathBuf,
        /// Digest it as it comes, and answer with the 32 bytes of that, too
        #[arg(long)]
        blake3: bool,
    },
}

fn main() -> ExitCode {
    process::survive_file_size_limit();
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(said) => {
            return match explain(&said) {
                Ok(()) => ExitCode::from(if said.use_stderr() { USAGE } else { 0 }),
                Err(text) => {
                    say(&format!("forum-floor: {text}"));
                    ExitCode::FAILURE
                }
            };
        }
    };
    let Err(error) = serve(args);
    say(&format!("forum-floor: {error}"));
    ExitCode::FAILURE
}

/// Says a line on standard error. If nobody reads there, it is lost.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

fn serve(args: Args) -> io::Result<Infallible> {
    let listener = floor::listener(args.listen)?;
    say(&format!("listening on {}", listener.local_addr()?));
    match args.floor {
        Floor::Echo { log: None, .. } => echo::serve(listener),
        Floor::Echo { log: Some(path), sync } => log::serve(listener, &path, sync),
        Floor::Fan => fan::serve(listener),
        Floor::Send { file, sendfile, piece_kib } => {
            let by = if sendfile { By::Sendfile } else { By::Copy };
            files::send(&listener, &file, by, usize::from(piece_kib) * 1024)
        }
        Floor::Receive { dir, blake3 } => {
            files::receive(&listener, &dir, if blake3 { Digest::Blake3 } else { Digest::None })
        }
    }
}
