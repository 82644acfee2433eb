//! `wholecall tenant`: manages tenants; the service may be running.

use std::io::{self, BufRead, IsTerminal, Write};

use serde_json::{Value, json};
use wholecall_record::display::escape_control;
use wholecall_server::admin;
use wholecall_store::{AuditActor, SecretKind, Store, TenantSettings};

use crate::{
    cli::{Override, SecretName, SettingsArgs, TenantAction, TenantArgs},
    input::Tally,
    secrets,
    serve::saved_address,
};

/// The environment variable for a verification token.
pub(crate) const TOKEN_VARIABLE: &str = "WHOLECALL_VERIFICATION_TOKEN";

/// The service's address by default.
const DEFAULT_ADDRESS: &str = "http://127.0.0.1:8080";

pub(crate) fn run(arguments: &TenantArgs) -> anyhow::Result<Tally> {
    let store = Store::open(&arguments.data)?.acting_as(AuditActor::command_line());
    match &arguments.action {
        TenantAction::Add { name, accounts, verification_token, verification_token_file } => {
            let file = verification_token_file.as_deref();
            let token = secrets::given(verification_token.as_deref(), file, TOKEN_VARIABLE)?;
            let added = admin::add_tenant(&store, name, accounts, token)?;
            let saved = || saved_address(&arguments.data).unwrap_or_else(|| DEFAULT_ADDRESS.to_owned());
            let address = arguments.public_url.clone().unwrap_or_else(saved);
            added.warning.iter().for_each(|warning| eprintln!("wholecall: {warning}"));
            print(arguments.json, &added.to_json(&address))?;
        }
        TenantAction::List => {
            let tenants: Vec<Value> = store.tenants()?.iter().map(admin::describe).collect();
            let mut out = io::stdout();
            match arguments.json {
                true => writeln!(out, "{}", json!({ "tenants": tenants }))?,
                false if tenants.is_empty() => {
                    writeln!(out, "no tenants yet: wholecall tenant add NAME --account ID")?
                }
                false => tenants.iter().try_for_each(|tenant| writeln!(out, "{}", line(tenant)))?,
            }
        }
        TenantAction::Show { name } => {
            print(arguments.json, &admin::describe(&admin::find(&store, name)?))?;
        }
        TenantAction::Rotate { name, secret, token, token_file, finish } => {
            let (kind, key) = match secret {
                SecretName::ApiKey => (SecretKind::Key, "apiKey"),
                SecretName::VerificationToken => (SecretKind::Verification, "verificationToken"),
            };
            let result = match finish {
                true => json!({ "tenant": name, "removed": admin::remove_old(&store, name, kind)? }),
                false => {
                    let token = secrets::given(token.as_deref(), token_file.as_deref(), TOKEN_VARIABLE)?;
                    let warning = token.as_deref().and_then(admin::warning_of);
                    let mut answer =
                        json!({ "tenant": name, key: admin::rotate(&store, name, kind, token)? });
                    if let Some(warning) = warning {
                        eprintln!("wholecall: {warning}");
                        answer["warning"] = warning.into();
                    }
                    answer
                }
            };
            print(arguments.json, &result)?;
        }
        TenantAction::Set { name, accounts, settings } => {
            let tenant = match &accounts[..] {
                [] => admin::find(&store, name)?,
                accounts => admin::set_accounts(&store, name, accounts)?,
            };
            store.set_tenant_settings(tenant.id, changed(tenant.settings, settings))?;
            print(arguments.json, &admin::describe(&admin::find(&store, name)?))?;
        }
        TenantAction::Remove { name, yes } => {
            let tenant = admin::find(&store, name)?;
            if !yes {
                confirm(name)?;
            }
            store.remove_tenant(tenant.id)?;
            print(arguments.json, &json!({ "tenant": name, "removed": true }))?;
        }
    }
    Ok(Tally::default())
}

/// The settings with the given overrides.
fn changed(mut settings: TenantSettings, given: &SettingsArgs) -> TenantSettings {
    fn set<T: Copy>(setting: &mut Option<T>, given: Option<Override<T>>) {
        if let Some(Override(value)) = given {
            *setting = value;
        }
    }
    set(&mut settings.settle_ms, given.settle);
    set(&mut settings.gap_settle_ms, given.gap_settle);
    set(&mut settings.last_leg_stale_ms, given.last_leg_idle_timeout);
    set(&mut settings.stale_ms, given.idle_timeout);
    set(&mut settings.retention_days, given.retention_days);
    settings
}

/// Prints an object as JSON, or as lines for people.
pub(crate) fn print(as_json: bool, value: &Value) -> io::Result<()> {
    let mut out = io::stdout();
    match value.as_object().filter(|_| !as_json) {
        None => writeln!(out, "{value}")?,
        Some(members) => {
            let width = members.keys().map(String::len).max().unwrap_or(0);
            for (name, value) in members {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                writeln!(out, "{name:width$}  {}", escape_control(&value))?;
            }
        }
    }
    Ok(())
}

fn line(tenant: &Value) -> String {
    let accounts = tenant["accounts"].as_array().into_iter().flatten().filter_map(Value::as_str);
    format!("{}  {}", tenant["name"].as_str().unwrap_or_default(), accounts.collect::<Vec<_>>().join(" "))
}

/// Asks for confirmation on a terminal; without one, `--yes` is required.
fn confirm(name: &str) -> anyhow::Result<()> {
    anyhow::ensure!(io::stdin().is_terminal(), "removing a tenant removes all its calls: confirm with --yes");
    print!("Remove {name} with all its calls and notifications? Type its name: ");
    io::stdout().flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    anyhow::ensure!(answer.trim() == name, "not removed");
    Ok(())
}
