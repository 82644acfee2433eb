//! `wholecall rejected`: manages rejected notifications; the service may be running.

use std::io::{self, Write};

use anyhow::Context;
use serde_json::{Value, json};
use wholecall_record::display::escape_control;
use wholecall_server::{admin, rejected};
use wholecall_store::{AuditActor, Store};

use crate::{
    cli::{RejectedAction, RejectedArgs},
    input::Tally,
    tenant::print,
};

pub(crate) fn run(arguments: &RejectedArgs) -> anyhow::Result<Tally> {
    let store = Store::open_existing(&arguments.data)?.acting_as(AuditActor::command_line());
    let answer = match &arguments.action {
        RejectedAction::List { tenant, limit } => {
            let view = store.of(admin::find(&store, tenant)?.id);
            let (count, latest) = view.latest_rejected(*limit)?;
            let described: Vec<Value> = latest.iter().map(rejected::describe).collect();
            if !arguments.json {
                described.iter().try_for_each(|one| writeln!(io::stdout(), "{}", line(one)))?;
                if count > latest.len() as u64 {
                    writeln!(io::stdout(), "… and {} older", count - latest.len() as u64)?;
                }
                return Ok(Tally::default());
            }
            json!({ "count": count, "rejected": described })
        }
        RejectedAction::Show { tenant, id } => {
            let tenant = admin::find(&store, tenant)?;
            let found = store.of(tenant.id).rejected_body(*id)?;
            let (notification, body) = found.with_context(|| format!("no rejected notification {id}"))?;
            let is_own = |account: &str| tenant.accounts.iter().any(|own| own == account);
            rejected::describe_with_body(&tenant.name, is_own, &notification, &body)
        }
        RejectedAction::Retry { tenant, ids, all } => {
            let id = admin::find(&store, tenant)?.id;
            let marked = store.mark_for_retry(id, (!all).then(|| ids.clone()))?;
            json!({ "tenant": tenant, "queued": marked })
        }
        RejectedAction::Remove { tenant, ids } => {
            let id = admin::find(&store, tenant)?.id;
            json!({ "tenant": tenant, "removed": store.remove_rejected(id, ids.clone())? })
        }
    };
    print(arguments.json, &answer)?;
    Ok(Tally::default())
}

fn line(described: &Value) -> String {
    let text = |name: &str| escape_control(described[name].as_str().unwrap_or_default());
    let marked = if described["retryQueued"] == true { "  (marked for retry)" } else { "" };
    format!("{:>8}  {}  {}{marked}", text("id"), text("arrivedAt"), text("reason"))
}
