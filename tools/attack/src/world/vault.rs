//! A vault with records of two tenants, the log that it records in, and two of its users: the good client, which administers it, and the
//! attacker, which may do everything else in a tenant of its own.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use serde_json::{Value, json};
use tokio::process::Command;
use vouchlog_faults::program::{Program, Run, Server};
use vouchlog_sequencer::testing::ORIGIN;

use super::{command, log_vkey, must_start};
use crate::attack::{Settings, Target};

/// Records of each tenant, in the long form and in the short one: enough for questions that cost.
const RECORDS: (usize, usize) = (250, 50);
/// The tenant of the attacker.
pub(crate) const TENANT: &str = "evil";

/// Makes the vault and starts its log. `served` becomes the command that serves the vault.
pub(super) async fn prepare(
    settings: &Settings,
    folder: &Path,
    served: &mut Command,
) -> Result<(Server, (String, String))> {
    let program = &settings.program;
    let count = if settings.is_short { RECORDS.1 } else { RECORDS.0 };
    let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let behind = folder.join("behind");
    std::fs::create_dir_all(&behind)?;
    let log = must_start(command(program, &behind, Target::Log)?, &behind.join("stderr")).await?;
    let (vault, gateway, vkey) = (path("vault"), path("gateway.key"), log_vkey());
    let made = ["keygen", "--kind", "gateway", "--name", "gateway.example.com", "--out", &gateway];
    let gateway_vkey = run(program, &made).await?;
    let operator = behind.join("data/operator.key").to_string_lossy().into_owned();
    let enrol = ["enrol", "--log", &log.url, "--operator-key", &operator, "--origin", ORIGIN];
    run(program, &[&enrol[..], &[gateway_vkey.trim()]].concat()).await?;
    let way = ["--log", &log.url, "--log-vkey", &vkey, "--gateway-key", &gateway];
    for tenant in ["default", TENANT] {
        let file = path("records.json");
        std::fs::write(&file, Value::Array(records(tenant, count)?).to_string())?;
        run(program, &[&["record", "--vault", &vault, "--tenant", tenant][..], &way, &[&file]].concat())
            .await?;
    }
    let root = grant(program, &vault, &[], &["root", "--roles", "admin", "--all-tenants"]).await?;
    let token = path("root.token");
    std::fs::write(&token, &root)?;
    let good = ["good", "--roles", "admin,read-metadata,erase", "--all-tenants"];
    let by = ["--vault-token", token.as_str()];
    let good = grant(program, &vault, &by, &good).await?;
    let service = ["service", "--roles", "submit,read-metadata,erase", "--all-tenants"];
    let service = grant(program, &vault, &by, &service).await?;
    let roles = ["evil", "--roles", "submit,read-metadata,read-content,disclose,erase"];
    let evil = grant(program, &vault, &[&by[..], &["--tenant", TENANT]].concat(), &roles).await?;
    std::fs::write(path("service.token"), service)?;
    served.args(["vault", "--vault", &vault, "--vault-token", &path("service.token"), "serve", "--json"]);
    served.args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]).args(way);
    Ok((log, (good, evil)))
}

/// Complete records, each of an interaction of its own.
fn records(tenant: &str, count: usize) -> Result<Vec<Value>> {
    let record: Value = serde_json::from_str(include_str!(
        "../../../../crates/vouchlog-record/testdata/record-complete.json"
    ))?;
    let record = |nth: usize| {
        let mut record = record.clone();
        record["id"] = json!(format!("{tenant}-{nth}"));
        record["correlation"]["session"] = json!(format!("{tenant}-session-{}", nth / 5));
        record["correlation"]["session_sequence"] = json!(nth % 5 + 1);
        record["correlation"]["idempotency_key"] = json!(format!("{tenant}-{nth}"));
        record
    };
    Ok((0..count).map(record).collect())
}

/// Makes a principal; its token. `by` says by whom and in which tenant, `principal` has its name and roles.
async fn grant(program: &Program, vault: &str, by: &[&str], principal: &[&str]) -> Result<String> {
    let args = [&["vault", "--json", "--vault", vault][..], by, &["grant"], principal].concat();
    let answer: Value = serde_json::from_str(&run(program, &args).await?)?;
    let token = answer["token"].as_str().ok_or_else(|| anyhow!("no token was made"))?;
    Ok(token.to_owned())
}

/// Runs a command that must succeed; what it printed.
async fn run(program: &Program, args: &[&str]) -> Result<String> {
    let name = args.first().copied().unwrap_or_default();
    match program.run(args).await.with_context(|| name.to_owned())? {
        Run::Ended(ended) => {
            ensure!(ended.status.success(), "{name} failed: {}", ended.errors);
            Ok(ended.printed)
        }
        Run::Hung => bail!("{name} does not end"),
    }
}
