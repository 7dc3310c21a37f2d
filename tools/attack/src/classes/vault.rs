//! A vault's server: questions by callers without a token, by a user about what it may not, bodies that are no question, requests that
//! are held, and floods of the questions that cost most.

use std::time::Duration;

use anyhow::Result;
use reqwest::Client;
use serde_json::{Value, json};

use super::floods::pipeline;
use super::holds::{heads, slowly, stalled};
use crate::attack::{Attack, Context, Observation, Target};
use crate::wire::{exchange, request};

const CLASS: &str = "vault";
/// Connections that are held, in the long form and in the short one.
const CROWD: (usize, usize) = (500, 100);
/// Everything that a vault is asked.
const ASKS: [(&str, &str); 10] = [
    ("find-records", "{}"),
    ("list-sessions", "{}"),
    ("open-session", r#"{"session":"default-session-1"}"#),
    ("show-record", r#"{"record":"default-1"}"#),
    ("list-holds", "{}"),
    ("list-retention", "{}"),
    ("count-records", "{}"),
    ("list-principals", "{}"),
    ("set-retention", r#"{"class":"evil","seconds":1}"#),
    ("grant-principal", r#"{"name":"evil-2","roles":["admin"]}"#),
];

pub(super) fn attacks() -> Vec<Attack> {
    [nobody(), forbidden(), malformed(), held(), floods()].concat()
}

fn repeated<F, R>(name: &str, run: F) -> Attack
where
    F: Fn(Context) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Observation>> + Send + 'static,
{
    Attack::repeated(CLASS, format!("{CLASS}: {name}"), Target::Vault, run)
}

fn lasting<F, R>(name: &str, run: F) -> Attack
where
    F: Fn(Context) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Observation>> + Send + 'static,
{
    Attack::lasting(CLASS, format!("{CLASS}: {name}"), Target::Vault, run)
}

/// Without a token, or with one of no principal.
fn nobody() -> Vec<Attack> {
    let without = ASKS.map(|(name, body)| {
        repeated(&format!("{name} without a token"), move |context| async move {
            refused(&context, None, name, body, &[401]).await
        })
    });
    let forged = ["vouchlog-vault-", "vouchlog-vault-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "none"];
    let forged = forged.map(|token| {
        repeated(&format!("the token `{token}`"), move |context| async move {
            refused(&context, Some(token), "find-records", "{}", &[401]).await
        })
    });
    [&without[..], &forged].concat()
}

/// A user's questions about other tenants and about the vault itself.
fn forbidden() -> Vec<Attack> {
    let others = [
        ("find-records", json!({ "tenant": "default" })),
        ("list-sessions", json!({ "tenant": "default" })),
        ("open-session", json!({ "tenant": "default", "session": "default-session-1" })),
        ("show-record", json!({ "record": "default-1" })),
        ("list-principals", json!({})),
        ("set-retention", json!({ "class": "evil", "seconds": 1 })),
        ("grant-principal", json!({ "name": "evil", "roles": ["admin"] })),
        ("grant-principal", json!({ "name": "evil-2", "roles": ["read-metadata"], "tenant": "default" })),
        ("revoke-principal", json!({ "name": "good" })),
    ];
    others
        .into_iter()
        .enumerate()
        .map(|(nth, (name, body))| {
            let body = body.to_string();
            repeated(&format!("{name} by a user of another tenant ({nth})"), move |context| {
                let body = body.clone();
                async move {
                    let token = context.token.clone();
                    refused(&context, token.as_deref(), name, &body, &[403, 404, 422]).await
                }
            })
        })
        .collect()
}

/// What is no question, by a user.
fn malformed() -> Vec<Attack> {
    let cases: [(&str, String); 13] = [
        ("a hundred thousand brackets", "[".repeat(100_000)),
        ("a hundred thousand objects", r#"{"a":"#.repeat(50_000)),
        ("a number of 200,000 digits", format!(r#"{{"limit":{}}}"#, "9".repeat(200_000))),
        ("a number 1e999999999", r#"{"from":1e999999999}"#.to_owned()),
        ("a limit of -1", r#"{"limit":-1}"#.to_owned()),
        ("an unknown member", r#"{"sql":"1=1"}"#.to_owned()),
        ("a tenant with a lone surrogate", r#"{"tenant":"\ud800"}"#.to_owned()),
        ("a tenant with NUL", r#"{"tenant":"a\u0000b"}"#.to_owned()),
        ("a cursor that none gave", r#"{"after":"' OR 1=1 --"}"#.to_owned()),
        ("a kind that there is none of", r#"{"kinds":["'; DROP TABLE record; --"]}"#.to_owned()),
        (
            "a facet of 200 kB",
            format!(r#"{{"facets":[{{"facet":"session","value":"{}"}}]}}"#, "x".repeat(200_000)),
        ),
        ("five thousand facets", many_facets()),
        ("a megabyte of spaces", " ".repeat(1 << 20)),
    ];
    cases
        .into_iter()
        .map(|(name, body)| {
            repeated(name, move |context| {
                let body = body.clone();
                async move {
                    let token = context.token.clone();
                    refused(&context, token.as_deref(), "find-records", &body, &[400, 403, 404, 413, 422])
                        .await
                }
            })
        })
        .collect()
}

fn many_facets() -> String {
    let facets: Vec<Value> = vec![json!({ "facet": "session", "value": "x" }); 5_000];
    json!({ "facets": facets }).to_string()
}

/// Requests that are held, with a token and without.
fn held() -> Vec<Attack> {
    let heads_alone = |name: &str, brings_token: bool| {
        lasting(&format!("heads without bodies, {name}"), move |context| async move {
            let token = context.token.as_deref().filter(|_| brings_token).unwrap_or_default();
            let bearer = format!("Bearer {token}");
            let fields = [("content-type", "application/json"), ("authorization", bearer.as_str())];
            heads(&context, &request("POST", "/v1/vault/find-records", &fields)).await
        })
    };
    vec![
        heads_alone("by nobody", false),
        heads_alone("by a user", true),
        lasting("slow bodies by a user", move |context| async move {
            let said = head("find-records", context.token.as_deref(), "", 60_000);
            Ok(Observation::sent(slowly(&context, CROWD, said.as_bytes(), b" ").await))
        }),
        lasting("stalled bodies by a user", move |context| async move {
            let said = head("find-records", context.token.as_deref(), "", 200_000) + &" ".repeat(199_000);
            stalled(&context, CROWD, said.as_bytes()).await
        }),
        lasting("slow heads", move |context| async move {
            let said = b"POST /v1/vault/find-records HTTP/1.1\r\nHost: localhost\r\n";
            Ok(Observation::sent(slowly(&context, CROWD, said, b"X: y\r\n").await))
        }),
    ]
}

/// The questions that cost most, as often as the server takes them.
fn floods() -> Vec<Attack> {
    let asked = |name: &str, ask: &'static str, body: &'static str, token: Bearer| {
        lasting(&format!("a flood of {name}"), move |context| async move {
            let bearer = match token {
                Bearer::OfUser => context.token.clone().unwrap_or_default(),
                Bearer::Unknown => format!("vouchlog-vault-{}", "A".repeat(43)),
            };
            let request = head(ask, Some(&bearer), "", body.len()) + body;
            pipeline(&context, request.as_bytes()).await
        })
    };
    let newest = r#"{"newest":true,"limit":1000}"#;
    vec![
        asked("tokens that nobody has", "find-records", "{}", Bearer::Unknown),
        asked("all records", "find-records", newest, Bearer::OfUser),
        asked("all sessions", "list-sessions", "{}", Bearer::OfUser),
        asked("a session", "open-session", r#"{"session":"evil-session-1"}"#, Bearer::OfUser),
        asked("one record", "show-record", r#"{"record":"evil-1"}"#, Bearer::OfUser),
        asked("numbers of records", "count-records", "{}", Bearer::OfUser),
        lasting("questions on many streams", many_streams),
    ]
}

/// Whose token a flood brings.
#[derive(Clone, Copy, Debug)]
enum Bearer {
    OfUser,
    Unknown,
}

/// As many questions at a time as a user of HTTP/2 can have under way.
async fn many_streams(context: Context) -> Result<Observation> {
    let client = Client::builder().no_proxy().http2_prior_knowledge().build()?;
    let token = context.token.clone().unwrap_or_default();
    let end = context.end();
    let asking = || {
        let (client, token) = (client.clone(), token.clone());
        async move {
            let mut sent = 0_u64;
            while tokio::time::Instant::now() < end {
                let request = client.post(format!("http://{}/v1/vault/list-sessions", context.to));
                let answer = request.bearer_auth(&token).json(&json!({})).send().await;
                sent += 1;
                match answer {
                    Ok(answer) => drop(answer.bytes().await),
                    Err(_) => tokio::time::sleep(Duration::from_millis(2)).await,
                }
            }
            sent
        }
    };
    let sent = futures::future::join_all((0..256).map(|_| asking())).await;
    Ok(Observation::sent(sent.into_iter().sum::<u64>()))
}

/// A question that must be answered with one of these statuses.
async fn refused(
    context: &Context,
    token: Option<&str>,
    ask: &str,
    body: &str,
    statuses: &[u16],
) -> Result<Observation> {
    let bytes = head(ask, token, "Connection: close\r\n", body.len()) + body;
    // A full backlog or a reset is the attacker's loss.
    let answers = exchange(context.to, bytes.as_bytes()).await.unwrap_or_default().statuses();
    let is_wrong = answers.iter().any(|status| !statuses.contains(status) && !SHED.contains(status));
    let complaint = is_wrong.then(|| format!("it answered {answers:?}, not one of {statuses:?}"));
    Ok(Observation::sent(1_u64).with(complaint))
}

/// The head of a question whose body has `length` bytes; `more` are further lines.
fn head(ask: &str, token: Option<&str>, more: &str, length: usize) -> String {
    let bearer = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    format!(
        "POST /v1/vault/{ask} HTTP/1.1\r\nHost: localhost\r\n{more}Content-Type: application/json\r\n{bearer}Content-Length: {length}\r\n\r\n"
    )
}

/// What a server that has too much to do answers: to refuse is right, and this is a refusal.
const SHED: [u16; 3] = [408, 429, 503];
