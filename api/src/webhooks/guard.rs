//! Where messages may go: to public addresses only. A client names the address, so without this it could have the
//! service ask what only the service can reach: its own network, its cloud's metadata, itself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::Url;

/// Why an address gets no messages.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// It is no address.
    #[error("{url} is not an address: write it as in https://shop.example/assay")]
    Url {
        /// What was given.
        url: String,
    },
    /// The scheme is another one.
    #[error("messages go to https addresses only")]
    Scheme,
    /// This program has no TLS.
    #[error(
        "this server was built without TLS, and messages go to https addresses only: its operator can build it with \
         `--features tls`"
    )]
    NoTls,
    /// A name and a password are in the address.
    #[error("the address must not hold a name or a password")]
    Credentials,
    /// The host is not public.
    #[error("{host} is not a public address")]
    Private {
        /// The host.
        host: String,
    },
    /// The host has no address.
    #[error("{host} has no address")]
    Unknown {
        /// The host.
        host: String,
    },
}

/// What is allowed beyond public https addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leave {
    /// Loopback addresses, and http to them: for development.
    pub loopback: bool,
}

/// An address as it was given, if it can get messages as far as can be said without looking its host up.
pub fn check(text: &str, leave: Leave) -> Result<Url, Refused> {
    let bad = || Refused::Url { url: text.to_owned() };
    let url: Url = text.parse().map_err(|_| bad())?;
    let host = url.host_str().ok_or_else(bad)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Refused::Credentials);
    }
    let local = leave.loopback
        && (host == "localhost" || literal(host).is_some_and(|address| canonical(address).is_loopback()));
    match url.scheme() {
        "http" if local => {}
        "https" if cfg!(feature = "tls") => {}
        "https" => return Err(Refused::NoTls),
        _ => return Err(Refused::Scheme),
    }
    match literal(host) {
        Some(address) if !may_get(address, leave) => Err(Refused::Private { host: host.to_owned() }),
        _ => Ok(url),
    }
}

/// The addresses of a URL's host, all of which may get messages. The connection is made to one of these and no other: a
/// second look-up could answer something else.
pub async fn resolve(url: &Url, leave: Leave) -> Result<Vec<SocketAddr>, Refused> {
    let host = url.host_str().ok_or_else(|| Refused::Url { url: url.to_string() })?;
    let port = url.port_or_known_default().unwrap_or(443);
    let found: Vec<SocketAddr> = match literal(host) {
        Some(address) => vec![SocketAddr::new(address, port)],
        None => tokio::net::lookup_host((host, port)).await.map(Iterator::collect).unwrap_or_default(),
    };
    if found.is_empty() {
        return Err(Refused::Unknown { host: host.to_owned() });
    }
    match found.iter().all(|at| may_get(at.ip(), leave)) {
        true => Ok(found),
        false => Err(Refused::Private { host: host.to_owned() }),
    }
}

/// A host that is an address already.
fn literal(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

fn may_get(address: IpAddr, leave: Leave) -> bool {
    let address = canonical(address);
    if address.is_loopback() { leave.loopback } else { is_public(address) }
}

/// The IPv4 address that an IPv6 one leads to, where it does.
fn canonical(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let bits = v6.to_bits();
    let low = |shift: u32| Ipv4Addr::from_bits((bits >> shift) as u32);
    match v6.segments() {
        // mapped, compatible (but for :: and ::1), translated (RFC 6052, RFC 8215)
        [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] | [0x64, 0xff9b, 1, ..] => low(0).into(),
        [0, 0, 0, 0, 0, 0, ..] if bits > 1 => low(0).into(),
        // 6to4 has it behind the prefix
        [0x2002, ..] => low(80).into(),
        _ => address,
    }
}

/// Whether an address is of the public Internet: none of IANA's registries of special addresses has it.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_broadcast()
        || address.is_documentation()
        || a == 0
        || (a == 100 && (64..128).contains(&b)) // shared by carriers; some clouds have their metadata here
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19))
        || a >= 240;
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    // only 2000::/3 is given out, and of that not what tunnels, identifies or documents
    let given_out = a & 0xe000 == 0x2000;
    let special = (a == 0x2001 && b < 0x0200)
        || (a == 0x2001 && b == 0x0db8)
        || a == 0x2002
        || a == 0x3ffe
        || (a == 0x3fff && b < 0x1000);
    given_out && !special
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Leave = Leave { loopback: false };
    const LOCAL: Leave = Leave { loopback: true };

    #[test]
    fn only_public_addresses_get_messages() {
        for text in [
            "1.1.1.1",
            "93.184.216.34",
            "172.15.0.1",
            "172.32.0.1",
            "100.63.0.1",
            "2606:4700::1111",
            "2a00:1450::1",
            "::ffff:8.8.8.8",
        ] {
            assert!(may_get(text.parse().unwrap(), NONE), "{text}");
        }
        for text in [
            "127.0.0.1",
            "127.8.8.8",
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.100.100.200",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "198.18.0.1",
            "198.51.100.7",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::a00:1",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "3fff::1",
            "fec0::1",
            "100::1",
        ] {
            assert!(!may_get(text.parse().unwrap(), NONE), "{text}");
        }
        assert!(may_get("127.0.0.1".parse().unwrap(), LOCAL) && may_get("::1".parse().unwrap(), LOCAL));
        assert!(!may_get("10.0.0.1".parse().unwrap(), LOCAL) && !may_get("169.254.169.254".parse().unwrap(), LOCAL));
    }

    #[test]
    fn addresses_are_checked_as_they_are_given() {
        for (url, leave, why) in [
            ("nowhere", NONE, "Url"),
            ("ftp://shop.example/", NONE, "Scheme"),
            ("http://shop.example/", NONE, "Scheme"),
            ("http://shop.example/", LOCAL, "Scheme"),
            ("http://127.0.0.1/", NONE, "Scheme"),
            ("http://10.0.0.1/", LOCAL, "Scheme"),
            ("https://ann:secret@shop.example/", NONE, "Credentials"),
            ("file:///etc/passwd", LOCAL, "Url"),
        ] {
            let refused = check(url, leave).unwrap_err();
            assert!(format!("{refused:?}").starts_with(why), "{url}: {refused:?}");
        }
        // numbers that browsers take for addresses are addresses here too
        for url in [
            "http://127.0.0.1:8080/x",
            "http://localhost/x",
            "http://[::1]/x",
            "http://0x7f000001/x",
            "http://2130706433/x",
        ] {
            assert!(check(url, LOCAL).is_ok(), "{url}");
        }
    }

    #[cfg(feature = "tls")]
    #[test]
    fn private_addresses_are_refused_before_they_are_looked_up() {
        for url in ["https://169.254.169.254/latest", "https://[fd00::1]/", "https://0xa9fea9fe/", "https://127.1/"] {
            assert!(matches!(check(url, NONE), Err(Refused::Private { .. })), "{url}");
        }
        assert!(check("https://shop.example/hook", NONE).is_ok());
    }

    #[tokio::test]
    async fn names_are_looked_up_and_checked() {
        let here: Url = "http://localhost:1/".parse().unwrap();
        assert!(matches!(resolve(&here, NONE).await, Err(Refused::Private { .. })));
        assert!(resolve(&here, LOCAL).await.unwrap().iter().all(|at| at.ip().is_loopback() && at.port() == 1));
        let nowhere: Url = "http://nowhere.invalid/".parse().unwrap();
        assert!(matches!(resolve(&nowhere, LOCAL).await, Err(Refused::Unknown { .. })));
    }
}
