//! `wholecall audit`: prints the audit log; the service may be running.

use std::io::{self, Write};

use wholecall_record::{Time, display::escape_control};
use wholecall_server::audit::describe;
use wholecall_store::{AuditEntry, AuditQuery, Store};

use crate::{cli::AuditArgs, input::Tally, terminal};

pub(crate) fn run(arguments: &AuditArgs) -> anyhow::Result<Tally> {
    let store = Store::open_existing(&arguments.data)?;
    let query = AuditQuery {
        what: arguments.what,
        since_ms: arguments.since,
        until_ms: arguments.until,
        before: None,
        limit: arguments.limit,
    };
    let entries = match &arguments.tenant {
        Some(name) => store.audit_of_name(name, query)?,
        None => store.audit(None, query)?,
    };
    let mut out = io::stdout().lock();
    if arguments.json {
        entries.iter().try_for_each(|entry| writeln!(out, "{}", describe(entry)))?;
        return Ok(Tally::default());
    }
    let rows: Vec<[String; 7]> = entries.iter().map(row).collect();
    let titles = ["When", "Tenant", "Who", "From", "What", "To what", "Result"].map(str::to_owned);
    let header = terminal::stdout_is_terminal().then_some(titles);
    let all: Vec<&[String; 7]> = header.iter().chain(&rows).collect();
    let widths: Vec<usize> =
        (0..7).map(|column| all.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)).collect();
    for row in all {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(Tally::default())
}

fn row(entry: &AuditEntry) -> [String; 7] {
    let who = match &entry.key {
        Some((_, hint, name)) => format!("{name} ({hint})"),
        None => entry.actor.clone(),
    };
    let repeated = if entry.count > 1 { format!(" × {}", entry.count) } else { String::new() };
    [
        Time::from_millis(entry.last_ms).to_string(),
        entry.tenant.clone().unwrap_or_else(|| "–".to_owned()),
        who,
        entry.address.clone().unwrap_or_else(|| "–".to_owned()),
        entry.what.clone(),
        entry.object.clone(),
        format!("{}{repeated}", entry.result),
    ]
    .map(|cell| escape_control(&cell).to_string())
}
