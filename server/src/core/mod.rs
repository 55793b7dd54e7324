//! The core of the server: what happens between a request and its answer. Pure: no sockets, files, clock or options.

pub(crate) mod disposal;
pub(crate) mod limits;
pub(crate) mod listings;
pub(crate) mod probes;
