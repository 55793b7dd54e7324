//! The address of a client, in little memory.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// An address and a port, in 20 bytes instead of the 32 that the standard library's type takes with its
/// fields for IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// The machine.
    pub ip: IpAddr,
    /// The port.
    pub port: u16,
}

impl From<SocketAddr> for Address {
    /// A socket that takes both families shows IPv4 addresses in disguise; here they are themselves.
    fn from(address: SocketAddr) -> Self {
        Self { ip: address.ip().to_canonical(), port: address.port() }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::new(self.ip, self.port).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_the_old_family_is_shown_as_such() {
        let shown = |address: &str| Address::from(address.parse::<SocketAddr>().unwrap()).to_string();
        assert_eq!(shown("[::ffff:192.0.2.1]:7"), "192.0.2.1:7");
        assert_eq!(shown("192.0.2.1:7"), "192.0.2.1:7");
        assert_eq!(shown("[2001:db8::1]:7"), "[2001:db8::1]:7");
    }
}
