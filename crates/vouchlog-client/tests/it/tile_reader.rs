//! Goal: any tlog-tiles log can be read, over HTTP or in files, and no server can make the reader take too much.
//! Method: files written by a log in memory; the real server; and a server of fixed answers.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use vouchlog_api::{ErrorKind, LogReader};
use vouchlog_client::{TileReader, VerifiedLog};
use vouchlog_merkle::{LeafIndex, TileId};

use crate::memory_log::MemoryLog;
use crate::world::{World, in_time, log_key, origin, statements};

fn entries(range: std::ops::Range<u32>) -> impl Iterator<Item = String> {
    range.map(|n| format!("entry {n}"))
}

#[tokio::test]
async fn a_directory_of_files_is_a_log() {
    let dir = tempfile::tempdir().unwrap();
    let log = MemoryLog::of(entries(0..700));
    log.write_to(dir.path());
    let reader = TileReader::directory(dir.path());
    let verified =
        VerifiedLog::open(reader.clone(), origin(), log_key().verifying_key().clone(), None).unwrap();
    for index in [0, 255, 256, 699] {
        let (entry, _) = verified.entry(LeafIndex::new(index)).await.unwrap();
        assert_eq!(entry, format!("entry {index}"));
    }
    assert_eq!(reader.entry_bundle(9, 256).await.unwrap_err().kind, ErrorKind::NotFound);
    assert_eq!(reader.entry_bundle(0, 0).await.unwrap_err().kind, ErrorKind::InvalidArgument);
}

#[tokio::test]
async fn a_partial_that_was_deleted_is_cut_from_the_full_one() {
    let dir = tempfile::tempdir().unwrap();
    let log = MemoryLog::of(entries(0..512));
    log.write_to(dir.path());
    let reader = TileReader::directory(dir.path());
    let tile = TileId { level: 0, index: 1 };
    // The tree of 300 entries had these partials, which were never written here.
    assert_eq!(reader.tile(tile, 44).await.unwrap(), log.tile(tile, 44).await.unwrap());
    assert_eq!(reader.entry_bundle(1, 44).await.unwrap(), log.entry_bundle(1, 44).await.unwrap());
}

#[tokio::test]
async fn files_of_the_wrong_length_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    MemoryLog::of(entries(0..300)).write_to(dir.path());
    let reader = TileReader::directory(dir.path());
    for (path, bytes) in
        [("tile/0/000", vec![0; 8191]), ("tile/0/000", vec![0; 8193]), ("tile/0/000", vec![])]
    {
        std::fs::write(dir.path().join(path), bytes).unwrap();
        let error = reader.tile(TileId { level: 0, index: 0 }, 256).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Internal);
    }
    std::fs::write(dir.path().join("tile/entries/000"), [0, 9, 1]).unwrap();
    assert_eq!(reader.entry_bundle(0, 256).await.unwrap_err().kind, ErrorKind::Internal);
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_server_is_such_a_log() {
    let (world, dir) = (World::start().await, tempfile::tempdir().unwrap());
    let gateway = world.gateway(dir.path()).await;
    in_time(gateway.submit(statements(0..600)).await.unwrap()).await.unwrap();
    let reader = TileReader::http(&world.connection().url).unwrap();
    let verified = VerifiedLog::open(reader, origin(), log_key().verifying_key().clone(), None).unwrap();
    let head = verified.update().await.unwrap().head();
    assert!(head.size.get() > 600);
    for index in [0, 255, 256, head.size.get() - 1] {
        verified.entry(LeafIndex::new(index)).await.unwrap();
    }
}

/// A server that gives fixed answers, one to each connection, and remembers what it was asked.
async fn scripted(answers: Vec<Vec<u8>>) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/logs/a", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let remember = asked.clone();
    tokio::spawn(async move {
        for answer in answers {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let read = socket.read(&mut request).await.unwrap();
            remember.lock().unwrap().push(String::from_utf8_lossy(&request[..read]).into_owned());
            // The reader may hang up in the middle of an answer that is too long.
            let _ = socket.write_all(&answer).await;
        }
    });
    (url, asked)
}

fn answer(head: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 {head}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    [head.as_bytes(), body].concat()
}

#[tokio::test]
async fn a_busy_server_is_asked_again() {
    let busy = answer("503 Service Unavailable\r\nretry-after: 0", b"");
    let (url, asked) = scripted(vec![
        busy.clone(),
        answer("429 Too Many Requests", b""),
        vec![],
        answer("200 OK", b"the checkpoint"),
    ])
    .await;
    let reader = TileReader::http(&url).unwrap();
    assert_eq!(in_time(reader.checkpoint()).await.unwrap(), "the checkpoint");
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 4);
    assert!(asked[0].starts_with("GET /logs/a/checkpoint HTTP/1.1\r\n"), "{}", asked[0]);
    assert!(asked[0].contains("user-agent: vouchlog-client/") && asked[0].contains("accept-encoding: gzip"));
}

#[tokio::test]
async fn a_redirection_is_followed_on_the_same_server_alone() {
    let found = answer("200 OK", b"the checkpoint");
    let (url, asked) =
        scripted(vec![answer("302 Found\r\nlocation: /logs/b/checkpoint", b""), found.clone()]).await;
    assert_eq!(in_time(TileReader::http(&url).unwrap().checkpoint()).await.unwrap(), "the checkpoint");
    assert!(asked.lock().unwrap()[1].starts_with("GET /logs/b/checkpoint"));
    // The same server by another port is another server.
    let (elsewhere, never) = scripted(vec![found]).await;
    let (url, asked) =
        scripted(vec![answer(&format!("302 Found\r\nlocation: {elsewhere}/checkpoint"), b"")]).await;
    let error = in_time(TileReader::http(&url).unwrap().checkpoint()).await.unwrap_err();
    assert!(error.message.contains("redirects elsewhere, which is not followed"), "{error:?}");
    assert_eq!((asked.lock().unwrap().len(), never.lock().unwrap().len()), (1, 0));
    // Round in a circle.
    let round = answer("302 Found\r\nlocation: /logs/a/checkpoint", b"");
    let (url, asked) = scripted(vec![round; 9]).await;
    in_time(TileReader::http(&url).unwrap().checkpoint()).await.unwrap_err();
    assert_eq!(asked.lock().unwrap().len(), 4);
}

#[tokio::test]
async fn what_cannot_pass_is_not_tried_again() {
    let check = async |head: &str, body: &[u8], kind: ErrorKind| {
        let (url, asked) = scripted(vec![answer(head, body)]).await;
        let error = in_time(TileReader::http(&url).unwrap().checkpoint()).await.unwrap_err();
        assert_eq!((error.kind, asked.lock().unwrap().len()), (kind, 1), "{head}");
    };
    check("404 Not Found", b"", ErrorKind::NotFound).await;
    check("410 Gone", b"", ErrorKind::NotFound).await;
    check("403 Forbidden", b"", ErrorKind::PermissionDenied).await;
    check("400 Bad Request", b"", ErrorKind::Internal).await;
    check("200 OK", &[0xff, 0xfe], ErrorKind::Internal).await;
    check("200 OK", &vec![b'a'; (1 << 20) + 1], ErrorKind::Internal).await;
}

#[tokio::test]
async fn a_compressed_bundle_is_read_and_a_bomb_is_not() {
    // `printf '\0\3one' | gzip -9n`
    let one = [
        0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0x63, 0x60, 0xce, 0xcf, 0x4b, 0x05, 0x00,
        0x10, 0x07, 0xba, 0x51, 0x05, 0x00, 0x00, 0x00,
    ];
    let (url, _) = scripted(vec![answer("200 OK\r\ncontent-encoding: gzip", &one)]).await;
    let bundle = in_time(TileReader::http(&url).unwrap().entry_bundle(0, 1)).await.unwrap();
    assert_eq!(bundle, b"\0\x03one".as_slice());

    // `head -c 9000 /dev/zero | gzip -9n`: more than a tile can have, in a few bytes.
    let bomb = [
        0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xed, 0xc1, 0x01, 0x0d, 0x00, 0x00, 0x00,
        0xc2, 0xa0, 0xf7, 0x4f, 0x6d, 0x0f, 0x07, 0x14, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xfc,
        0x1b, 0xd0, 0x74, 0x0d, 0xa7, 0x28, 0x23, 0x00, 0x00,
    ];
    let (url, _) = scripted(vec![answer("200 OK\r\ncontent-encoding: gzip", &bomb)]).await;
    let reader = TileReader::http(&url).unwrap();
    let error = in_time(reader.tile(TileId { level: 0, index: 0 }, 256)).await.unwrap_err();
    assert!(error.kind == ErrorKind::Internal && error.message.contains("more than 8192"), "{error}");
}
