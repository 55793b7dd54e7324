//! TLS: the certificate, and how one is made. What is done with it on a connection is in `net`.

mod init;

pub use self::init::init;
