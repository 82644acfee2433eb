//! Writes records in the requested format.

use std::io::{self, BufWriter, Write};

use wholecall_record::{Call, CallId, WriteJson, display::escape_control};
use wholecall_render::{csv::CsvWriter, table::Table, vcon::vcon};

use crate::{cli::Format, signing::Signer, terminal};

/// A writer of records.
pub(crate) struct Output<W: Write> {
    writer: Writer<W>,
    line: Vec<u8>,
}

enum Writer<W: Write> {
    Ndjson(BufWriter<W>),
    /// With whether the next record is the first.
    Json(BufWriter<W>, bool),
    Table(W, Table),
    Csv(CsvWriter<W>),
    /// With the signer, if vCons are signed.
    Vcon(BufWriter<W>, Option<Signer>),
}

const BUFFER_BYTES: usize = 256 << 10;

impl<W: Write> Output<W> {
    /// Starts the output.
    pub(crate) fn new(format: Format, signer: Option<Signer>, to: W) -> io::Result<Self> {
        let buffered = |to| BufWriter::with_capacity(BUFFER_BYTES, to);
        let writer = match format {
            Format::Ndjson => Writer::Ndjson(buffered(to)),
            Format::Json => Writer::Json(buffered(to), true),
            Format::Table => Writer::Table(to, Table::new(terminal::screen())),
            Format::Csv => Writer::Csv(CsvWriter::new(to)?),
            Format::Vcon => Writer::Vcon(buffered(to), signer),
        };
        Ok(Self { writer, line: Vec::new() })
    }

    /// Writes a record.
    pub(crate) fn write(&mut self, call: &Call) -> io::Result<()> {
        self.line.clear();
        match &mut self.writer {
            Writer::Ndjson(to) => {
                call.write_json(&mut self.line);
                self.line.push(b'\n');
                to.write_all(&self.line)
            }
            Writer::Json(to, is_first) => {
                let between: &[u8] = if std::mem::take(is_first) { b"[\n" } else { b",\n" };
                call.write_json(&mut self.line);
                to.write_all(between)?;
                to.write_all(&self.line)
            }
            Writer::Table(_, table) => {
                table.add(call);
                Ok(())
            }
            Writer::Csv(csv) => csv.write(call),
            Writer::Vcon(to, signer) => {
                let unsigned = vcon(call);
                let written = match signer {
                    Some(signer) => signer.sign(unsigned).map_err(io::Error::other)?,
                    None => unsigned,
                };
                serde_json::to_writer(&mut *to, &written)?;
                to.write_all(b"\n")
            }
        }
    }

    /// Reports that a record's call is now part of another: in NDJSON as a line, otherwise on standard error.
    pub(crate) fn merged(&mut self, id: &CallId, into: &CallId) -> io::Result<()> {
        match &mut self.writer {
            Writer::Ndjson(to) => {
                let merged = serde_json::json!({"schema": "wholecall.merged/1", "id": id, "into": into});
                writeln!(to, "{merged}")
            }
            _ => {
                let (id, into) = (escape_control(id.as_str()), escape_control(into.as_str()));
                eprintln!("wholecall: call {id} turned out to be part of {into}, whose record follows");
                Ok(())
            }
        }
    }

    /// Flushes what was written, for live readers.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        match &mut self.writer {
            Writer::Ndjson(to) | Writer::Json(to, _) | Writer::Vcon(to, _) => to.flush(),
            Writer::Table(..) => Ok(()),
            Writer::Csv(csv) => csv.flush(),
        }
    }

    /// Ends the output.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        match &mut self.writer {
            Writer::Json(to, true) => to.write_all(b"[]\n")?,
            Writer::Json(to, false) => to.write_all(b"\n]\n")?,
            Writer::Table(to, table) if !table.is_empty() => to.write_all(table.text().as_bytes())?,
            _ => {}
        }
        self.flush()
    }
}
