//! A collector under test: OTLP bodies are posted while its log runs and while it is away.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use vouchlog_record::Facet;
use vouchlog_stream::StatementKind;
use vouchlog_vault::{Access, Query, Row, Vault, VaultKeySource, learn, read_facts};

use crate::calls::Broken;
use crate::gateway::make_key;
use crate::history::{self, Digests, Trouble};
use crate::log;
use crate::outcome::Outcome;
use crate::program::{Program, Server, Started};
use crate::promised::{Promised, vkey};
use crate::subject::{After, Report, State};

/// The collector's data directory below a fixture.
pub(crate) const DATA: &str = "collector";
/// The provider's answer in every acknowledged trace: each becomes one record.
const ANSWERS: &str = "answers.json";
/// Bodies posted while the log runs, while it is away, and just before the end; and the traces of each.
const BODIES: [usize; 3] = [4, 6, 3];
const TRACES: usize = 4;
/// How long everything may take to be recorded and logged.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a collector may report that it is not ready before that counts as its answer.
const UNREADY: Duration = Duration::from_secs(3);
const LOOK: Duration = Duration::from_millis(100);
/// By then what was posted is recorded, though not logged.
const RECORDED: Duration = Duration::from_millis(1_500);

fn answers(folder: &Path) -> Result<Vec<String>> {
    let path = folder.join(ANSWERS);
    let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
    Ok(serde_json::from_slice(&bytes)?)
}

/// Posts bodies of new traces. How many were acknowledged.
async fn post(folder: &Path, url: &str, bodies: usize) -> Result<usize> {
    let mut all = answers(folder).unwrap_or_default();
    let mut taken = 0;
    for _ in 0..bodies {
        let (body, more) = traces(all.len(), TRACES);
        let request = reqwest::Client::new()
            .post(format!("{url}/v1/traces"))
            .header("content-type", "application/json");
        let answer = request.body(body.to_string()).timeout(PATIENCE).send().await;
        if answer.is_ok_and(|answer| answer.status().is_success()) {
            all.extend(more);
            taken += 1;
        }
    }
    fs::write(folder.join(ANSWERS), serde_json::to_vec(&all)?)?;
    Ok(taken)
}

/// An OTLP body: traces of one call of a model each, numbered from `begin` on, and the provider's answer in each.
fn traces(begin: usize, count: usize) -> (Value, Vec<String>) {
    let text = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    let (mut spans, mut answers) = (Vec::new(), Vec::new());
    for number in begin..begin + count {
        let answer = format!("answer-{number}");
        spans.push(json!({
            "traceId": format!("{:032x}", number + 1), "spanId": format!("{:016x}", number + 1), "kind": 3,
            "name": "chat model-1",
            "startTimeUnixNano": format!("{}", 1_795_300_000_000_000_000_u64 + number as u64 * 1_000),
            "endTimeUnixNano": format!("{}", 1_795_300_000_500_000_000_u64 + number as u64 * 1_000),
            "attributes": [
                text("gen_ai.operation.name", "chat"), text("gen_ai.provider.name", "openai"),
                text("gen_ai.request.model", "model-1"), text("gen_ai.response.id", &answer),
                text("session.id", &format!("session-{}", number / 20)),
                text("gen_ai.input.messages", r#"[{"role":"user","parts":[{"type":"text","content":"Where is it?"}]}]"#),
            ],
        }));
        answers.push(answer);
    }
    let service = json!([text("service.name", "gateway-a")]);
    let scope = json!([{ "scope": { "name": "faults" }, "spans": spans }]);
    (json!({ "resourceSpans": [{ "resource": { "attributes": service }, "scopeSpans": scope }] }), answers)
}

async fn collect(program: &Program, folder: &Path, log: &str, wrapper: &[String]) -> Result<Started> {
    let mut command = program.command_under(wrapper);
    command.args(["collect", "--json", "--otlp-grpc", "127.0.0.1:0", "--otlp-http", "127.0.0.1:0"]);
    command.args(["--settle", "100ms", "--idle", "200ms", "--log", log, "--log-vkey", &vkey().to_string()]);
    command.arg("--data").arg(folder.join(DATA));
    Server::start(command, &folder.join("collector.stderr")).await
}

/// Posts while the log runs, while it is away, and until the moment the collector is ended.
pub(crate) async fn make(program: &Program, folder: &Path, after: After) -> Result<()> {
    fs::create_dir_all(folder.join(DATA))?;
    let gateway = make_key(program, &folder.join(DATA).join("gateway.key")).await?;
    log::write_keys(&folder.join(log::DATA))?;
    let server = log::must_serve(program, folder, &["--gateway", &gateway]).await?;
    let collector = match collect(program, folder, &server.url, &[]).await? {
        Started::Serving(collector) => collector,
        other => bail!("the collector did not start: {other:?}"),
    };
    let [running, away, last] = BODIES;
    ensure!(post(folder, &collector.url, running).await? == running, "a body was not taken");
    let vault = Opened::open(folder).await?;
    let begun = Instant::now();
    while vault.rows().await?.iter().filter(|row| row.place.is_some()).count() < running * TRACES {
        ensure!(begun.elapsed() < PATIENCE, "the first bodies were not recorded");
        sleep(LOOK).await;
    }
    // The collector alone has it open: when it is killed, its write-ahead log stays.
    vault.vault.close().await;
    server.kill().await?;
    ensure!(post(folder, &collector.url, away).await? == away, "a body was not taken while the log was away");
    sleep(RECORDED).await;
    ensure!(post(folder, &collector.url, last).await? == last, "a body was not taken at the end");
    match after {
        After::Kill => collector.kill().await?,
        After::Stop => {
            collector.stop().await?.ok_or_else(|| anyhow!("the collector did not stop"))?;
            // The last one to close it brings the write-ahead log into the database: then there is something to damage.
            Opened::open(folder).await?.vault.close().await;
        }
    }
    Ok(())
}

/// Starts log and collector, posts one body more, and looks for every acknowledged trace in the vault and in the log.
pub(crate) async fn work(program: &Program, folder: &Path) -> Result<Report> {
    let server = match log::serve(program, folder, &[], &[]).await? {
        Started::Serving(server) => server,
        other => bail!("the log of the collector did not start: {other:?}"),
    };
    let report = match collect(program, folder, &server.url, &[]).await? {
        Started::Ended(ended) => Ok(Report::ended(&ended)),
        Started::Hung(said) => Ok(Report::hung(said)),
        Started::Serving(collector) => judge(folder, collector, &server).await,
    };
    server.kill().await?;
    report
}

/// Starts a collector by a wrapper such as strace, has it take and record a body, and kills it.
pub(crate) async fn take_under(program: &Program, folder: &Path, wrapper: &[String]) -> Result<Broken> {
    let server = log::must_serve(program, folder, &[]).await?;
    let broken = match collect(program, folder, &server.url, wrapper).await? {
        Started::Hung(said) => Some((Outcome::Hang, said)),
        Started::Ended(ended) => {
            let by_itself = ended.is_crash() && ended.status.signal() != Some(9);
            by_itself.then(|| (Outcome::Crash, format!("{}: {}", ended.status, ended.errors)))
        }
        Started::Serving(collector) => {
            post(folder, &collector.url, 1).await?;
            sleep(RECORDED).await;
            let said = collector.errors();
            collector.kill().await?;
            said.contains("panicked at").then_some((Outcome::Crash, said))
        }
    };
    server.kill().await?;
    Ok(broken)
}

async fn judge(folder: &Path, mut collector: Server, log: &Server) -> Result<Report> {
    post(folder, &collector.url, 1).await?;
    let mut state = settle(folder, &collector, log).await?;
    let readiness = collector.readiness().await.map_or_else(|error| error.to_string(), |(_, body)| body);
    let ended_itself = collector.ended();
    if matches!(state, State::Whole) {
        match (ended_itself, collector.stop().await?) {
            (Some(status), _) => state = State::Refused(format!("it ended by itself with {status}")),
            (None, None) => state = State::Broken(Outcome::Hang, "it did not stop".to_owned()),
            (None, Some(status)) if !status.success() => {
                state = State::Broken(Outcome::Crash, format!("it stopped with {status}"));
            }
            (None, Some(_)) => {}
        }
    } else {
        collector.kill().await?;
    }
    let said =
        format!("{}\n{readiness}", fs::read_to_string(folder.join("collector.stderr")).unwrap_or_default());
    if said.contains("panicked at") {
        state = State::Broken(Outcome::Crash, said.clone());
    }
    Ok(Report { state, said })
}

/// Waits until everything is recorded and logged, or the collector says for some seconds that it cannot.
async fn settle(folder: &Path, collector: &Server, log: &Server) -> Result<State> {
    let (begun, mut unready) = (Instant::now(), None::<(Instant, String)>);
    loop {
        let state = look(folder, log).await?;
        if matches!(state, State::Whole | State::Broken(Outcome::Double, _)) {
            return Ok(state);
        }
        match collector.readiness().await {
            Ok((200, _)) => unready = None,
            Ok((_, body)) => drop(unready.get_or_insert_with(|| (Instant::now(), body))),
            Err(error) => drop(unready.get_or_insert_with(|| (Instant::now(), error.to_string()))),
        }
        if let Some((since, body)) = &unready
            && since.elapsed() > UNREADY
        {
            return Ok(State::Refused(body.clone()));
        }
        if begun.elapsed() > PATIENCE {
            return Ok(state);
        }
        sleep(LOOK).await;
    }
}

/// What a vault and a log hold of what was acknowledged.
async fn look(folder: &Path, log: &Server) -> Result<State> {
    let vault = match Opened::open(folder).await {
        Ok(vault) => vault,
        Err(error) => return Ok(State::Refused(format!("the vault cannot be read: {error:#}"))),
    };
    let logged = match history::read(&log::connect(log)?, &Promised::default()).await {
        Ok(logged) => logged,
        Err(Trouble::Broken(outcome, words)) => return Ok(State::Broken(outcome, words)),
        Err(trouble) => bail!("the log of the collector cannot be read: {trouble:?}"),
    };
    match vault.compare(&answers(folder)?, &logged).await {
        Ok(state) => Ok(state),
        Err(error) => Ok(State::Refused(format!("the vault cannot be read: {error:#}"))),
    }
}

struct Opened {
    vault: Vault,
    access: Access,
}

impl Opened {
    async fn open(folder: &Path) -> Result<Self> {
        let place = folder.join(DATA).join("vault");
        let key = VaultKeySource::File(place.join("vault.key")).load()?;
        let vault = Vault::open(&place.to_string_lossy(), key).await?;
        let access = vault.owner().await?;
        Ok(Self { vault, access })
    }

    async fn rows(&self) -> Result<Vec<Row>> {
        let query = Query { kinds: vec![StatementKind::Interaction], ..Query::default() };
        let mut pages = self.vault.pages(&self.access, query);
        let mut rows = Vec::new();
        while let Some(page) = pages.next().await? {
            rows.extend(page);
        }
        Ok(rows)
    }

    async fn compare(&self, answers: &[String], logged: &Digests) -> Result<State> {
        let rows = self.rows().await?;
        let waiting = rows.iter().filter(|row| !logged.contains_key(&row.digest)).count();
        if rows.len() < answers.len() || waiting > 0 {
            let words = format!(
                "{} of {} acknowledged traces are records, {waiting} of them not in the log",
                rows.len(),
                answers.len()
            );
            return Ok(State::Broken(Outcome::Lost, words));
        }
        for answer in answers {
            let query = Query { facets: vec![(Facet::Response, answer.clone())], ..Query::default() };
            let found = self.vault.find(&self.access, &query).await?;
            let ids: BTreeSet<_> = found.iter().map(|row| &row.id).collect();
            match ids.len() {
                1 => {}
                0 => return Ok(State::Broken(Outcome::Lost, format!("{answer} has no record"))),
                _ => {
                    return Ok(State::Broken(Outcome::Double, format!("{answer} has {} records", ids.len())));
                }
            }
        }
        let context = learn(&self.vault, &self.access).await?;
        read_facts(&self.vault, &self.access, rows, &context).await?;
        Ok(State::Whole)
    }
}
