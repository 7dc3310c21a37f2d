//! What the traces are: AI calls by the semantic conventions for generative AI 1.41, with content of one to two kilobytes.

use std::time::{Duration, SystemTime};

use clap::ValueEnum;
use opentelemetry::trace::{SpanBuilder, SpanKind, TraceContextExt, Tracer};
use opentelemetry::{Array, Context, KeyValue, StringValue, Value};
use opentelemetry_sdk::trace::SdkTracer;
use serde_json::json;

/// Turns of a conversation that are one session.
const TURNS: u64 = 5;
const MODEL: &str = "gpt-5";
const SERVED: &str = "gpt-5-2026-08-07";
const TOOL: &str = "get_order";

/// What each trace is.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Shape {
    /// An agent's turn of six spans: a request, the agent, a call of a model that asks for a tool, the tool and the request it makes, a second call
    Turn,
    /// One span: one call of a model
    Chat,
}

impl Shape {
    /// Begins and ends the spans of one trace.
    pub(crate) fn emit(self, tracer: &SdkTracer, turn: &Turn) {
        match self {
            Self::Turn => agent_turn(tracer, turn),
            Self::Chat => {
                let chat = [turn.people(), turn.chat(1), answer(turn)].concat();
                span(tracer, &Context::new(), turn, (0, 2_100), operation(SpanKind::Client, CHAT, chat));
            }
        }
    }
}

const CHAT: &str = "chat gpt-5";

/// Which turn of which session it is, and when it is over.
#[derive(Debug)]
pub(crate) struct Turn {
    emitter: String,
    number: u64,
    /// The turn began three seconds ago.
    begun: SystemTime,
}

impl Turn {
    #[allow(clippy::disallowed_methods, reason = "a load program runs by the real clock")]
    pub(crate) fn new(emitter: &str, number: u64) -> Self {
        let begun = SystemTime::now() - Duration::from_secs(3);
        Self { emitter: emitter.to_owned(), number, begun }
    }

    fn session(&self) -> String {
        format!("sess-{}-{}", self.emitter, self.number / TURNS)
    }

    fn order(&self) -> u64 {
        10_000 + self.number
    }

    /// Who: the user of the session; in every second session the credential as well, that was checked at its gateway.
    fn people(&self) -> Vec<KeyValue> {
        let session = self.number / TURNS;
        let mut attributes = vec![
            KeyValue::new("session.id", self.session()),
            KeyValue::new("user.id", format!("u-{}", 20_000 + session % 500)),
            KeyValue::new("client.address", "192.0.2.17"),
        ];
        if session.is_multiple_of(2) {
            let begun = self.begun.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
            let begun = i64::try_from(begun).unwrap_or_default();
            attributes.extend([
                KeyValue::new("evidence.initiator.iss", "https://idp.example"),
                KeyValue::new("evidence.initiator.verified_by", "oidc"),
                KeyValue::new("evidence.credential.id", format!("jti-{}-{session}", self.emitter)),
                KeyValue::new("evidence.credential.type", "access_token"),
                KeyValue::new("evidence.credential.issuer", "https://idp.example"),
                KeyValue::new("evidence.credential.iat", begun - 30),
                KeyValue::new("evidence.credential.nbf", begun - 30),
                KeyValue::new("evidence.credential.exp", begun + 270),
                KeyValue::new("evidence.credential.status.method", "introspection"),
                KeyValue::new("evidence.credential.status.result", "active"),
            ]);
        }
        attributes
    }

    /// A call of a model, the first or the second of the turn.
    fn chat(&self, call: u64) -> Vec<KeyValue> {
        let mut messages = vec![
            message("system", &json!({ "type": "text", "content": text(0, 480) })),
            message("user", &json!({ "type": "text", "content": self.question() })),
        ];
        if call == 2 {
            messages.push(message("assistant", &self.tool_call()));
            messages.push(message(
                "tool",
                &json!({ "type": "tool_call_response", "id": self.call_id(), "response": self.result() }),
            ));
        }
        vec![
            KeyValue::new("gen_ai.operation.name", "chat"),
            KeyValue::new("gen_ai.provider.name", "openai"),
            KeyValue::new("gen_ai.request.model", MODEL),
            KeyValue::new("gen_ai.response.model", SERVED),
            KeyValue::new("gen_ai.response.id", format!("chatcmpl-{}-{}-{call}", self.emitter, self.number)),
            KeyValue::new("gen_ai.conversation.id", self.session()),
            KeyValue::new("gen_ai.request.temperature", 0.2),
            KeyValue::new("gen_ai.request.max_tokens", 1024_i64),
            KeyValue::new("gen_ai.usage.input_tokens", 310_i64 + 40 * i64::from(call == 2)),
            KeyValue::new("gen_ai.usage.output_tokens", 96_i64),
            KeyValue::new("server.address", "api.openai.com"),
            KeyValue::new("server.port", 443_i64),
            KeyValue::new("gen_ai.input.messages", json!(messages).to_string()),
        ]
    }

    fn question(&self) -> String {
        format!("Where is order {}? {}", self.order(), text(self.number, 420))
    }

    fn call_id(&self) -> String {
        format!("call_{}_{}", self.emitter, self.number)
    }

    fn arguments(&self) -> serde_json::Value {
        json!({ "order": self.order(), "fields": ["state", "carrier", "expected"] })
    }

    fn result(&self) -> serde_json::Value {
        json!({ "order": self.order(), "state": "shipped", "carrier": "North Parcel", "expected": "2026-11-24" })
    }

    fn tool_call(&self) -> serde_json::Value {
        json!({ "type": "tool_call", "id": self.call_id(), "name": TOOL, "arguments": self.arguments() })
    }
}

/// What every export says of the program it is from.
pub(crate) fn resource(emitter: &str) -> Vec<KeyValue> {
    vec![
        KeyValue::new("service.name", "support-assistant"),
        KeyValue::new("service.version", "1.4.2"),
        KeyValue::new("service.instance.id", emitter.to_owned()),
    ]
}

/// A request, an agent that answers it, a model that asks for a tool, the tool, and the model's answer.
fn agent_turn(tracer: &SdkTracer, turn: &Turn) {
    let request = [
        turn.people(),
        vec![
            KeyValue::new("http.request.method", "POST"),
            KeyValue::new("http.route", "/tickets"),
            KeyValue::new("http.response.status_code", 200_i64),
        ],
    ];
    let agent = vec![
        KeyValue::new("gen_ai.operation.name", "invoke_agent"),
        KeyValue::new("gen_ai.agent.name", "support"),
        KeyValue::new("gen_ai.agent.version", "2026-11-02"),
        KeyValue::new("gen_ai.conversation.id", turn.session()),
    ];
    let tool = vec![
        KeyValue::new("gen_ai.operation.name", "execute_tool"),
        KeyValue::new("gen_ai.tool.name", TOOL),
        KeyValue::new("gen_ai.tool.type", "function"),
        KeyValue::new("gen_ai.tool.call.id", turn.call_id()),
        KeyValue::new("gen_ai.tool.call.arguments", turn.arguments().to_string()),
        KeyValue::new("gen_ai.tool.call.result", turn.result().to_string()),
    ];
    let downstream = vec![
        KeyValue::new("http.request.method", "GET"),
        KeyValue::new("url.full", format!("https://orders.example/v1/orders/{}", turn.order())),
        KeyValue::new("server.address", "orders.example"),
        KeyValue::new("http.response.status_code", 200_i64),
    ];
    let (first, second) = ([turn.chat(1), asks(turn)].concat(), [turn.chat(2), answer(turn)].concat());
    let top = begin(
        tracer,
        &Context::new(),
        turn,
        0,
        operation(SpanKind::Server, "POST /tickets", request.concat()),
    );
    let within = begin(tracer, &top, turn, 5, operation(SpanKind::Internal, "invoke_agent support", agent));
    span(tracer, &within, turn, (10, 1_200), operation(SpanKind::Client, CHAT, first));
    let run =
        begin(tracer, &within, turn, 1_210, operation(SpanKind::Internal, "execute_tool get_order", tool));
    span(tracer, &run, turn, (1_215, 1_290), operation(SpanKind::Client, "GET", downstream));
    end(&run, turn, 1_300);
    span(tracer, &within, turn, (1_310, 2_700), operation(SpanKind::Client, CHAT, second));
    end(&within, turn, 2_710);
    end(&top, turn, 2_720);
}

/// Output of a call that asks for the tool.
fn asks(turn: &Turn) -> Vec<KeyValue> {
    output(&turn.tool_call(), "tool_call")
}

/// Output of a call that answers.
fn answer(turn: &Turn) -> Vec<KeyValue> {
    let content = format!("Order {} was shipped. {}", turn.order(), text(turn.number + 3, 380));
    output(&json!({ "type": "text", "content": content }), "stop")
}

fn output(part: &serde_json::Value, finish: &'static str) -> Vec<KeyValue> {
    let mut message = message("assistant", part);
    message["finish_reason"] = finish.into();
    vec![
        KeyValue::new("gen_ai.output.messages", json!([message]).to_string()),
        KeyValue::new(
            "gen_ai.response.finish_reasons",
            Value::Array(Array::String(vec![StringValue::from(finish)])),
        ),
    ]
}

fn message(role: &str, part: &serde_json::Value) -> serde_json::Value {
    json!({ "role": role, "parts": [part] })
}

/// What a span is about.
struct Operation {
    kind: SpanKind,
    name: &'static str,
    attributes: Vec<KeyValue>,
}

fn operation(kind: SpanKind, name: &'static str, attributes: Vec<KeyValue>) -> Operation {
    Operation { kind, name, attributes }
}

/// A span that begins and ends at milliseconds of the turn, and has nothing below it.
fn span(tracer: &SdkTracer, above: &Context, turn: &Turn, (from, to): (u64, u64), operation: Operation) {
    end(&begin(tracer, above, turn, from, operation), turn, to);
}

/// Begins a span; the context is for what is below it.
fn begin(tracer: &SdkTracer, above: &Context, turn: &Turn, at: u64, operation: Operation) -> Context {
    let Operation { kind, name, attributes } = operation;
    let builder: SpanBuilder = tracer
        .span_builder(name)
        .with_kind(kind)
        .with_start_time(turn.begun + Duration::from_millis(at))
        .with_attributes(attributes);
    above.with_span(tracer.build_with_context(builder, above))
}

fn end(context: &Context, turn: &Turn, at: u64) {
    context.span().end_with_timestamp(turn.begun + Duration::from_millis(at));
}

/// So many bytes of plain text, from another sentence on for each `number`.
fn text(number: u64, bytes: usize) -> String {
    const SENTENCES: [&str; 8] = [
        "The customer asked for a delivery before the end of the week and has not heard from the carrier since. ",
        "Answer in the language of the question, name the order, and promise nothing that the order does not say. ",
        "Two parcels belong to this order; the smaller one left the warehouse on Monday, the larger one a day later. ",
        "If the address changed after the order was placed, ask for a confirmation before anything is sent again. ",
        "A refund goes to the account that paid, never to another, and takes three to five working days to arrive. ",
        "The parcel shop holds a parcel for seven days; after that it goes back, and the shipping fee is not returned. ",
        "Escalate to a person when the question is about a complaint, a lawyer, or a payment that was made twice. ",
        "Keep the answer under one hundred words, and end it with the next step and the time it will take. ",
    ];
    let first = usize::try_from(number % 8).unwrap_or_default();
    let mut text: String = SENTENCES.iter().cycle().skip(first).take(bytes / 60 + 1).copied().collect();
    text.truncate(bytes);
    text
}
