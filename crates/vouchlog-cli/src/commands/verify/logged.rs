//! What a proof file shows, in words and for programs.

use serde_json::{Value, json};
use vouchlog::verify::{self, Claim, Verified, VerifyError, Witnessed};
use vouchlog::{Policy, VerifyingKey};
use vouchlog_note::ProofFile;
use vouchlog_session::plain;

use crate::output;

/// Verifies a proof file that carries its entry, whatever that is.
pub(super) fn carried(
    proof: &[u8],
    log: &VerifyingKey,
    policy: Option<&Policy>,
) -> Result<Verified, VerifyError> {
    let file = ProofFile::parse(proof).map_err(VerifyError::ProofFile)?;
    let entry = file.extra().ok_or(VerifyError::NoEntry)?;
    verify::verify(proof, log, policy, Claim::Entry(entry))
}

/// What was verified, in plain words.
pub(in crate::commands) fn words(verified: &Verified, policy: bool) -> String {
    let mut lines = vec![format!("verified: in the log {} at index {}", verified.origin, verified.index)];
    match (&verified.entry, verified.statement()) {
        (_, Some(entry)) => {
            lines
                .push(format!("  statement   {} of digest {}", entry.statement.kind, entry.statement.digest));
            lines.push(format!("  logged at   {} by the log's clock", output::time(entry.logged_at)));
            lines.push(format!("  stream      {}, sequence number {}", entry.stream, entry.sequence));
            let evidence = entry.statement.evidence.bits();
            lines.push(match evidence {
                0 => "  evidence    no claim".to_owned(),
                bits => format!("  evidence    {bits:#010x} claimed by the sender"),
            });
        }
        (Some(entry), None) => {
            lines.push(format!("  entry       {}", entry.kind_name()));
            lines.push(format!("  logged at   {} by the log's clock", output::time(entry.logged_at())));
        }
        (None, None) => lines.push("  entry       as given; not a Vouchlog entry".to_owned()),
    }
    let size = output::count(verified.size.get(), "entry", "entries");
    lines.push(format!("  checkpoint  of {size}, signed by the log"));
    for witness in &verified.witnesses {
        let name = plain(&String::from_utf8_lossy(witness.name().as_bytes()));
        lines.push(format!("  witness     {name} cosigned at {}", output::posix_time(witness.timestamp())));
    }
    if let Some(Witnessed { after, until }) = verified.witnessed {
        let after = after.map_or_else(String::new, |after| format!("after {}, ", output::posix_time(after)));
        lines.push(format!("  witnessed   {after}not later than {}", output::posix_time(until)));
    }
    lines.push(if policy { "  policy      satisfied".to_owned() } else { output::NO_POLICY.to_owned() });
    lines.join("\n")
}

/// The same for programs.
pub(super) fn json(verified: &Verified) -> Value {
    let witness = |witness: &vouchlog_note::PolicyCosignature| json!({ "name": String::from_utf8_lossy(witness.name().as_bytes()), "timestamp": witness.timestamp() });
    let mut value = json!({
        "holds": true,
        "origin": verified.origin.as_str(),
        "index": verified.index.get(),
        "size": verified.size.get(),
        "witnesses": verified.witnesses.iter().map(witness).collect::<Vec<_>>(),
    });
    if let Some(Witnessed { after, until }) = verified.witnessed {
        value["witnessed"] = json!({ "after": after, "until": until });
    }
    if let Some(entry) = &verified.entry {
        value["kind"] = entry.kind_name().into();
        value["logged_at"] = entry.logged_at().millis().into();
    }
    if let Some(entry) = verified.statement() {
        value["stream"] = entry.stream.get().into();
        value["sequence"] = entry.sequence.get().into();
        value["evidence"] = entry.statement.evidence.bits().into();
        value["digest"] = entry.statement.digest.to_string().into();
    }
    value
}
