//! An emitter gone bad: records of kinds that only the collector, the vault or an issuer may write, and words about the sessions of
//! others.

use reqwest::Client;
use serde_json::{Value, json};

use crate::attack::{Attack, Context, Observation, Target};

const CLASS: &str = "doors";

pub(super) fn attacks() -> Vec<Attack> {
    let time = json!({ "start": "2026-11-18T09:20:00Z" });
    let record = |kind: &str, name: &str, value: Value| {
        let mut record = json!({ "kind": kind, "time": time, "correlation": { "session": "good-session" } });
        record[name] = value;
        record
    };
    let forged = [
        record("heartbeat", "heartbeat", json!({ "received": 1, "waiting": 0, "lost": 0 })),
        record("declared-loss", "loss", json!({ "reason": "no_record", "records": 1 })),
        record("configuration", "configuration", json!({ "mode": "fail_open" })),
        record("finding", "finding", json!({ "code": "none" })),
        record("disclosure", "disclosure", json!({ "basis": "none" })),
        record("erasure", "erasure", json!({ "basis": "none" })),
        record("hold", "hold", json!({ "action": "lifted" })),
        record(
            "credential-event",
            "credential_event",
            json!({
            "type": "revoked", "credential": "tok-1", "effective_at": "2020-01-01T00:00:00Z" }),
        ),
        record("session-seal", "session_seal", json!({ "records": 1, "reason": "done" })),
    ];
    let mut all: Vec<Attack> = forged
        .into_iter()
        .map(|record| {
            let kind = record["kind"].as_str().unwrap_or_default().to_owned();
            refused(&format!("a forged {kind}"), "/v1/records", true, record)
        })
        .collect();
    all.push(refused(
        "a seal of another's session",
        "/v1/sessions/good-session/seal",
        true,
        json!({ "reason": "done" }),
    ));
    all.push(refused(
        "a seal by timeout",
        "/v1/sessions/good-session/seal",
        true,
        json!({ "reason": "timeout" }),
    ));
    for path in ["/v1/records", "/v1/traces", "/v1/intents", "/v1/litellm", "/logs", "/v1/sessions/s/seal"] {
        all.push(refused(&format!("{path} without a token"), path, false, json!({})));
    }
    all
}

/// A body that must not be accepted.
fn refused(name: &str, path: &'static str, brings_token: bool, body: Value) -> Attack {
    Attack::repeated(CLASS, format!("{CLASS}: {name}"), Target::Collector, move |context: Context| {
        let body = body.clone();
        async move {
            let request = Client::builder()
                .no_proxy()
                .build()?
                .post(format!("http://{}{path}", context.to))
                .json(&body);
            let token = context.token.as_deref().filter(|_| brings_token);
            let answer = match token {
                Some(token) => request.bearer_auth(token),
                None => request,
            };
            let answer = answer.send().await?;
            let (status, text) = (answer.status(), answer.text().await?);
            Ok::<_, anyhow::Error>(Observation::sent(1_u64).with(accepted(status.as_u16(), &text)))
        }
    })
}

/// What is wrong with the answer, if the record was taken.
fn accepted(status: u16, text: &str) -> Option<String> {
    let taken = serde_json::from_str::<Value>(text).ok().and_then(|body| body.get("accepted")?.as_u64());
    let is_refused = (400..500).contains(&status) || taken == Some(0);
    (!is_refused).then(|| format!("it was taken: {status} {}", text.chars().take(120).collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_counts_as_refused_only_if_none_was_accepted() {
        assert!(accepted(200, r#"{"accepted":1}"#).is_some());
        assert!(accepted(202, r#"{"state":"kept"}"#).is_some());
        assert_eq!(accepted(200, r#"{"accepted":0}"#), None);
        assert_eq!(accepted(403, "no"), None);
        assert!(accepted(500, "no").is_some());
    }
}
