//! `forum-floor`: the least that a server can do.
#![forbid(unsafe_code)]

fn main() {}
