//! JSON proofs, writing over HTTP, and what operators ask.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use reqwest::StatusCode;
use serde_json::{Value, json};
use vouchlog_merkle::{ConsistencyProof, Hash, InclusionProof, LeafIndex, TreeHead, TreeSize, leaf_hash};
use vouchlog_note::{ProofFile, SignedCheckpoint};
use vouchlog_stream::{Digest, Enrolment, Entry, LoggedAt, Revocation};

use super::fake::{self, log_vkey, origin};
use super::{Served, client};

async fn get(served: &Served, path: &str) -> Value {
    let response = client().get(served.url(path)).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK, "{path}: {}", response.text().await.unwrap());
    response.json().await.unwrap()
}

fn head(note: &Value) -> TreeHead {
    SignedCheckpoint::open(note.as_str().unwrap().as_bytes(), &origin(), &log_vkey()).unwrap().head()
}

fn hashes(value: &Value) -> Vec<Hash> {
    value.as_array().unwrap().iter().map(|hash| hash.as_str().unwrap().parse().unwrap()).collect()
}

#[tokio::test]
async fn inclusion_proofs_verify_however_the_entry_is_named() {
    let served = Served::start().await;
    served.log.fill(300).await;
    let entry = served.log.entry(40);
    let leaf = leaf_hash(&entry);
    let Entry::Statement(statement) = Entry::decode(&entry).unwrap() else {
        panic!("entry 40 is a statement")
    };
    let digest = statement.statement.digest;
    for query in [
        "index=40".to_owned(),
        format!("hash={leaf}"),
        format!("digest={digest}"),
        format!("stream={}&sequence={}", statement.stream, statement.sequence),
    ] {
        let proof = get(&served, &format!("/v1/inclusion?{query}")).await;
        assert_eq!((&proof["index"], &proof["size"]), (&json!(40), &json!(303)), "{query}");
        assert_eq!(proof["leaf_hash"], leaf.to_string());
        assert_eq!(BASE64.decode(proof["entry"].as_str().unwrap()).unwrap(), entry);
        let head = head(&proof["checkpoint"]);
        let path = InclusionProof::from_hashes(hashes(&proof["hashes"])).unwrap();
        path.verify(LeafIndex::new(40), head.size, &leaf, &head.root).unwrap();
    }
}

#[tokio::test]
async fn proofs_for_older_trees_verify() {
    let served = Served::start().await;
    served.log.fill(40).await;
    let old = get(&served, "/v1/inclusion?index=0").await;
    served.log.fill(500).await;
    let (old_head, new_head) =
        (head(&old["checkpoint"]), head(&get(&served, "/v1/inclusion?index=0").await["checkpoint"]));

    let again = get(&served, "/v1/inclusion?index=0&size=43").await;
    assert_eq!((&again["hashes"], &again["size"]), (&old["hashes"], &json!(43)));
    for (query, new) in [("from=43", new_head), ("from=43&to=543", new_head), ("from=43&to=43", old_head)] {
        let proof = get(&served, &format!("/v1/consistency?{query}")).await;
        assert_eq!((&proof["from"], &proof["to"]), (&json!(43), &json!(new.size.get())), "{query}");
        let path = ConsistencyProof::from_hashes(hashes(&proof["hashes"])).unwrap();
        path.verify(&old_head, &new).unwrap();
    }
    let first = get(&served, "/v1/consistency?from=0").await;
    assert_eq!(first["hashes"], json!([]));
    for size in 1..=543_u64 {
        get(&served, &format!("/v1/consistency?from={size}&to={}", size.max(300))).await;
    }
}

#[tokio::test]
async fn entries_are_decoded() {
    let served = Served::start().await;
    served.log.fill(1_200).await;
    let entries = get(&served, "/v1/entries?start=0&end=5").await;
    let kinds: Vec<&str> =
        entries.as_array().unwrap().iter().map(|entry| entry["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["genesis", "stream-opened", "gateway-enrolled", "interaction", "interaction"]);
    assert!(entries[0]["note"].as_str().unwrap().starts_with("vouchlog/v1 genesis\n"));
    assert_eq!(entries[4]["index"], 4);
    assert_eq!(entries[4]["digest"], fake::statement(1).digest.to_string());
    assert_eq!((&entries[4]["stream"], &entries[4]["sequence"]), (&json!(1), &json!(1)));
    assert_eq!(BASE64.decode(entries[4]["entry"].as_str().unwrap()).unwrap(), served.log.entry(4));

    let most = get(&served, "/v1/entries?start=100&end=18446744073709551615").await;
    assert_eq!(most.as_array().unwrap().len(), 1_024);
    assert_eq!(most[1_023]["index"], 1_123);
    let rest = get(&served, "/v1/entries?start=1200&end=2000").await;
    assert_eq!(rest.as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_receipt_is_a_proof_file() {
    let served = Served::start().await;
    served.log.fill(30).await;
    let response = client().get(served.url("/v1/receipts/7")).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
    assert_eq!(response.headers()["content-disposition"], "attachment; filename=\"7.tlog-proof\"");
    check_receipt(&response.text().await.unwrap(), 7, &served.log.entry(7));
}

fn check_receipt(text: &str, index: u64, entry: &[u8]) {
    let file = ProofFile::parse(text.as_bytes()).unwrap();
    assert_eq!(file.index(), LeafIndex::new(index));
    let checkpoint = SignedCheckpoint::open(file.note().as_str().as_bytes(), &origin(), &log_vkey()).unwrap();
    file.verify_inclusion(&leaf_hash(entry), &checkpoint.head()).unwrap();
}

#[tokio::test]
async fn statements_are_answered_with_their_receipts() {
    let served = Served::start().await;
    let digest = |number: usize| fake::statement(number).digest.to_string();
    let post = async |body: Value| {
        let response = client().post(served.url("/v1/statements")).json(&body).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        response.json::<Value>().await.unwrap()
    };
    let one = post(json!({ "kind": "opaque", "digest": digest(0) })).await;
    assert_eq!((&one["stream"], &one["statements"][0]["index"]), (&json!(1), &json!(3)));
    let many: Vec<Value> = (0..1_024)
        .map(|number| json!({ "kind": "finding", "digest": digest(number), "evidence": 1 }))
        .collect();
    let many = post(many.into()).await;
    let logged = many["statements"].as_array().unwrap();
    assert_eq!(logged.len(), 1_024);
    for (place, statement) in logged.iter().enumerate() {
        let index = 4 + place as u64;
        assert_eq!((&statement["index"], &statement["sequence"]), (&json!(index), &json!(place + 1)));
        assert_eq!(statement["digest"], digest(place));
        check_receipt(statement["receipt"].as_str().unwrap(), index, &served.log.entry(index));
    }
}

#[tokio::test]
async fn who_waits_for_witnesses_is_told_whether_they_came() {
    let served = Served::start().await;
    let statement = json!({ "kind": "opaque", "digest": fake::statement(0).digest.to_string() });
    for (query, witnessed) in [("", false), ("?wait=sequenced", false), ("?wait=witnessed", true)] {
        let post = client().post(served.url(&format!("/v1/statements{query}"))).json(&statement);
        let answer: Value = post.send().await.unwrap().json().await.unwrap();
        assert_eq!(answer["witnessed"], witnessed, "{query}");
        let added = client().post(served.url(&format!("/add{query}"))).body("salted").send().await.unwrap();
        assert_eq!(added.headers()["vouchlog-witnessed"], witnessed.to_string(), "{query}");
    }
    let size = served.log.size();
    for query in ["?wait=published", "?wait=", "?wait=2", "?witnessed", "?wait=witnessed&wait=sequenced"] {
        for path in ["/v1/statements", "/add"] {
            let post = client().post(served.url(&format!("{path}{query}"))).json(&statement);
            assert_eq!(post.send().await.unwrap().status(), StatusCode::BAD_REQUEST, "{path}{query}");
        }
    }
    assert_eq!(served.log.size(), size, "nothing was logged");
}

#[tokio::test]
async fn add_logs_the_hash_of_any_body() {
    let served = Served::start().await;
    let body = vec![0xff; 64 * 1024];
    let response = client().post(served.url("/add")).body(body.clone()).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
    assert_eq!(response.text().await.unwrap(), "3");
    let Entry::Statement(entry) = Entry::decode(&served.log.entry(3)).unwrap() else { panic!("a statement") };
    assert_eq!(entry.statement.digest, Digest::of(&body));
}

#[tokio::test]
async fn gateways_are_enrolled_and_revoked_by_the_operators_note() {
    let served = Served::start().await;
    let gateway = fake::gateway_key().verifying_key().clone();
    let enrolment = Enrolment::first(origin(), gateway.clone()).sign(&fake::operator()).unwrap();
    let revocation = Revocation {
        log: origin(),
        gateway,
        effective: LoggedAt::from_millis(5).unwrap(),
        reason: "lost".to_owned(),
    };
    let revocation = revocation.sign(&fake::operator()).unwrap();
    let quota = vouchlog_stream::Quota {
        log: origin(),
        scope: vouchlog_stream::QuotaScope::All,
        issued: LoggedAt::from_millis(5).unwrap(),
        limits: vouchlog_stream::DailyLimits {
            statements: vouchlog_stream::Limit::AtMost(9),
            bytes: vouchlog_stream::Limit::Unlimited,
            streams: vouchlog_stream::Limit::Unlimited,
        },
    };
    let quota = quota.sign(&fake::operator()).unwrap();
    let name = fake::operator().verifying_key().name().clone();
    let next =
        vouchlog_note::SigningKey::generate(name, vouchlog_note::SignatureType::Ed25519, [77; 32]).unwrap();
    let rotation = vouchlog_stream::OperatorChange {
        log: origin(),
        operator: next.verifying_key().clone(),
        replaces: fake::operator().verifying_key().clone(),
        cause: vouchlog_stream::OperatorCause::Rotation,
        words: "yearly".to_owned(),
    };
    let rotation = rotation.sign(&fake::operator(), &next).unwrap();
    let successor = fake::key("log.example.com/next", vouchlog_note::SignatureType::Ed25519, 78);
    let retirement = vouchlog_stream::Retirement {
        log: fake::log_key().verifying_key().clone(),
        successor: successor.verifying_key().clone(),
        cause: vouchlog_stream::RetirementCause::Planned,
        words: "yearly".to_owned(),
    };
    let retirement = retirement.sign(&fake::log_key(), &successor).unwrap();
    for (path, note, index) in [
        ("/v1/gateways", &enrolment, 3),
        ("/v1/revocations", &revocation, 4),
        ("/v1/quotas", &quota, 5),
        ("/v1/keys", &rotation, 6),
        ("/v1/retirement", &retirement, 7),
    ] {
        let request = client().post(served.url(path)).header("content-type", "text/plain; charset=utf-8");
        let answer: Value = request.body(note.clone()).send().await.unwrap().json().await.unwrap();
        assert_eq!(answer, json!({ "index": index }), "{path}");
    }
    let forged = Enrolment::first(origin(), fake::gateway_key().verifying_key().clone());
    let forged = forged.sign(&fake::gateway_key()).unwrap();
    let request = client().post(served.url("/v1/gateways")).header("content-type", "text/plain").body(forged);
    assert_eq!(request.send().await.unwrap().status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn streams_are_told_in_json() {
    let served = Served::start().await;
    let mut gateway = served.gateway().await;
    let note = fake::opening(&fake::gateway_key(), &fake::stream_key());
    let opened =
        gateway.open_stream(vouchlog_proto::v1::OpenStreamRequest { note }).await.unwrap().into_inner();
    let mut sender = fake::Gateway::new(opened.stream);
    gateway.append(vouchlog_proto::v1::AppendRequest::from(&sender.request(5))).await.unwrap();
    let stream = get(&served, &format!("/v1/streams/{}", opened.stream)).await;
    assert_eq!((&stream["gateway"], &stream["status"]), (&json!("gateway.example/a"), &json!("open")));
    assert_eq!((&stream["size"], &stream["runs"][0]["count"]), (&json!(5), &json!(5)));
    assert!(stream.get("fork").is_none() && stream["head"].is_string());
}

#[tokio::test]
async fn operators_are_answered() {
    let served = Served::start().await;
    let text = async |path: &str| {
        let response = client().get(served.url(path)).send().await.unwrap();
        let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
        (response.status().as_u16(), kind, response.text().await.unwrap())
    };
    assert_eq!(text("/healthz").await, (200, "text/plain; charset=utf-8".to_owned(), "ok\n".to_owned()));
    let (status, kind, index) = text("/").await;
    assert_eq!((status, kind.as_str()), (200, "text/plain; charset=utf-8"));
    let document = get(&served, "/openapi.json").await;
    for path in document["paths"].as_object().unwrap().keys().filter(|path| *path != "/") {
        let name = path.split('{').next().unwrap();
        assert!(index.contains(name), "the list of routes has no {path}");
    }

    let ready = get(&served, "/readyz").await;
    let notes = json!({ "witness w1": "cosigned 7 entries" });
    let checks = json!({ "checkpoint": "ok", "store": "ok" });
    assert_eq!(ready, json!({ "ready": true, "checks": checks, "notes": notes }));
    served.log.break_store("the disk is full");
    let (status, kind, body) = text("/readyz").await;
    assert_eq!((status, kind.as_str()), (503, "application/json"));
    let body: Value = serde_json::from_str(&body).unwrap();
    let checks = json!({ "checkpoint": "ok", "store": "the disk is full" });
    assert_eq!(body, json!({ "ready": false, "checks": checks, "notes": notes }));
}

#[tokio::test]
async fn metrics_count_routes_and_calls_under_the_usual_names() {
    let served = Served::start().await;
    client().get(served.url("/tile/0/000.p/3")).send().await.unwrap();
    client().get(served.url("/nothing/here")).send().await.unwrap();
    client().request("BREW".parse().unwrap(), served.url("/checkpoint")).send().await.unwrap();
    let mut reader = served.reader().await;
    reader.get_checkpoint(vouchlog_proto::v1::GetCheckpointRequest {}).await.unwrap();
    reader.get_entries(vouchlog_proto::v1::GetEntriesRequest { start: 9, end: 9 }).await.unwrap_err();
    let response = client().get(served.url("/metrics")).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let text = response.text().await.unwrap();
    let request = client().get(served.url("/metrics")).header("accept", "application/openmetrics-text");
    let open_metrics = request.send().await.unwrap();
    assert_eq!(
        (&open_metrics.headers()["content-type"], &open_metrics.headers()["vary"]),
        (
            &"application/openmetrics-text; version=1.0.0; charset=utf-8".parse().unwrap(),
            &"accept".parse().unwrap()
        )
    );
    let open_metrics = open_metrics.text().await.unwrap();
    assert!(open_metrics.ends_with("\n# EOF\n"));
    assert!(open_metrics.contains("# TYPE grpc_server_started counter\n"));
    assert!(text.contains("# TYPE grpc_server_started_total counter\n"));
    for line in [
        "vouchlog_http_requests_total{method=\"GET\",route=\"/tile/{*path}\",code=\"200\"} 1",
        "vouchlog_http_requests_total{method=\"GET\",route=\"other\",code=\"404\"} 1",
        "vouchlog_http_requests_total{method=\"other\",route=\"/checkpoint\",code=\"405\"} 1",
        "vouchlog_http_request_duration_seconds_count{method=\"GET\",route=\"/tile/{*path}\"} 1",
        "grpc_server_started_total{grpc_type=\"unary\",grpc_service=\"vouchlog.v1.Log\",grpc_method=\"GetCheckpoint\"} 1",
        "grpc_server_handled_total{grpc_type=\"unary\",grpc_service=\"vouchlog.v1.Log\",grpc_method=\"GetCheckpoint\",grpc_code=\"OK\"} 1",
        "grpc_server_handled_total{grpc_type=\"unary\",grpc_service=\"vouchlog.v1.Log\",grpc_method=\"GetEntries\",grpc_code=\"InvalidArgument\"} 1",
        "engine_answer 42",
    ] {
        assert!(text.lines().any(|there| there == line), "no `{line}` in\n{text}");
    }
}

#[tokio::test]
async fn the_document_describes_every_route() {
    let served = Served::start().await;
    let document = get(&served, "/openapi.json").await;
    let paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    for path in [
        "/",
        "/add",
        "/checkpoint",
        "/explorer/{path}",
        "/healthz",
        "/index.html",
        "/metrics",
        "/openapi.json",
        "/pruned",
        "/readyz",
        "/tile/entries/{path}",
        "/tile/{path}",
        "/v1/bundles",
        "/v1/consistency",
        "/v1/entries",
        "/v1/gateways",
        "/v1/inclusion",
        "/v1/keys",
        "/v1/quotas",
        "/v1/receipts/{index}",
        "/v1/retirement",
        "/v1/revocations",
        "/v1/statements",
        "/v1/streams/{stream}",
    ] {
        assert!(paths.iter().any(|there| *there == path), "{path} is not described: {paths:?}");
    }
    assert_eq!(paths.len(), 24, "{paths:?}");
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            assert!(operation["summary"].is_string(), "{method} {path} says nothing of itself");
        }
    }
    let text = document.to_string();
    assert!(document["components"]["schemas"]["Problem"]["properties"]["code"].is_object());
    for reference in text.split("\"$ref\":\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(document["components"]["schemas"][name].is_object(), "no schema {name}");
    }
}

#[tokio::test]
async fn sizes_are_64_bits_wide() {
    assert_eq!(TreeSize::new(u64::MAX).get(), u64::MAX);
    let served = Served::start().await;
    let max = u64::MAX;
    for (path, status) in [
        (format!("/v1/inclusion?index={max}"), 404),
        (format!("/v1/inclusion?index=0&size={max}"), 400),
        (format!("/v1/inclusion?index=0&size={}", max / 2), 404),
        ("/v1/inclusion?index=0&size=0".to_owned(), 400),
        ("/v1/inclusion?index=2&size=2".to_owned(), 400),
        (format!("/v1/inclusion?stream={max}&sequence={max}"), 404),
        (format!("/v1/consistency?from={max}"), 404),
        (format!("/v1/consistency?from={max}&to={max}"), 400),
        (format!("/v1/consistency?from=1&to={max}"), 400),
        (format!("/v1/consistency?from=1&to={}", max / 2), 404),
        ("/v1/consistency?from=3&to=2".to_owned(), 400),
        ("/v1/consistency?from=0&to=0".to_owned(), 400),
        (format!("/v1/entries?start={}&end={max}", max - 1), 404),
        (format!("/v1/receipts/{max}"), 404),
        (format!("/v1/receipts/{max}0"), 400),
        (format!("/v1/streams/{max}"), 404),
    ] {
        let response = client().get(served.url(&path)).send().await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{path}");
        assert_eq!(response.headers()["content-type"], "application/problem+json", "{path}");
    }
}
