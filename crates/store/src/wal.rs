//! A write-ahead log as it lies on disk. SQLite reads it up to the first frame that is not as it was written, and takes that
//! for the end: what follows a single bit that has flipped is gone, and nobody is told. Looked at before SQLite opens it,
//! the log still shows that there was more.

use std::{
    fs::File,
    io::{self, BufReader, ErrorKind, Read},
    path::Path,
};

const HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 24;

/// The file's first word; the last bit says how checksums are counted.
const MAGIC: u32 = 0x377f_0682;

/// What a log says of its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tail {
    /// Transactions that were written whole after a frame that is not as it was written.
    pub(crate) lost_commits: u64,
}

/// Looks at the log of a database file; there may be none.
pub(crate) fn tail(database: &Path) -> io::Result<Tail> {
    let mut name = database.as_os_str().to_owned();
    name.push("-wal");
    match File::open(name) {
        Ok(file) => read(BufReader::new(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Tail::default()),
        Err(error) => Err(error),
    }
}

fn read(mut log: impl Read) -> io::Result<Tail> {
    let mut header = [0; HEADER_BYTES];
    if !fill(&mut log, &mut header)? || word(&header, 0) & !1 != MAGIC {
        return Ok(Tail::default());
    }
    let is_big_endian = word(&header, 0) & 1 == 1;
    // No page is longer than this: anything else is no log.
    let page_bytes = Some(word(&header, 8) as usize).filter(|bytes| (512..=65_536).contains(bytes));
    let Some(page_bytes) = page_bytes else { return Ok(Tail::default()) };
    let salts = (word(&header, 16), word(&header, 20));
    let mut sum = Sum { is_big_endian, one: 0, two: 0 };
    sum.add(&header[..24]);
    let mut is_sound = true;
    let mut tail = Tail::default();
    let mut frame = vec![0; FRAME_HEADER_BYTES + page_bytes];
    while fill(&mut log, &mut frame)? {
        let has_salts = (word(&frame, 8), word(&frame, 12)) == salts;
        if is_sound {
            sum.add(&frame[..8]);
            sum.add(&frame[FRAME_HEADER_BYTES..]);
            is_sound = has_salts && (sum.one, sum.two) == (word(&frame, 16), word(&frame, 20));
        } else if has_salts && word(&frame, 4) != 0 {
            // Frames of an earlier round of the log have other salts.
            tail.lost_commits += 1;
        }
    }
    Ok(tail)
}

/// Whether there was enough to fill it with.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match from.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|word| word.try_into().ok()).map_or(0, u32::from_be_bytes)
}

/// SQLite's checksum of a log, which goes on from frame to frame.
struct Sum {
    is_big_endian: bool,
    one: u32,
    two: u32,
}

impl Sum {
    fn add(&mut self, bytes: &[u8]) {
        let count = |word: [u8; 4]| match self.is_big_endian {
            true => u32::from_be_bytes(word),
            false => u32::from_le_bytes(word),
        };
        for pair in bytes.as_chunks::<8>().0 {
            let [a, b, c, d, e, f, g, h] = *pair;
            self.one = self.one.wrapping_add(count([a, b, c, d])).wrapping_add(self.two);
            self.two = self.two.wrapping_add(count([e, f, g, h])).wrapping_add(self.one);
        }
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    #[test]
    fn a_flipped_bit_is_noticed_wherever_something_follows_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.db");
        let writer = Connection::open(&path).unwrap();
        writer.pragma_update(None, "journal_mode", "WAL").unwrap();
        writer.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
        writer.execute_batch("CREATE TABLE bodies (body BLOB)").unwrap();
        for _ in 0..20 {
            writer.execute("INSERT INTO bodies VALUES (zeroblob(9000))", []).unwrap();
        }
        let log = folder.path().join("file.db-wal");
        let whole = std::fs::read(&log).unwrap();
        assert_eq!(tail(&path).unwrap(), Tail::default());
        assert_eq!(read(&whole[..whole.len() - 100]).unwrap(), Tail::default(), "torn while it was written");
        for percent in [1, 5, 20, 40, 80] {
            let mut damaged = whole.clone();
            damaged[whole.len() * percent / 100] ^= 4;
            let lost = read(&*damaged).unwrap().lost_commits;
            assert!(lost > 0, "{percent} %");
        }
        assert_eq!(tail(&folder.path().join("none.db")).unwrap(), Tail::default());
        assert_eq!(read(&b"no log at all, but some text of some length"[..]).unwrap(), Tail::default());
    }
}
