//! The same vault by RPCs: as over HTTP, from the token to the entry in the log.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tonic::metadata::MetadataValue;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request, Status};
use vouchlog_proto::vault::v1::vault_client::VaultClient;

use super::Served;
use crate::process::succeed;
use crate::tls::files::Authority;
use crate::tls::have;

/// Longer than any answer here: a page of records may be longer than a client reads unless it is told otherwise.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

macro_rules! called {
    ($client:ident, $token:ident, $name:ident, $body:ident: $($route:literal => $method:ident,)*) => {
        match $name {
            $($route => $client
                .$method(request($token, $body))
                .await
                .map(|answer| serde_json::to_value(answer.into_inner()).unwrap()),)*
            _ => Err(Status::unimplemented("there is no such ask")),
        }
    };
}

/// A message that has this JSON.
fn request<T: DeserializeOwned>(token: &str, body: &Value) -> Request<T> {
    let mut request = Request::new(serde_json::from_value(body.clone()).unwrap());
    if !token.is_empty() {
        let value = MetadataValue::try_from(format!("Bearer {token}")).unwrap();
        request.metadata_mut().insert("authorization", value);
    }
    request
}

/// The status that the same has over HTTP.
fn status_of(code: Code) -> u16 {
    match code {
        Code::Ok => 200,
        Code::InvalidArgument => 400,
        Code::Unauthenticated => 401,
        Code::PermissionDenied => 403,
        Code::NotFound => 404,
        Code::FailedPrecondition => 409,
        Code::OutOfRange => 413,
        Code::Internal => 500,
        Code::ResourceExhausted | Code::Unavailable => 503,
        other => panic!("nothing here ends with {other:?}"),
    }
}

impl Served {
    /// As [`Served::send`], by an RPC: the status that it has over HTTP, and the answer as JSON, or the message of the status.
    pub(super) async fn call(&self, principal: &str, name: &str, body: &Value) -> (u16, Value) {
        self.call_with(self.tokens.get(principal).map_or(principal, String::as_str), name, body).await
    }

    pub(super) async fn call_with(&self, token: &str, name: &str, body: &Value) -> (u16, Value) {
        let channel = Endpoint::from_shared(self.daemon.url.clone()).unwrap().connect().await.unwrap();
        asked(channel, token, name, body).await
    }
}

async fn asked(channel: Channel, token: &str, name: &str, body: &Value) -> (u16, Value) {
    let mut client = VaultClient::new(channel).max_decoding_message_size(MAX_ANSWER_BYTES);
    let outcome = called!(client, token, name, body:
        "find-records" => find_records,
        "list-sessions" => list_sessions,
        "save-search" => save_search,
        "list-searches" => list_searches,
        "delete-search" => delete_search,
        "list-findings" => list_findings,
        "count-findings" => count_findings,
        "decide-findings" => decide_findings,
        "list-decisions" => list_decisions,
        "list-identities" => list_identities,
        "show-identity" => show_identity,
        "list-disclosures" => list_disclosures,
        "list-sources" => list_sources,
        "open-case" => open_case,
        "add-to-case" => add_to_case,
        "note-case" => note_case,
        "close-case" => close_case,
        "list-cases" => list_cases,
        "show-case" => show_case,
        "export" => export,
        "open-session" => open_session,
        "show-record" => show_record,
        "renew-receipts" => renew_receipts,
        "present" => present,
        "bundle-session" => bundle_session,
        "place-hold" => place_hold,
        "lift-hold" => lift_hold,
        "list-holds" => list_holds,
        "plan-erasure" => plan_erasure,
        "erase" => erase,
        "check-erased" => check_erased,
        "set-retention" => set_retention,
        "list-retention" => list_retention,
        "count-records" => count_records,
        "grant-principal" => grant_principal,
        "revoke-principal" => revoke_principal,
        "list-principals" => list_principals,
    );
    match outcome {
        Ok(answer) => (200, answer),
        Err(status) => (status_of(status.code()), status.message().into()),
    }
}

/// Reading, disclosing, holding and erasing by RPCs, and what the log has of each, as the commands read it over HTTP.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_done_by_rpcs_is_in_the_log() {
    let all = "read-metadata,read-content,disclose,erase";
    let served = Served::start(&[("ann", all, Some("default"))], &[]);
    let did = async |name: &str, body: Value| {
        let (status, said) = served.call("ann", name, &body).await;
        assert_eq!(status, 200, "{name} {body}: {said}");
        said
    };
    let by = json!([{ "facet": "session", "value": "s-default" }]);
    let found = did("find-records", json!({ "facets": by })).await;
    assert_eq!(found["records"][0]["id"], "r-default", "{found}");
    let shown = did("show-record", json!({ "record": "r-default" })).await;
    assert!(shown["proof"].is_string() && !shown.to_string().contains("San Francisco"), "{shown}");
    let read = did("show-record", json!({ "record": "r-default", "content": { "basis": "case 1" } })).await;
    assert!(read.to_string().contains("San Francisco"), "{read}");

    let present = json!({ "record": "r-default", "fields": ["/outcome/state"], "basis": "case 2", "recipient": "the court" });
    let presented = did("present", present).await;
    let file = served.world.path("presentation.json");
    std::fs::write(&file, presented["presentation"].to_string()).unwrap();
    let vkey = &served.world.server.vkey;
    let verified = succeed(&["verify", "--json", "--presentation", &file, "--log-vkey", vkey]);
    assert_eq!(serde_json::from_str::<Value>(&verified).unwrap()["holds"], true, "{verified}");
    let bundle = json!({ "session": "s-default", "fields": ["/outcome", "/session"], "basis": "case 3" });
    let bundled = did("bundle-session", bundle).await;
    std::fs::write(&file, bundled["bundle"].to_string()).unwrap();
    let verified = served.world.run(&["verify", "--bundle", &file]);
    let verified = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(verified.starts_with("Session s-default") && !verified.contains("DOES NOT HOLD"), "{verified}");
    // Each is on record, with who and why, and the log has it.
    let (_, disclosures) = served.ask_as("ann", &["vault", "disclosures"]);
    let rows = disclosures["disclosures"].as_array().unwrap();
    let bases: Vec<&Value> = rows.iter().map(|row| &row["basis"]).collect();
    assert_eq!(bases, [&json!("case 3"), &json!("case 2"), &json!("case 1")], "{disclosures}");
    for row in rows {
        assert!(row["by"] == "ann" && row["entry"].is_u64(), "{row}");
    }
    // What failed is on no record.
    let (status, said) = served
        .call("ann", "present", &json!({ "record": "r-default", "fields": ["/no/such"], "basis": "case 4" }))
        .await;
    assert_eq!(status, 409, "{said}");
    assert_eq!(did("list-disclosures", json!({})).await["disclosures"].as_array().unwrap().len(), 3);

    let hold = json!({ "name": "case 5", "reason": "a claim", "facets": by });
    assert_eq!(did("place-hold", hold).await["records"], 1);
    let erase = json!({ "target": { "record": "r-default" }, "basis": "GDPR Art. 17" });
    let refused = did("erase", erase.clone()).await;
    assert_eq!(
        (refused["records"].as_array().unwrap().len(), &refused["refusals"][0]["hold"]),
        (0, &json!("case 5")),
        "{refused}"
    );
    did("lift-hold", json!({ "name": "case 5", "reason": "over" })).await;
    let subject = "https://idp.example|u-20931";
    // An empty list of confirmed names confirms none, and is not the same as no list.
    let unconfirmed = json!({ "target": { "subject": subject }, "basis": "GDPR Art. 17", "confirmed": [] });
    assert_eq!(served.call("ann", "erase", &unconfirmed).await.0, 400);
    let erased = did("erase", erase).await;
    assert_eq!(erased["records"], json!(["r-default"]), "{erased}");
    let entry = erased["entries"][0]["index"].as_u64().unwrap();
    let checked = did("check-erased", json!({ "records": ["r-default"] })).await;
    assert_eq!((&checked["erased"], &checked["entries"]), (&json!(["r-default"]), &json!([entry])));
    let (_, erasures) = served.ask_as("ann", &["find", "--kind", "erasure"]);
    let entries: Vec<&Value> =
        erasures["records"].as_array().unwrap().iter().map(|row| &row["index"]).collect();
    assert!(entries.contains(&&json!(entry)), "{erasures}");
    let gone = did("show-record", json!({ "record": "r-default" })).await;
    assert_eq!(
        (&gone["record"], gone["row"]["erased"]["finished"].as_bool()),
        (&Value::Null, Some(true)),
        "{gone}"
    );
    assert_eq!(served.daemon.terminate(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_certificate_is_recognised_in_a_call() {
    if !have("openssl", "version") {
        return;
    }
    let files = tempfile::tempdir().unwrap();
    let authority = Authority::new(&files.path().join("tls"));
    authority.issue("server", "DNS:localhost,IP:127.0.0.1");
    for name in ["reader", "stranger"] {
        authority.issue(name, &format!("URI:spiffe://corp.example/{name}"));
    }
    let access = files.path().join("access.json");
    let principal =
        |name: &str| json!({ "name": name, "certificates": [format!("spiffe://corp.example/{name}")] });
    let principals = ["reader", "stranger"].map(principal);
    std::fs::write(&access, json!({ "principals": principals }).to_string()).unwrap();
    let [chain, key, ca] = ["server.pem", "server.key", "ca.pem"].map(|file| authority.at(file));
    let more = [
        "--access",
        access.to_str().unwrap(),
        "--tls-cert",
        &chain,
        "--tls-key",
        &key,
        "--tls-client-ca",
        &ca,
    ];
    let served = Served::start(&[("reader", "read-metadata", Some("default"))], &more);
    let read = |file: &str| std::fs::read(authority.at(file)).unwrap();
    for (name, expected) in [(Some("reader"), 200), (Some("stranger"), 403), (None, 401)] {
        let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read("ca.pem")));
        if let Some(name) = name {
            tls =
                tls.identity(Identity::from_pem(read(&format!("{name}.pem")), read(&format!("{name}.key"))));
        }
        let endpoint = Endpoint::from_shared(served.daemon.url.clone()).unwrap().tls_config(tls).unwrap();
        let (status, said) = asked(endpoint.connect().await.unwrap(), "", "find-records", &json!({})).await;
        assert_eq!(status, expected, "{name:?}: {said}");
    }
    assert_eq!(served.daemon.terminate(), 0);
}
