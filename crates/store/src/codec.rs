//! Notifications and records take little room: they repeat the same words, so they are packed with a
//! dictionary of typical ones.
//!
//! The first byte names the dictionary. A dictionary is never changed, only followed by a better one, or what
//! was packed with it could not be read again.

use std::{cell::RefCell, sync::LazyLock};

use zstd::{
    bulk::{Compressor, Decompressor},
    dict::{DecoderDictionary, EncoderDictionary},
};

use crate::error::{Result, StoreError};

/// What is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Notification,
    Record,
}

const LEVEL: i32 = 1;

/// Nothing that was stored is longer; more can only be damage.
const LONGEST: usize = 256 << 20;

static NOTIFICATIONS: LazyLock<Dictionary> =
    LazyLock::new(|| Dictionary::new(1, include_bytes!("dictionary/notifications-1.txt")));
static RECORDS: LazyLock<Dictionary> =
    LazyLock::new(|| Dictionary::new(2, include_bytes!("dictionary/records-1.txt")));

struct Dictionary {
    number: u8,
    encoder: EncoderDictionary<'static>,
    decoder: DecoderDictionary<'static>,
}

impl Dictionary {
    fn new(number: u8, text: &'static [u8]) -> Self {
        Self { number, encoder: EncoderDictionary::copy(text, LEVEL), decoder: DecoderDictionary::copy(text) }
    }

    fn of(kind: Kind) -> &'static Self {
        match kind {
            Kind::Notification => &NOTIFICATIONS,
            Kind::Record => &RECORDS,
        }
    }
}

thread_local! {
    static PACKERS: RefCell<Option<[Compressor<'static>; 2]>> = const { RefCell::new(None) };
    static UNPACKERS: RefCell<Option<[Decompressor<'static>; 2]>> = const { RefCell::new(None) };
}

/// Packs a text.
pub(crate) fn pack(kind: Kind, text: &[u8]) -> Result<Vec<u8>> {
    PACKERS.with_borrow_mut(|packers| {
        let packers = match packers {
            Some(packers) => packers,
            none => none.insert([
                Compressor::with_prepared_dictionary(&NOTIFICATIONS.encoder).map_err(failed)?,
                Compressor::with_prepared_dictionary(&RECORDS.encoder).map_err(failed)?,
            ]),
        };
        let packer = &mut packers[kind as usize];
        let mut packed = vec![0; 1 + zstd::zstd_safe::compress_bound(text.len())];
        packed[0] = Dictionary::of(kind).number;
        let length = packer.compress_to_buffer(text, &mut packed[1..]).map_err(failed)?;
        packed.truncate(1 + length);
        packed.shrink_to_fit();
        Ok(packed)
    })
}

/// What was packed.
pub(crate) fn unpack(packed: &[u8]) -> Result<Vec<u8>> {
    UNPACKERS.with_borrow_mut(|unpackers| {
        let unpackers = match unpackers {
            Some(unpackers) => unpackers,
            none => none.insert([
                Decompressor::with_prepared_dictionary(&NOTIFICATIONS.decoder).map_err(failed)?,
                Decompressor::with_prepared_dictionary(&RECORDS.decoder).map_err(failed)?,
            ]),
        };
        let (unpacker, frame) = match packed {
            [1, frame @ ..] if !frame.is_empty() => (&mut unpackers[0], frame),
            [2, frame @ ..] if !frame.is_empty() => (&mut unpackers[1], frame),
            _ => {
                return Err(StoreError::Damaged(
                    "a packed text is empty or names no known dictionary".to_owned(),
                ));
            }
        };
        let damaged = || StoreError::Damaged("a packed text cannot be unpacked".to_owned());
        let length =
            Decompressor::upper_bound(frame).filter(|length| *length <= LONGEST).ok_or_else(damaged)?;
        unpacker.decompress(frame, length).map_err(|_| damaged())
    })
}

/// What was packed, where that was a text.
pub(crate) fn unpack_text(packed: &[u8]) -> Result<String> {
    String::from_utf8(unpack(packed)?)
        .map_err(|_| StoreError::Damaged("a packed text that is not UTF-8".to_owned()))
}

fn failed(error: std::io::Error) -> StoreError {
    StoreError::Failed(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_as_they_were() {
        for kind in [Kind::Notification, Kind::Record] {
            for text in [&b""[..], b"{}", &[0xff; 100_000], include_bytes!("schema/1.sql")] {
                assert_eq!(unpack(&pack(kind, text).unwrap()).unwrap(), text);
            }
        }
    }

    #[test]
    fn damage_is_told() {
        assert!(unpack(b"").is_err());
        assert!(unpack(b"\x02").is_err());
        assert!(unpack(b"\x07abc").is_err());
        let mut packed = pack(Kind::Record, b"a record, or what passes for one").unwrap();
        packed.truncate(packed.len() - 3);
        assert!(unpack(&packed).is_err());
    }
}
