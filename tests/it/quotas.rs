//! Quotas through the program: set by the operator, held over HTTP and gRPC, kept over a restart, reported by an audit.

use serde_json::Value;
use vouchlog_sequencer::testing::ORIGIN;

use crate::process::{Server, fail, succeed};

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_holds_over_http_and_grpc_and_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::start(&data, 0, &[]);
    let operator = data.join("operator.key");
    let house = format!("{ORIGIN}/house");
    let set = |url: &str, statements: &str| {
        let operator = operator.to_str().unwrap();
        succeed(&[
            "quota",
            "--json",
            "--log",
            url,
            "--operator-key",
            operator,
            "--origin",
            ORIGIN,
            "--gateway",
            &house,
            "--statements",
            statements,
        ])
    };
    let answer: Value = serde_json::from_str(&set(&server.url, "2")).unwrap();
    assert_eq!((&answer["statements"], &answer["bytes"]), (&"2".into(), &"default".into()), "{answer}");
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let add =
        async |url: &str| client.post(format!("{url}/add")).body("something salted").send().await.unwrap();
    for _ in 0..2 {
        assert_eq!(add(&server.url).await.status(), 200);
    }
    let check = async |url: &str| {
        let over = add(url).await;
        assert_eq!(over.status(), 429);
        let seconds: u64 = over.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=86_400).contains(&seconds), "{seconds}");
        let problem: Value = over.json().await.unwrap();
        assert_eq!(problem["code"], "QUOTA_EXCEEDED", "{problem}");
        let (code, said) = fail(&["submit", "--log", url, "--digest", &"07".repeat(32)]);
        assert_eq!(code, 2, "{said}");
        assert!(said.contains("is exceeded: 2 of 2 statements are used today"), "{said}");
        assert!(said.contains("wait until the quota renews"), "{said}");
    };
    check(&server.url).await;
    let metrics = client.get(format!("{}/metrics", server.url)).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("vouchlog_log_over_quota_total{quota=\"statements\"} 2"), "{metrics}");
    assert_eq!(server.terminate(), 0);
    let server = Server::start(&data, 0, &[]);
    check(&server.url).await;
    set(&server.url, "unlimited");
    assert_eq!(add(&server.url).await.status(), 200);
    let report = succeed(&["audit", "--log", &server.url, "--log-vkey", &server.vkey]);
    let line = format!("quota of {house} a day: statements unlimited, bytes default, streams default");
    assert!(report.contains(&line), "{report}");
    let vkey = server.vkey.clone();
    assert_eq!(server.terminate(), 0);
    succeed(&["fsck", "--log-vkey", &vkey, "--data", data.to_str().unwrap()]);
}
