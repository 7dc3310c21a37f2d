//! Several logs in one process, from a file: gateways append to each, one of them fails and comes back while the others go on, and neither
//! a kill nor a stop loses anything.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::Value;
use vouchlog::gateway::{self, Gateway};
use vouchlog::{Digest, Evidence, Origin, Statement, StatementKind, VerifyingKey, keys};

use crate::database::Postgres;
use crate::process::{fail, free_port, signal, succeed, vouchlog};

const PATIENCE: Duration = Duration::from_secs(120);
const NAMES: [&str; 3] = ["a", "b", "c"];

/// The process with its logs, killed when dropped.
struct Logs {
    child: Child,
    announced: Receiver<Value>,
    errors: Receiver<String>,
}

impl Logs {
    fn spawn(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let (say, announced) = channel();
        std::thread::spawn(move || {
            let lines = BufReader::new(stdout).lines().map_while(Result::ok);
            lines.for_each(|line| drop(say.send(serde_json::from_str(&line).unwrap())));
        });
        let (complain, errors) = channel();
        std::thread::spawn(move || {
            let lines = BufReader::new(stderr).lines().map_while(Result::ok);
            lines.for_each(|line| drop(complain.send(line)));
        });
        Self { child, announced, errors }
    }

    /// What the next log announces that is open as a leader.
    fn opened(&self) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(said) = self.announced.recv_timeout(left) else {
                panic!("a log does not open: {}", self.errors.try_iter().collect::<Vec<_>>().join("\n"))
            };
            if said["role"] != "standby" {
                return said;
            }
        }
    }

    /// A line of its log output with all of these in it.
    fn line_with(&self, parts: &[&str]) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.errors.recv_timeout(left).unwrap_or_else(|_| panic!("no line with {parts:?}"));
            if parts.iter().all(|part| line.contains(part)) {
                return line;
            }
        }
    }

    fn end(&mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("it does not end");
    }

    fn terminate(&mut self) -> Option<i32> {
        signal(self.child.id(), "TERM");
        self.end()
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Logs {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder with a file of three logs and their gateways' keys.
struct World {
    folder: tempfile::TempDir,
    ports: [u16; 3],
    operators: u16,
    postgres: Option<Postgres>,
}

impl World {
    /// The second and the third log are in one database, if there is one.
    fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("several").tempdir().unwrap();
        let postgres = Postgres::programs().map(|bin| Postgres::start(&bin, folder.path(), free_port()));
        Self::with(folder, postgres)
    }

    fn with(folder: tempfile::TempDir, postgres: Option<Postgres>) -> Self {
        if postgres.is_none() {
            eprintln!(
                "all three logs are in directories: install PostgreSQL to have two of them in a database"
            );
        }
        let world = Self { folder, ports: NAMES.map(|_| free_port()), operators: free_port(), postgres };
        let mut text = String::new();
        for (name, port) in NAMES.into_iter().zip(world.ports) {
            let gateway =
                keys::load_or_create(&world.gateway_key(name), &format!("gateway.example.com/{name}"));
            let gateway = gateway.unwrap().verifying_key().to_string();
            text += &format!(
                "[log.{name}]\norigin = \"{}\"\ndata = \"{}\"\nlisten = \"127.0.0.1:{port}\"\ngateway = [\"{gateway}\"]\n",
                origin(name),
                world.data(name).display(),
            );
            if let Some(postgres) = world.postgres.as_ref().filter(|_| name != "a") {
                text += &format!("store = \"{}\"\ncreate = true\n", postgres.url());
            }
        }
        std::fs::write(world.file(), text).unwrap();
        world
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("logs.toml")
    }

    fn data(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn gateway_key(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("gateway-{name}.key"))
    }

    fn url(&self, log: usize) -> String {
        format!("http://127.0.0.1:{}", self.ports[log])
    }

    fn command(&self) -> Command {
        let mut command = vouchlog();
        command.args(["serve", "--json", "--config"]).arg(self.file());
        command.args(["--admin-listen", &format!("127.0.0.1:{}", self.operators), "--drain", "1s"]);
        command
    }

    fn start(&self) -> Logs {
        Logs::spawn(self.command())
    }

    /// Starts all logs, and returns their keys.
    fn open(&self) -> (Logs, [VerifyingKey; 3]) {
        let logs = self.start();
        let mut keys = [const { None }; 3];
        for _ in NAMES {
            let said = logs.opened();
            let place = NAMES.iter().position(|name| said["log"] == *name).unwrap();
            assert_eq!(said["url"], self.url(place), "{said}");
            assert_eq!(said["origin"], origin(NAMES[place]), "{said}");
            keys[place] = Some(said["log_vkey"].as_str().unwrap().parse().unwrap());
        }
        (logs, keys.map(Option::unwrap))
    }

    /// What operators are shown of all logs.
    async fn of_all(&self, path: &str) -> (u16, String) {
        get(&format!("http://127.0.0.1:{}{path}", self.operators)).await
    }
}

fn origin(name: &str) -> String {
    format!("log.example.com/{name}")
}

async fn get(url: &str) -> (u16, String) {
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
    let answer = client.get(url).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// Waits until a condition holds.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A gateway at work, and what the log acknowledged to it.
struct Work {
    acknowledged: Arc<Mutex<Vec<(u64, Statement)>>>,
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

impl Work {
    async fn start(world: &World, log: usize, key: &VerifyingKey, others: Vec<VerifyingKey>) -> Self {
        let name = NAMES[log];
        let gateway_key = keys::load(&world.gateway_key(name)).unwrap();
        let state = world.folder.path().join(format!("state-{name}"));
        let config = gateway::config(&world.url(log), key.clone(), gateway_key, state).unwrap();
        let gateway = Gateway::open(config).await.unwrap();
        let (acknowledged, stop) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let work = work(gateway, name, others, Arc::clone(&stop), Arc::clone(&acknowledged));
        Self { acknowledged, stop, task: tokio::spawn(work) }
    }

    fn count(&self) -> usize {
        self.acknowledged.lock().len()
    }

    /// Waits for more acknowledged statements than there are.
    async fn goes_on(&self) {
        let before = self.count();
        until("the log takes statements", async || self.count() > before + 20).await;
    }

    async fn end(self) -> Vec<(u64, Statement)> {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
        self.acknowledged.lock().clone()
    }
}

async fn work(
    gateway: Gateway,
    name: &'static str,
    others: Vec<VerifyingKey>,
    stop: Arc<AtomicBool>,
    acknowledged: Arc<Mutex<Vec<(u64, Statement)>>>,
) {
    let mut round = 0;
    while !stop.load(Ordering::Relaxed) {
        round += 1;
        let digest = |n: u64| Digest::of(format!("{name} {round} {n}").as_bytes());
        let batch: Vec<_> = (0..5)
            .map(|n| Statement {
                kind: StatementKind::Interaction,
                evidence: Evidence::NONE,
                digest: digest(n),
            })
            .collect();
        // The client has verified the receipt with the log's key.
        let logged = gateway.submit(batch).await.unwrap().await.unwrap();
        for (taken, _) in logged.runs() {
            for other in &others {
                let origin = Origin::new(other.name().as_str()).unwrap();
                let verified = taken.receipt().verify(taken.statements(), &origin, other);
                assert!(verified.is_err(), "{other} vouches for what {name} logged");
            }
            let first = taken.receipt().first.get();
            acknowledged.lock().extend((first..).zip(taken.statements().iter().copied()));
        }
    }
    gateway.stop().await;
}

/// Everything that was acknowledged is in the log at its index, and the log is clean.
async fn check(url: &str, key: &VerifyingKey, acknowledged: &[(u64, Statement)]) {
    let said = succeed(&["audit", "--json", "--log", url, "--log-vkey", &key.to_string()]);
    let report: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(report["findings"], serde_json::json!([]), "{report}");
    let step = (acknowledged.len() / 40).max(1);
    for (index, statement) in acknowledged.iter().step_by(step).chain(acknowledged.last()) {
        let (status, proof) = get(&format!("{url}/v1/inclusion?index={index}")).await;
        assert_eq!(status, 200, "{proof}");
        let (_, entries) = get(&format!("{url}/v1/entries?start={index}&end={}", index + 1)).await;
        assert!(entries.contains(&statement.digest.to_string()), "{index}: {entries}");
    }
}

/// Every series of a log in a text of metrics, of this name.
fn series<'t>(metrics: &'t str, name: &str, log: &str) -> Vec<&'t str> {
    let label = format!("log=\"{log}\"");
    metrics.lines().filter(|line| line.starts_with(name) && line.contains(&label)).collect()
}

async fn check_metrics(world: &World) {
    let (status, all) = world.of_all("/metrics").await;
    assert_eq!(status, 200);
    for (place, name) in NAMES.into_iter().enumerate() {
        for metric in ["vouchlog_log_tree_size{", "vouchlog_log_open{", "grpc_server_handled_total{"] {
            assert!(!series(&all, metric, name).is_empty(), "{metric} of {name} in {all}");
        }
        let (_, own) = get(&format!("{}/metrics", world.url(place))).await;
        assert_eq!(
            series(&own, "vouchlog_log_open{", name),
            [format!("vouchlog_log_open{{log=\"{name}\"}} 1")]
        );
        assert!(NAMES.iter().all(|other| *other == name || series(&own, "", other).is_empty()), "{own}");
    }
    let described: Vec<_> = all.lines().filter(|line| line.starts_with("# TYPE ")).collect();
    let mut once = described.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), described.len(), "a family is described once");
    let (status, ready) = world.of_all("/readyz").await;
    assert!(
        status == 200 && NAMES.iter().all(|name| ready.contains(&format!("\"{name}\":\"ready\""))),
        "{ready}"
    );
}

async fn start_all(world: &World, keys: &[VerifyingKey; 3]) -> Vec<Work> {
    let mut all = Vec::new();
    for (place, key) in keys.iter().enumerate() {
        let others = keys.iter().filter(|other| *other != key).cloned().collect();
        all.push(Work::start(world, place, key, others).await);
    }
    all
}

/// The lease on the second log is taken from it, as another process would.
fn depose(postgres: &Postgres) {
    let log = format!("(SELECT log FROM vouchlog_log WHERE origin = '{}')", origin("b"));
    postgres.sql(&format!(
        "BEGIN; UPDATE vouchlog_lease SET epoch = epoch + 1 WHERE log = {log}; UPDATE vouchlog_head SET epoch = epoch + 1 WHERE log = {log}; COMMIT"
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_of_one_process_fail_apart_and_end_together() {
    let world = World::new();
    let (mut logs, keys) = world.open();
    let all = start_all(&world, &keys).await;
    for work in &all {
        work.goes_on().await;
    }
    check_metrics(&world).await;
    // Lines of requests show which log they were made to.
    assert_eq!(get(&format!("{}/v1/inclusion?index=x", world.url(2))).await.0, 400);
    logs.line_with(&["log{log=\"c\"}:request{"]);

    if let Some(postgres) = &world.postgres {
        depose(postgres);
        let line = logs.line_with(&["log{log=\"b\"}", "the log failed; it is opened again"]);
        assert!(line.contains("ERROR"), "{line}");
        // It takes a lease to run out until it is back. The others do not notice.
        all[0].goes_on().await;
        all[2].goes_on().await;
        let again = logs.opened();
        assert_eq!(again["log"], "b", "{again}");
        for work in &all {
            work.goes_on().await;
        }
        let (_, metrics) = world.of_all("/metrics").await;
        assert_eq!(
            series(&metrics, "vouchlog_log_reopened_total", "b"),
            ["vouchlog_log_reopened_total{log=\"b\"} 1"]
        );
        assert_eq!(
            series(&metrics, "vouchlog_log_reopened_total", "a"),
            ["vouchlog_log_reopened_total{log=\"a\"} 0"]
        );
    }

    // kill -9 under load: the gateways wait, and go on.
    logs.kill();
    let (mut logs, same) = world.open();
    assert_eq!(keys, same);
    for work in &all {
        work.goes_on().await;
    }
    let mut acknowledged = Vec::new();
    for work in all {
        acknowledged.push(work.end().await);
    }
    for (place, key) in keys.iter().enumerate() {
        check(&world.url(place), key, &acknowledged[place]).await;
    }
    assert_eq!(logs.terminate(), Some(0));
    let data = world.data("a");
    succeed(&["fsck", "--log-vkey", &keys[0].to_string(), "--data", data.to_str().unwrap()]);
}

/// A log whose store cannot be opened is a matter of its own: it is reported, and opened once that is mended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_does_not_open_keeps_none_from_serving() {
    let world = World::new();
    let (mut logs, keys) = world.open();
    assert_eq!(logs.terminate(), Some(0));
    // The format of its data directory is one of the future.
    let format = world.data("a").join("FORMAT");
    let known = std::fs::read(&format).unwrap();
    std::fs::write(&format, "vouchlog 9999\n").unwrap();

    let mut logs = world.start();
    logs.line_with(&["log{log=\"a\"}", "the log failed; it is opened again"]);
    let others = [logs.opened(), logs.opened()];
    assert!(others.iter().all(|said| said["log"] != "a"), "{others:?}");
    let (status, ready) = get(&format!("{}/readyz", world.url(0))).await;
    assert!(status == 503 && ready.contains("it is opened again"), "{ready}");
    assert_eq!(get(&format!("{}/healthz", world.url(0))).await.0, 200, "the others need no restart");
    let (status, ready) = world.of_all("/readyz").await;
    assert!(status == 503 && ready.contains("not ready: a"), "{ready}");
    let (status, said) = get(&format!("{}/checkpoint", world.url(0))).await;
    assert!(status == 503 && said.contains("the log is not open"), "{said}");
    for (place, name) in NAMES.into_iter().enumerate().skip(1) {
        assert_eq!(get(&format!("{}/readyz", world.url(place))).await.0, 200, "{name}");
        let work = Work::start(&world, place, &keys[place], vec![keys[0].clone()]).await;
        work.goes_on().await;
        check(&world.url(place), &keys[place], &work.end().await).await;
    }
    let (_, metrics) = world.of_all("/metrics").await;
    let open = |name: &str| series(&metrics, "vouchlog_log_open", name).concat();
    assert!(open("a").ends_with(" 0") && open("b").ends_with(" 1") && open("c").ends_with(" 1"), "{metrics}");
    // What was wrong at the end is in the exit code.
    assert_eq!(logs.terminate(), Some(3));

    let mut logs = world.start();
    let others = [logs.opened(), logs.opened()];
    assert!(others.iter().all(|said| said["log"] != "a"), "{others:?}");
    std::fs::write(&format, known).unwrap();
    let opened = logs.opened();
    assert_eq!(opened["log"], "a", "{opened}");
    let work = Work::start(&world, 0, &keys[0], keys[1..].to_vec()).await;
    work.goes_on().await;
    check(&world.url(0), &keys[0], &work.end().await).await;
    assert_eq!(logs.terminate(), Some(0));
}

/// The same command, in which a write beyond a limit of file size fails and does not kill.
fn with_failing_writes(command: &Command) -> Command {
    let mut outer = Command::new("sh");
    outer.args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"]).arg(command.get_program()).args(command.get_args());
    for (name, _) in command.get_envs() {
        outer.env_remove(name);
    }
    outer.stdin(Stdio::null());
    outer
}

/// A disk that refuses writes stops every log in a directory; each is opened again, in the same process, once it takes them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_in_directories_recover_without_a_restart() {
    let world = World::with(tempfile::tempdir().unwrap(), None);
    let mut logs = Logs::spawn(with_failing_writes(&world.command()));
    let mut keys = [const { None }; 3];
    for _ in NAMES {
        let said = logs.opened();
        let place = NAMES.iter().position(|name| said["log"] == *name).unwrap();
        keys[place] = Some(said["log_vkey"].as_str().unwrap().parse().unwrap());
    }
    let keys = keys.map(Option::unwrap);
    let all = start_all(&world, &keys).await;
    for work in &all {
        work.goes_on().await;
    }
    let limit = |to: &str| {
        let pid = logs.child.id().to_string();
        assert!(
            Command::new("prlimit")
                .args(["--pid", &pid, &format!("--fsize={to}:")])
                .status()
                .unwrap()
                .success()
        );
    };
    limit("1");
    let mut failed: Vec<&str> = Vec::new();
    while failed.len() < NAMES.len() {
        let line = logs.line_with(&["the log failed; it is opened again"]);
        let name = NAMES.into_iter().find(|name| line.contains(&format!("log{{log=\"{name}\"}}"))).unwrap();
        if !failed.contains(&name) {
            failed.push(name);
        }
    }
    limit("unlimited");
    for work in &all {
        work.goes_on().await;
    }
    let mut acknowledged = Vec::new();
    for work in all {
        acknowledged.push(work.end().await);
    }
    for (place, key) in keys.iter().enumerate() {
        check(&world.url(place), key, &acknowledged[place]).await;
    }
    assert_eq!(logs.terminate(), Some(0));
}

/// Every mistake is reported at once, and nothing is made or listened on.
#[test]
fn a_file_with_mistakes_starts_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("logs.toml");
    let data = |name: &str| folder.path().join(name);
    let port = free_port();
    let text = format!(
        "[log.a]\ndata = \"{}\"\norigin = \"log.example.com/a\"\nlisten = \"127.0.0.1:{port}\"\n\n\
         [log.b]\ndata = \"{}\"\norigin = \"log.example.com/a\"\nlisten = \"127.0.0.1:{port}\"\n\n\
         [log.c]\ndata = \"{}\"\nlisten = \"127.0.0.1:0\"\ntls-cert = \"/nowhere/cert.pem\"\ntls-key = \"/nowhere/key.pem\"\n",
        data("a").display(),
        data("b").display(),
        data("c").display(),
    );
    std::fs::write(&file, &text).unwrap();
    let config = file.to_str().unwrap();
    let (code, said) = fail(&["serve", "--config", config]);
    assert_eq!(code, 2, "{said}");
    for part in [
        "logs.toml: no log was started",
        "line 6: [log.b]: it is the log log.example.com/a, and so is [log.a]",
        "is taken by `listen` of [log.a]",
        "line 11: [log.c]: TLS cannot be set up",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
    assert!(NAMES.iter().all(|name| !data(name).exists()));

    std::fs::write(&file, text.replace("listen", "listens")).unwrap();
    let (code, said) = fail(&["serve", "--config", config]);
    let unknown = ["line 4: [log.a]: `listens`", "line 9: [log.b]: `listens`", "line 13: [log.c]: `listens`"];
    assert!(code == 2 && unknown.iter().all(|line| said.contains(line)), "{said}");
    let (code, said) = fail(&["serve", "--config", "/nowhere/logs.toml"]);
    assert!(code == 2 && said.contains("/nowhere/logs.toml"), "{said}");
    let (code, said) = fail(&["serve", "--config", config, "--data", "x"]);
    assert!(code == 2 && said.contains("cannot be used with"), "{said}");
    let (code, said) = fail(&["serve", "--config", config, "--admin-listen", "0.0.0.0:0"]);
    assert!(code == 2 && said.contains("give each log an `admin-listen`"), "{said}");

    // A port that another program has is a mistake, too; the port of the other log is free again.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let text = format!(
        "[log.a]\ndata = \"{}\"\nlisten = \"127.0.0.1:{port}\"\n[log.b]\ndata = \"{}\"\nlisten = \"{}\"\n",
        data("a").display(),
        data("b").display(),
        taken.local_addr().unwrap(),
    );
    std::fs::write(&file, text).unwrap();
    let (code, said) = fail(&["serve", "--config", config]);
    assert!(code == 2 && said.contains("line 4: [log.b]: cannot listen on"), "{said}");
    assert!(NAMES.iter().all(|name| !data(name).exists()));
}
