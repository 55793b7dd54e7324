//! The sessions that the pages show are what the programs print. Each is played again, by the real programs on a real
//! terminal or in a shell, and compared but for times, numbers of connections and the like.
//!
//! `UPDATE_DOCS=1 cargo test -p forum-tests --test samples` writes them into the pages, and the picture of README.
#![forbid(unsafe_code)]

mod guide;
mod pages;
mod picture;
mod seat;
mod shell;
