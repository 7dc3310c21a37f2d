//! `vouchlog enrol`, `vouchlog rotate` and `vouchlog revoke`: which keys of gateways may open streams.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::json;
use vouchlog::keys::KeySource;
use vouchlog::{Appender, ErrorKind, LoggedAt, Origin, SigningKey, VerifyingKey, unix_millis};
use vouchlog_note::SignatureType;
use vouchlog_session::plain;
use vouchlog_stream::limits::MAX_NOTE_BYTES;
use vouchlog_stream::{Enrolment, ReplacementCause, ReplacementReason, Replaces, Revocation};

use super::remote::{self, LogUrl};
use super::takeover::TakeoverArgs;
use super::{read_file, write_file};
use crate::advice::Advice;
use crate::output::{Outcome, Output};
use crate::values::one_of;

/// How the operator's keys are named by `vouchlog serve`.
const OPERATOR_SUFFIX: &str = "/operator";

/// Enrol a gateway's key, so that it can open streams
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  vouchlog enrol --log http://127.0.0.1:6962 --operator-key log.operator.key \"$GATEWAY_VKEY\"\n  \
                        vouchlog enrol --log http://127.0.0.1:6962 --operator-key log.operator.key --rotation rotation.note\n  \
                        vouchlog enrol --log http://127.0.0.1:6962 --operator-key log.operator.key \\\n    \
                        --replaces \"$OLD_VKEY\" --reason lost --words \"the disk of eu-1 died\" \"$GATEWAY_VKEY\"\n  \
                        vouchlog enrol --log http://127.0.0.1:6963 --operator-key next.operator.key \\\n    \
                        --predecessor http://127.0.0.1:6962 --log-vkey \"$NEW_VKEY\"\n\n\
                        A name belongs to its first key. Another key of that name needs the rotation note of the old key (see `vouchlog rotate`)\n\
                        or --replaces and --reason, which are public and revoke the old key."
)]
pub(crate) struct EnrolArgs {
    #[command(flatten)]
    operator: OperatorArgs,
    /// The gateway's public key
    #[arg(value_name = "VKEY", required_unless_present_any = ["rotation", "predecessor"], conflicts_with = "rotation")]
    gateway: Option<VerifyingKey>,
    #[command(flatten)]
    takeover: TakeoverArgs,
    /// The note that `vouchlog rotate` wrote: the old key hands its name over to the new one
    #[arg(long, value_name = "FILE")]
    rotation: Option<PathBuf>,
    /// The enrolled key of the same name that this one replaces without its consent; it is revoked
    #[arg(long, value_name = "VKEY", requires = "reason", conflicts_with = "rotation")]
    replaces: Option<VerifyingKey>,
    /// What happened to the key that is replaced: lost, compromised, or error (it should not have been enrolled); it is public
    #[arg(long, value_name = "REASON", requires = "replaces", value_parser = one_of::<ReplacementCause>(&ReplacementCause::ALL.map(ReplacementCause::word)))]
    reason: Option<ReplacementCause>,
    /// The same in your words, in one line; it is public
    #[arg(long, value_name = "TEXT", requires = "replaces", default_value = "")]
    words: String,
}

/// Hand a gateway's name over to a new key: both keys sign
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  vouchlog rotate --log-vkey \"$LOG_VKEY\" --gateway-key gateway.key \\\n    \
                        --new-key gateway-2.key --out rotation.note\n  \
                        vouchlog rotate --log-vkey \"$LOG_VKEY\" --gateway-key gateway.key \\\n    \
                        --new-key gateway-2.key \\\n    \
                        --log http://127.0.0.1:6962 --operator-key log.operator.key\n\n\
                        The operator lets the new key in with `vouchlog enrol --rotation`, or at once with --operator-key. From then on the old key\n\
                        opens no streams. Streams it has open go on, and a process with the new key continues them."
)]
pub(crate) struct RotateArgs {
    /// The log's public key; its name is the log's origin
    #[arg(long, value_name = "VKEY", env = "VOUCHLOG_LOG_VKEY")]
    log_vkey: VerifyingKey,
    /// The key that holds the gateway's name now
    #[arg(long, value_name = "KEY", env = "VOUCHLOG_GATEWAY_KEY")]
    gateway_key: KeySource,
    /// The key that takes its place: `vouchlog keygen --kind gateway` with the same name
    #[arg(long, value_name = "KEY")]
    new_key: KeySource,
    /// The file for the rotation note, to give to the operator
    #[arg(long, value_name = "FILE", required_unless_present = "operator_key")]
    out: Option<PathBuf>,
    /// URL of the log, such as http://127.0.0.1:6962
    #[arg(long = "log", value_name = "URL", env = "VOUCHLOG_URL", required_unless_present = "out")]
    url: Option<String>,
    /// The operator's key: enrols the new key at once
    #[arg(long, value_name = "KEY", requires = "url")]
    operator_key: Option<KeySource>,
}

/// Revoke a gateway's key permanently
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  vouchlog revoke --log http://127.0.0.1:6962 --operator-key log.operator.key \\\n    \
                        --reason \"key was in a leaked backup\" --effective 2026-11-20T08:00:00Z \"$GATEWAY_VKEY\""
)]
pub(crate) struct RevokeArgs {
    #[command(flatten)]
    operator: OperatorArgs,
    /// The reason, in one line; it is public
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// The time from which the key must not be trusted, such as 2026-11-20T08:00:00Z; may be in the past [default: now]
    #[arg(long, value_name = "TIME", value_parser = crate::values::moment)]
    effective: Option<jiff::Timestamp>,
    /// The gateway's public key
    #[arg(value_name = "VKEY")]
    gateway: VerifyingKey,
}

/// The log, and the operator's key.
#[derive(clap::Args)]
pub(super) struct OperatorArgs {
    #[command(flatten)]
    pub(super) log: LogUrl,
    /// The operator's key: a key file, or another place and the vkey (see `vouchlog keygen --help`)
    #[arg(long, value_name = "KEY", env = "VOUCHLOG_OPERATOR_KEY")]
    operator_key: KeySource,
    /// The log's name [default: taken from the operator key's name, <origin>/operator]
    #[arg(long, env = "VOUCHLOG_ORIGIN")]
    origin: Option<String>,
}

impl EnrolArgs {
    pub(crate) async fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let (operator, log) = self.operator.load()?;
        let url = &self.operator.log.url;
        if let Some(before) = self.takeover.source() {
            return before.enrol_at(url, (&operator, &log), output).await;
        }
        let (enrolment, note) = match (&self.rotation, self.gateway) {
            (Some(file), _) => countersigned(file, &log, &operator)?,
            (None, Some(gateway)) => {
                check_gateway(&gateway)?;
                let replaces = self.replaces.zip(self.reason).map(|(key, cause)| {
                    let reason = ReplacementReason::Operator { cause, words: self.words };
                    Replaces { key, reason }
                });
                let enrolment = Enrolment { replaces, ..Enrolment::first(log.clone(), gateway) };
                let note = enrolment.sign(&operator)?;
                (enrolment, note)
            }
            (None, None) => anyhow::bail!("give the gateway's vkey, or --rotation"),
        };
        enrol(url, &enrolment, note, output).await
    }
}

impl RotateArgs {
    pub(crate) async fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let log = Origin::new(self.log_vkey.name().as_str())?;
        let (old, new) = (self.gateway_key.open()?, self.new_key.open()?);
        check_gateway(new.verifying_key())?;
        let replaces =
            Some(Replaces { key: old.verifying_key().clone(), reason: ReplacementReason::Rotation });
        let rotation = Enrolment { replaces, ..Enrolment::first(log.clone(), new.verifying_key().clone()) };
        let note = rotation.cross_sign(&old, &new).map_err(|error| {
            Advice::error(
                error.to_string(),
                "make the new key with `vouchlog keygen --kind gateway` and the old key's name",
            )
        })?;
        if let Some(out) = &self.out {
            write_file(out, note.as_bytes())?;
            crate::output::note(&format!(
                "wrote {}: the operator enrols it with `vouchlog enrol --rotation`",
                out.display()
            ));
        }
        let (Some(operator), Some(url)) = (&self.operator_key, &self.url) else {
            let (old, new) = (old.verifying_key(), new.verifying_key());
            let words =
                format!("{} hands over from the key {} to the key {}", shown(new), old.id(), new.id());
            let json = json!({ "origin": log.as_str(), "gateway": new.to_string(), "key_id": new.id().to_string(),
                               "replaces": old.to_string(), "note": note });
            output.answer(&words, &json)?;
            return Ok(Outcome::Fine);
        };
        let note = Enrolment::countersign(&note, &log, &operator.open()?)?;
        enrol(url, &rotation, note, output).await
    }
}

/// A rotation note from its file, with the operator's signature.
fn countersigned(file: &Path, log: &Origin, operator: &SigningKey) -> anyhow::Result<(Enrolment, String)> {
    let note =
        String::from_utf8(read_file(file, MAX_NOTE_BYTES)?).context("the rotation note is not text")?;
    let rotation = Enrolment::open_rotation(&note, log).map_err(|error| {
        Advice::error(
            format!("{}: {error}", file.display()),
            "give the file that `vouchlog rotate --out` wrote for this log",
        )
    })?;
    Ok((rotation, Enrolment::countersign(&note, log, operator)?))
}

/// Sends an enrolment, and prints which key has the name now.
async fn enrol(url: &str, enrolment: &Enrolment, note: String, output: Output) -> anyhow::Result<Outcome> {
    let Enrolment { log, gateway, replaces } = enrolment;
    let remote = remote::connect(url)?;
    remote::check_origin(&remote, url, log).await?;
    let index = remote.enrol(note).await.map_err(|error| failed(url, &error))?;
    let (key, name) = (gateway.id(), shown(gateway));
    let old = match replaces {
        None => String::new(),
        Some(Replaces { key, reason: ReplacementReason::Rotation }) => {
            format!("; the key {} opens no more streams", key.id())
        }
        Some(Replaces { key, .. }) => format!("; the key {} is revoked", key.id()),
    };
    let words = format!("enrolled {name} (key {key}) at the log {log}, by the entry at index {index}{old}");
    let json = json!({
        "origin": log.as_str(), "gateway": gateway.to_string(), "key_id": key.to_string(), "index": index.get(),
        "replaces": replaces.as_ref().map(|replaces| replaces.key.to_string()),
        "reason": replaces.as_ref().map(|replaces| replaces.reason.to_string()),
    });
    output.answer(&words, &json)?;
    Ok(Outcome::Fine)
}

/// What to do about an enrolment that the log refused.
fn failed(url: &str, error: &vouchlog::Error) -> anyhow::Error {
    if error.kind == ErrorKind::FailedPrecondition {
        return Advice::error(
            format!("the log at {url} did not carry out the request: {error}"),
            "rotate the old key with `vouchlog rotate`; if it is lost, replace it with --replaces VKEY --reason lost",
        );
    }
    remote::failed(url, error)
}

/// A gateway's name for people: names of old logs may hold any character.
fn shown(gateway: &VerifyingKey) -> String {
    plain(gateway.name().as_str())
}

impl RevokeArgs {
    pub(crate) async fn run(self, output: Output) -> anyhow::Result<Outcome> {
        check_gateway(&self.gateway)?;
        let effective = effective(self.effective)?;
        let (operator, log) = self.operator.load()?;
        let remote = remote::connect(&self.operator.log.url)?;
        remote::check_origin(&remote, &self.operator.log.url, &log).await?;
        let revocation =
            Revocation { log: log.clone(), gateway: self.gateway.clone(), effective, reason: self.reason };
        let note = revocation.sign(&operator)?;
        let index =
            remote.revoke(note).await.map_err(|error| remote::failed(&self.operator.log.url, &error))?;
        let key = self.gateway.id();
        let words = format!(
            "revoked {} (key {key}) at the log {log} from {}, by the entry at index {index}",
            shown(&self.gateway),
            crate::output::time(effective),
        );
        let json = json!({
            "origin": log.as_str(), "gateway": self.gateway.to_string(), "key_id": key.to_string(), "index": index.get(),
        });
        output.answer(&words, &json)?;
        Ok(Outcome::Fine)
    }
}

impl OperatorArgs {
    /// The operator's key, and the log it is to sign for.
    pub(super) fn load(&self) -> anyhow::Result<(SigningKey, Origin)> {
        let key = self.operator_key.open()?;
        let origin = log_of(key.verifying_key(), self.origin.as_deref())?;
        Ok((key, origin))
    }
}

/// The log that an operator's key signs for: `origin` if it is given, else the one in the key's name. Both come from the user's own
/// files and flags: a name that a server gave could make the operator sign for another log.
pub(super) fn log_of(operator: &VerifyingKey, origin: Option<&str>) -> anyhow::Result<Origin> {
    let name = operator.name().as_str();
    let origin = origin.or_else(|| name.strip_suffix(OPERATOR_SUFFIX)).ok_or_else(|| {
        Advice::error(
            format!("the operator key's name, {name}, does not identify its log"),
            "give the log's name with --origin",
        )
    })?;
    Ok(Origin::new(origin)?)
}

fn check_gateway(gateway: &VerifyingKey) -> anyhow::Result<()> {
    if gateway.signature_type() == SignatureType::Ed25519 {
        return Ok(());
    }
    Err(Advice::error(
        format!("{} is a key of type {}, not a gateway's", gateway.name(), gateway.signature_type()),
        "make the gateway's key with `vouchlog keygen --kind gateway`",
    ))
}

fn effective(time: Option<jiff::Timestamp>) -> anyhow::Result<LoggedAt> {
    let millis = time.map_or_else(|| Ok(unix_millis().get()), |time| u64::try_from(time.as_millisecond()));
    let time = millis.ok().and_then(LoggedAt::from_millis);
    time.ok_or_else(|| Advice::error("--effective is before 1970", "give a later time"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revocation_is_effective_when_the_operator_says() {
        let at = |text: &str| effective(Some(text.parse().unwrap()));
        assert_eq!(at("2026-01-01T00:00:00.007Z").unwrap().millis(), 1_767_225_600_007);
        assert!(at("1969-12-31T23:59:59Z").is_err());
        assert!(effective(None).unwrap().millis() > 1_767_225_600_000);
    }
}
