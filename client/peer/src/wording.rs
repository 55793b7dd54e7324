//! What both kinds of files say: why something failed, and what to do about it; under which name one is.

use std::io;

/// An error of the system in words without its number, and what to do about it where that is known.
pub fn cause(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split_once(" (os error ").map_or(&*text, |(words, _)| words);
    let advice = match error.kind() {
        io::ErrorKind::StorageFull => ". Make room on the disk and try again",
        io::ErrorKind::QuotaExceeded => ". Make room in your quota and try again",
        io::ErrorKind::FileTooLarge => {
            ". It is over the limit of this process (ulimit -f) or of the file system"
        }
        io::ErrorKind::ConnectionRefused => ". Check the port, and that a server is running there",
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable | io::ErrorKind::TimedOut => {
            ". Check the address and the network"
        }
        _ => "",
    };
    format!("{text}{advice}")
}

/// What is said of a file that arrived, and could not have its name.
pub fn stored_as(name: &str) -> String {
    format!("Stored as {name}")
}
