//! A vault that a daemon serves: the same commands as its client, and each role, tenant and operation over its interface.

use std::collections::BTreeMap;

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use sqlx::{AnyConnection, Connection, Executor};

use super::world::{World, exchange, owed, record_of};
use crate::process::{Server, vouchlog};

mod console;
mod lists;
mod matrix;
mod rpc;
mod strangers;

/// A vault with records of two tenants, its principals, and the daemon that serves it.
struct Served {
    world: World,
    daemon: Server,
    client: Client,
    tokens: BTreeMap<String, String>,
}

impl Served {
    /// Principals are `(name, roles, tenant)`; without a tenant, of all.
    fn start(principals: &[(&str, &str, Option<&str>)], more: &[&str]) -> Self {
        Self::start_with(principals, more, |_| {})
    }

    /// The same with more records, which `fill` makes before the vault has principals.
    fn start_with(
        principals: &[(&str, &str, Option<&str>)],
        more: &[&str],
        fill: impl FnOnce(&World),
    ) -> Self {
        let world = World::start();
        fill(&world);
        for (tenant, id, session) in [("default", "r-default", "s-default"), ("acme", "r-acme", "s-acme")] {
            let mut record = record_of(id, &exchange("tool-call"));
            record["correlation"]["session"] = session.into();
            record["correlation"]["idempotency_key"] = id.into();
            record["custody"].as_object_mut().unwrap().remove("retention");
            let file = world.path("records.json");
            let kept = owed(&format!("owed-{tenant}"), "P7Y");
            // It has no initiator, and so a finding.
            let mut flawed = record.clone();
            flawed["id"] = format!("flawed-{tenant}").into();
            flawed["correlation"]["session"] = format!("flawed-{tenant}").into();
            flawed["correlation"]["idempotency_key"] = format!("flawed-{tenant}").into();
            flawed.as_object_mut().unwrap().remove("initiator");
            std::fs::write(&file, json!([record, kept, flawed]).to_string()).unwrap();
            world.ask(&["record", "--tenant", tenant, &file]);
        }
        let mut tokens = BTreeMap::new();
        let root = grant(&world, None, ("root", "admin", None));
        tokens.insert("root".to_owned(), root);
        let service = ("service", "submit,read-metadata,erase", None);
        for (name, roles, tenant) in principals.iter().copied().chain([service]) {
            let token = grant(&world, Some(&token_file(&world, "root")), (name, roles, tenant));
            tokens.insert(name.to_owned(), token);
        }
        let daemon = serve(&world, more);
        Self { world, daemon, client: Client::new(), tokens }
    }

    async fn send(&self, principal: &str, name: &str, body: &Value) -> (u16, Value) {
        self.send_with(self.tokens.get(principal).map_or(principal, String::as_str), name, body).await
    }

    async fn send_with(&self, token: &str, name: &str, body: &Value) -> (u16, Value) {
        let mut request = self.client.post(format!("{}/v1/vault/{name}", self.daemon.url)).json(body);
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (status, response.json().await.unwrap_or_default())
    }

    /// Runs a command as a client of the daemon; its exit code and JSON.
    fn ask_as(&self, principal: &str, args: &[&str]) -> (i32, Value) {
        let token = token_file(&self.world, principal);
        let at = match args[0] {
            "vault" => 1,
            _ => args.len(),
        };
        let vault = ["--vault", &self.daemon.url, "--vault-token", &token];
        let args = [&args[..at], &vault, &args[at..]].concat();
        self.world.ask(&args)
    }

    async fn raw(&self) -> AnyConnection {
        sqlx::any::install_default_drivers();
        AnyConnection::connect(&format!("sqlite://{}", self.world.path("vault/vault.db"))).await.unwrap()
    }
}

fn token_file(world: &World, name: &str) -> String {
    world.path(&format!("{name}.token"))
}

fn grant(world: &World, by: Option<&str>, (name, roles, tenant): (&str, &str, Option<&str>)) -> String {
    let mut args = vec!["vault"];
    if let Some(by) = by {
        args.extend(["--vault-token", by]);
    }
    if let Some(tenant) = tenant {
        args.extend(["--tenant", tenant]);
    }
    args.extend(["grant", name, "--roles", roles]);
    if tenant.is_none() {
        args.push("--all-tenants");
    }
    let (_, said) = world.ask(&args);
    let token = said["token"].as_str().unwrap().to_owned();
    std::fs::write(token_file(world, name), &token).unwrap();
    token
}

fn serve(world: &World, more: &[&str]) -> Server {
    let mut command = vouchlog();
    command
        .args(["vault", "--vault", &world.path("vault"), "--vault-token", &token_file(world, "service")])
        .args(["serve", "--json", "--listen", "127.0.0.1:0", "--log", &world.server.url])
        .args(["--log-vkey", &world.server.vkey, "--gateway-key", &world.path("gateway.key")])
        .args(more);
    Server::spawn(command)
}

/// A caller that is not who it must be, and a request that is not what it must be.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_callers_and_wrong_requests_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let entry = |expires: &str| {
        let file = folder.path().join(format!("{expires}.token"));
        let said =
            crate::process::succeed(&["token", "--json", "--expires", "1d", "--out", file.to_str().unwrap()]);
        let mut entry = serde_json::from_str::<Value>(&said).unwrap()["entry"].clone();
        entry["expires"] = expires.into();
        (std::fs::read_to_string(file).unwrap().trim().to_owned(), entry)
    };
    let ((old, expired), (known, valid), (stranger, nobody)) =
        (entry("2020-01-01T00:00:00Z"), entry("2099-01-01T00:00:00Z"), entry("2098-01-01T00:00:00Z"));
    let access = folder.path().join("access.json");
    let file = json!({ "principals": [
        { "name": "late", "tokens": [expired] }, { "name": "reader", "tokens": [valid] },
        { "name": "stranger", "tokens": [nobody] } ] });
    std::fs::write(&access, file.to_string()).unwrap();
    let served = Served::start(
        &[("reader", "read-metadata", Some("default"))],
        &["--access", access.to_str().unwrap()],
    );
    let find = json!({ "tenant": "default" });
    let forged = format!("vouchlog-vault-{}", "A".repeat(43));
    for (token, expected) in [
        ("", 401),
        ("nonsense", 401),
        (forged.as_str(), 401),
        ("vouchlog-vault-short", 401),
        (old.as_str(), 401),
        (stranger.as_str(), 403),
        (known.as_str(), 200),
        (served.tokens["reader"].as_str(), 200),
    ] {
        let (status, said) = served.send_with(token, "find-records", &find).await;
        assert_eq!(status, expected, "{token}: {said}");
        assert_eq!(served.call_with(token, "find-records", &find).await.0, expected, "{token}, by an RPC");
        assert!(token.is_empty() || !said.to_string().contains(token), "{said}");
    }
    // What is of another tenant is as if it were not there.
    let strange = |id: &str| json!({ "record": id });
    for (there, not_there) in [
        (("show-record", strange("r-acme")), ("show-record", strange("r-nobody"))),
        (
            ("open-session", json!({ "tenant": "acme", "session": "s-acme" })),
            ("open-session", json!({ "tenant": "default", "session": "s-nobody" })),
        ),
        (("find-records", json!({ "tenant": "acme" })), ("find-records", json!({ "tenant": "nobody" }))),
        (
            ("check-erased", json!({ "records": ["r-acme"] })),
            ("check-erased", json!({ "records": ["r-no"] })),
        ),
    ] {
        let mut answers = Vec::new();
        for (name, body) in [&there, &not_there] {
            let (status, mut said) = served.send("reader", name, body).await;
            said.as_object_mut().unwrap().remove("request_id");
            answers.push((status, said));
        }
        assert_eq!(answers[0], answers[1]);
        assert_eq!(answers[0].0, 404, "{answers:?}");
        let by_rpc = [
            served.call("reader", there.0, &there.1).await,
            served.call("reader", not_there.0, &not_there.1).await,
        ];
        assert_eq!((&by_rpc[0], by_rpc[0].0), (&by_rpc[1], 404));
        assert_eq!(by_rpc[0].1, answers[0].1["detail"]);
    }
    bounds_hold(&served).await;
    the_interface_is_for_programs(&served, &find).await;
    assert_eq!(served.daemon.terminate(), 0);
}

async fn bounds_hold(served: &Served) {
    let many: Vec<String> = (0..1_001).map(|n| format!("r-{n}")).collect();
    let facet = |value: String| json!({ "facets": [{ "facet": "session", "value": value }] });
    for (name, body, expected) in [
        ("find-records", json!({ "limit": 1_000_000_000_u64 }), 200),
        ("find-records", json!({ "limit": -1 }), 422),
        ("find-records", json!({ "unknown": 1 }), 422),
        ("find-records", json!([]), 422),
        ("find-records", json!({ "after": "nonsense" }), 400),
        ("find-records", json!({ "kinds": ["nonsense"] }), 400),
        ("find-records", json!({ "kinds": vec!["interaction"; 1_000] }), 400),
        ("find-records", json!({ "facets": [{ "facet": "nonsense", "value": "x" }] }), 400),
        ("find-records", facet("x".repeat(5_000)), 400),
        ("find-records", json!({ "facets": vec![json!({ "facet": "tool", "value": "x" }); 9] }), 400),
        ("find-records", facet("x".repeat(300_000)), 413),
        ("check-erased", json!({ "records": many }), 400),
        ("open-session", json!({ "session": "" }), 400),
        ("no-such-ask", json!({}), 404),
    ] {
        let (status, said) = served.send("reader", name, &body).await;
        assert_eq!(status, expected, "{name}: {said}");
        if expected != 200 {
            assert_eq!((&said["status"], said["request_id"].is_string()), (&json!(expected), true), "{said}");
        }
    }
}

/// Of the right type, from no page of another site, by POST, and described.
async fn the_interface_is_for_programs(served: &Served, find: &Value) {
    let url = format!("{}/v1/vault/find-records", served.daemon.url);
    let plain =
        served.client.post(&url).bearer_auth(&served.tokens["reader"]).body("{}").send().await.unwrap();
    assert_eq!(plain.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let foreign = served.client.post(&url).bearer_auth(&served.tokens["reader"]).json(find);
    let foreign = foreign.header("origin", "https://evil.example").send().await.unwrap();
    assert_eq!(foreign.status(), StatusCode::FORBIDDEN);
    let read = served.client.get(&url).bearer_auth(&served.tokens["reader"]).send().await.unwrap();
    assert_eq!(read.status(), StatusCode::METHOD_NOT_ALLOWED);
    let document: Value = served
        .client
        .get(format!("{}/openapi.json", served.daemon.url))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert!(
        document["paths"]["/v1/vault/find-records"]["post"]["responses"]["404"].is_object(),
        "{document}"
    );
    for (at, name) in [("schemas", "Problem"), ("schemas", "FindRecords"), ("securitySchemes", "bearer")] {
        assert!(document["components"][at][name].is_object(), "{at} {name}");
    }
}

/// Everything that the commands do with a vault, they do as clients of a daemon.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_are_clients_of_a_daemon() {
    let all = "read-metadata,read-content,disclose,erase";
    let served = Served::start(&[("ann", all, Some("default")), ("owner", all, None)], &[]);
    let here = |args: &[&str]| {
        let token = token_file(&served.world, "ann");
        served.world.ask(&[args, &["--vault-token", &token]].concat())
    };
    for args in [
        &["find", "--by", "session=s-default"][..],
        &["find", "--by", "session=s-acme"],
        &["find", "--limit", "1"],
        &["session", "s-default"],
        &["session"],
    ] {
        let (code, said) = served.ask_as("ann", args);
        assert_eq!((code, &said), (here(args).0, &here(args).1), "{args:?}");
    }
    let (_, shown) = served.ask_as("ann", &["vault", "show", "r-default"]);
    assert_eq!(shown["record"]["correlation"]["session"], "s-default");
    assert!(!shown.to_string().contains("San Francisco"), "{shown}");
    let (_, read) = served.ask_as("ann", &["vault", "show", "r-default", "--content", "--basis", "case 1"]);
    assert!(read.to_string().contains("San Francisco"), "{read}");

    // Each on record, with who and why.
    let file = served.world.path("shown.json");
    let disclose =
        ["disclose", "--record", "r-default", "--fields", "outcome.state", "--basis", "case 2", "-o", &file];
    served.ask_as("ann", &disclose);
    let bundle = served.world.path("bundle.json");
    let fields = ["--fields", "outcome,session"];
    served.ask_as(
        "ann",
        &[&["session", "s-default", "--bundle", &bundle, "--basis", "case 3"][..], &fields].concat(),
    );
    let (_, disclosures) = served.ask_as("ann", &["find", "--kind", "disclosure"]);
    let records = disclosures["records"].as_array().unwrap();
    assert_eq!(records.len(), 3, "{disclosures}");
    for record in records {
        let id = record["id"].as_str().unwrap();
        let (_, shown) = served.ask_as("ann", &["vault", "show", id]);
        assert_eq!(shown["record"]["disclosure"]["by"], "ann");
    }
    // What failed is on no record.
    let (status, said) = served
        .send("ann", "present", &json!({ "record": "r-default", "fields": ["/no/such"], "basis": "case 4" }))
        .await;
    assert_eq!(status, 409, "{said}");
    assert_eq!(
        served.ask_as("ann", &["find", "--kind", "disclosure"]).1["records"].as_array().unwrap().len(),
        3
    );

    let hold = ["hold", "--name", "case 5", "--reason", "a claim"];
    let (_, held) = served.ask_as("ann", &[&hold[..], &["--by", "session=s-default"]].concat());
    assert_eq!(held["records"], 1, "{held}");
    assert_eq!(served.ask_as("ann", &["hold"]).1["holds"][0]["name"], "case 5");
    let (code, refused) =
        served.ask_as("ann", &["erase", "--record", "r-default", "--basis", "GDPR Art. 17"]);
    assert_eq!((code, refused["refused"].as_array().unwrap().len()), (1, 1), "{refused}");
    served.ask_as("ann", &["hold", "--name", "case 5", "--reason", "over", "--release"]);

    let subject = "https://idp.example|u-20931";
    let (_, plan) = served.ask_as("ann", &["erase", "--subject", subject, "--dry-run"]);
    assert!(plan["would_erase"].as_array().unwrap().contains(&json!("r-default")), "{plan}");
    let letter = served.world.path("letter.txt");
    let erase = ["erase", "--subject", subject, "--basis", "GDPR Art. 17", "--yes", "--letter", &letter];
    let (code, erased) = served.ask_as("ann", &erase);
    assert_eq!((code, &erased["erased"]), (1, &plan["would_erase"]), "one is owed: {erased}");
    assert!(erased["entries"][0]["index"].is_u64(), "{erased}");
    let letter = std::fs::read_to_string(letter).unwrap();
    assert!(letter.contains("erased: what was asked") && letter.contains("owed-default"), "{letter}");
    let (status, said) = served.send("ann", "show-record", &json!({ "record": "r-default" })).await;
    assert_eq!((status, &said["record"]), (200, &Value::Null), "{said}");
    // The record of the other tenant is whole.
    let (_, whole) = served.ask_as("owner", &["find", "--tenant", "acme", "--by", "session=s-acme"]);
    assert_eq!(whole["records"][0]["erased"], Value::Null, "{whole}");

    served.ask_as("owner", &["vault", "retention", "fin", "--keep", "90d"]);
    let (_, classes) = served.ask_as("ann", &["vault", "retention"]);
    assert_eq!(classes["classes"], json!([{ "class": "fin", "seconds": 90 * 86_400 }]));
    served.ask_as("root", &["vault", "revoke", "owner"]);
    let (_, principals) = served.ask_as("root", &["vault", "principals"]);
    assert_eq!(principals["principals"].as_array().unwrap().len(), 3, "{principals}");
    let duties =
        ["duties", "--vault", &served.daemon.url, "--vault-token", &token_file(&served.world, "ann")];
    let (_, duties) = served.world.ask(&duties);
    assert_eq!(duties["figures"]["erasures"], 1, "{duties}");
    // What needs the key is refused in words.
    let refused = served.world.run(&["vault", "--vault", &served.daemon.url, "check"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("needs the vault itself"));
    assert_eq!(served.daemon.terminate(), 0);
}

/// The database is changed while the daemon runs: everything that would go by it is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_changed_behind_the_daemon_is_noticed() {
    let served = Served::start(&[("ann", "read-metadata,erase", Some("default"))], &[]);
    let hold = json!({ "tenant": "default", "name": "case", "reason": "a claim", "records": ["r-default"] });
    assert_eq!(served.send("ann", "place-hold", &hold).await.0, 200);
    let mut raw = served.raw().await;
    // Rows of earlier versions have no say.
    raw.execute("INSERT INTO principal (name, roles, salt, token_hash, granted_at) VALUES ('ann', 63, x'00', x'00', 0)")
        .await
        .unwrap();
    raw.execute("DELETE FROM hold_query").await.unwrap();
    assert_eq!(served.send("ann", "list-principals", &json!({})).await.0, 403);
    let plan = json!({ "tenant": "default", "target": { "record": "r-default" } });
    let (status, planned) = served.send("ann", "plan-erasure", &plan).await;
    assert_eq!((status, &planned["refusals"][0]["hold"]), (200, &json!("case")), "{planned}");
    let owed = json!({ "tenant": "default", "target": { "record": "owed-default" }, "basis": "none" });
    raw.execute("UPDATE record SET keep_until = 0 WHERE id = 'owed-default'").await.unwrap();
    assert_eq!(served.send("ann", "erase", &owed).await.0, 500);
    raw.execute("DELETE FROM held").await.unwrap();
    for (name, body) in [("plan-erasure", &plan), ("list-holds", &json!({})), ("erase", &owed)] {
        let (status, said) = served.send("ann", name, body).await;
        assert_eq!(status, 500, "{name}: {said}");
        assert!(!said.to_string().contains("vault.db"), "where it is, is for the operator: {said}");
    }
    // Nothing was erased, and reading goes on.
    assert_eq!(served.send("ann", "show-record", &json!({ "record": "owed-default" })).await.0, 200);
    raw.execute("UPDATE vault SET principals = NULL").await.unwrap();
    for name in ["ann", "root"] {
        assert_eq!(served.send(name, "find-records", &json!({})).await.0, 500);
    }
    raw.close().await.unwrap();
}
