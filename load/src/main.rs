//! `forum-load`: reads the command line, and says how it ended.
#![forbid(unsafe_code)]

fn main() {}
