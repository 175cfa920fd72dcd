//! Where a coordinator is: read once, in any of the spellings that ArangoDB's own tools print.

use std::fmt;

use reqwest::Url;

use super::address::refused;

/// ArangoDB's port, taken where none is given.
const PORT: u16 = 8529;

/// The address of one coordinator: scheme, host and port, nothing else.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    tls: bool,
    host: String,
    port: u16,
}

/// Why a text is no endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the endpoint {shown:?} {problem}")]
pub struct EndpointError {
    /// The text as given, without what may be a password.
    shown: String,
    /// What is wrong and what to write instead, as the end of a sentence.
    problem: &'static str,
}

impl Endpoint {
    /// Reads `http://host:port`. `tcp`, `http+tcp` and `http+ssl` are what servers and coordinators call
    /// themselves (reference: cluster, endpoints); without a port it is 8529.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        let text = text.trim();
        let Some((scheme, rest)) = text.split_once("://") else {
            let shown = text.rsplit('@').next().unwrap_or_default().to_owned();
            return Err(EndpointError {
                shown,
                problem: "has no scheme; write http://host:8529 or https://host:8529",
            });
        };
        // Whatever stands before an `@` may be a password, so no message repeats it.
        let behind = |part: &str| part.rsplit('@').next().unwrap_or_default().to_owned();
        let shown = format!("{}://{}", behind(scheme), behind(rest));
        let refuse = |problem| Err(EndpointError { shown: shown.clone(), problem });
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "http" | "tcp" | "http+tcp" => false,
            "https" | "ssl" | "http+ssl" | "https+ssl" => true,
            _ => return refuse("has a scheme that is not known; write http:// or https://"),
        };
        if rest.contains('@') {
            return refuse("carries a user name or password; give them separately");
        }
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#', '\\']) {
            return refuse("carries a path or query; write scheme, host and port only");
        }
        // Read by hand: the URL parser swallows a port that is the scheme's default.
        let port = match authority.rsplit_once(':') {
            Some((_, port)) if !port.contains(']') => match port.parse::<u16>() {
                Ok(port) if port > 0 => port,
                _ => return refuse("has no valid port; write a number from 1 to 65535"),
            },
            _ => PORT,
        };
        let Some(host) = Url::parse(&format!("http://{authority}"))
            .ok()
            .and_then(|url| url.host_str().map(str::to_owned))
            .filter(|host| !host.is_empty())
        else {
            return refuse("has no valid host; write a DNS name or an IP address");
        };
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if let Some(problem) = bare.parse().ok().and_then(refused) {
            return refuse(problem);
        }
        Ok(Self { tls, host, port })
    }

    /// The host, an IPv6 address in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether it is spoken to in TLS.
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// The URL of a path. The URL parser rewrites what it takes for relative: `%2E%2E` as a segment too. A path
    /// that would arrive as another one is refused, for it would be about another thing.
    pub(super) fn url(&self, path: &str) -> Option<Url> {
        let url = Url::parse(&format!("{self}{path}")).ok()?;
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        let arrives = format!("{}{query}", url.path());
        (path.starts_with('/') && url.fragment().is_none() && arrives == path).then_some(url)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

impl std::str::FromStr for Endpoint {
    type Err = EndpointError;
    fn from_str(text: &str) -> Result<Self, EndpointError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_an_endpoint_is_read() {
        for (text, expected) in [
            ("http://localhost", "http://localhost:8529"),
            ("http://localhost:80", "http://localhost:80"),
            ("https://Coordinator.example:443/", "https://coordinator.example:443"),
            ("tcp://10.0.0.1:8530", "http://10.0.0.1:8530"),
            ("ssl://[::1]", "https://[::1]:8529"),
            ("http+tcp://[::1]:8530", "http://[::1]:8530"),
            (" HTTP://a:1 ", "http://a:1"),
        ] {
            assert_eq!(Endpoint::parse(text).unwrap().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_endpoint_is_refused_with_a_sentence_and_without_its_password() {
        for (text, part) in [
            ("localhost:8529", "has no scheme"),
            ("root:canary@localhost:8529", "has no scheme"),
            ("vst://a", "scheme that is not known"),
            ("http://root:canary@a", "user name or password"),
            ("root:canary@a://b", "scheme that is not known"),
            ("http://root:can/ary@a", "user name or password"),
            ("http://a/_db/x", "path or query"),
            ("http://a?x=1", "path or query"),
            ("http://a:99999", "no valid port"),
            ("http://", "no valid host"),
            ("http://a b", "no valid host"),
            ("http://169.254.169.254", "link-local"),
            ("http://[::ffff:169.254.169.254]:80", "link-local"),
            ("http://[fe80::1]", "link-local"),
            ("http://2852039166", "link-local"),
            ("http://0xa9fea9fe", "link-local"),
            ("http://0251.0376.0251.0376", "link-local"),
            ("http://[64:ff9b::a9fe:a9fe]", "link-local"),
            ("http://100.100.100.200", "metadata"),
            ("http://0.0.0.0", "no single server"),
        ] {
            let error = Endpoint::parse(text).unwrap_err();
            assert!(error.to_string().contains(part), "{text}: {error}");
            assert!(!format!("{error} {error:?}").contains("canary"), "{text}");
        }
    }

    #[test]
    fn a_path_that_the_url_parser_would_rewrite_is_refused() {
        let endpoint = Endpoint::parse("http://a").unwrap();
        let path = "/_db/_system/_api/user/m%C3%B6t%2Fr*/database?full=true";
        assert_eq!(endpoint.url(path).unwrap().as_str(), format!("http://a:8529{path}"));
        for path in ["/_api/user/%2E%2E", "/_api/../x", "/a b", "/a#b", "_api", "@b/", "/./x"] {
            assert!(endpoint.url(path).is_none(), "{path}");
        }
    }
}
