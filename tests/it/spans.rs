//! Goal: one append can be followed from its request to the published checkpoint. Method: a real log and its server in this
//! process, under a subscriber that keeps the spans of one trace, whatever else the tests beside it do.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::{Layer, Registry};
use vouchlog_server::ServerConfig;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

/// The spans of the trace, in the order they began.
#[derive(Clone, Default)]
struct SpanList(Arc<Mutex<Vec<SeenSpan>>>);

#[derive(Clone, Debug)]
struct SeenSpan {
    id: u64,
    parent: Option<u64>,
    name: &'static str,
    fields: Fields,
}

#[derive(Clone, Debug, Default)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}").trim_matches('"').to_owned());
    }
}

/// Marks spans of the trace.
struct Ours;

impl Layer<Registry> for SpanList {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, Registry>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let span = context.span(id).unwrap();
        let parent = span.parent().filter(|parent| parent.extensions().get::<Ours>().is_some());
        let begins = fields.0.get("trace_id").is_some_and(|trace| trace == TRACE);
        if parent.is_some() || begins {
            span.extensions_mut().insert(Ours);
            let parent = parent.map(|parent| parent.id().into_u64());
            self.0.lock().push(SeenSpan { id: id.into_u64(), parent, name: span.name(), fields });
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, Registry>) {
        if context.span(id).unwrap().extensions().get::<Ours>().is_some() {
            let mut seen = self.0.lock();
            let span = seen.iter_mut().rev().find(|span| span.id == id.into_u64()).unwrap();
            values.record(&mut span.fields);
        }
    }
}

/// Appends two statements to a new log as part of [`TRACE`].
async fn append() {
    let folder = tempfile::tempdir().unwrap();
    let log = vouchlog::open(folder.path()).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1/statements", listener.local_addr().unwrap());
    let (stop, stopped) = oneshot::channel::<()>();
    let server = log.server(ServerConfig::default());
    let serving = tokio::spawn(server.run(listener, async { drop(stopped.await) }));
    let statement = |byte: &str| json!({ "kind": "opaque", "digest": byte.repeat(32) });
    let request = reqwest::Client::new()
        .post(url)
        .header("traceparent", format!("00-{TRACE}-{CALLER}-01"))
        .header("content-type", "application/json")
        .body(json!([statement("07"), statement("08")]).to_string());
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200, "{}", response.text().await.unwrap());
    drop(stop);
    serving.await.unwrap();
    log.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_is_one_tree_of_spans_from_request_to_publication() {
    let seen = SpanList::default();
    // The sequencer has threads of its own, so a subscriber of this thread alone would miss it.
    let ours = seen.clone().with_filter(Targets::new().with_target("vouchlog", LevelFilter::DEBUG));
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(ours)).unwrap();
    append().await;
    let spans = seen.0.lock().clone();
    let names: Vec<&str> = spans.iter().map(|span| span.name).collect();
    assert_eq!(names, ["request", "append", "batch", "commit", "publish"], "{spans:#?}");
    let [request, append, batch, commit, publish] = &spans[..] else { unreachable!() };
    assert_eq!(request.parent, None);
    for (child, parent) in [(append, request), (batch, append), (commit, batch), (publish, batch)] {
        assert_eq!(child.parent, Some(parent.id), "{child:?} is not part of {parent:?}");
    }
    let field = |span: &SeenSpan, name: &str| span.fields.0.get(name).cloned().unwrap_or_default();
    let expected = [
        ("request_id", TRACE),
        ("trace_id", TRACE),
        ("parent_span_id", CALLER),
        ("http.request.method", "POST"),
        ("http.route", "/v1/statements"),
        ("http.response.status_code", "200"),
        ("error.type", ""),
    ];
    for (name, value) in expected {
        assert_eq!(field(request, name), value, "{name} of {request:?}");
    }
    assert_eq!((field(append, "statements"), field(batch, "statements")), ("2".into(), "2".into()));
    assert_eq!(field(batch, "requests"), "1");
    let stream: u64 = field(append, "stream").parse().unwrap();
    assert_ne!(stream, 0);
    // All of them name the tree that the batch led to.
    let size: u64 = field(batch, "size").parse().unwrap();
    assert!(size >= 2);
    for span in [append, commit, publish] {
        assert_eq!(field(span, "size"), size.to_string(), "{span:?}");
    }
    assert_eq!(field(commit, "entries"), field(batch, "entries"));
    // Digests and sizes only: nothing of a span is longer than an id.
    let values = spans.iter().flat_map(|span| span.fields.0.values());
    assert!(values.map(String::len).all(|length| length <= TRACE.len()));
}
