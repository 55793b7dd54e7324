//! The address to listen on, as people write it. IPv6 addresses of one link need to say which, and people know
//! it by its interface's name: `[fe80::1%eth0]:12345`.

use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6};

use rustix::net::netdevice::name_to_index;
use rustix::net::{AddressFamily, SocketType, socket};

/// Reads `ADDR:PORT`.
///
/// # Errors
/// It is none, or names an interface that this machine doesn't have.
pub(crate) fn parse(raw: &str) -> Result<SocketAddr, String> {
    match (raw.parse(), on_interface(raw)) {
        (Ok(address), _) => Ok(address),
        (Err(_), Some((ip, interface, port))) => {
            let index = index_of(interface).map_err(|error| format!("interface {interface}: {error}"))?;
            Ok(SocketAddrV6::new(ip, port, 0, index).into())
        }
        (Err(error), None) => {
            Err(format!("{error}: an IP address and a port, like 127.0.0.1:12345 or [::1]:0"))
        }
    }
}

/// The parts of `[ip%interface]:port`.
fn on_interface(raw: &str) -> Option<(Ipv6Addr, &str, u16)> {
    let (host, port) = raw.strip_prefix('[')?.split_once("]:")?;
    let (ip, interface) = host.split_once('%')?;
    Some((ip.parse().ok()?, interface, port.parse().ok()?))
}

fn index_of(interface: &str) -> rustix::io::Result<u32> {
    // The kernel answers such questions on any socket.
    name_to_index(socket(AddressFamily::INET6, SocketType::DGRAM, None)?, interface)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_may_be_named_or_numbered() {
        let lo = index_of("lo").expect("every Linux has a loopback interface");
        let expected = SocketAddr::from(SocketAddrV6::new("fe80::1".parse().unwrap(), 7, 0, lo));
        assert_eq!(parse("[fe80::1%lo]:7"), Ok(expected));
        assert_eq!(parse(&format!("[fe80::1%{lo}]:7")), Ok(expected));
        assert_eq!(parse("[::1]:7").unwrap().to_string(), "[::1]:7");
    }

    #[test]
    fn what_is_no_address_is_refused_in_words() {
        assert!(parse("[fe80::1%nosuch0]:7").unwrap_err().starts_with("interface nosuch0: "));
        for bad in ["", "12345", "localhost:12345", "[fe80::1%lo]", "[fe80::1%lo]:x", "127.0.0.1%lo:7"] {
            assert!(parse(bad).unwrap_err().contains("like 127.0.0.1:12345"), "{bad}");
        }
    }
}
