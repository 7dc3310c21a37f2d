//! Standbys as front ends: callers that know one of them alone append, read and audit, through takeovers too. What the leader did not
//! acknowledge, no standby does, and what authenticates a caller is neither lost nor widened on the way.

use std::collections::HashMap;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use vouchlog_api::{Appender, ErrorKind, LogReader};
use vouchlog_client::{Connection, Gateway, GatewayConfig, GrpcLog, Options, Patience};
use vouchlog_merkle::{EntryBundle, TileId, TreeSize};
use vouchlog_note::Origin;
use vouchlog_sequencer::testing::{ORIGIN, TestGateway, statements, verify};
use vouchlog_stream::{Digest, Entry, Statement};

use super::{Load, PATIENCE, World, answer, ready};
use crate::kill::{Replay, newest};
use crate::objects::audit;
use crate::process::{free_port, rounds, vouchlog, write_keys};
use crate::tls::files::{Authority, curl};
use crate::tls::have;
use crate::witnesses::log_key;

/// In the short and the long form.
const TAKEOVERS: (u64, u64) = (2, 20);
const T: u64 = 1_767_225_600;

/// A node, whether it leads or not. Killed when dropped.
struct Node {
    child: Child,
    /// Where it tells operators how it is.
    admin: u16,
    url: String,
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Node {
    /// Starts a node, and waits until it is ready.
    fn start(world: &World, name: &str, more: &[&str]) -> Self {
        let port = free_port();
        Self::start_at(world, name, (port, port), more)
    }

    /// The same at a port, with another one for operators.
    fn start_at(world: &World, name: &str, (port, admin): (u16, u16), more: &[&str]) -> Self {
        let data = world.data(name);
        write_keys(&data);
        let mut command = vouchlog();
        command.args([
            "serve",
            "--json",
            "--origin",
            ORIGIN,
            "--listen",
            &format!("127.0.0.1:{port}"),
            "--data",
        ]);
        command.arg(&data).args(world.arguments()).args(more);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut node = Self { child, admin, url: format!("http://127.0.0.1:{port}") };
        let deadline = Instant::now() + PATIENCE;
        while !ready(admin).is_some_and(|answer| answer.starts_with("HTTP/1.1 200")) {
            let ended = node.child.try_wait().unwrap();
            assert!(
                Instant::now() < deadline && ended.is_none(),
                "{name} is not ready: {ended:?}, {:?}",
                ready(admin)
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        node
    }

    /// What `/readyz` returns: the status line with the headers, and the body.
    fn ready(&self) -> (String, Value) {
        let answer = answer(self.admin);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer}")))
    }

    /// Whether it leads; not if it cannot say so.
    fn leads(&self) -> bool {
        ready(self.admin).is_some_and(|answer| answer.contains("\r\nvouchlog-role: leader\r\n"))
    }

    fn log(&self) -> GrpcLog {
        GrpcLog::connect(&Connection::new(&self.url)).unwrap()
    }

    async fn metric(&self, name: &str) -> f64 {
        let text = super::ready_metrics(&self.url).await;
        let line = text.lines().find(|line| line.starts_with(name) && !line.starts_with('#'));
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_default()
    }
}

/// The place of the node that leads.
async fn leader(nodes: &[Node]) -> usize {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let leads = tokio::task::block_in_place(|| nodes.iter().position(Node::leads));
        if let Some(leads) = leads {
            return leads;
        }
        assert!(Instant::now() < deadline, "no node leads");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Every statement in the log, with how often it is there.
async fn logged(log: &GrpcLog) -> HashMap<Digest, u64> {
    let size = newest(log).await.size;
    let mut found = HashMap::new();
    for bundle in 0..size.get().div_ceil(256) {
        let width = TileId { level: 0, index: bundle }.width_at(size);
        let bytes = log.entry_bundle(bundle, width).await.unwrap();
        for entry in EntryBundle::entries(&bytes, usize::from(width)).unwrap() {
            if let Ok(Entry::Statement(entry)) = Entry::decode(entry) {
                *found.entry(entry.statement.digest).or_default() += 1;
            }
        }
    }
    found
}

/// A gateway of the library: with a spool, and with receipts that it verifies before it forgets.
async fn gateway(front: &Node, folder: &std::path::Path, seed: u8) -> Gateway {
    front.log().enrol(TestGateway::enrolment(seed)).await.unwrap();
    let patience = Patience { max_backoff: Duration::from_millis(500), ..Patience::default() };
    let config = GatewayConfig {
        log: Connection::new(&front.url),
        origin: Origin::new(ORIGIN).unwrap(),
        log_key: log_key().verifying_key().clone(),
        gateway_key: TestGateway::enrolled_key(seed),
        state_dir: folder.join(format!("spool-{seed}")),
        clock: vouchlog::system_clock(),
        randomness: vouchlog::random_bytes,
        sink: None,
        options: Options { batch: 8, patience, ..Options::default() },
    };
    Gateway::open(config).await.unwrap()
}

/// The leader is killed under load, again and again. Gateways that know one standby, whichever node leads, lose nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gateways_that_know_one_standby_lose_nothing_in_takeovers() {
    let Some(world) = World::new() else { return };
    let mut nodes = vec![Node::start(&world, "n0", &[]), Node::start(&world, "front", &[])];
    let front = 1;
    let log = nodes[front].log();
    let gateway = gateway(&nodes[front], world.folder.path(), 30).await;
    let load = Load::start(&log).await;
    let (mut tickets, mut submitted): (Vec<_>, Vec<Statement>) = (Vec::new(), Vec::new());
    for takeover in 0..rounds(TAKEOVERS) {
        let name = format!("n{}", takeover + 1);
        nodes.push(tokio::task::block_in_place(|| Node::start(&world, &name, &[])));
        let leads = leader(&nodes).await;
        if leads == front {
            break;
        }
        for part in 0..10 {
            let batch = statements(20, (1 << 50) + takeover * 100 + part);
            submitted.extend(&batch);
            tickets.push(gateway.submit(batch).await.unwrap());
            if part == 3 {
                nodes[leads].child.kill().unwrap();
                nodes[leads].child.wait().unwrap();
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        let next = leader(&nodes).await;
        assert_ne!(next, leads);
        // What was submitted before, meanwhile and after is in the log, and the gateway has verified that.
        for ticket in tickets.drain(..) {
            let acknowledged = tokio::time::timeout(PATIENCE, ticket).await.expect("a ticket completes");
            acknowledged.unwrap();
        }
    }
    load.more_than(100).await;
    let promised = load.end().await;
    Replay::default().follow(&log, &promised).await;
    let found = logged(&log).await;
    let twice: Vec<_> = found.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "statements are in the log twice: {twice:?}");
    let acknowledged = promised.statements.iter().map(|(_, statement)| statement).chain(&submitted);
    assert!(
        acknowledged.clone().all(|statement| found.contains_key(&statement.digest)),
        "statements are missing"
    );
    assert_eq!(
        found.len(),
        acknowledged.count(),
        "the log has statements that nobody sent, or that were not acknowledged"
    );
    assert!(submitted.len() >= 200, "there was too little load");
    gateway.close().await.unwrap();
}

/// An auditor, and readers of every kind, need no leader.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_serves_reads_and_tells_its_lag() {
    let Some(world) = World::new() else { return };
    let mut leader = Node::start(&world, "a", &[]);
    let standby = Node::start(&world, "b", &[]);
    let log = standby.log();
    let mut gateway = TestGateway::open(&log, 11).await.unwrap();
    let (mut sent, at_leader) = (Vec::new(), leader.log());
    for round in 0..12 {
        let batch = statements(100, round);
        let node = if round % 2 == 0 { &log } else { &at_leader };
        let appended = node.append(gateway.request(batch.clone(), T)).await.unwrap();
        let head = verify(&appended, &batch).head();
        // What was logged through any node can be read here.
        let read = newest(&log).await;
        assert!(read.size >= head.size, "{read:?} is older than {head:?}");
        sent.push((appended.receipt.unwrap().first, head));
    }
    let (head, body) = standby.ready();
    let notes = &body["notes"];
    assert!(head.contains("\r\nvouchlog-role: standby"), "{head}");
    assert_eq!(
        (notes["role"].as_str(), notes["leader"].as_str()),
        (Some("standby"), Some(&*leader.url)),
        "{body}"
    );
    assert_eq!((notes["epoch"].is_string(), notes["lag seconds"].is_string()), (true, true), "{body}");
    let (_, first) = sent[0];
    let (index, last) = sent[11];
    let proof = log.consistency_proof(first.size, last.size).await.unwrap();
    proof.verify(&first, &last).unwrap();
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
    let digest = statements(1, 3)[0].digest;
    for path in [
        format!("v1/inclusion?index={index}"),
        format!("v1/inclusion?digest={digest}"),
        format!("v1/receipts/{index}"),
        "v1/entries?start=0&end=3".to_owned(),
        "v1/bundles?first=0&count=2".to_owned(),
        format!("v1/streams/{}", gateway.stream),
    ] {
        let answer = client.get(format!("{}/{path}", standby.url)).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}: {}", answer.text().await.unwrap());
    }
    let audited = tokio::task::block_in_place(|| audit(&standby.url));
    assert!(audited >= last.size.get(), "{audited} of {last:?}");
    assert!(standby.metric("vouchlog_standby_forwarded_total").await >= 8.0);
    assert_eq!(standby.metric("vouchlog_standby_lag_entries").await, 0.0);
    assert_eq!(standby.metric("vouchlog_standby_leader_reached").await, 1.0);
    // The leader is gone, and no node takes over: everything is read as before.
    keep_leaderless(&world, &mut leader, "http://127.0.0.1:1");
    assert_eq!(tokio::task::block_in_place(|| audit(&standby.url)), audited);
    let again = newest(&log).await;
    assert_eq!(again.size, TreeSize::new(audited));
}

/// Kills the leader, and has the database hold its lease, with an address of ours, until [`release`].
fn keep_leaderless(world: &World, leader: &mut Node, address: &str) {
    leader.child.kill().unwrap();
    leader.child.wait().unwrap();
    world.postgres.sql(&format!(
        "UPDATE vouchlog_lease SET renewed = clock_timestamp() + interval '1 hour', epoch = epoch + 1, address = '{address}'"
    ));
}

fn release(world: &World) {
    world.postgres.sql("UPDATE vouchlog_lease SET renewed = NULL");
}

/// The size in the second line of a checkpoint.
fn stated_size(checkpoint: &str) -> u64 {
    checkpoint.lines().nth(1).unwrap().parse().unwrap()
}

/// A reader has its checkpoint from one node and the tiles from another one: what that one has not read yet is not missing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_denies_nothing_that_the_leader_has_shown() {
    let Some(world) = World::new() else { return };
    let (leader, standby) = (Node::start(&world, "a", &[]), Node::start(&world, "b", &[]));
    let (log, away) = (leader.log(), standby.log());
    let mut gateway = TestGateway::open(&log, 11).await.unwrap();
    for round in 0..20 {
        let added = statements(5, round);
        let appended = log.append(gateway.request(added.clone(), T + round)).await.unwrap();
        verify(&appended, &added);
        let size = TreeSize::new(stated_size(&appended.receipt.unwrap().checkpoint));
        let last = TileId { level: 0, index: (size.get() - 1) / 256 };
        let deadline = Instant::now() + PATIENCE;
        while let Err(error) = away.tile(last, last.width_at(size)).await {
            assert!(error.is_transient() && Instant::now() < deadline, "round {round}: {error:?}");
        }
    }
    let beyond = TileId { level: 0, index: 1_000 };
    for missing in [away.tile(beyond, 1).await, away.entry_bundle(beyond.index, 1).await] {
        assert_eq!(missing.unwrap_err().kind, ErrorKind::NotFound, "what is in no checkpoint is missing");
    }
}

/// Without a leader nothing is acknowledged, and nothing is lost once there is one. Two standbys do not forward to each other, whatever the
/// lease names and whoever asks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_leader_nothing_is_acknowledged_and_nothing_goes_round() {
    let Some(world) = World::new() else { return };
    let mut leader = Node::start(&world, "a", &[]);
    let (b, c) = (Node::start(&world, "b", &[]), Node::start(&world, "c", &[]));
    let log = b.log();
    let (mut one, mut two) =
        (TestGateway::open(&log, 11).await.unwrap(), TestGateway::open(&log, 12).await.unwrap());
    let (first, second) = (statements(5, 1), statements(5, 2));
    verify(&log.append(one.request(first.clone(), T)).await.unwrap(), &first);
    let before = newest(&log).await;
    let away = c.log();
    let deadline = Instant::now() + PATIENCE;
    while newest(&away).await != before {
        assert!(Instant::now() < deadline, "the other standby does not follow");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let forwarded = b.metric("vouchlog_standby_forwarded_total").await;
    keep_leaderless(&world, &mut leader, &b.url);
    // Of both kinds of calls, through a node that takes the other one for the leader.
    let (unary, piped) = (one.request(second.clone(), T + 1), two.request(second.clone(), T + 1));
    let mut pipe = away.append_stream(8).await.unwrap();
    pipe.send(&piped).await.unwrap();
    let (unanswered, cut_off) = tokio::join!(away.append(unary.clone()), pipe.next());
    for refused in [unanswered.unwrap_err(), cut_off.unwrap_err()] {
        assert_eq!(refused.kind, ErrorKind::Unavailable, "{refused}");
        assert!(refused.to_string().contains("out of reach"), "{refused}");
    }
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
    let stranger = client.post(format!("{}/add", c.url)).header("vouchlog-forwarded", "1").body("mine");
    let answer = stranger.send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers().contains_key("retry-after")), (503, true));
    let problem: Value = answer.json().await.unwrap();
    assert_eq!(problem["code"], json!("NOT_LEADER"), "{problem}");
    assert_eq!(
        b.metric("vouchlog_standby_forwarded_total").await,
        forwarded,
        "it passed a request on that was passed on to it"
    );
    let (head, body) = tokio::task::block_in_place(|| c.ready());
    assert!(head.starts_with("HTTP/1.1 503") && body["checks"]["leader"] != "ok", "{head} {body}");
    assert_eq!(body["checks"]["reads"], "ok", "{body}");
    assert_eq!(newest(&away).await, before, "the log grew without a leader");
    release(&world);
    // Once there is a leader the same requests are taken, each once.
    for request in [unary, piped] {
        let deadline = Instant::now() + PATIENCE;
        let appended = loop {
            match away.append(request.clone()).await {
                Ok(appended) => break appended,
                Err(error) => assert!(error.is_transient() && Instant::now() < deadline, "{error:?}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        verify(&appended, &second);
        assert!(!appended.repeated, "a standby had passed it on");
    }
}

/// A token that both nodes know counts at both; one that only the standby knows, or none, is worth nothing at the leader. The house stream is
/// closed where a node closes it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_are_who_they_are_at_the_leader_too() {
    let Some(world) = World::new() else { return };
    let access = |name: &str, tokens: &[&str]| {
        let principal = |token: &&str| {
            let sha256 = hex::encode(vouchlog_merkle::sha256(token.as_bytes()).as_bytes());
            json!({ "name": token, "roles": ["read", "submit", "administer"], "tokens": [{ "sha256": sha256 }] })
        };
        let file = json!({ "principals": tokens.iter().map(principal).collect::<Vec<_>>(), "anonymous": { "roles": ["read"] } });
        let path = world.folder.path().join(name);
        std::fs::write(&path, file.to_string()).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (both, front) = (access("leader.json", &["known"]), access("standby.json", &["known", "here-only"]));
    let leader = Node::start(&world, "a", &["--access", &both]);
    let standby = Node::start(&world, "b", &["--access", &front]);
    let closed = Node::start(&world, "c", &["--access", &front, "--house", "off"]);
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
    let add = async |node: &Node, token: Option<&str>| {
        let request = client.post(format!("{}/add", node.url)).body("an agent's answer");
        let request = token.map_or(request.try_clone().unwrap(), |token| request.bearer_auth(token));
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    for (node, token, status) in [
        (&standby, Some("known"), 200),
        (&standby, Some("here-only"), 403),
        (&standby, Some("unknown"), 401),
        (&standby, None, 401),
        (&closed, Some("known"), 409),
        (&leader, Some("known"), 200),
    ] {
        let (answered, said) = add(node, token).await;
        assert_eq!(answered, status, "{token:?} at {}: {said}", node.url);
        assert!(!said.contains("here-only"), "{said}");
    }
    let enrol = client.post(format!("{}/v1/gateways", standby.url)).header("content-type", "text/plain");
    let enrol = enrol.body(TestGateway::enrolment(40));
    let refused = enrol.try_clone().unwrap().send().await.unwrap();
    assert_eq!(refused.status(), 401);
    let enrolled = enrol.bearer_auth("known").send().await.unwrap();
    assert_eq!(enrolled.status(), 200, "{}", enrolled.text().await.unwrap());
    // Gateways need no token: their signatures are enough at either.
    let (note, _) = TestGateway::opening(40, 40, None);
    standby.log().open_stream(note).await.unwrap();
}

/// A caller that is recognised by its certificate is told that it cannot be passed on, and the certificate of the node that passes requests on
/// counts for nobody.
#[test]
fn a_certificate_is_worth_nothing_at_another_node() {
    let Some(world) = World::new() else { return };
    if !(have("openssl", "version") && have("curl", "--version")) {
        return;
    }
    let authority = Authority::new(&world.folder.path().join("tls"));
    authority.issue("server", "DNS:localhost,IP:127.0.0.1");
    for name in ["caller", "node"] {
        authority.issue(name, &format!("URI:spiffe://corp.example/{name}"));
    }
    let principal = |name: &str| json!({ "name": name, "roles": ["read", "submit"], "certificates": [format!("spiffe://corp.example/{name}")] });
    let known = json!({ "name": "known", "roles": ["submit"], "tokens": [{ "sha256": vouchlog_merkle::sha256(b"known-to-both").to_string() }] });
    let access = |name: &str, anonymous: &[&str]| {
        let principals = [principal("caller"), principal("node"), known.clone()];
        let file = json!({ "principals": principals, "anonymous": { "roles": anonymous } });
        let path = world.folder.path().join(name);
        std::fs::write(&path, file.to_string()).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (closed, open) = (access("closed.json", &["read"]), access("open.json", &["read", "submit"]));
    let files = ["server.pem", "server.key", "ca.pem", "node.pem", "node.key"].map(|file| authority.at(file));
    let [chain, key, ca, cert, cert_key] = files.each_ref().map(String::as_str);
    let tls = [
        "--tls-cert",
        chain,
        "--tls-key",
        key,
        "--tls-client-ca",
        ca,
        "--ca",
        ca,
        "--client-cert",
        cert,
        "--client-key",
        cert_key,
    ];
    let start = |name: &str, access: &str| {
        let (port, admin) = (free_port(), free_port());
        let operators = format!("127.0.0.1:{admin}");
        let more = [&tls[..], &["--access", access, "--admin-listen", &operators]].concat();
        (Node::start_at(&world, name, (port, admin), &more), format!("https://localhost:{port}/add"))
    };
    let (_leader, at_leader) = start("a", &closed);
    let (_standby, at_standby) = start("b", &open);
    let identity = |name: &str| {
        [
            "--cert".to_owned(),
            authority.at(&format!("{name}.pem")),
            "--key".to_owned(),
            authority.at(&format!("{name}.key")),
        ]
    };
    let (caller, node) = (identity("caller"), identity("node"));
    let (caller, node) = (caller.each_ref().map(String::as_str), node.each_ref().map(String::as_str));
    let token = ["-H", "authorization: Bearer known-to-both"];
    let forwarded = ["-H", "vouchlog-forwarded: 1"];
    for (url, with, status, words) in [
        (&at_leader, caller.to_vec(), "2 200", ""),
        (&at_standby, caller.to_vec(), "2 409", "client certificate"),
        // The standby would let anyone in, and has a certificate that the leader knows.
        (&at_standby, vec![], "2 409", "without a token"),
        (&at_standby, token.to_vec(), "2 200", ""),
        (&at_leader, node.to_vec(), "2 200", ""),
        (&at_leader, [&node[..], &forwarded].concat(), "2 401", ""),
        (&at_leader, [&node[..], &forwarded, &token].concat(), "2 200", ""),
    ] {
        let (said, answered) = curl(&authority, url, &[&["-d", "an answer"], &with[..]].concat()).unwrap();
        assert!(answered == status && said.contains(words), "{url} with {with:?}: {answered}: {said}");
    }
}
