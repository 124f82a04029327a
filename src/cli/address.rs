//! Addresses to listen on, as they are written on the command line.

use std::net::SocketAddr;

/// The text is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum AddressError {
    #[error(
        "a port alone does not say who may connect: write `127.0.0.1:{0}` for this machine, `0.0.0.0:{0}` for all"
    )]
    Port(u16),
    #[error("write an IP address and a port, for instance `127.0.0.1:{0}`")]
    Name(u16),
    #[error("write an IP address and a port, for instance `127.0.0.1:8080`")]
    Other,
}

/// Reads `IP:PORT`.
pub(super) fn address(text: &str) -> Result<SocketAddr, AddressError> {
    text.parse().map_err(|_| {
        if let Ok(port) = text.trim_start_matches(':').parse() {
            return AddressError::Port(port);
        }
        let port = text.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        port.map_or(AddressError::Other, AddressError::Name)
    })
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn an_address_is_an_ip_and_a_port_and_anything_else_says_so() {
        for text in ["127.0.0.1:8080", "0.0.0.0:0", "[::1]:80"] {
            assert_eq!(address(text).map(|address| address.to_string()), Ok(text.to_owned()));
        }
        for (text, error) in [
            ("8080", AddressError::Port(8080)),
            (":8080", AddressError::Port(8080)),
            ("localhost:8080", AddressError::Name(8080)),
            ("127.0.0.1", AddressError::Other),
            ("127.0.0.1:99999", AddressError::Other),
        ] {
            assert_eq!(address(text), Err(error), "{text}");
        }
    }
}
