//! Goal: what is wrong with a log is told, once, to whoever asked for it; canaries and batches of proofs find a log out that tells
//! two histories. Method: real logs that share one key, behind a proxy that shows one or the other, and real processes that read
//! through it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::net::TcpListener;
use vouchlog::Digest;

use crate::process::{Server, fail, run, signal, succeed, vouchlog};
use crate::witnesses::json;

/// Looks until what is awaited is there. What never comes ends the test.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..1_500 {
        if let Some(found) = look().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("this never came: {what}");
}

pub(crate) async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

/// Shows the log at some URL, or none, as it is or altered.
#[derive(Clone)]
struct Proxy {
    shown: Arc<Mutex<MonitorOutput>>,
    url: String,
}

struct MonitorOutput {
    url: Option<String>,
    /// This entry of each bundle is shown with its last bit turned.
    altered: Option<usize>,
}

impl Proxy {
    async fn start(url: &str) -> Self {
        let shown = Arc::new(Mutex::new(MonitorOutput { url: Some(url.to_owned()), altered: None }));
        let router = Router::new().fallback(pass).with_state(Arc::clone(&shown));
        Self { shown, url: serve(router).await }
    }

    fn show(&self, url: Option<&str>) {
        self.shown.lock().url = url.map(str::to_owned);
    }

    fn alter(&self, entry: usize) {
        self.shown.lock().altered = Some(entry);
    }
}

async fn pass(State(shown): State<Arc<Mutex<MonitorOutput>>>, uri: Uri) -> Response {
    let Some(url) = shown.lock().url.clone() else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
    match reqwest::get(format!("{url}{uri}")).await {
        Ok(answer) => {
            let (status, mut bytes) = (answer.status(), answer.bytes().await.unwrap().to_vec());
            if let Some(entry) = shown.lock().altered.filter(|_| uri.path().starts_with("/tile/entries/")) {
                turn_last_bit(&mut bytes, entry);
            }
            (status, bytes).into_response()
        }
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

fn turn_last_bit(bundle: &mut [u8], entry: usize) {
    let mut end = 0;
    for _ in 0..=entry {
        let Some([high, low]) = bundle.get(end..end + 2).and_then(|length| <[u8; 2]>::try_from(length).ok())
        else {
            return;
        };
        end += 2 + usize::from(u16::from_be_bytes([high, low]));
    }
    if let Some(last) = bundle.get_mut(end - 1) {
        *last ^= 1;
    }
}

/// Keeps what it is sent, once it has refused the first attempt.
#[derive(Clone, Default)]
struct Inbox {
    attempts: Arc<Mutex<usize>>,
    taken: Arc<Mutex<Vec<Value>>>,
}

impl Inbox {
    async fn start() -> (Self, String) {
        let inbox = Self::default();
        let router = Router::new().route("/hook", post(take)).with_state(inbox.clone());
        let url = serve(router).await;
        (inbox, format!("{url}/hook"))
    }

    fn taken(&self) -> Vec<Value> {
        self.taken.lock().clone()
    }
}

async fn take(State(inbox): State<Inbox>, body: String) -> StatusCode {
    let attempts = {
        let mut attempts = inbox.attempts.lock();
        *attempts += 1;
        *attempts
    };
    if attempts == 1 {
        return StatusCode::INTERNAL_SERVER_ERROR;
    }
    inbox.taken.lock().push(json(&body));
    StatusCode::OK
}

/// Logs so many statements through the house stream.
fn grow(folder: &Path, log: &Server, seed: u8, count: usize) -> Vec<Digest> {
    let digests: Vec<Digest> = (0..count).map(|at| Digest::of(format!("{seed} {at}").as_bytes())).collect();
    let file = folder.join(format!("digests-{seed}"));
    let lines: Vec<String> = digests.iter().map(ToString::to_string).collect();
    std::fs::write(&file, lines.join("\n")).unwrap();
    succeed(&[
        "submit",
        "--json",
        "--log",
        &log.url,
        "--log-vkey",
        &log.vkey,
        "--digests",
        file.to_str().unwrap(),
    ]);
    digests
}

/// A log, and another with its key and name, and more entries.
fn fork(folder: &Path) -> (Server, Server) {
    let (log, other) =
        (Server::start(&folder.join("log"), 0, &[]), Server::start(&folder.join("fork"), 0, &[]));
    assert_eq!(log.vkey, other.vkey);
    grow(folder, &log, 1, 20);
    grow(folder, &other, 2, 300);
    (log, other)
}

struct Scene {
    folder: tempfile::TempDir,
    vkey: String,
    proxy: Proxy,
}

impl Scene {
    /// A monitor that looks through the proxy, told to serve its metrics.
    fn monitor(&self, interval: &str, more: &[&str]) -> Server {
        let folder = self.folder.path();
        let script = format!(
            "cat >> {0}/findings; echo \"$VOUCHLOG_FINDING $VOUCHLOG_EVIDENCE\" >> {0}/codes",
            folder.display()
        );
        let mut command = vouchlog();
        command.args(["monitor", "--json", "--log", &self.proxy.url, "--log-vkey", &self.vkey]);
        command.args(["--listen", "127.0.0.1:0", "--interval", interval, "--exec", &script]).args(more);
        command.arg("--state").arg(folder.join("state"));
        Server::spawn(command)
    }

    fn lines(&self, name: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

/// What a browser gets at `/`, which is text for everyone else.
pub(crate) async fn page(server: &Server) -> String {
    let ask = reqwest::Client::new().get(format!("{}/", server.url));
    let text = ask.try_clone().unwrap().send().await.unwrap();
    assert_eq!(text.headers()["content-type"], "text/plain; charset=utf-8");
    let page = ask.header("accept", "text/html,*/*;q=0.8").send().await.unwrap();
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    page.text().await.unwrap()
}

/// A metric of the monitor, by the beginning of its line.
async fn metric(monitor: &Server, name: &str) -> f64 {
    let text = reqwest::get(format!("{}/metrics", monitor.url)).await.unwrap().text().await.unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("vouchlog_monitor_{name} ")));
    line.map_or(0.0, |value| value.parse().unwrap())
}

async fn at_least(monitor: &Server, name: &str, least: f64) {
    until(name, async || (metric(monitor, name).await >= least).then_some(())).await;
}

async fn is_ready(monitor: &Server, ready: bool) {
    let url = format!("{}/readyz", monitor.url);
    until("readiness", async || {
        let status = reqwest::get(&url).await.unwrap().status();
        (status.is_success() == ready).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_fork_is_told_once_and_the_monitor_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (log, other) = fork(folder.path());
    let (inbox, hook) = Inbox::start().await;
    let scene = Scene { vkey: log.vkey.clone(), proxy: Proxy::start(&log.url).await, folder };
    let monitor = scene.monitor("300ms", &["--webhook", &hook]);
    is_ready(&monitor, true).await;
    at_least(&monitor, "audits_total{outcome=\"clean\"}", 2.0).await;
    let size = metric(&monitor, "verified_size").await;
    assert!(size >= 20.0, "{size}");
    assert_eq!(metric(&monitor, "entries_verified_total").await, size, "each entry was read once");
    assert_eq!(reqwest::get(format!("{}/healthz", monitor.url)).await.unwrap().status(), 200);
    let shown = page(&monitor).await;
    assert!(
        shown.contains("No findings") && shown.contains("On time") && !shown.contains("class=\"alarm\""),
        "{shown}"
    );

    // The same key, another history.
    scene.proxy.show(Some(&other.url));
    let news = until("the webhook", async || inbox.taken().first().cloned()).await;
    assert_eq!(news["finding"], "inconsistent-heads", "{news}");
    assert_eq!(news["proves"], "misconduct", "{news}");
    assert_eq!(news["severity"], "critical", "{news}");
    // It shows in every audit from now on, under other checkpoints.
    for seed in 3..6 {
        let audits = metric(&monitor, "audits_total{outcome=\"findings\"}").await;
        grow(scene.folder.path(), &other, seed, 10);
        at_least(&monitor, "audits_total{outcome=\"findings\"}", audits + 2.0).await;
    }
    assert_eq!(inbox.taken().len(), 1);
    assert_eq!(*inbox.attempts.lock(), 2, "the first attempt was refused");
    assert_eq!(metric(&monitor, "findings_total{code=\"inconsistent-heads\"}").await, 1.0);
    assert_eq!(metric(&monitor, "verified_size").await, size, "nothing was verified since");
    at_least(&monitor, "tellings_total{to=\"exec\",outcome=\"done\"}", 1.0).await;
    at_least(&monitor, "tellings_total{to=\"webhook\",outcome=\"done\"}", 1.0).await;
    assert_eq!(scene.lines("findings"), [news.to_string()], "the command reads what the webhook got");
    let codes = scene.lines("codes");
    let [code] = &codes[..] else { panic!("{codes:?}") };
    let (code, evidence) = code.split_once(' ').unwrap();
    assert_eq!((code, evidence), ("inconsistent-heads", news["evidence_file"].as_str().unwrap()));
    let proven = run(&["verify-finding", "--log-vkey", &scene.vkey, evidence]);
    assert_eq!(proven.status.code(), Some(1), "{}", String::from_utf8_lossy(&proven.stderr));
    is_ready(&monitor, true).await;
    let name = Path::new(evidence).file_name().unwrap().to_str().unwrap();
    // The page may be two seconds old.
    let shown = until("the finding on the page", async || {
        Some(page(&monitor).await).filter(|page| page.contains("inconsistent-heads"))
    })
    .await;
    assert!(shown.contains("class=\"alarm\"") && shown.contains(name), "{shown}");

    // Out of reach is no finding, but nothing is known any more.
    scene.proxy.show(None);
    is_ready(&monitor, false).await;
    scene.proxy.show(Some(&other.url));
    is_ready(&monitor, true).await;
    assert_eq!(monitor.terminate(), 0, "it was told to stop");

    // Another run remembers.
    let monitor = scene.monitor("300ms", &["--webhook", &hook]);
    at_least(&monitor, "audits_total{outcome=\"findings\"}", 2.0).await;
    assert_eq!(metric(&monitor, "findings_total{code=\"inconsistent-heads\"}").await, 0.0);
    assert_eq!(monitor.terminate(), 0);
    assert_eq!((inbox.taken().len(), scene.lines("codes").len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_altered_entry_is_one_finding_however_the_log_grows() {
    let folder = tempfile::tempdir().unwrap();
    let log = Server::start(&folder.path().join("log"), 0, &[]);
    grow(folder.path(), &log, 1, 20);
    let (inbox, hook) = Inbox::start().await;
    let scene = Scene { vkey: log.vkey.clone(), proxy: Proxy::start(&log.url).await, folder };
    let monitor = scene.monitor("200ms", &["--webhook", &hook]);
    at_least(&monitor, "audits_total{outcome=\"clean\"}", 1.0).await;
    scene.proxy.alter(30);
    for seed in 2..6 {
        let audits = metric(&monitor, "audits_total{outcome=\"findings\"}").await;
        grow(scene.folder.path(), &log, seed, 20);
        at_least(&monitor, "audits_total{outcome=\"findings\"}", audits + 2.0).await;
    }
    let news = until("the webhook", async || inbox.taken().first().cloned()).await;
    assert_eq!((&news["finding"], &news["place"]["entry"]), (&"altered-entry".into(), &30.into()), "{news}");
    assert_eq!(news["proves"], "observation", "{news}");
    assert_eq!(monitor.terminate(), 0);
    assert_eq!(scene.lines("codes").len(), 1, "{:?}", scene.lines("codes"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hangup_audits_at_once_and_one_monitor_has_the_state() {
    let folder = tempfile::tempdir().unwrap();
    let (log, other) = fork(folder.path());
    let scene = Scene { vkey: log.vkey.clone(), proxy: Proxy::start(&log.url).await, folder };
    let monitor = scene.monitor("1h", &[]);
    at_least(&monitor, "audits_total{outcome=\"clean\"}", 1.0).await;
    let state = scene.folder.path().join("state");
    let state = state.to_str().unwrap();
    let watch = ["monitor", "--log", &scene.proxy.url, "--log-vkey", &scene.vkey];
    let (code, said) = fail(&[&watch[..], &["--state", state]].concat());
    assert_eq!(code, 2);
    assert!(said.contains("another monitor"), "{said}");
    let (code, said) = fail(&watch);
    assert_eq!(code, 2);
    assert!(said.contains("--state"), "{said}");

    scene.proxy.show(Some(&other.url));
    signal(monitor.pid(), "HUP");
    until("the command", async || (!scene.lines("codes").is_empty()).then_some(())).await;
    assert_eq!(monitor.terminate(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_not_told_when_the_monitor_was_killed_is_told_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let (log, other) = fork(folder.path());
    let scene = Scene { vkey: log.vkey.clone(), proxy: Proxy::start(&log.url).await, folder };
    // Nobody listens there; it is tried for a while.
    let monitor = scene.monitor("300ms", &["--webhook", "http://127.0.0.1:9/hook"]);
    at_least(&monitor, "audits_total{outcome=\"clean\"}", 1.0).await;
    scene.proxy.show(Some(&other.url));
    at_least(&monitor, "findings_total{code=\"inconsistent-heads\"}", 1.0).await;
    monitor.kill();
    let (inbox, hook) = Inbox::start().await;
    let monitor = scene.monitor("300ms", &["--webhook", &hook]);
    let news = until("the webhook", async || inbox.taken().first().cloned()).await;
    assert_eq!(news["finding"], "inconsistent-heads");
    assert_eq!(monitor.terminate(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn canaries_surface_in_the_log_and_are_missed_in_another() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (log, other) = fork(folder.path());
    let file = at("canaries.json");
    let canary = |what: &str, url: &str, file: &str, more: &[&str]| {
        let fixed = ["canary", what, "--json", "--log", url, "--log-vkey", &log.vkey, "--file", file];
        let output = run(&[&fixed[..], more].concat());
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let said = if said.is_empty() { Value::Null } else { json(&said) };
        (output.status.code().unwrap(), said, String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, _, said) = canary("check", &log.url, &file, &[]);
    assert!(code == 2 && said.contains("no canary"), "{said}");
    // Through the house stream, and through a gateway's.
    let (code, planted, said) = canary("plant", &log.url, &file, &["--receipts", &at("receipts")]);
    assert_eq!(code, 0, "{said}");
    let (key, spool) = (at("gateway.key"), at("spool"));
    let gateway = succeed(&["keygen", "--kind", "gateway", "--name", "gateway.example.com", "--out", &key]);
    let operator = at("log/operator.key");
    let origin = ["--origin", vouchlog_sequencer::testing::ORIGIN];
    let enrol = ["enrol", "--log", &log.url, "--operator-key", &operator, gateway.trim()];
    succeed(&[&enrol[..], &origin].concat());
    let (code, _, said) = canary("plant", &log.url, &file, &["--gateway-key", &key, "--state", &spool]);
    assert_eq!(code, 0, "{said}");
    let unchecked = at("unchecked.json");
    std::fs::copy(&file, &unchecked).unwrap();
    let (code, checked, said) = canary("check", &log.url, &file, &[]);
    assert_eq!((code, &checked["surfaced"], &checked["holds"]), (0, &2.into(), &true.into()), "{said}");
    // To everybody else it is a statement like others.
    let (receipt, digest) = (planted["receipt"].as_str().unwrap(), planted["digest"].as_str().unwrap());
    let verified = json(&succeed(&[
        "verify",
        "--json",
        "--proof",
        receipt,
        "--log-vkey",
        &log.vkey,
        "--digest",
        digest,
    ]));
    assert_eq!((&verified["kind"], &verified["evidence"]), (&"opaque".into(), &0.into()), "{verified}");

    // The other history has other entries where the receipts say they are.
    let (code, missed, said) = canary("check", &other.url, &unchecked, &[]);
    assert_eq!(code, 1, "{said}");
    assert_eq!(missed["findings"].as_array().unwrap().len(), 2, "{missed}");
    assert_eq!(missed["findings"][0]["digest"], planted["digest"]);
    // Whoever has checked before knows at the first glance.
    let (code, caught, said) = canary("check", &other.url, &file, &[]);
    assert_eq!((code, &caught["holds"]), (1, &false.into()), "{said}");
    // And a log that is not there says nothing.
    other.kill();
    let (code, _, _) = canary("check", "http://127.0.0.1:9", &file, &[]);
    assert_eq!(code, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_proofs_are_fetched_at_a_time_and_each_holds() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let log = Server::start(&folder.path().join("log"), 0, &[]);
    let digests = grow(folder.path(), &log, 1, 600);
    let (vkey, dir) = (log.vkey.as_str(), at("proofs"));
    let prove = ["prove", "--json", "--log", &log.url, "--log-vkey", vkey, "--out-dir", &dir];
    let said = json(&succeed(&[&prove[..], &["--index", "500", "250-260", "255-258"]].concat()));
    let proofs = said["proofs"].as_array().unwrap();
    assert_eq!(proofs.len(), 12, "each entry has one: {said}");
    assert!(Path::new(&dir).join("260.tlog-proof").exists());

    // The index follows the log.
    let last = digests[599].to_string();
    until("the lookup index", async || {
        run(&["prove", "--log", &log.url, "--digest", &last]).status.success().then_some(())
    })
    .await;
    let said = json(&succeed(&[&prove[..], &["--digests", &at("digests-1")]].concat()));
    let proofs = said["proofs"].as_array().unwrap();
    assert_eq!((proofs.len(), &said["verified"]), (600, &true.into()));
    for proof in [&proofs[0], &proofs[599]] {
        let (file, digest) = (proof["file"].as_str().unwrap(), proof["digest"].as_str().unwrap());
        succeed(&["verify", "--proof", file, "--log-vkey", vkey, "--digest", digest]);
    }

    // What is not there is told before anything is written.
    let dir = at("none");
    let prove = ["prove", "--log", &log.url, "--log-vkey", vkey, "--out-dir", &dir];
    let stranger = Digest::of(b"not logged").to_string();
    let (code, said) = fail(&[&prove[..], &["--digest", &last, &stranger]].concat());
    assert!(code == 2 && said.contains("1 of 2") && said.contains(&stranger), "{said}");
    let (code, said) = fail(&[&prove[..], &["--index", "5", "100000"]].concat());
    assert!(code == 2 && said.contains("no entry 100000 yet"), "{said}");
    // Nobody has cosigned this log.
    let key = ["keygen", "--kind", "witness", "--name", "witness.example.com/w", "--out", &at("w.key")];
    let key = succeed(&key);
    std::fs::write(at("policy.txt"), format!("witness w {}\nquorum w\n", key.trim())).unwrap();
    let refused = run(&[&prove[..], &["--policy", &at("policy.txt"), "--index", "5"]].concat());
    assert_eq!(refused.status.code(), Some(1), "{}", String::from_utf8_lossy(&refused.stderr));
    assert!(!Path::new(&dir).exists(), "nothing was written");
    // One proof is still one file.
    let (code, said) = fail(&["prove", "--log", &log.url, "--index", "5", "6"]);
    assert!(code == 2 && said.contains("--out-dir"), "{said}");
}
