//! Compressed request bodies (`content-encoding`), unpacked up to a limit.

use std::io::Read;

use bytes::Bytes;
use flate2::read::{GzDecoder, ZlibDecoder};
use http::{HeaderMap, header};

/// Why a body can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// It isn't what the header says.
    Corrupt(&'static str),
    /// It is too long, packed or unpacked.
    TooLarge,
}

/// The body in plain. `deflate` is zlib's format, as HTTP has it. What is packed in another way stays as it is: the
/// server passes it on, and then it is no JSON.
pub(super) fn plain(headers: &HeaderMap, body: Bytes, max: usize) -> Result<Bytes, Unreadable> {
    let encoding = headers.get(header::CONTENT_ENCODING).map(http::HeaderValue::as_bytes);
    match encoding {
        Some(b"gzip") => unpacked(
            GzDecoder::new(&body[..]),
            max,
            "a decoding error occurred while handling Content-Encoding: gzip",
        ),
        Some(b"deflate") => unpacked(
            ZlibDecoder::new(&body[..]),
            max,
            "a decoding error occurred while handling Content-Encoding: deflate",
        ),
        // ASSUMED: `x-arango-lz4`, which drivers don't use, is passed on as well.
        _ => Ok(body),
    }
}

fn unpacked(packed: impl Read, max: usize, corrupt: &'static str) -> Result<Bytes, Unreadable> {
    let mut plain = Vec::new();
    // One byte more than is allowed says that there is more.
    let limit = max as u64 + 1;
    packed.take(limit).read_to_end(&mut plain).map_err(|_| Unreadable::Corrupt(corrupt))?;
    if plain.len() > max { Err(Unreadable::TooLarge) } else { Ok(plain.into()) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{
        Compression,
        write::{DeflateEncoder, GzEncoder, ZlibEncoder},
    };
    use http::HeaderValue;

    use super::*;

    const TEXT: &[u8] = br#"{"user":"alice"}"#;

    fn read(encoding: &'static str, body: Vec<u8>) -> Result<Bytes, Unreadable> {
        let headers = HeaderMap::from_iter([(header::CONTENT_ENCODING, HeaderValue::from_static(encoding))]);
        plain(&headers, body.into(), 1000)
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn gzip_and_deflate_are_unpacked_and_others_passed_on() {
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(TEXT).unwrap();
        assert_eq!(read("gzip", gzip(TEXT)).unwrap(), TEXT);
        assert_eq!(read("deflate", zlib.finish().unwrap()).unwrap(), TEXT);
        assert_eq!(read("br", TEXT.into()).unwrap(), TEXT);
        assert_eq!(plain(&HeaderMap::new(), TEXT.into(), 1000).unwrap(), TEXT);
    }

    #[test]
    fn what_is_packed_otherwise_than_it_says_is_refused() {
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::fast());
        raw.write_all(TEXT).unwrap();
        for (encoding, body) in
            [("gzip", TEXT.to_vec()), ("deflate", raw.finish().unwrap()), ("gzip", gzip(TEXT)[..20].to_vec())]
        {
            assert!(matches!(read(encoding, body), Err(Unreadable::Corrupt(_))), "{encoding}");
        }
    }

    #[test]
    fn a_bomb_does_not_go_off() {
        let bomb = gzip(&vec![b' '; 10_000_000]);
        assert!(bomb.len() < 20_000);
        assert_eq!(read("gzip", bomb), Err(Unreadable::TooLarge));
        assert_eq!(read("gzip", gzip(&[b' '; 1000])).map(|body| body.len()), Ok(1000));
    }
}
