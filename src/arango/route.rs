//! Connections that go elsewhere than an endpoint says: to a forwarded port, or past a name that isn't known here.

use std::{net::IpAddr, str::FromStr};

use super::Endpoint;

/// `HOST:PORT:TO_HOST:TO_PORT`, as curl's `--connect-to` has it: connections for an endpoint with that host and port are made
/// to the other. All else stays: certificates are for the endpoint's host, and the server is asked by that name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    host: String,
    port: u16,
    to_host: String,
    to_port: u16,
}

/// Why a text is no route.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} {problem}; write HOST:PORT:TO_HOST:TO_PORT, such as prod-coordinator-kq3vwx8n.db.svc:8529:127.0.0.1:8529"
)]
pub struct RouteError {
    text: String,
    problem: &'static str,
}

impl Route {
    /// Whether connections to that endpoint go this way.
    pub(super) fn is_for(&self, endpoint: &Endpoint) -> bool {
        self.port == endpoint.port() && self.host.eq_ignore_ascii_case(endpoint.host())
    }

    /// Where they go.
    pub(super) fn target(&self) -> (String, u16) {
        (self.to_host.clone(), self.to_port)
    }
}

impl FromStr for Route {
    type Err = RouteError;

    fn from_str(text: &str) -> Result<Self, RouteError> {
        let refuse = |problem| RouteError { text: text.to_owned(), problem };
        // An IPv6 address to go to is in brackets, and has colons of its own.
        let (rest, to_port) = text.rsplit_once(':').ok_or_else(|| refuse("has no port to go to"))?;
        let (from, to_host) = match rest.strip_suffix(']') {
            Some(rest) => rest.rsplit_once(":["),
            None => rest.rsplit_once(':'),
        }
        .ok_or_else(|| refuse("has too few parts"))?;
        let (host, port) = from.rsplit_once(':').ok_or_else(|| refuse("has too few parts"))?;
        let number = |text: &str| text.parse().ok().filter(|port| *port > 0);
        let number = |text: &str| number(text).ok_or_else(|| refuse("has no valid port"));
        let (port, to_port): (u16, u16) = (number(port)?, number(to_port)?);
        if host.is_empty() || to_host.is_empty() || host.contains(['/', '@']) || to_host.contains(['/', '@'])
        {
            return Err(refuse("has no valid host"));
        }
        if host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() || host.contains(':') {
            return Err(refuse(
                "is about an address, which is never looked up; name the other one as the endpoint",
            ));
        }
        Ok(Self { host: host.to_owned(), port, to_host: to_host.to_owned(), to_port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_for_one_host_and_port() {
        let route: Route = "Server.db.svc:8529:127.0.0.1:3000".parse().unwrap();
        for (endpoint, is) in
            [("https://server.db.svc", true), ("http://server.db.svc:8530", false), ("http://other", false)]
        {
            assert_eq!(route.is_for(&endpoint.parse().unwrap()), is, "{endpoint}");
        }
        assert_eq!(route.target(), ("127.0.0.1".to_owned(), 3000));
        let route: Route = "server:8529:[::1]:3000".parse().unwrap();
        assert_eq!(route.target(), ("::1".to_owned(), 3000));
    }

    #[test]
    fn what_is_no_route_is_refused_with_what_to_write() {
        for text in [
            "",
            "a",
            "a:1",
            "a:1:b",
            "a:1:b:x",
            "a:0:b:1",
            ":1:b:1",
            "a:1::1",
            "10.0.0.1:1:b:1",
            "[::1]:1:b:1",
        ] {
            let error = text.parse::<Route>().unwrap_err().to_string();
            assert!(error.contains("HOST:PORT:TO_HOST:TO_PORT"), "{text}: {error}");
        }
    }
}
