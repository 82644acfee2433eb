//! `wholecall key`: manages API keys; the service may be running.

use std::io::{self, Write};

use serde_json::{Value, json};
use wholecall_record::display::escape_control;
use wholecall_server::admin;
use wholecall_store::{AuditActor, Secret, Store, TenantView};

use crate::{
    cli::{KeyAction, KeyArgs},
    input::Tally,
    tenant::print,
};

pub(crate) fn run(arguments: &KeyArgs) -> anyhow::Result<Tally> {
    let store = Store::open_existing(&arguments.data)?.acting_as(AuditActor::command_line());
    let of = |tenant: &str| -> anyhow::Result<TenantView> { Ok(store.of(admin::find(&store, tenant)?.id)) };
    let answer = match &arguments.action {
        KeyAction::Add { tenant, name, scope, expires } => {
            let mut added = admin::add_key(&of(tenant)?, name, (*scope).into(), *expires)?;
            added["tenant"] = json!(tenant);
            added
        }
        KeyAction::List { tenant } => {
            let keys: Vec<Value> =
                of(tenant)?.keys()?.iter().map(|key| admin::describe_key(key, None)).collect();
            if !arguments.json {
                keys.iter().try_for_each(|key| writeln!(io::stdout(), "{}", line(key)))?;
                return Ok(Tally::default());
            }
            json!({ "keys": keys })
        }
        KeyAction::Remove { tenant, id, name } => {
            let view = of(tenant)?;
            let number = number(&view.keys()?, *id, name.as_deref())?;
            anyhow::ensure!(view.remove_key(number)?, "{tenant} has no key {number}");
            json!({ "tenant": tenant, "id": number.to_string(), "removed": true })
        }
    };
    print(arguments.json, &answer)?;
    Ok(Tally::default())
}

/// The number of the key with an id or a name.
fn number(keys: &[Secret], id: Option<i64>, name: Option<&str>) -> anyhow::Result<i64> {
    let matches = |key: &&Secret| Some(key.number) == id || Some(key.name.as_str()) == name;
    let found: Vec<i64> = keys.iter().filter(matches).map(|key| key.number).collect();
    match found[..] {
        [only] => Ok(only),
        [] => anyhow::bail!("no such key: `wholecall key list` shows all"),
        _ => anyhow::bail!("several keys have that name: use --id, shown by `wholecall key list`"),
    }
}

fn line(key: &Value) -> String {
    let text = |name: &str| escape_control(key[name].as_str().unwrap_or_default());
    let or = |name: &str, default: &str| escape_control(key[name].as_str().unwrap_or(default));
    format!(
        "{:>4}  {:<10}  {:<6}  expires {:<24}  used {:<24}  {}",
        text("id"),
        text("hint"),
        text("scope"),
        or("expiresAt", "never"),
        or("lastUsedAt", "never"),
        text("name")
    )
}
