//! Examines a write-ahead log file before SQLite opens it. SQLite reads a log up to the first invalid frame and takes
//! that for the end: everything after a single flipped bit is lost without an error. The file itself still shows that
//! there was more.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufReader, ErrorKind, Read},
    os::unix::fs::FileExt,
    path::Path,
};

const HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 24;
const DEFAULT_PAGE_BYTES: usize = 4_096;

/// The first word of the file; its last bit is the byte order of the checksums.
const MAGIC: u32 = 0x377f_0682;

/// The salts in the header of a log and of each frame; they are equal if the frame belongs to the log.
type Salts = [u8; 8];

/// The findings at the end of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tail {
    /// Durable transactions that SQLite does not read because something before them is damaged.
    pub(crate) lost_commits: u64,
    /// Number of frames up to the end of the last transaction that SQLite reads.
    pub(crate) frames: u64,
}

/// Examines the log of a database file, which may not exist.
///
/// A log may also end with invalid frames after a power failure: a transaction that was never acknowledged, of which
/// only some sectors were written, or frames that were already checkpointed before the log was restarted. So
/// transactions are lost only
/// * if a single flipped bit explains the invalid frame, or if two transactions follow it: the second was
///   started when the first was durable;
/// * and if not all of their pages are in the database file.
pub(crate) fn tail(database: &Path) -> io::Result<Tail> {
    let mut name = database.as_os_str().to_owned();
    name.push("-wal");
    let log = match File::open(name) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Tail::default()),
        Err(error) => return Err(error),
    };
    let UnreadPart { commits, pages, page_bytes, frames } = unread_part(BufReader::new(&log))?;
    let is_lost = commits > 0 && !are_checkpointed(&log, database, &pages, page_bytes)?;
    Ok(Tail { lost_commits: if is_lost { commits } else { 0 }, frames })
}

/// The part of a log after the frames that SQLite reads.
#[derive(Debug, Default, PartialEq, Eq)]
struct UnreadPart {
    /// Durable transactions.
    commits: u64,
    /// Offset of the last version of each page.
    pages: BTreeMap<u32, u64>,
    page_bytes: usize,
    /// Frames before it, up to the end of a transaction.
    frames: u64,
}

impl UnreadPart {
    fn add(&mut self, frame: &[u8], at: u64) {
        self.pages.insert(word(frame, 0), at + FRAME_HEADER_BYTES as u64);
    }
}

/// Consecutive valid frames.
#[derive(Debug, Default)]
struct FrameRun {
    commits: u64,
    /// Minimum number of commits from which they were durable.
    min_commits: u64,
}

impl FrameRun {
    fn add(&mut self, frame: &[u8]) {
        self.commits += u64::from(word(frame, 4) != 0);
    }

    fn durable(&self) -> u64 {
        if self.commits >= self.min_commits { self.commits } else { 0 }
    }
}

fn unread_part(mut log: impl Read) -> io::Result<UnreadPart> {
    let mut header = [0; HEADER_BYTES];
    if !fill(&mut log, &mut header)? {
        return Ok(UnreadPart::default());
    }
    let is_valid = is_header(&header);
    let has_flipped_bit = !is_valid && repair_bit(&mut header, is_header);
    // If the header is invalid, the pages have our size; 65,536 bytes is the maximum.
    let page_bytes =
        Some(word(&header, 8) as usize).filter(|bytes| is_valid || has_flipped_bit && *bytes <= 65_536);
    let page_bytes = page_bytes.unwrap_or(DEFAULT_PAGE_BYTES);
    let mut rest = UnreadPart { page_bytes, ..UnreadPart::default() };
    let mut salts: Option<Salts> = (is_valid || has_flipped_bit).then(|| salts(&header, 16));
    let mut sum = Checksum { is_big_endian: word(&header, 0) & 1 == 1, ..Checksum::default() };
    sum.continue_from(&header, 24);
    let mut run =
        (!is_valid).then_some(FrameRun { commits: 0, min_commits: if has_flipped_bit { 1 } else { 2 } });
    let mut frame = vec![0; FRAME_HEADER_BYTES + page_bytes];
    let mut at = HEADER_BYTES as u64;
    while fill(&mut log, &mut frame)? {
        let expected = *salts.get_or_insert_with(|| self::salts(&frame, 8));
        let is_next = |frame: &[u8]| self::salts(frame, 8) == expected && sum.is_followed_by(frame);
        let mut follows = is_next(&frame);
        match &mut run {
            // SQLite reads everything up to here.
            None if follows => {
                if word(&frame, 4) != 0 {
                    rest.frames = (at - HEADER_BYTES as u64) / frame.len() as u64 + 1;
                }
            }
            None => {
                let has_flipped_bit = repair_bit(&mut frame, is_next);
                follows = has_flipped_bit || self::salts(&frame, 8) == expected;
                run = Some(FrameRun { commits: 0, min_commits: if has_flipped_bit { 1 } else { 2 } });
            }
            Some(before) if !follows => {
                rest.commits = rest.commits.max(before.durable());
                *before = FrameRun { commits: 0, min_commits: 2 };
                // If the header is invalid, any frame may be the first valid one.
                let is_any = !is_valid && !has_flipped_bit;
                salts = Some(if is_any { self::salts(&frame, 8) } else { expected });
                follows = Some(self::salts(&frame, 8)) == salts;
            }
            Some(_) => {}
        }
        if let Some(run) = &mut run
            && follows
        {
            run.add(&frame);
            rest.add(&frame, at);
        }
        sum.continue_from(&frame, 16);
        at += frame.len() as u64;
    }
    rest.commits = rest.commits.max(run.map_or(0, |run| run.durable()));
    Ok(rest)
}

/// Whether all pages that are not read were checkpointed.
fn are_checkpointed(
    log: &File,
    database: &Path,
    pages: &BTreeMap<u32, u64>,
    page_bytes: usize,
) -> io::Result<bool> {
    let file = match File::open(database) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let (mut in_log, mut in_file) = (vec![0; page_bytes], vec![0; page_bytes]);
    for (page, at) in pages {
        let offset = u64::from(page.saturating_sub(1)) * page_bytes as u64;
        log.read_exact_at(&mut in_log, *at)?;
        match file.read_exact_at(&mut in_file, offset) {
            Ok(()) if in_log == in_file => {}
            Err(error) if error.kind() != ErrorKind::UnexpectedEof => return Err(error),
            _ => return Ok(false),
        }
    }
    Ok(true)
}

fn salts(bytes: &[u8], at: usize) -> Salts {
    bytes.get(at..at + 8).and_then(|salts| salts.try_into().ok()).unwrap_or_default()
}

/// Whether the header of a log is valid.
fn is_header(header: &[u8]) -> bool {
    let mut sum = Checksum { is_big_endian: word(header, 0) & 1 == 1, ..Checksum::default() };
    sum.add(&header[..24]);
    let page_bytes = word(header, 8);
    word(header, 0) & !1 == MAGIC
        && (512..=65_536).contains(&page_bytes)
        && (sum.first, sum.second) == (word(header, 24), word(header, 28))
}

/// Flips the single bit that makes the bytes valid; returns whether there is one.
fn repair_bit(bytes: &mut [u8], is_valid: impl Fn(&[u8]) -> bool) -> bool {
    for bit in 0..8 * bytes.len() {
        bytes[bit / 8] ^= 1 << (bit % 8);
        if is_valid(bytes) {
            return true;
        }
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
    false
}

/// Fills the buffer; returns `false` at the end of the file.
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

/// SQLite's checksum of a log, which continues from frame to frame.
#[derive(Debug, Clone, Copy, Default)]
struct Checksum {
    is_big_endian: bool,
    first: u32,
    second: u32,
}

impl Checksum {
    /// Continues from the checksum stored at an offset.
    fn continue_from(&mut self, bytes: &[u8], at: usize) {
        (self.first, self.second) = (word(bytes, at), word(bytes, at + 4));
    }

    /// Whether a frame continues this checksum.
    fn is_followed_by(mut self, frame: &[u8]) -> bool {
        self.add(&frame[..8]);
        self.add(&frame[FRAME_HEADER_BYTES..]);
        (self.first, self.second) == (word(frame, 16), word(frame, 20))
    }

    fn add(&mut self, bytes: &[u8]) {
        let count = |word: [u8; 4]| match self.is_big_endian {
            true => u32::from_be_bytes(word),
            false => u32::from_le_bytes(word),
        };
        for pair in bytes.as_chunks::<8>().0 {
            let [a, b, c, d, e, f, g, h] = *pair;
            self.first = self.first.wrapping_add(count([a, b, c, d])).wrapping_add(self.second);
            self.second = self.second.wrapping_add(count([e, f, g, h])).wrapping_add(self.first);
        }
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    /// A log of 20 transactions, none of them checkpointed.
    fn log() -> (tempfile::TempDir, Vec<u8>, Connection) {
        let folder = tempfile::tempdir().unwrap();
        let writer = Connection::open(folder.path().join("file.db")).unwrap();
        writer.pragma_update(None, "journal_mode", "WAL").unwrap();
        writer.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
        writer.execute_batch("CREATE TABLE bodies (body BLOB)").unwrap();
        for _ in 0..20 {
            writer.execute("INSERT INTO bodies VALUES (randomblob(9000))", []).unwrap();
        }
        let whole = std::fs::read(folder.path().join("file.db-wal")).unwrap();
        (folder, whole, writer)
    }

    const FRAME_BYTES: usize = FRAME_HEADER_BYTES + DEFAULT_PAGE_BYTES;

    fn lost(log: &[u8]) -> u64 {
        unread_part(log).unwrap().commits
    }

    #[test]
    fn flipped_bit_is_detected_at_any_offset() {
        let (folder, whole, _writer) = log();
        let path = folder.path().join("file.db");
        let frames = ((whole.len() - HEADER_BYTES) / FRAME_BYTES) as u64;
        assert_eq!(tail(&path).unwrap(), Tail { lost_commits: 0, frames });
        let offsets = (0..whole.len()).step_by(997).chain([4, 9, 17, 26, whole.len() - 1]);
        for offset in offsets {
            let mut damaged = whole.clone();
            damaged[offset] ^= 4;
            assert!(lost(&damaged) > 0, "{offset} of {}", whole.len());
        }
        assert_eq!(tail(&folder.path().join("none.db")).unwrap(), Tail::default());
        assert_eq!(lost(b"no log at all, but some text of some length"), 0);
    }

    #[test]
    fn destroyed_page_is_detected_if_two_transactions_follow() {
        let (_folder, whole, _writer) = log();
        for percent in [0, 1, 20, 50, 80] {
            let mut damaged = whole.clone();
            let start = whole.len() * percent / 100;
            damaged[start..start + DEFAULT_PAGE_BYTES].fill(0);
            assert!(lost(&damaged) > 0, "{percent} %");
        }
    }

    /// Some of its sectors were written.
    #[test]
    fn partly_written_last_transaction_is_not_a_loss() {
        let (_folder, whole, _writer) = log();
        assert_eq!(lost(&whole[..whole.len() - 100]), 0);
        let frames: Vec<usize> = (HEADER_BYTES..whole.len()).step_by(FRAME_BYTES).collect();
        let commits: Vec<usize> = frames.iter().copied().filter(|at| word(&whole, at + 4) != 0).collect();
        let last = commits[commits.len() - 2] + FRAME_BYTES;
        for sector in (last / 512 + 1)..whole.len() / 512 {
            let mut torn = whole.clone();
            torn[sector * 512..(sector + 1) * 512].fill(0);
            assert_eq!(lost(&torn), 0, "sector {sector}");
        }
    }

    #[test]
    fn frames_left_behind_the_end_by_a_failed_sync_are_not_a_loss() {
        let (_folder, whole, _writer) = log();
        let frames: Vec<usize> = (HEADER_BYTES..whole.len()).step_by(FRAME_BYTES).collect();
        let commits: Vec<usize> = frames.iter().copied().filter(|at| word(&whole, at + 4) != 0).collect();
        // Three transactions that each began at the same offset: the longer ones leave frames behind the last one.
        let start = commits[commits.len() - 2] + FRAME_BYTES;
        let mut sum = Checksum { is_big_endian: word(&whole, 0) & 1 == 1, ..Checksum::default() };
        let mut log = whole[..start].to_vec();
        for frames in [8, 4, 2] {
            sum.continue_from(&whole, start - FRAME_BYTES + 16);
            for number in 0..frames {
                let mut frame = whole[start - FRAME_BYTES..start].to_vec();
                frame[..4].copy_from_slice(&(number as u32 + 2).to_be_bytes());
                frame[4..8].copy_from_slice(&u32::to_be_bytes(if number + 1 == frames { 70 } else { 0 }));
                frame[100] = frames as u8;
                sum.add(&frame[..8]);
                sum.add(&frame[FRAME_HEADER_BYTES..]);
                frame[16..20].copy_from_slice(&sum.first.to_be_bytes());
                frame[20..24].copy_from_slice(&sum.second.to_be_bytes());
                let at = start + number * FRAME_BYTES;
                log.resize(log.len().max(at + FRAME_BYTES), 0);
                log[at..at + FRAME_BYTES].copy_from_slice(&frame);
            }
        }
        assert_eq!((log.len() - start) / FRAME_BYTES, 8);
        assert_eq!(lost(&log), 0);
    }

    #[test]
    fn checkpointed_frames_are_not_a_loss() {
        let (folder, mut whole, writer) = log();
        let path = folder.path().join("file.db");
        let log = folder.path().join("file.db-wal");
        // The first frame of the restarted log was written, its header was not.
        whole[HEADER_BYTES..HEADER_BYTES + FRAME_BYTES].fill(7);
        std::fs::write(&log, &whole).unwrap();
        assert!(tail(&path).unwrap().lost_commits > 0);
        std::fs::remove_file(&log).unwrap();
        drop(writer);
        let (folder, mut whole, writer) = self::log();
        writer.query_row("PRAGMA wal_checkpoint(FULL)", [], |_| Ok(())).unwrap();
        whole[HEADER_BYTES..HEADER_BYTES + FRAME_BYTES].fill(7);
        std::fs::write(folder.path().join("file.db-wal"), &whole).unwrap();
        assert_eq!(tail(&folder.path().join("file.db")).unwrap().lost_commits, 0);
    }
}
