//! What strangers send to a daemon, with a token and without: each is refused, and a good client beside them meets no error. The layers
//! that all servers share are attacked at length by `vouchlog-attack`; here it is that they are in front of this one, too.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;

use super::Served;

/// A guard against hanging, and no measurement.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sends bytes; the status of the answer, or none if the connection is closed without one.
fn exchange(address: &str, bytes: &[u8]) -> Option<u16> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // A server that has refused already may not read on.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).split(' ').nth(1)?.parse().ok()
}

fn post(path: &str, head: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n{head}\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_cost_a_vaults_server_nothing() {
    let served = Served::start(&[("reader", "read-metadata", Some("default"))], &[]);
    let address = served.daemon.url.trim_start_matches("http://").to_owned();
    let path = "/v1/vault/find-records";
    let token = format!("Authorization: Bearer {}\r\n", served.tokens["reader"]);
    let find = json!({ "tenant": "default" });

    // Heads and bodies that never end, held open while everything else goes on.
    let mut held = Vec::new();
    for nth in 0..200 {
        let mut stream = TcpStream::connect(&address).unwrap();
        let whole = post(path, &token, &[b' '; 1_000]);
        let part = if nth % 2 == 0 { &whole[..40] } else { &whole[..whole.len() - 500] };
        stream.write_all(part).unwrap();
        held.push(stream);
    }
    let bodies: [(&str, Vec<u8>); 10] = [
        ("a hundred thousand brackets", "[".repeat(100_000).into()),
        ("a hundred thousand objects", r#"{"a":"#.repeat(40_000).into()),
        ("a number of 200,000 digits", format!(r#"{{"limit":{}}}"#, "9".repeat(200_000)).into()),
        ("a number 1e999999999", br#"{"from":1e999999999}"#.to_vec()),
        ("duplicate members", br#"{"tenant":"default","tenant":"acme"}"#.to_vec()),
        ("a lone surrogate", br#"{"tenant":"\ud800"}"#.to_vec()),
        ("NaN", br#"{"from":NaN}"#.to_vec()),
        ("NUL between the members", b"{\0}".to_vec()),
        ("bytes that are no text", vec![0xff; 1_000]),
        ("nothing", Vec::new()),
    ];
    for (what, body) in &bodies {
        let (address, request) = (address.clone(), post(path, &token, body));
        let status = tokio::task::spawn_blocking(move || exchange(&address, &request)).await.unwrap();
        assert!(matches!(status, Some(400 | 413 | 422)), "{what}: {status:?}");
        // Of who has no token, nothing is read as far as that.
        let (address, request) =
            (served.daemon.url.trim_start_matches("http://").to_owned(), post(path, "", body));
        let status = tokio::task::spawn_blocking(move || exchange(&address, &request)).await.unwrap();
        assert!(matches!(status, Some(401) | None), "{what}: {status:?}");
        assert_eq!(served.send("reader", "find-records", &find).await.0, 200, "beside {what}");
    }
    let credentials = [
        format!("Authorization: Bearer vouchlog-vault-{}\r\n", "A".repeat(8_000)),
        format!("{token}{token}"),
        "Authorization: Bearer vouchlog-vault-\r\n".to_owned(),
        "Authorization: Basic cm9vdDpyb290\r\n".to_owned(),
        "Authorization: Bearer \u{e4}\r\n".to_owned(),
    ];
    for credential in credentials {
        let (address, request) = (address.clone(), post(path, &credential, b"{}"));
        let status = tokio::task::spawn_blocking(move || exchange(&address, &request)).await.unwrap();
        assert_eq!(status, Some(401), "{credential}");
    }
    // Many at once: each is answered or asked to retry, and none is lost.
    let asked = (0..64).map(|_| served.send("reader", "list-sessions", &find));
    for (status, said) in futures_of(asked).await {
        assert!(status == 200 || status == 503, "{status}: {said}");
    }
    assert_eq!(served.send("reader", "find-records", &find).await.0, 200);
    drop(held);
    assert_eq!(served.daemon.terminate(), 0);
}

/// The outcomes of futures that run side by side.
async fn futures_of<T>(all: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut waiting: Vec<_> = all.map(Box::pin).collect();
    let mut done = Vec::new();
    std::future::poll_fn(|context| {
        waiting.retain_mut(|one| match one.as_mut().poll(context) {
            std::task::Poll::Ready(outcome) => {
                done.push(outcome);
                false
            }
            std::task::Poll::Pending => true,
        });
        if waiting.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done
}
