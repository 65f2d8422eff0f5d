//! Who sends a request, as far as a budget needs to know.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;

use crate::AppState;

/// A client's address; of IPv6 the network, since one client has many addresses in it. Requests without a connection
/// share one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Client(pub String);

impl FromRequestParts<AppState> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Infallible> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        let said = parts.headers.get_all("x-forwarded-for").iter().next_back().and_then(|value| value.to_str().ok());
        // only what the proxy itself added is true: the last one
        let said = said.and_then(|list| list.rsplit(',').next()?.trim().parse::<IpAddr>().ok());
        let address = if state.config.behind_proxy { said.or(peer) } else { peer };
        Ok(Self(address.map_or_else(|| "local".to_owned(), |address| network(address).to_string())))
    }
}

/// The address that stands for all of a client's.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_known_by_their_networks() {
        let name = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(name("10.1.2.3"), "10.1.2.3");
        assert_eq!(name("::ffff:10.1.2.3"), "10.1.2.3");
        assert_eq!(name("2001:db8:1:2:3::4"), "2001:db8:1:2::");
    }
}
