//! `wholecall check`: compares stored calls with those assembled from their notifications, and repairs them.

use std::io::{self, Write};

use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use wholecall_record::display::escape_control;
use wholecall_server::check::{self, CheckProgress, CheckStep, Finding};
use wholecall_store::{AuditAction, AuditActor, NewAuditEntry, Store};

use crate::{cli::CheckArgs, input::Tally};

pub(crate) fn run(arguments: &CheckArgs) -> anyhow::Result<Tally> {
    let store = Store::open_existing(&arguments.data)?;
    let bar = ProgressBar::new(0).with_style(
        ProgressStyle::with_template("checking {msg} {bar:32} {percent:>3} %, {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let checked = check::check(&store, arguments.repair, |progress| show_progress(&bar, progress));
    bar.finish_and_clear();
    let checked = checked?;
    for line in table(&checked.findings) {
        writeln!(io::stdout(), "{line}")?;
    }
    for tenant in store.tenants()? {
        let (count, last) = store.of(tenant.id).latest_rejected(1)?;
        if let Some(last) = last.first() {
            let (name, reason) = (&tenant.name, escape_control(&last.reason));
            println!(
                "{name}: {count} rejected notifications, the latest: {reason}; see `wholecall rejected list {name}`"
            );
        }
    }
    let totals = format!("{} notifications, {} calls", checked.notifications, checked.calls);
    let left = checked.findings.iter().filter(|finding| !finding.repaired).count();
    let repaired = checked.findings.len() - left;
    if repaired > 0 {
        note_repair(&store, repaired)?;
    }
    match (checked.findings.len(), left) {
        (0, _) => println!("{totals}: no problems"),
        (all, 0) => println!("{totals}: {all} problems, all repaired"),
        (all, left) => {
            let hint = if arguments.repair { "" } else { "; --repair reassembles calls" };
            anyhow::bail!("{totals}: {left} of {all} problems remain{hint}");
        }
    }
    Ok(Tally::default())
}

/// Enters a repair into the audit log of the installation.
fn note_repair(store: &Store, count: usize) -> anyhow::Result<()> {
    let now_ms = Timestamp::now().as_millisecond();
    let entry = NewAuditEntry {
        at_ms: now_ms,
        last_ms: now_ms,
        tenant: None,
        who: AuditActor::command_line(),
        what: AuditAction::StoreRepair,
        object: format!("{count} problems"),
        is_refused: false,
        count: 1,
    };
    Ok(store.note_audit(vec![entry])?.blocking_recv()??)
}

fn show_progress(bar: &ProgressBar, progress: CheckProgress) {
    bar.set_message(match progress.step {
        CheckStep::File => "the file",
        CheckStep::Notifications => "notifications",
        CheckStep::Calls => "calls",
    });
    bar.set_length(progress.of);
    bar.set_position(progress.done);
}

/// One line per problem: place, problem, whether it was repaired.
fn table(findings: &[Finding]) -> Vec<String> {
    let width = findings.iter().map(|finding| finding.place.chars().count()).max().unwrap_or(0);
    let line = |finding: &Finding| {
        let repaired = if finding.repaired { "  (repaired)" } else { "" };
        format!("{:width$}  {}{repaired}", finding.place, finding.problem)
    };
    findings.iter().map(line).collect()
}
