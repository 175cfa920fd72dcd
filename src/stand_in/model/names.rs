//! What may be a name (reference: databases, name rules).

use http::StatusCode;
use unicode_normalization::is_nfc;

use super::{answer::Failure, path::NOT_NFC};

fn illegal(message: &'static str) -> Failure {
    Failure::with(StatusCode::BAD_REQUEST, 1208, message)
}

/// Extended names, which 3.12 takes by default.
fn check(name: &str, max: usize, underscore: bool, message: &'static str) -> Result<(), Failure> {
    let first = name.chars().next().unwrap_or('.');
    let bad_first = first.is_ascii_digit() || first == '.' || first == ' ' || (first == '_' && !underscore);
    let bad_inside = name.bytes().any(|byte| byte == b'/' || byte == b':' || byte < 0x20);
    if name.len() > max || bad_first || bad_inside || name.ends_with(' ') {
        return Err(illegal(message));
    }
    Ok(())
}

/// Whether a database may be created under this name.
pub(super) fn database(name: &str) -> Result<(), Failure> {
    check(name, 128, false, "illegal name: database name invalid")?;
    if is_nfc(name) { Ok(()) } else { Err(illegal(NOT_NFC)) }
}

/// Whether a collection may be created under this name; only a system collection may start with an underscore.
pub(super) fn collection(name: &str, system: bool) -> Result<(), Failure> {
    check(name, 256, system, "illegal name: collection name invalid")?;
    if is_nfc(name) { Ok(()) } else { Err(illegal("collection name is not properly UTF-8 NFC-normalized")) }
}
