//! Traces of `run` for an OpenTelemetry collector: one span for each pass over a resource, one for each exchange with a
//! coordinator. Built in with the cargo feature `otlp`; without it, whoever asks for them is told so.
//!
//! Spans are the ones that the log has at `debug`, whatever the log's own filter says, and never a line of the log.

#[cfg(feature = "otlp")]
mod collector;
#[cfg(feature = "otlp")]
mod export;
#[cfg(any(feature = "otlp", test))]
mod lost;
#[cfg(feature = "otlp")]
mod otlp;
#[cfg(feature = "otlp")]
mod translate;
#[cfg(not(feature = "otlp"))]
mod without;

#[cfg(feature = "otlp")]
pub use otlp::Traces;
#[cfg(not(feature = "otlp"))]
pub use without::Traces;

/// Where a collector takes traces, below the address that it has for everything.
const PATH: &str = "/v1/traces";

/// Where traces go: as the flag says, else as the variables of OpenTelemetry's specification do. Nothing if nobody asks.
pub fn wanted(flag: Option<&str>, variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    let variable = |name| variable(name).filter(|value| !value.trim().is_empty());
    let below = |base: &str| format!("{}{PATH}", base.trim_end_matches('/'));
    if variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return None;
    }
    if let Some(flag) = flag {
        return Some(below(flag));
    }
    if variable("OTEL_TRACES_EXPORTER").is_some_and(|value| value != "otlp") {
        return None;
    }
    let own = variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
    own.or_else(|| variable("OTEL_EXPORTER_OTLP_ENDPOINT").map(|base| below(&base)))
}

/// Checks that this is a URL of a collector, and says what is wrong without repeating it: it may hold a login, which
/// belongs into a header.
#[cfg(any(feature = "otlp", test))]
fn check(address: &str) -> Result<(), String> {
    let uri: http::Uri =
        address.parse().map_err(|error: http::uri::InvalidUri| format!("it is no URL: {error}"))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err("it has to begin with http:// or https://".to_owned());
    }
    match uri.authority() {
        None => Err("it has no host".to_owned()),
        Some(authority) if authority.as_str().contains('@') => {
            Err("a login doesn't belong into it; OTEL_EXPORTER_OTLP_HEADERS takes headers".to_owned())
        }
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://all:4318/");
    const OWN: (&str, &str) = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://own:4318/x");

    #[test]
    fn the_flag_counts_more_than_the_variable_for_traces_and_that_more_than_the_one_for_all() {
        let asked = |flag, variables: &[(&str, &str)]| {
            let value = |name: &str| variables.iter().find(|(known, _)| *known == name);
            wanted(flag, |name| value(name).map(|(_, value)| (*value).to_owned()))
        };
        assert_eq!(asked(None, &[]), None);
        assert_eq!(asked(None, &[BASE]).as_deref(), Some("http://all:4318/v1/traces"));
        assert_eq!(asked(None, &[BASE, OWN]).as_deref(), Some("http://own:4318/x"));
        assert_eq!(asked(Some("http://flag"), &[BASE, OWN]).as_deref(), Some("http://flag/v1/traces"));
        assert_eq!(asked(None, &[(BASE.0, " ")]), None, "an empty variable is none");
        for off in [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none")] {
            assert_eq!(asked(None, &[BASE, OWN, off]), None, "{off:?}");
        }
        assert_eq!(asked(Some("http://flag"), &[("OTEL_SDK_DISABLED", "TRUE")]), None);
    }

    #[test]
    fn an_address_is_a_url_without_a_login() {
        assert!(check("http://collector:4318").is_ok() && check("https://collector/otlp").is_ok());
        for (text, why) in [
            ("collector:4318", "begin with"),
            ("grpc://collector:4317", "begin with"),
            ("http://", "no URL"),
            ("http://user:secret@collector", "OTEL_EXPORTER_OTLP_HEADERS"),
        ] {
            let error = check(text).unwrap_err();
            assert!(error.contains(why) && !error.contains("secret"), "{text}: {error}");
        }
    }
}
