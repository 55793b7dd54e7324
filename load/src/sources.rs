//! Where connections are made from, when one address has not ports enough.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Addresses to connect from, in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sources {
    /// The first of them.
    pub first: Ipv4Addr,
    /// How many they are, at least 1.
    pub count: u32,
}

impl Sources {
    /// Where the connection with this number is made from.
    pub fn address(&self, number: u32) -> SocketAddr {
        let ip = Ipv4Addr::from_bits(self.first.to_bits() + number % self.count);
        SocketAddr::new(IpAddr::V4(ip), 0)
    }
}

/// Reads `A-B`, one address, or a number of them from 127.0.0.2 on.
///
/// # Errors
/// A sentence that says what is allowed.
pub fn parse_sources(text: &str) -> Result<Sources, String> {
    let bad = || "expected addresses like 127.0.0.2-127.0.0.9, or a number".to_owned();
    let sources = if let Some((first, last)) = text.split_once('-') {
        let first: Ipv4Addr = first.parse().map_err(|_| bad())?;
        let last: Ipv4Addr = last.parse().map_err(|_| bad())?;
        let count = last.to_bits().checked_sub(first.to_bits()).ok_or_else(bad)?;
        Sources { first, count: count.saturating_add(1) }
    } else if let Ok(first) = text.parse() {
        Sources { first, count: 1 }
    } else {
        Sources { first: Ipv4Addr::new(127, 0, 0, 2), count: text.parse().map_err(|_| bad())? }
    };
    if (1..=65_000).contains(&sources.count) { Ok(sources) } else { Err(bad()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_used_in_turn() {
        let sources = parse_sources("127.0.0.5-127.0.0.6").unwrap();
        assert_eq!(sources.address(3).to_string(), "127.0.0.6:0");
        assert_eq!(parse_sources("3").unwrap().address(3).to_string(), "127.0.0.2:0");
        for bad in ["", "0", "127.0.0.9-127.0.0.2", "x-y"] {
            assert!(parse_sources(bad).is_err(), "{bad}");
        }
    }
}
