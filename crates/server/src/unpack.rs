//! `Content-Encoding` undone: gzip and deflate, with a limit for what they unpack to.

use std::io::{self, Write};

use axum::http::{HeaderMap, header};
use flate2::write::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

/// How a body is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Identity,
    Gzip,
    Deflate,
}

/// Fed piece by piece, so that little of what a piece unpacks to is in memory at once.
const PIECE_BYTES: usize = 1024;

impl Encoding {
    /// How the body with these headers is packed, or the name of a way that is not supported.
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
                return Err("a Content-Encoding of several layers is not supported".to_owned());
            }
            found = encoding;
        }
        Ok(found)
    }
}

/// Why a body cannot be unpacked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// It unpacks to more than is allowed; its beginning.
    TooLong(Vec<u8>),
    /// It is not what its header says.
    Damaged(String),
}

/// Unpacks a whole body to at most so many bytes.
pub(crate) fn unpack(encoding: Encoding, packed: &[u8], limit_bytes: usize) -> Result<Vec<u8>, Unreadable> {
    let mut unpacker = Unpacker::new(encoding);
    let mut whole = Vec::new();
    let result = unpacker.feed(packed, |piece| {
        whole.extend_from_slice(piece);
        whole.len() <= limit_bytes
    });
    match result.and_then(|()| unpacker.finish(|piece| whole.extend_from_slice(piece))) {
        Ok(()) if whole.len() <= limit_bytes => Ok(whole),
        Err(error) if whole.len() <= limit_bytes => Err(Unreadable::Damaged(error.to_string())),
        _ => Err(Unreadable::TooLong(whole)),
    }
}

/// Unpacks a stream.
pub(crate) struct Unpacker {
    form: Form,
}

enum Form {
    Identity,
    Gzip(MultiGzDecoder<Vec<u8>>),
    /// Nothing came yet: whether there is a zlib header, as RFC 9110 has it, or none, shows in the first byte.
    Undecided,
    Zlib(ZlibDecoder<Vec<u8>>),
    Raw(DeflateDecoder<Vec<u8>>),
}

impl Unpacker {
    pub(crate) fn new(encoding: Encoding) -> Self {
        let form = match encoding {
            Encoding::Identity => Form::Identity,
            Encoding::Gzip => Form::Gzip(MultiGzDecoder::new(Vec::new())),
            Encoding::Deflate => Form::Undecided,
        };
        Self { form }
    }

    /// Hands over what a part of the body unpacks to, in pieces, for as long as `take` wants more.
    pub(crate) fn feed(&mut self, packed: &[u8], mut take: impl FnMut(&[u8]) -> bool) -> io::Result<()> {
        if matches!(self.form, Form::Identity) {
            take(packed);
            return Ok(());
        }
        for piece in packed.chunks(PIECE_BYTES) {
            if !take(&self.unpacked(piece)?) {
                break;
            }
        }
        Ok(())
    }

    fn unpacked(&mut self, piece: &[u8]) -> io::Result<Vec<u8>> {
        if matches!(self.form, Form::Undecided) {
            let is_zlib = piece.first().is_some_and(|byte| byte & 0x0f == 8 && byte >> 4 <= 7);
            self.form = match is_zlib {
                true => Form::Zlib(ZlibDecoder::new(Vec::new())),
                false => Form::Raw(DeflateDecoder::new(Vec::new())),
            };
        }
        Ok(match &mut self.form {
            Form::Identity | Form::Undecided => piece.to_vec(),
            Form::Gzip(decoder) => {
                decoder.write_all(piece)?;
                std::mem::take(decoder.get_mut())
            }
            Form::Zlib(decoder) => {
                decoder.write_all(piece)?;
                std::mem::take(decoder.get_mut())
            }
            Form::Raw(decoder) => {
                decoder.write_all(piece)?;
                std::mem::take(decoder.get_mut())
            }
        })
    }

    /// Hands over the rest; an error if the body broke off.
    pub(crate) fn finish(self, take: impl FnOnce(&[u8])) -> io::Result<()> {
        let rest = match self.form {
            Form::Identity | Form::Undecided => return Ok(()),
            Form::Gzip(decoder) => decoder.finish()?,
            Form::Zlib(decoder) => decoder.finish()?,
            Form::Raw(decoder) => decoder.finish()?,
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
    fn what_is_packed_is_unpacked() {
        let text = "a notification of some length, ".repeat(300);
        for (encoding, packed) in packed(text.as_bytes()) {
            assert_eq!(unpack(encoding, &packed, text.len()).unwrap(), text.as_bytes());
            assert!(matches!(
                unpack(encoding, &packed, text.len() - 1),
                Err(Unreadable::TooLong(beginning)) if text.as_bytes().starts_with(&beginning)
            ));
        }
        assert_eq!(unpack(Encoding::Identity, b"as it is", 8).unwrap(), b"as it is");
    }

    #[test]
    fn what_is_damaged_or_broken_off_is_an_error() {
        for (encoding, packed) in packed(&b"0123456789".repeat(100)) {
            let broken_off = unpack(encoding, &packed[..packed.len() / 2], 10_000);
            assert!(matches!(broken_off, Err(Unreadable::Damaged(_))), "{encoding:?}: {broken_off:?}");
        }
        assert!(matches!(unpack(Encoding::Gzip, b"{\"plain\":1}", 100), Err(Unreadable::Damaged(_))));
        assert!(matches!(unpack(Encoding::Gzip, b"", 100), Err(Unreadable::Damaged(_))));
    }

    #[test]
    fn a_bomb_is_not_held_in_memory() {
        for (encoding, packed) in packed(&vec![b' '; 64 << 20]) {
            match unpack(encoding, &packed, 1_000) {
                Err(Unreadable::TooLong(beginning)) => {
                    assert!(beginning.len() < 2 << 20, "{}", beginning.len())
                }
                other => panic!("{encoding:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn what_is_not_supported_is_named() {
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
