//! `vouchlog rotate-operator`: another key takes the place of the operator's, or a recovery key is named.

use serde_json::json;
use vouchlog::keys::KeySource;
use vouchlog::{Appender, Origin, SigningKey, VerifyingKey};
use vouchlog_stream::{OperatorCause, OperatorChange, RecoveryKey};

use super::enrol::log_of;
use super::remote::{self, LogUrl};
use crate::advice::Advice;
use crate::output::{Outcome, Output};
use crate::values::one_of;

/// Replace the operator's key, or name the recovery key
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  vouchlog rotate-operator --log http://127.0.0.1:6962 --operator-key log.operator.key \\\n    \
                        --new-key log.operator-2.key --words \"the yearly rotation\"\n  \
                        vouchlog rotate-operator --log http://127.0.0.1:6962 --operator-key log.operator.key \\\n    \
                        --name-recovery recovery.key\n  \
                        vouchlog rotate-operator --log http://127.0.0.1:6962 --recovery-key recovery.key \\\n    \
                        --replaces \"$OLD_VKEY\" --cause lost --new-key log.operator-2.key\n\n\
                        A change is an entry of the log and counts from there on: the old key signs nothing more, and what it signed before stays\n\
                        valid. Make the new key with `vouchlog keygen --kind operator` and the old key's name, then give it to `vouchlog serve`.\n\
                        Name a recovery key before you need it, and keep it offline: it alone replaces a key that is lost, or takes the log back\n\
                        from a thief. A second one needs the signature of the first (--recovery-key)."
)]
pub(crate) struct Args {
    #[command(flatten)]
    log: LogUrl,
    /// The operator's key in force: a key file, or another place and the vkey (see `vouchlog keygen --help`)
    #[arg(long, value_name = "KEY", env = "VOUCHLOG_OPERATOR_KEY", required_unless_present = "replaces")]
    operator_key: Option<KeySource>,
    /// The key that takes its place: `vouchlog keygen --kind operator` with the same name
    #[arg(long, value_name = "KEY", required_unless_present = "name_recovery")]
    new_key: Option<KeySource>,
    /// The recovery key: with --replaces it signs the change; with --name-recovery it is the one that is replaced
    #[arg(long, value_name = "KEY")]
    recovery_key: Option<KeySource>,
    /// The operator's key in force, if it is lost or stolen; the recovery key signs in its place
    #[arg(
        long,
        value_name = "VKEY",
        requires = "recovery_key",
        requires = "cause",
        conflicts_with = "name_recovery"
    )]
    replaces: Option<VerifyingKey>,
    /// What happened to the key in force: lost or compromised; it is public
    #[arg(long, value_name = "CAUSE", requires = "replaces", value_parser = one_of::<OperatorCause>(&RECOVERY_CAUSES.map(OperatorCause::word)))]
    cause: Option<OperatorCause>,
    /// The reason in your words, in one line; it is public
    #[arg(long, value_name = "TEXT", default_value = "", conflicts_with = "name_recovery")]
    words: String,
    /// Name this key as the recovery key: `vouchlog keygen --kind operator --name <origin>/recovery`
    #[arg(long, value_name = "KEY", conflicts_with = "new_key", requires = "operator_key")]
    name_recovery: Option<KeySource>,
    /// The log's name [default: taken from the operator key's name, <origin>/operator]
    #[arg(long, env = "VOUCHLOG_ORIGIN")]
    origin: Option<String>,
}

/// The causes for which the recovery key signs.
const RECOVERY_CAUSES: [OperatorCause; 2] = [OperatorCause::Lost, OperatorCause::Compromised];

/// What is about to be logged.
struct Change {
    log: Origin,
    note: String,
    words: String,
    json: serde_json::Value,
}

impl Args {
    pub(crate) async fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let Change { log, note, words, mut json } = self.change()?;
        let url = &self.log.url;
        let remote = remote::connect(url)?;
        remote::check_origin(&remote, url, &log).await?;
        let index = remote.change_key(note).await.map_err(|error| remote::failed(url, &error))?;
        json["index"] = index.get().into();
        output.answer(&format!("{words}, by the entry at index {index}"), &json)?;
        Ok(Outcome::Fine)
    }

    fn change(&self) -> anyhow::Result<Change> {
        let operator = self.operator_key.as_ref().filter(|_| self.replaces.is_none());
        let operator = operator.map(KeySource::open).transpose()?;
        let recovery = self.recovery_key.as_ref().map(KeySource::open).transpose()?;
        if let Some(source) = &self.name_recovery {
            let operator = operator.ok_or_else(|| missing("--operator-key"))?;
            return self.naming(&operator, &source.open()?, recovery.as_ref());
        }
        let new = self.new_key.as_ref().ok_or_else(|| missing("--new-key"))?.open()?;
        let (by, replaces, cause) = match (operator, recovery, &self.replaces, self.cause) {
            (Some(operator), ..) => {
                let replaces = operator.verifying_key().clone();
                (operator, replaces, OperatorCause::Rotation)
            }
            (None, Some(recovery), Some(replaces), Some(cause)) => (recovery, replaces.clone(), cause),
            _ => return Err(missing("--operator-key, or --recovery-key with --replaces and --cause")),
        };
        let log = log_of(&replaces, self.origin.as_deref())?;
        let operator = new.verifying_key().clone();
        let change = OperatorChange { log, operator, replaces, cause, words: self.words.clone() };
        let note = change.sign(&by, &new).map_err(|error| {
            Advice::error(
                error.to_string(),
                "make the new key with `vouchlog keygen --kind operator` and the old key's name",
            )
        })?;
        let OperatorChange { log, operator, replaces, cause, .. } = change;
        let words = format!(
            "the operator's key of the log {log} is {} now; the key {} signs nothing more ({cause})",
            operator.id(),
            replaces.id()
        );
        let json = json!({
            "origin": log.as_str(), "operator_vkey": operator.to_string(), "key_id": operator.id().to_string(),
            "replaces": replaces.to_string(), "cause": cause.word(),
        });
        Ok(Change { log, note, words, json })
    }

    fn naming(
        &self,
        operator: &SigningKey,
        recovery: &SigningKey,
        replaced: Option<&SigningKey>,
    ) -> anyhow::Result<Change> {
        let log = log_of(operator.verifying_key(), self.origin.as_deref())?;
        let replaces = replaced.map(|key| key.verifying_key().clone());
        let naming = RecoveryKey { log, recovery: recovery.verifying_key().clone(), replaces };
        let note = naming.sign(operator, recovery, replaced)?;
        let RecoveryKey { log, recovery, replaces } = naming;
        let words = format!("the recovery key of the log {log} is {} now", recovery.id());
        let json = json!({
            "origin": log.as_str(), "recovery_vkey": recovery.to_string(), "key_id": recovery.id().to_string(),
            "replaces": replaces.map(|key| key.to_string()),
        });
        Ok(Change { log, note, words, json })
    }
}

fn missing(flag: &str) -> anyhow::Error {
    Advice::error(format!("{flag} is missing"), "see `vouchlog rotate-operator --help`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::parsed;

    #[test]
    fn a_change_is_a_rotation_a_recovery_or_a_recovery_key() {
        let parse = |flags: &str| {
            let fixed = ["rotate-operator", "--log", "http://127.0.0.1:1"];
            parsed::<Args>(fixed.into_iter().chain(flags.split_whitespace()))
        };
        let vkey = "operator.example.com+70b548d9+ARdFU7RW3d/GkI7KscEB/mqyHiuqBhd5W31DpjSCmT/V";
        assert!(parse("--operator-key k --new-key n --words yearly").is_ok());
        assert!(parse("--operator-key k --name-recovery r").is_ok());
        assert!(parse("--operator-key k --name-recovery r2 --recovery-key r").is_ok());
        let recovery =
            parse(&format!("--recovery-key r --replaces {vkey} --cause lost --new-key n")).unwrap();
        assert_eq!(recovery.cause, Some(OperatorCause::Lost));
        for wrong in [
            "--operator-key k".to_owned(),
            "--new-key n".to_owned(),
            "--name-recovery r".to_owned(),
            "--operator-key k --new-key n --name-recovery r".to_owned(),
            "--operator-key k --new-key n --cause lost".to_owned(),
            format!("--replaces {vkey} --cause lost --new-key n"),
            format!("--recovery-key r --replaces {vkey} --new-key n"),
            format!("--recovery-key r --replaces {vkey} --cause rotation --new-key n"),
        ] {
            assert!(parse(&wrong).is_err(), "{wrong}");
        }
    }
}
