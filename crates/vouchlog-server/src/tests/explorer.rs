//! Goal: a log serves the explorer to browsers and plain text to everyone else, and what it reports there is its own word.
//! Method: the real server before a small log; requests as a browser and as curl send them.

use axum::Router;
use reqwest::StatusCode;
use serde_json::json;
use vouchlog_access::{Access, AccessFile, Setup};
use vouchlog_api::{
    GatewayList, GatewayOverview, ListPlace, LogReader, Overview, QuotaOverview, StreamOverview,
    WitnessOverview,
};
use vouchlog_merkle::{LeafIndex, TreeSize};
use vouchlog_stream::{Counted, StreamId, StreamStatus};

use super::fake::Fake;
use super::{Running, Served, client};
use crate::{Offered, Server, ServerConfig, explorer_files, explorer_router};

/// What Chromium sends for a page.
const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";

async fn asked(running: &Running, path: &str, accept: &str) -> reqwest::Response {
    client().get(running.url(path)).header("accept", accept).send().await.unwrap()
}

#[tokio::test]
async fn browsers_get_the_front_page_and_others_text() {
    let served = Served::start().await;
    served.log.fill(40).await;
    let page = asked(&served, "/", BROWSER).await;
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    assert_eq!(page.headers()["content-security-policy"], "frame-ancestors 'none'");
    assert!(page.headers().get_all("vary").iter().any(|vary| vary == "accept"));
    let html = page.text().await.unwrap();
    // What can be read without JavaScript, and that none of it was checked.
    assert!(
        html.contains("<dd>43</dd>")
            && html.contains("JavaScript is off")
            && html.contains("No. Whether the log signed this")
    );
    for plain in ["*/*", "text/plain"] {
        let text = asked(&served, "/", plain).await;
        assert_eq!(text.headers()["content-type"], "text/plain; charset=utf-8");
        assert!(text.text().await.unwrap().starts_with("This is a Vouchlog transparency log."));
    }
    served.stop().await;
}

#[tokio::test]
async fn an_entry_can_be_read_without_javascript() {
    let served = Served::start().await;
    served.log.fill(5).await;
    let read = async |name: &str| {
        asked(&served, &format!("/explorer/entry.html{name}"), BROWSER).await.text().await.unwrap()
    };
    let statement = read("?q=4").await;
    let shown = [
        "<dt>Index</dt><dd>4 of a tree of",
        "<dt>Sequence number</dt>",
        "<dt>Verified</dt><dd>No.",
        "../v1/receipts/4",
        "entry.html?q=3",
        "entry.html?q=5",
    ];
    for part in shown {
        assert!(statement.contains(part), "{part}: {statement}");
    }
    // By its place in its stream, and by its digest, the same entry.
    let digest = statement.split("<dt>Digest</dt><dd><code>").nth(1).unwrap().split('<').next().unwrap();
    let stream = statement
        .split("<dt>Stream</dt><dd><a href=\"entry.html?q=")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let sequence = statement.split("<dt>Sequence number</dt><dd>").nth(1).unwrap().split('<').next().unwrap();
    for name in [digest.to_owned(), format!("{stream}%2F{sequence}")] {
        assert!(read(&format!("?q={name}")).await.contains("<dt>Index</dt><dd>4 of a tree of"), "{name}");
    }
    assert!(read("?q=0").await.contains("<dt>Signed note</dt><dd><pre>vouchlog/v1 genesis"));
    for (name, words) in [
        ("?q=99", "The server has no entry to show"),
        ("?q=%3Cb%3E", "The server has no entry to show: an entry is named by"),
        ("", "Read an entry"),
    ] {
        let page = read(name).await;
        assert!(
            page.contains(words) && !page.contains("<dt>Index</dt>") && !page.contains("<b>"),
            "{name}: {page}"
        );
    }
    served.stop().await;
}

fn stream(stream: u64, size: u64, status: StreamStatus) -> StreamOverview {
    StreamOverview { stream: StreamId::new(stream).unwrap(), size, status, has_fork: stream == 7 }
}

/// A log that holds two gateways, the first with more streams than fit, and others after them.
struct HeldOverview;

impl Overview for HeldOverview {
    fn gateways(&self, place: ListPlace) -> GatewayList {
        let older_than = StreamId::new(7);
        let gateway = GatewayOverview {
            name: "gateway.example/<b>".to_owned(),
            key_id: "0a0b0c0d".to_owned(),
            enrolled: LeafIndex::new(2),
            revoked: Some(LeafIndex::new(11)),
            replaced: Some(LeafIndex::new(10)),
            quotas: vec![QuotaOverview { counted: Counted::Statements, used: 5, most: 50 }],
            streams: vec![
                stream(9, 41, StreamStatus::Open),
                stream(8, 0, StreamStatus::Closed),
                stream(7, 3, StreamStatus::Superseded(StreamId::new(9).unwrap())),
            ],
            older: Some(ListPlace { enrolled: LeafIndex::new(2), older_than }),
        };
        if place.older_than.is_some() {
            assert_eq!(place, ListPlace { enrolled: LeafIndex::new(2), older_than });
            let streams = vec![stream(6, 1, StreamStatus::Closed)];
            let gateways = vec![GatewayOverview { streams, older: None, ..gateway }];
            return GatewayList { gateways, ..GatewayList::default() };
        }
        if place.enrolled.get() > 2 {
            return GatewayList::default();
        }
        let idle = GatewayOverview {
            name: "idle.example".to_owned(),
            quotas: Vec::new(),
            streams: Vec::new(),
            older: None,
            revoked: None,
            replaced: None,
            ..gateway.clone()
        };
        let next = Some(ListPlace { enrolled: LeafIndex::new(12), older_than: None });
        GatewayList { gateways: vec![gateway, idle], next, has_evicted: true }
    }

    fn witnesses(&self) -> Vec<WitnessOverview> {
        let cosigned = WitnessOverview {
            name: "witness.example/<i>".to_owned(),
            size: Some(TreeSize::new(40)),
            timestamp: Some(1_767_225_600),
        };
        let silent = WitnessOverview { name: "silent.example".to_owned(), size: None, timestamp: None };
        vec![cosigned, silent]
    }
}

async fn held() -> Running {
    Running::start(Server::new(Fake::new(), ServerConfig::default()).overview(HeldOverview)).await
}

async fn shows(running: &Running, path: &str, parts: &[&str]) -> String {
    let html = asked(running, path, BROWSER).await.text().await.unwrap();
    for part in parts {
        assert!(html.contains(part), "{part}: {html}");
    }
    assert!(!html.contains("<b>") && !html.contains("<i>"), "{html}");
    html
}

#[tokio::test]
async fn gateways_and_streams_can_be_read_without_javascript() {
    let served = held().await;
    let all = [
        "<dt>Verified</dt><dd>No.",
        "no longer holds them in memory",
        "<h2>gateway.example/&lt;b&gt;</h2>",
        "Key <code>0a0b0c0d</code>",
        "<a href=\"entry.html?q=2\">enrolled by entry 2</a>",
        "<a href=\"entry.html?q=10\">key replaced by entry 10</a>",
        "<a href=\"entry.html?q=11\">key revoked by entry 11</a>",
        "5 of at most 50 statements used today",
        "data-l=\"Statements\">41</td><td role=\"cell\" class=\"full\" data-l=\"Next sequence number\">41</td>",
        "data-l=\"Next sequence number\">\u{2013}</td><td role=\"cell\" class=\"full\" data-l=\"State\">Closed by its gateway",
        "Ended, stream 9 continues it. Its gateway signed two histories",
        "<a href=\"streams.html?from=2&amp;older=7\">Older streams of gateway.example/&lt;b&gt;</a>",
        "<h2>idle.example</h2>",
        "The log holds no stream of it in memory.",
        "<a href=\"streams.html?from=12\">More gateways</a>",
    ];
    shows(&served, "/explorer/streams.html", &all).await;
    let older = shows(
        &served,
        "/explorer/streams.html?from=2&older=7",
        &["entry.html?q=6", "From the first gateway on"],
    )
    .await;
    assert!(
        !older.contains("More gateways")
            && !older.contains("Older streams")
            && !older.contains("idle.example")
    );
    shows(&served, "/explorer/streams.html?from=12", &["None from here on."]).await;
    for wrong in
        ["?from=x", "?from=-1", "?from=18446744073709551616", "?from=2&older=", "?from=2&older=1099511627776"]
    {
        let words = "The server has no streams to show: `from` is";
        let page = shows(&served, &format!("/explorer/streams.html{wrong}"), &[words]).await;
        assert!(!page.contains("idle.example"), "{wrong}");
    }
    served.stop().await;
    // Where the server was given no such list, the page is as it is on a server of files.
    let served = Served::start().await;
    let page = asked(&served, "/explorer/streams.html", BROWSER).await.text().await.unwrap();
    assert!(page.contains("JavaScript is off") && !page.contains("What the server reports"));
    served.stop().await;
}

#[tokio::test]
async fn the_newest_checkpoint_and_the_witnesses_can_be_read_without_javascript() {
    let served = held().await;
    let compare = [
        "<pre class=\"raw\" tabindex=\"0\">log.example/server-test\n3\n",
        "<dt>Verified</dt><dd>No.",
        "vouchlog audit --log URL",
        "witness.example/&lt;i&gt;",
        "The head of 40 entries",
        "2026-01-01 00:00:00 UTC",
        "silent.example",
        "Nothing since the log was started",
    ];
    shows(&served, "/explorer/compare.html", &compare).await;
    let audit = ["<dd>3</dd>", "<dt>Root</dt>", "<dt>Verified</dt><dd>Nothing.", "vouchlog audit --log URL"];
    shows(&served, "/explorer/audit.html", &audit).await;
    served.stop().await;
}

#[tokio::test]
async fn nothing_is_reported_where_callers_are_authenticated() {
    let file = json!({ "anonymous": { "roles": ["read"] }, "principals": [] });
    let file = AccessFile::parse(file.to_string().as_bytes()).unwrap();
    let setup = Setup { file: Some(file), ..Setup::default() };
    let access = Access::new(&setup, || jiff::Timestamp::UNIX_EPOCH).unwrap();
    let server = Server::new(Fake::new(), ServerConfig::default()).overview(HeldOverview).access(access);
    let served = Running::start(server).await;
    for page in ["index", "explorer/entry", "explorer/streams", "explorer/compare", "explorer/audit"] {
        let html = shows(&served, &format!("/{page}.html"), &["JavaScript is off"]).await;
        assert!(!html.contains("What the server reports"), "{page}");
    }
    served.stop().await;
}

#[tokio::test]
async fn every_file_is_served_with_its_type_and_validator() {
    let served = Served::start().await;
    // Some pages also have what the server reports.
    let reporting = ["index.html", "explorer/entry.html", "explorer/compare.html", "explorer/audit.html"];
    for file in explorer_files().filter(|file| !reporting.contains(&file.path)) {
        let path = format!("/{}", file.path);
        let response = asked(&served, &path, "*/*").await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
        let is_right = match file.path.rsplit_once('.').unwrap().1 {
            "js" => kind.starts_with("text/javascript"),
            "css" => kind.starts_with("text/css"),
            _ => kind.starts_with("text/html"),
        };
        assert!(is_right, "{path}: {kind}");
        let etag = response.headers()["etag"].clone();
        assert_eq!(response.bytes().await.unwrap(), file.bytes, "{path}");
        let again = client().get(served.url(&path)).header("if-none-match", etag).send().await.unwrap();
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{path}");
    }
    for missing in ["/explorer/", "/explorer/nothing.js", "/explorer/../checkpoint.js", "/explorer/log.vkey"]
    {
        assert_eq!(asked(&served, missing, "*/*").await.status(), StatusCode::NOT_FOUND, "{missing}");
    }
    served.stop().await;
}

#[tokio::test]
async fn a_key_is_offered_where_the_server_was_given_one() {
    let offered = Offered { log_vkey: Some("log+00+key".into()), policy: Some("quorum none\n".into()) };
    let running = Running::start(Server::new(Fake::new(), ServerConfig::default()).offer(offered)).await;
    let vkey = asked(&running, "/explorer/log.vkey", "*/*").await;
    assert_eq!(vkey.text().await.unwrap(), "log+00+key");
    assert_eq!(asked(&running, "/explorer/policy.txt", "*/*").await.text().await.unwrap(), "quorum none\n");
    running.stop().await;
}

#[tokio::test]
async fn the_pages_of_another_log_come_with_what_they_read_and_nothing_to_write() {
    let log = Fake::new();
    log.fill(300).await;
    let (note, tile) = (log.checkpoint().await.unwrap(), "/tile/0/000");
    let pages = explorer_router(log, None::<Fake>, Offered::default());
    let running = Running::start(Server::routes(pages, Router::new(), ServerConfig::default())).await;
    assert_eq!(asked(&running, "/checkpoint", "*/*").await.text().await.unwrap(), note);
    assert_eq!(asked(&running, tile, "*/*").await.bytes().await.unwrap().len(), 256 * 32);
    let bundle = asked(&running, "/tile/entries/000", "*/*").await.bytes().await.unwrap();
    let several = asked(&running, "/v1/bundles?first=0&count=64", "*/*").await.bytes().await.unwrap();
    assert_eq!(several, bundle);
    assert_eq!(asked(&running, "/v1/bundles?first=1&count=1", "*/*").await.status(), StatusCode::NOT_FOUND);
    assert!(asked(&running, "/", "*/*").await.text().await.unwrap().contains("<main"));
    assert_eq!(asked(&running, "/explorer/style.css", "*/*").await.status(), StatusCode::OK);
    assert_eq!(asked(&running, "/tile/0/999", "*/*").await.status(), StatusCode::NOT_FOUND);
    assert_eq!(asked(&running, "/tile/nothing", "*/*").await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(asked(&running, "/v1/inclusion?index=7", "*/*").await.status(), StatusCode::NOT_FOUND);
    for path in ["/checkpoint", tile, "/add", "/"] {
        let refused = client().post(running.url(path)).body("x").send().await.unwrap().status();
        assert!(
            refused == StatusCode::METHOD_NOT_ALLOWED || refused == StatusCode::NOT_FOUND,
            "{path}: {refused}"
        );
    }
    running.stop().await;
}

#[tokio::test]
async fn the_pages_of_another_log_find_entries_where_that_log_can_be_asked() {
    let log = Fake::new();
    log.fill(20).await;
    let pages = explorer_router(log.clone(), Some(log), Offered::default());
    let running = Running::start(Server::routes(pages, Router::new(), ServerConfig::default())).await;
    let found = asked(&running, "/v1/inclusion?stream=1&sequence=3", "*/*").await;
    assert_eq!(found.status(), StatusCode::OK);
    let answer: serde_json::Value = serde_json::from_str(&found.text().await.unwrap()).unwrap();
    assert_eq!(answer, serde_json::json!({ "index": 6 }));
    let unknown = format!("/v1/inclusion?digest={}", "0".repeat(64));
    for (path, status) in [
        (unknown.as_str(), StatusCode::NOT_FOUND),
        ("/v1/inclusion", StatusCode::BAD_REQUEST),
        ("/v1/inclusion?index=1&stream=1&sequence=3", StatusCode::BAD_REQUEST),
        ("/v1/inclusion?digest=nothing", StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(asked(&running, path, "*/*").await.status(), status, "{path}");
    }
    running.stop().await;
}
