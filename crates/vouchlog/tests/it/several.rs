//! Two logs in one program: their metrics stay apart, and so does all else.

use std::path::Path;

use prometheus_client::registry::Registry;
use vouchlog::{
    AckLevel, Appender, Digest, Evidence, HouseAppend, Log, ServerConfig, Statement, StatementKind,
};

async fn open(folder: &Path, name: &str) -> Log {
    let registry = Registry::with_labels([("log".into(), name.to_owned().into())].into_iter());
    let log = vouchlog::open(folder.join(name)).origin(format!("log.example.com/{name}"));
    log.registry(registry).await.unwrap()
}

async fn append(log: &Log, seed: &str) {
    let digest = Digest::of(seed.as_bytes());
    let statement = Statement { kind: StatementKind::Opaque, evidence: Evidence::NONE, digest };
    let append = HouseAppend { statements: vec![statement], wait_for: AckLevel::Sequenced };
    let receipt = log.append_house(append).await.unwrap().receipt;
    receipt.verify(&[statement], log.origin(), log.vkey()).unwrap();
}

async fn metrics(url: &str) -> String {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    client.get(format!("{url}/metrics")).send().await.unwrap().text().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_logs_in_one_program_are_apart() {
    let folder = tempfile::tempdir().unwrap();
    let logs = [open(folder.path(), "a").await, open(folder.path(), "b").await];
    assert_ne!(logs[0].vkey(), logs[1].vkey());
    for (log, count) in logs.iter().zip([3, 5]) {
        for n in 0..count {
            append(log, &n.to_string()).await;
        }
    }
    let mut urls = Vec::new();
    let mut serving = Vec::new();
    let (stop, _) = tokio::sync::watch::channel(());
    for log in &logs {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        urls.push(format!("http://{}", listener.local_addr().unwrap()));
        let (server, mut stopped) = (log.server(ServerConfig::default()), stop.subscribe());
        serving.push(tokio::spawn(async move {
            server.run(listener, async { drop(stopped.changed().await) }).await;
        }));
    }
    assert_ne!(logs[0].sequenced().size(), logs[1].sequenced().size());
    for ((url, log), (own, other)) in urls.iter().zip(&logs).zip([("a", "b"), ("b", "a")]) {
        let text = metrics(url).await;
        let size = format!("vouchlog_log_tree_size{{log=\"{own}\"}} {}", log.sequenced().size());
        assert!(text.contains(&size), "{size} in {text}");
        assert!(!text.contains(&format!("log=\"{other}\"")), "{text}");
    }
    stop.send(()).unwrap();
    for server in serving {
        server.await.unwrap();
    }
    logs[0].stop().await;
    append(&logs[1], "the other goes on").await;
    logs[1].stop().await;
}
