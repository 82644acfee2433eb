//! Compresses notifications and records. They repeat the same words, so they are compressed with a dictionary of
//! typical ones (`scripts/dictionaries` makes it).
//!
//! The first byte is the number of the dictionary. A dictionary is never changed, only superseded: texts compressed
//! with it could not be read again.

use std::{cell::RefCell, sync::LazyLock};

use zstd::{
    bulk::{Compressor, Decompressor},
    dict::{DecoderDictionary, EncoderDictionary},
};

use crate::error::{Result, StoreError};

/// The kind of text that is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Notification,
    Record,
}

const LEVEL: i32 = 1;

/// Maximum size of the buffer that is retained between texts; few texts need more.
const MAX_RETAINED_BUFFER_BYTES: usize = 64 << 10;

/// Maximum length of a text; a longer one can only be damage.
const MAX_TEXT_BYTES: usize = 256 << 20;

static DICTIONARIES: LazyLock<[Dictionary; 4]> = LazyLock::new(|| {
    [
        Dictionary::new(include_bytes!("dictionary/notifications-1.txt")),
        Dictionary::new(include_bytes!("dictionary/records-1.txt")),
        Dictionary::new(include_bytes!("dictionary/notifications-2.dict")),
        Dictionary::new(include_bytes!("dictionary/records-2.dict")),
    ]
});

struct Dictionary {
    encoder: EncoderDictionary<'static>,
    decoder: DecoderDictionary<'static>,
}

impl Dictionary {
    fn new(text: &'static [u8]) -> Self {
        Self { encoder: EncoderDictionary::copy(text, LEVEL), decoder: DecoderDictionary::copy(text) }
    }
}

impl Kind {
    /// The number of the current dictionary; the first is 1.
    fn number(self) -> u8 {
        match self {
            Self::Notification => 3,
            Self::Record => 4,
        }
    }
}

/// A compressor per dictionary, and a buffer for the output.
#[derive(Default)]
struct Packer {
    compressors: [Option<Compressor<'static>>; 4],
    buffer: Vec<u8>,
}

thread_local! {
    static PACKER: RefCell<Packer> = RefCell::default();
    static UNPACKERS: RefCell<[Option<Decompressor<'static>>; 4]> = RefCell::default();
}

/// Compresses a text.
pub(crate) fn pack(kind: Kind, text: &[u8]) -> Result<Vec<u8>> {
    PACKER.with_borrow_mut(|Packer { compressors, buffer }| {
        let number = kind.number();
        let place = usize::from(number) - 1;
        let compressor = match &mut compressors[place] {
            Some(compressor) => compressor,
            missing => {
                let dictionary = &DICTIONARIES[place].encoder;
                let mut compressor = Compressor::with_prepared_dictionary(dictionary).map_err(failed)?;
                // Four bytes that detect flipped bits.
                compressor.include_checksum(true).map_err(failed)?;
                missing.insert(compressor)
            }
        };
        let max_length = 1 + zstd::zstd_safe::compress_bound(text.len());
        if buffer.len() < max_length {
            buffer.resize(max_length, 0);
        }
        buffer[0] = number;
        let length = compressor.compress_to_buffer(text, &mut buffer[1..]).map_err(failed)?;
        let packed = buffer[..1 + length].to_vec();
        if buffer.len() > MAX_RETAINED_BUFFER_BYTES {
            *buffer = Vec::new();
        }
        Ok(packed)
    })
}

/// Decompresses a text.
pub(crate) fn unpack(packed: &[u8]) -> Result<Vec<u8>> {
    UNPACKERS.with_borrow_mut(|unpackers| {
        let (place, frame) = match packed {
            [number @ 1..=4, frame @ ..] if !frame.is_empty() => (usize::from(*number) - 1, frame),
            _ => {
                return Err(StoreError::Damaged(
                    "a compressed text is empty or names no known dictionary".to_owned(),
                ));
            }
        };
        let unpacker = match &mut unpackers[place] {
            Some(unpacker) => unpacker,
            missing => {
                let dictionary = &DICTIONARIES[place].decoder;
                missing.insert(Decompressor::with_prepared_dictionary(dictionary).map_err(failed)?)
            }
        };
        let damaged = || StoreError::Damaged("a compressed text cannot be decompressed".to_owned());
        let length = Decompressor::upper_bound(frame)
            .filter(|length| *length <= MAX_TEXT_BYTES)
            .ok_or_else(damaged)?;
        unpacker.decompress(frame, length).map_err(|_| damaged())
    })
}

/// Decompresses a text that must be UTF-8.
pub(crate) fn unpack_text(packed: &[u8]) -> Result<String> {
    String::from_utf8(unpack(packed)?)
        .map_err(|_| StoreError::Damaged("a compressed text is not UTF-8".to_owned()))
}

fn failed(error: std::io::Error) -> StoreError {
    StoreError::Failed(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_round_trip() {
        for kind in [Kind::Notification, Kind::Record] {
            for text in [&b""[..], b"{}", &[0xff; 100_000], include_bytes!("schema/1.sql")] {
                assert_eq!(unpack(&pack(kind, text).unwrap()).unwrap(), text);
            }
        }
    }

    /// Existing files contain such texts.
    #[test]
    fn texts_packed_with_an_older_dictionary_are_read() {
        let text = br#"{"uuid":"4805193143269049553","event":"/restapi/v1.0/account/400131426008/telephony/sessions"}"#;
        for (place, dictionary) in DICTIONARIES.iter().enumerate() {
            let mut packed = vec![place as u8 + 1];
            let mut compressor = Compressor::with_prepared_dictionary(&dictionary.encoder).unwrap();
            packed.extend(compressor.compress(text).unwrap());
            assert_eq!(unpack(&packed).unwrap(), text);
        }
    }

    #[test]
    fn damage_is_detected() {
        assert!(unpack(b"").is_err());
        assert!(unpack(b"\x02").is_err());
        assert!(unpack(b"\x07abc").is_err());
        let mut packed = pack(Kind::Record, b"some text in the place of a record").unwrap();
        for bit in 0..8 * packed.len() {
            packed[bit / 8] ^= 1 << (bit % 8);
            if let Ok(text) = unpack(&packed) {
                assert_eq!(text, b"some text in the place of a record", "flipped bit {bit} was not detected");
            }
            packed[bit / 8] ^= 1 << (bit % 8);
        }
        packed.truncate(packed.len() - 3);
        assert!(unpack(&packed).is_err());
    }
}
