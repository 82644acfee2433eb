//! Decompresses bodies by their `Content-Encoding` (gzip, deflate), up to a maximum size.

use std::io::{self, Write};

use axum::http::{HeaderMap, header};
use flate2::write::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

/// The compression of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Identity,
    Gzip,
    Deflate,
}

/// Maximum number of compressed bytes that are decompressed at once, which limits the memory for the result.
const CHUNK_BYTES: usize = 1024;

impl Encoding {
    /// Reads the encoding from the headers. The error names an encoding that is not supported.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, String> {
        let values = headers.get_all(header::CONTENT_ENCODING).iter();
        let names = values.flat_map(|value| {
            String::from_utf8_lossy(value.as_bytes())
                .split(',')
                .map(|name| name.trim().to_owned())
                .collect::<Vec<_>>()
        });
        let mut found = Self::Identity;
        for name in names.filter(|name| !name.is_empty()) {
            let encoding = match name.to_ascii_lowercase().as_str() {
                "identity" => continue,
                "gzip" | "x-gzip" => Self::Gzip,
                "deflate" => Self::Deflate,
                _ => return Err(format!("Content-Encoding {name:?} is not supported")),
            };
            if found != Self::Identity {
                return Err("more than one Content-Encoding is not supported".to_owned());
            }
            found = encoding;
        }
        Ok(found)
    }
}

/// Why a body cannot be decompressed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum UnpackError {
    /// The result exceeds the maximum size; its beginning.
    TooLong(Vec<u8>),
    /// The body is not in the encoding of its header.
    Damaged(String),
}

/// Decompresses a whole body to at most `limit_bytes`.
pub(crate) fn unpack(encoding: Encoding, packed: &[u8], limit_bytes: usize) -> Result<Vec<u8>, UnpackError> {
    let mut unpacker = Unpacker::new(encoding);
    let mut whole = Vec::new();
    let result = unpacker.feed(packed, |chunk| {
        whole.extend_from_slice(chunk);
        whole.len() <= limit_bytes
    });
    match result.and_then(|()| unpacker.finish(|chunk| whole.extend_from_slice(chunk))) {
        Ok(()) if whole.len() <= limit_bytes => Ok(whole),
        Err(error) if whole.len() <= limit_bytes => Err(UnpackError::Damaged(error.to_string())),
        _ => Err(UnpackError::TooLong(whole)),
    }
}

/// Decompresses a stream.
pub(crate) struct Unpacker {
    decoder: Decoder,
}

enum Decoder {
    Identity,
    Gzip(MultiGzDecoder<Vec<u8>>),
    /// Before the first byte of `deflate`, which shows whether there is a zlib header (RFC 9110) or not.
    Undecided,
    Zlib(ZlibDecoder<Vec<u8>>),
    Raw(DeflateDecoder<Vec<u8>>),
}

impl Unpacker {
    pub(crate) fn new(encoding: Encoding) -> Self {
        let decoder = match encoding {
            Encoding::Identity => Decoder::Identity,
            Encoding::Gzip => Decoder::Gzip(MultiGzDecoder::new(Vec::new())),
            Encoding::Deflate => Decoder::Undecided,
        };
        Self { decoder }
    }

    /// Decompresses a part of the body and passes the result to `take` in chunks, until `take` returns false.
    pub(crate) fn feed(&mut self, packed: &[u8], mut take: impl FnMut(&[u8]) -> bool) -> io::Result<()> {
        if matches!(self.decoder, Decoder::Identity) {
            take(packed);
            return Ok(());
        }
        for chunk in packed.chunks(CHUNK_BYTES) {
            if !take(&self.unpacked(chunk)?) {
                break;
            }
        }
        Ok(())
    }

    fn unpacked(&mut self, chunk: &[u8]) -> io::Result<Vec<u8>> {
        if matches!(self.decoder, Decoder::Undecided) {
            let is_zlib = chunk.first().is_some_and(|byte| byte & 0x0f == 8 && byte >> 4 <= 7);
            self.decoder = match is_zlib {
                true => Decoder::Zlib(ZlibDecoder::new(Vec::new())),
                false => Decoder::Raw(DeflateDecoder::new(Vec::new())),
            };
        }
        Ok(match &mut self.decoder {
            Decoder::Identity | Decoder::Undecided => chunk.to_vec(),
            Decoder::Gzip(decoder) => {
                decoder.write_all(chunk)?;
                std::mem::take(decoder.get_mut())
            }
            Decoder::Zlib(decoder) => {
                decoder.write_all(chunk)?;
                std::mem::take(decoder.get_mut())
            }
            Decoder::Raw(decoder) => {
                decoder.write_all(chunk)?;
                std::mem::take(decoder.get_mut())
            }
        })
    }

    /// Passes the remaining bytes to `take`. Fails if the body is incomplete.
    pub(crate) fn finish(self, take: impl FnOnce(&[u8])) -> io::Result<()> {
        let rest = match self.decoder {
            Decoder::Identity | Decoder::Undecided => return Ok(()),
            Decoder::Gzip(decoder) => decoder.finish()?,
            Decoder::Zlib(decoder) => decoder.finish()?,
            Decoder::Raw(decoder) => decoder.finish()?,
        };
        take(&rest);
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use flate2::{
        Compression,
        write::{DeflateEncoder, GzEncoder, ZlibEncoder},
    };

    use super::*;

    fn packed(text: &[u8]) -> [(Encoding, Vec<u8>); 3] {
        let level = Compression::default;
        let (mut gzip, mut zlib, mut raw) = (
            GzEncoder::new(Vec::new(), level()),
            ZlibEncoder::new(Vec::new(), level()),
            DeflateEncoder::new(Vec::new(), level()),
        );
        gzip.write_all(text).unwrap();
        zlib.write_all(text).unwrap();
        raw.write_all(text).unwrap();
        [
            (Encoding::Gzip, gzip.finish().unwrap()),
            (Encoding::Deflate, zlib.finish().unwrap()),
            (Encoding::Deflate, raw.finish().unwrap()),
        ]
    }

    #[test]
    fn a_compressed_body_is_decompressed_up_to_the_limit() {
        let text = "a notification of some length, ".repeat(300);
        for (encoding, packed) in packed(text.as_bytes()) {
            assert_eq!(unpack(encoding, &packed, text.len()).unwrap(), text.as_bytes());
            assert!(matches!(
                unpack(encoding, &packed, text.len() - 1),
                Err(UnpackError::TooLong(beginning)) if text.as_bytes().starts_with(&beginning)
            ));
        }
        assert_eq!(unpack(Encoding::Identity, b"as it is", 8).unwrap(), b"as it is");
    }

    #[test]
    fn a_damaged_or_incomplete_body_is_an_error() {
        for (encoding, packed) in packed(&b"0123456789".repeat(100)) {
            let incomplete = unpack(encoding, &packed[..packed.len() / 2], 10_000);
            assert!(matches!(incomplete, Err(UnpackError::Damaged(_))), "{encoding:?}: {incomplete:?}");
        }
        assert!(matches!(unpack(Encoding::Gzip, b"{\"plain\":1}", 100), Err(UnpackError::Damaged(_))));
        assert!(matches!(unpack(Encoding::Gzip, b"", 100), Err(UnpackError::Damaged(_))));
    }

    #[test]
    fn a_decompression_bomb_is_not_held_in_memory() {
        for (encoding, packed) in packed(&vec![b' '; 64 << 20]) {
            match unpack(encoding, &packed, 1_000) {
                Err(UnpackError::TooLong(beginning)) => {
                    assert!(beginning.len() < 2 << 20, "{}", beginning.len())
                }
                other => panic!("{encoding:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn an_unsupported_encoding_is_named() {
        let of = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_ENCODING, value.parse().unwrap());
            Encoding::of(&headers)
        };
        assert_eq!(of("GZIP"), Ok(Encoding::Gzip));
        assert_eq!(of("identity, deflate"), Ok(Encoding::Deflate));
        assert_eq!(of(""), Ok(Encoding::Identity));
        assert!(of("br").unwrap_err().contains("br"));
        assert!(of("gzip, gzip").is_err());
        assert_eq!(Encoding::of(&HeaderMap::new()), Ok(Encoding::Identity));
    }
}
