//! What may be a name (reference: databases, name rules).

use http::StatusCode;
use unicode_normalization::is_nfc;

use super::{Config, answer::Failure, path::NOT_NFC};

fn illegal(message: &'static str) -> Failure {
    Failure::with(StatusCode::BAD_REQUEST, 1208, message)
}

/// Extended names, which 3.12 takes by default.
fn is_extended(name: &str, underscore: bool) -> bool {
    let first = name.chars().next().unwrap_or('.');
    let bad_first = first.is_ascii_digit() || first == '.' || first == ' ' || (first == '_' && !underscore);
    let bad_inside = name.bytes().any(|byte| byte == b'/' || byte == b':' || byte < 0x20);
    !(bad_first || bad_inside || name.ends_with(' '))
}

/// What names are where extended ones are off.
fn is_traditional(name: &str, underscore: bool) -> bool {
    let first = name.bytes().next().unwrap_or(b'.');
    (first.is_ascii_alphabetic() || (first == b'_' && underscore))
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

/// Whether a database may be created under this name.
pub(super) fn database(config: &Config, name: &str) -> Result<(), Failure> {
    let (is_allowed, max) = if config.extended_names {
        (is_extended(name, false), 128)
    } else {
        (is_traditional(name, false), 64)
    };
    match is_allowed && name.len() <= max {
        false => Err(illegal("illegal name: database name invalid")),
        true if is_nfc(name) => Ok(()),
        true => Err(illegal(NOT_NFC)),
    }
}

/// Whether a collection may be created under this name; only a system collection may start with an underscore.
pub(super) fn collection(config: &Config, name: &str, system: bool) -> Result<(), Failure> {
    let is_allowed =
        if config.extended_names { is_extended(name, system) } else { is_traditional(name, system) };
    match is_allowed && name.len() <= 256 {
        false => Err(illegal("illegal name: collection name invalid")),
        true if is_nfc(name) => Ok(()),
        true => Err(illegal("collection name is not properly UTF-8 NFC-normalized")),
    }
}
