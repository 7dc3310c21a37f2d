//! C2SP tlog-tiles over HTTP: bytes, headers, paths that are none.

use reqwest::StatusCode;
use vouchlog_merkle::{EntryBundle, LeafIndex, TileId, TreeSize, leaf_hash, sha256};
use vouchlog_note::SignedCheckpoint;

use super::fake::{log_vkey, origin};
use super::{Served, client};

fn header<'a>(response: &'a reqwest::Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn the_checkpoint_verifies_and_is_not_cached() {
    let served = Served::start().await;
    let response = client().get(served.url("/checkpoint")).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header(&response, "content-type"), "text/plain; charset=utf-8");
    assert_eq!(header(&response, "cache-control"), "no-cache");
    assert_eq!(header(&response, "access-control-allow-origin"), "*");
    let etag = header(&response, "etag").to_owned();
    let note = response.bytes().await.unwrap();
    let signed = SignedCheckpoint::open(&note, &origin(), &log_vkey()).unwrap();
    assert_eq!(signed.head().size, TreeSize::new(3));

    let again = client().get(served.url("/checkpoint")).header("if-none-match", &etag).send().await.unwrap();
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(header(&again, "etag"), etag);
    assert!(again.bytes().await.unwrap().is_empty());
    served.log.fill(1).await;
    let grown = client().get(served.url("/checkpoint")).header("if-none-match", &etag).send().await.unwrap();
    assert_eq!(grown.status(), StatusCode::OK);
}

#[tokio::test]
async fn tiles_and_bundles_are_those_of_the_tree() {
    let served = Served::start().await;
    served.log.fill(600).await;
    for (path, width) in
        [("tile/0/000", 256), ("tile/0/001", 256), ("tile/0/002.p/91", 91), ("tile/1/000.p/2", 2)]
    {
        let response = client().get(served.url(&format!("/{path}"))).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(header(&response, "content-type"), "application/octet-stream");
        assert_eq!(header(&response, "cache-control"), "max-age=604800,immutable");
        assert_eq!(header(&response, "access-control-allow-origin"), "*");
        assert_eq!(header(&response, "content-length"), (width * 32).to_string());
        let etag = header(&response, "etag").to_owned();
        let content = response.bytes().await.unwrap();
        assert_eq!((content.len(), etag), (width * 32, format!("\"{}\"", sha256(&content))));
    }
    let bundle = client().get(served.url("/tile/entries/002.p/91")).send().await.unwrap();
    assert_eq!(header(&bundle, "content-type"), "application/octet-stream");
    let bundle = bundle.bytes().await.unwrap();
    let tile = client().get(served.url("/tile/0/002.p/91")).send().await.unwrap().bytes().await.unwrap();
    let entries = EntryBundle::entries(&bundle, 91).unwrap();
    let leaves: Vec<u8> = entries.iter().flat_map(|entry| *leaf_hash(entry).as_bytes()).collect();
    assert_eq!(leaves, tile);
    assert_eq!(entries[0], served.log.entry(512));
}

#[tokio::test]
async fn what_is_no_tile_or_not_there_is_said_in_text() {
    let served = Served::start().await;
    served.log.fill(300).await;
    let check = async |path: &str, status: u16| {
        let response = client().get(served.url(path)).send().await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{path}");
        assert_eq!(header(&response, "content-type"), "text/plain; charset=utf-8", "{path}");
        assert_eq!(header(&response, "cache-control"), "no-store", "{path}");
        let text = response.text().await.unwrap();
        assert!(text.ends_with('\n') && text.len() < 300, "{path}: {text}");
    };
    for absent in [
        "/tile/0/002",
        "/tile/0/001",
        "/tile/0/001.p/48",
        "/tile/1/000",
        "/tile/1/000.p/2",
        "/tile/2/000.p/1",
        "/tile/63/000",
        "/tile/entries/001",
        "/tile/entries/001.p/48",
        "/tile/0/x018/x446/x744/x073/x709/x551/615",
        "/tile/7/x018/x446/x744/x073/x709/x551/615.p/255",
        "/tile/entries/x018/x446/x744/x073/x709/x551/615",
    ] {
        check(absent, 404).await;
    }
    for wrong in [
        "/tile/0/0",
        "/tile/0/X001/000",
        "/tile/0/x000/001",
        "/tile/0/001/000",
        "/tile/64/000",
        "/tile/-1/000",
        "/tile/00/000",
        "/tile/0/000.p/0",
        "/tile/0/000.p/256",
        "/tile/0/000.p/01",
        "/tile/0/000.p/",
        "/tile/entries/000.p/256",
        "/tile/entries/x018/x446/x744/x073/x709/x551/616",
        "/tile/data/000",
        "/tile/0",
        "/tile/0/%ff",
        "/tile/0/../../etc/passwd%00",
    ] {
        let response = client().get(served.url(wrong)).send().await.unwrap();
        assert!(matches!(response.status().as_u16(), 400 | 404), "{wrong}: {}", response.status());
        assert_ne!(header(&response, "content-type"), "application/octet-stream");
    }
    check("/tile/0/000.p/256", 400).await;
    check("/tile/64/000", 400).await;
}

#[tokio::test]
async fn head_answers_without_a_body() {
    let served = Served::start().await;
    for path in ["/checkpoint", "/tile/0/000.p/3", "/tile/entries/000.p/3"] {
        let get = client().get(served.url(path)).send().await.unwrap();
        let head = client().head(served.url(path)).send().await.unwrap();
        assert_eq!(head.status(), StatusCode::OK);
        for name in ["content-type", "etag", "cache-control"] {
            assert_eq!(header(&head, name), header(&get, name), "{path}");
        }
        assert!(head.bytes().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn bundles_are_compressed_for_those_who_accept_it_and_hash_tiles_for_nobody() {
    let served = Served::start().await;
    served.log.fill(300).await;
    let asked =
        |path: &str| client().get(served.url(path)).header("accept-encoding", "gzip, identity").send();
    let tile = asked("/tile/0/000").await.unwrap();
    assert_eq!(header(&tile, "content-encoding"), "");
    let plain = client().get(served.url("/tile/entries/000")).send().await.unwrap();
    assert_eq!(header(&plain, "content-encoding"), "");
    let etag = header(&plain, "etag").to_owned();
    let zipped = asked("/tile/entries/000").await.unwrap();
    assert_eq!(header(&zipped, "content-encoding"), "gzip");
    assert_eq!(header(&zipped, "etag"), format!("W/{etag}"));
    assert!(header(&zipped, "vary").contains("accept-encoding"));
    let vary = header(&zipped, "vary").to_owned();
    let (plain, zipped) = (plain.bytes().await.unwrap(), zipped.bytes().await.unwrap());
    assert!(zipped.len() < plain.len(), "{} of {} bytes", zipped.len(), plain.len());

    let reader = reqwest::Client::builder().no_proxy().gzip(true).build().unwrap();
    let read = reader.get(served.url("/tile/entries/000")).send().await.unwrap().bytes().await.unwrap();
    assert_eq!(read, plain);
    let known = client()
        .get(served.url("/tile/entries/000"))
        .header("accept-encoding", "gzip")
        .header("if-none-match", format!("W/{etag}"))
        .send()
        .await
        .unwrap();
    assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(header(&known, "vary"), vary, "a cache keeps apart what it kept apart before");
}

/// A reader of a whole log gets the same bytes, several bundles at a time.
#[tokio::test]
async fn several_bundles_are_those_of_the_tree_and_are_not_compressed() {
    let served = Served::start().await;
    served.log.fill(1_000).await;
    let asked = |path: String| client().get(served.url(&path)).header("accept-encoding", "gzip").send();
    let mut bundles = Vec::new();
    for path in ["/tile/entries/000", "/tile/entries/001", "/tile/entries/002"] {
        bundles.push(client().get(served.url(path)).send().await.unwrap().bytes().await.unwrap());
    }
    for (first, count, expected) in [(0, 64, 0..3), (0, 2, 0..2), (2, 1, 2..3), (1, 3, 1..3)] {
        let response = asked(format!("/v1/bundles?first={first}&count={count}")).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(header(&response, "content-type"), "application/octet-stream");
        assert_eq!(header(&response, "content-encoding"), "");
        assert_eq!(header(&response, "cache-control"), "no-store");
        assert_eq!(header(&response, "access-control-allow-origin"), "*");
        assert_eq!(response.bytes().await.unwrap(), bundles[expected].concat(), "{first}, {count}");
    }
    let beyond = format!("first={}&count=64", u64::MAX);
    // The fourth bundle is not full yet.
    for (query, status) in [
        ("first=3&count=1", 404),
        (beyond.as_str(), 404),
        ("first=0&count=0", 400),
        ("first=0&count=65", 400),
        ("first=-1&count=1", 400),
        ("first=0", 400),
        ("first=0&count=1&size=5", 400),
    ] {
        let response = asked(format!("/v1/bundles?{query}")).await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{query}");
        assert_eq!(header(&response, "content-type"), "application/problem+json", "{query}");
    }
}

/// A log that is begun anew at the same URL must not be told from caches of the earlier one.
#[tokio::test]
async fn a_validator_of_another_log_is_not_one_of_this() {
    let (one, other) = (Served::start().await, Served::start().await);
    one.log.fill(10).await;
    other.log.fill(1).await;
    other.log.fill(9).await;
    for path in ["/tile/0/000.p/13", "/tile/entries/000.p/13"] {
        let kept = client().get(one.url(path)).send().await.unwrap();
        let etag = header(&kept, "etag").to_owned();
        let kept = kept.bytes().await.unwrap();
        let answer = client().get(other.url(path)).header("if-none-match", &etag).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        assert_ne!(answer.bytes().await.unwrap(), kept, "{path}");
        let again = client().get(one.url(path)).header("if-none-match", &etag).send().await.unwrap();
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{path}");
    }
}

/// A stored tile with a flipped bit must become an error of the log, never a proof that fails elsewhere.
#[tokio::test]
async fn damage_is_found_before_a_proof_is_handed_out() {
    let served = Served::start().await;
    served.log.fill(300).await;
    served.log.damage(TileId { level: 0, index: 0 });
    let index = LeafIndex::new(1);
    for path in [
        format!("/v1/inclusion?index={index}"),
        format!("/v1/inclusion?index={index}&size=200"),
        format!("/v1/receipts/{index}"),
        "/v1/consistency?from=100&to=200".to_owned(),
    ] {
        let response = client().get(served.url(&path)).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR, "{path}");
    }
}
