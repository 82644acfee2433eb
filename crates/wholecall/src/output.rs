//! Records in the format that was asked for.

use std::io::{self, BufWriter, Write};

use wholecall_record::{Call, CallId, WriteJson, display::escape_control};
use wholecall_render::{csv::CsvWriter, table::Table, vcon::vcon};

use crate::{cli::Format, signing::Signer, terminal};

/// Writes records one after the other.
pub(crate) struct Output<W: Write> {
    form: Form<W>,
    line: Vec<u8>,
}

enum Form<W: Write> {
    Ndjson(BufWriter<W>),
    /// Whether it is still empty.
    Json(BufWriter<W>, bool),
    Table(W, Table),
    Csv(CsvWriter<W>),
    /// Signed where there is a key.
    Vcon(BufWriter<W>, Option<Signer>),
}

const BUFFER_BYTES: usize = 256 << 10;

impl<W: Write> Output<W> {
    /// Begins to write.
    pub(crate) fn new(format: Format, signer: Option<Signer>, to: W) -> io::Result<Self> {
        let buffered = |to| BufWriter::with_capacity(BUFFER_BYTES, to);
        let form = match format {
            Format::Ndjson => Form::Ndjson(buffered(to)),
            Format::Json => Form::Json(buffered(to), true),
            Format::Table => Form::Table(to, Table::new(terminal::screen())),
            Format::Csv => Form::Csv(CsvWriter::new(to)?),
            Format::Vcon => Form::Vcon(buffered(to), signer),
        };
        Ok(Self { form, line: Vec::new() })
    }

    /// Writes a record.
    pub(crate) fn write(&mut self, call: &Call) -> io::Result<()> {
        self.line.clear();
        match &mut self.form {
            Form::Ndjson(to) => {
                call.write_json(&mut self.line);
                self.line.push(b'\n');
                to.write_all(&self.line)
            }
            Form::Json(to, is_first) => {
                let between: &[u8] = if std::mem::take(is_first) { b"[\n" } else { b",\n" };
                call.write_json(&mut self.line);
                to.write_all(between)?;
                to.write_all(&self.line)
            }
            Form::Table(_, table) => {
                table.add(call);
                Ok(())
            }
            Form::Csv(csv) => csv.write(call),
            Form::Vcon(to, signer) => {
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

    /// Says, where the format has words for it, that a record's call is now part of another.
    pub(crate) fn merged(&mut self, id: &CallId, into: &CallId) -> io::Result<()> {
        match &mut self.form {
            Form::Ndjson(to) => {
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

    /// Hands on what is ready, for whoever reads along.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        match &mut self.form {
            Form::Ndjson(to) | Form::Json(to, _) | Form::Vcon(to, _) => to.flush(),
            Form::Table(..) => Ok(()),
            Form::Csv(csv) => csv.flush(),
        }
    }

    /// Ends the writing.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        match &mut self.form {
            Form::Json(to, true) => to.write_all(b"[]\n")?,
            Form::Json(to, false) => to.write_all(b"\n]\n")?,
            Form::Table(to, table) if !table.is_empty() => to.write_all(table.text().as_bytes())?,
            _ => {}
        }
        self.flush()
    }
}
