//! A call that is reported twice is recorded once, and under the right name.

use super::*;

fn mcp(scope: &str, ids: (u8, u8, u8), kind: u8, times: (u64, u64), more: &Value) -> Item {
    let mut attributes = json!({ "mcp.method.name": "tools/call" });
    attributes.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let name = format!("tools/call {}", more["gen_ai.tool.name"].as_str().unwrap());
    spans(scope, &[(ids, &name, kind, times, attributes)]).remove(0)
}

/// How many tool runs the records have together.
fn runs(items: Vec<Item>) -> usize {
    let out = assembled(items);
    out.records.iter().map(|record| json(record)["tools"].as_array().map_or(0, Vec::len)).sum()
}

const CLIENT: u8 = 3;
const SERVER: u8 = 2;

#[test]
fn a_call_that_a_gateway_took_in_and_passed_on_is_one_run() {
    let server =
        |name: &str| mcp("mcp-python-sdk", (1, 2, 1), SERVER, (0, 50), &json!({ "gen_ai.tool.name": name }));
    let client =
        |name: &str| mcp("litellm", (1, 3, 1), CLIENT, (5, 45), &json!({ "gen_ai.tool.name": name }));
    for (taken, passed) in
        [("orders-get_order", "get_order"), ("get_order", "get_order"), ("orders__get_order", "get_order")]
    {
        let out = assembled(vec![client(passed), server(taken)]);
        let [record] = out.records.as_slice() else { panic!("{:#}", shown(&out)) };
        let record = json(record);
        assert_eq!(record["tools"].as_array().unwrap().len(), 1, "{record:#}");
        assert_eq!(record["tools"][0]["name"], taken, "the outer one is named first");
        assert_eq!(record["otel"]["parts"].as_array().unwrap().len(), 2, "both are kept");
    }
    // A client whose context does not reach its server.
    let around = mcp("client", (1, 3, 1), CLIENT, (0, 60), &json!({ "gen_ai.tool.name": "get_order" }));
    assert_eq!(runs(vec![around, server("get_order")]), 1);
}

#[test]
fn calls_that_differ_in_anything_stay_apart() {
    let server = |more: Value| mcp("a", (1, 2, 1), SERVER, (0, 50), &more);
    let client = |ids, times, more: Value| mcp("b", ids, CLIENT, times, &more);
    let named = |name: &str| json!({ "gen_ai.tool.name": name });
    let call = |arguments: &str| json!({ "gen_ai.tool.name": "f", "gen_ai.tool.call.arguments": arguments });
    for (what, one, other) in [
        ("another tool", server(named("create_order")), client((1, 3, 1), (5, 45), named("order"))),
        ("another parent", server(named("f")), client((1, 3, 9), (5, 45), named("f"))),
        ("another trace", server(named("f")), client((2, 3, 1), (5, 45), named("f"))),
        ("before it", server(named("f")), client((1, 3, 1), (60, 70), named("f"))),
        ("beyond it", server(named("f")), client((1, 3, 1), (45, 70), named("f"))),
        ("other arguments", server(call("{\"x\":1}")), client((1, 3, 1), (5, 45), call("{\"x\":2}"))),
        ("two clients", client((1, 2, 1), (0, 50), named("f")), client((1, 3, 1), (5, 45), named("f"))),
    ] {
        assert_eq!(runs(vec![one, other]), 2, "{what}");
    }
}

#[test]
fn as_many_runs_stay_as_there_were_calls() {
    let all = [
        (2, SERVER, (0, 50)),
        (3, SERVER, (1, 51)),
        (4, CLIENT, (5, 45)),
        (5, CLIENT, (6, 46)),
        (6, CLIENT, (7, 40)),
    ];
    let all =
        all.map(|(id, kind, times)| mcp("a", (1, id, 1), kind, times, &json!({ "gen_ai.tool.name": "f" })));
    assert_eq!(runs(all.to_vec()), 3, "two were passed on, and one was made here");
}

/// Logfire's placeholder of a span that began: a span of its own below the real one.
fn placeholder(ids: (u8, u8, u8), real_parent: &str) -> Item {
    let more = json!({
        "gen_ai.request.model": "m", "logfire.span_type": "pending_span", "logfire.pending_parent_id": real_parent,
    });
    chat(ids, (0, 0), more)
}

fn begun(item: &Item) -> Item {
    let Item::Span(span) = item.clone() else { panic!() };
    Item::Span(Span { end: 0, ..span })
}

#[test]
fn a_span_that_was_sent_when_it_began_and_when_it_ended_is_one_call() {
    let whole =
        || chat((1, 2, 0), (0, 30), json!({ "gen_ai.request.model": "m", "gen_ai.response.id": "r" }));
    let expected = shown(&assembled(vec![whole()]));
    for pending in [
        placeholder((1, 7, 2), "0000000000000000"),
        begun(&whole()),
        begun(&chat((1, 2, 0), (0, 9), json!({}))),
    ] {
        for all in [vec![pending.clone(), whole()], vec![whole(), pending.clone()]] {
            let out = assembled(all);
            assert_eq!(out.conflicts, []);
            assert_eq!(shown(&out), expected);
        }
    }
}

#[test]
fn a_call_that_never_ended_is_on_record_and_its_end_amends_it() {
    for pending in [placeholder((1, 7, 2), "0000000000000000"), begun(&chat((1, 2, 0), (0, 1), json!({})))] {
        let mut assembler = Assembler::new(Config::default(), naming());
        assembler.feed(vec![pending.clone()], &Delivery::at(at(0)));
        assert_eq!(assembler.tick(at(59)).records, [], "a long call is no reason for two records");
        let first = assembler.tick(at(61)).records.remove(0);
        let told = json(&first);
        assert_eq!(
            (&told["correlation"]["span"], told["time"].get("end")),
            (&json!("02".repeat(8)), None),
            "{told:#}"
        );
        assert_eq!(told.get("outcome"), None);
        // It is remembered, across a restart too.
        let kept = assembler.changes().into_iter().map(|(key, value)| (key, value.unwrap()));
        let mut assembler = Assembler::new(Config::default(), naming());
        assert_eq!(assembler.restore(kept), 0);
        assert_eq!(assembler.feed(vec![pending.clone()], &Delivery::at(at(70))), Out::default());
        let whole = chat((1, 2, 0), (0, 30), json!({ "gen_ai.response.id": "r" }));
        let out = assembler.feed(vec![whole.clone()], &Delivery::at(at(80)));
        assert_eq!(out.conflicts, []);
        let second = json(&assembler.tick(at(200)).records.remove(0));
        assert_eq!(
            (&second["correlation"]["amends"], &second["outcome"]["state"]),
            (&told["id"], &json!("executed"))
        );
        assert_eq!(assembler.feed(vec![pending, whole], &Delivery::at(at(300))), Out::default());
        assert_eq!(assembler.waiting(), (0, 0));
    }
}

#[test]
fn bytes_that_wait_are_counted_when_one_account_replaces_another() {
    let mut assembler = Assembler::new(Config::default(), naming());
    let large = || chat((1, 2, 9), (0, 30), json!({ "vendor.note": "x".repeat(100_000) }));
    for item in [begun(&chat((1, 2, 9), (0, 1), json!({}))), large(), chat((1, 2, 9), (0, 31), json!({}))] {
        assembler.feed(vec![item], &Delivery::at(at(0)));
        let sizes: usize = assembler.open.values().map(Open::size).sum();
        assert_eq!(assembler.bytes, sizes);
    }
    assembler.tick(at(100));
    assert_eq!((assembler.bytes, assembler.waiting()), (0, (0, 0)));
}

#[test]
fn an_agent_that_was_set_up_is_a_configuration() {
    let attributes = json!({
        "gen_ai.operation.name": "create_agent", "gen_ai.agent.id": "asst_1", "gen_ai.agent.name": "helper", "gen_ai.agent.version": "3",
        "user.id": "ann",
    });
    let created = || {
        spans("app", &[((1, 2, 0), "create_agent helper", CLIENT, (0, 1_000), attributes.clone())]).remove(0)
    };
    let record = one(vec![created()]);
    assert_eq!((&record["kind"], record.get("outcome")), (&json!("configuration"), None), "{record:#}");
    let start = record["time"]["end"].clone();
    assert_eq!(
        record["configuration"],
        json!({ "subject": "agent", "id": "asst_1", "version": "3", "in_force_from": start })
    );
    assert_eq!((record["workload"].get("agent"), &record["initiator"]["sub"]), (None, &json!("ann")));
    let Item::Span(failed) = created() else { panic!() };
    let failed = one(vec![Item::Span(Span { failed: true, ..failed })]);
    assert_eq!((&failed["kind"], &failed["outcome"]["state"]), (&json!("interaction"), &json!("error")));
    assert_eq!(failed["workload"].get("agent"), None);
}

#[test]
fn the_agent_that_was_called_is_not_the_one_that_executed() {
    let remote = |operation: &str, kind: u8| {
        let mut attributes = json!({ "gen_ai.agent.id": "remote", "gen_ai.agent.name": "Remote" });
        attributes[if operation == "a2a" { "a2a.method.name" } else { "gen_ai.operation.name" }] =
            if operation == "a2a" { "message/send" } else { operation }.into();
        spans("app", &[((1, 2, 1), "call", kind, (5, 20), attributes)]).remove(0)
    };
    let local = |id: &str| {
        let attributes = json!({ "gen_ai.operation.name": "invoke_agent", "gen_ai.agent.id": id });
        span("app", (1, 1, 0), "invoke_agent", (0, 50), attributes)
    };
    for operation in ["invoke_agent", "a2a"] {
        let alone = one(vec![remote(operation, CLIENT)]);
        assert_eq!(alone["workload"].get("agent"), None, "{alone:#}");
        assert_eq!(alone["remote_agents"], json!([{ "id": "remote", "name": "Remote" }]));
        let below = one(vec![local("local"), remote(operation, CLIENT)]);
        assert_eq!(below["workload"]["agent"], json!({ "id": "local" }));
        // The other side of the call: the agent itself.
        let served = one(vec![remote(operation, SERVER)]);
        assert_eq!(served["workload"]["agent"]["id"], "remote");
    }
    // A call of a model below it, in the same program, shows that the agent runs here.
    let here = one(vec![remote("invoke_agent", CLIENT), chat((1, 3, 2), (6, 9), json!({}))]);
    assert_eq!(here["workload"]["agent"]["id"], "remote");
}

#[test]
fn spans_of_one_instrumentation_that_state_the_same_are_one_call() {
    let outer = |more: Value| chat((1, 1, 0), (0, 9), more);
    let inner = |ids, more: Value| chat(ids, (1, 8), more);
    let asked = json!({ "gen_ai.request.model": "m", "gen_ai.usage.output_tokens": 5 });
    let out = assembled(vec![outer(json!({ "gen_ai.request.model": "m" })), inner((1, 2, 1), asked.clone())]);
    assert_eq!(out.records.len(), 1);
    assert_eq!(json(&out.records[0])["usage"]["output_tokens"], 5);
    for other in [
        json!({ "gen_ai.request.model": "n" }),
        json!({ "gen_ai.request.model": "m", "gen_ai.usage.output_tokens": 6 }),
        json!({ "gen_ai.usage.output_tokens": 5 }),
    ] {
        let out = assembled(vec![outer(other.clone()), inner((1, 2, 1), asked.clone())]);
        assert_eq!(out.records.len(), 2, "{other}");
    }
    // A call that made two calls is neither of them.
    let out = assembled(vec![outer(asked.clone()), inner((1, 2, 1), asked.clone()), inner((1, 3, 1), asked)]);
    assert_eq!(out.records.len(), 3);
}

#[test]
fn a_tool_that_is_told_twice_by_one_instrumentation_ran_once() {
    let tool = |ids, times, arguments: &str| {
        let attributes = json!({
            "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "f", "gen_ai.tool.call.arguments": arguments
        });
        span("app", ids, "execute_tool f", times, attributes)
    };
    let runs = |all: Vec<Item>| assembled(all).records.len();
    assert_eq!(runs(vec![tool((1, 1, 0), (0, 9), r#"{"x":1}"#), tool((1, 2, 1), (1, 8), r#"{"x":1}"#)]), 1);
    // With other arguments it called itself.
    assert_eq!(runs(vec![tool((1, 1, 0), (0, 9), r#"{"x":1}"#), tool((1, 2, 1), (1, 8), r#"{"x":2}"#)]), 2);
}

#[test]
fn a_retrieval_that_is_told_twice_by_one_instrumentation_is_one_source() {
    let retrieval = |ids, times, mut more: Value| {
        more["openinference.span.kind"] = "RETRIEVER".into();
        more["input.value"] = "refunds?".into();
        span("openinference.x", ids, "retrieve", times, more)
    };
    let found = |id: &str| json!({ "retrieval.documents.0.document.id": id, "retrieval.documents.0.document.content": "x" });
    let sources = |all: Vec<Item>| -> usize {
        let out = assembled(all);
        out.records.iter().map(|record| json(record)["data"]["sources"].as_array().map_or(0, Vec::len)).sum()
    };
    assert_eq!(
        sources(vec![retrieval((1, 1, 0), (0, 9), found("d1")), retrieval((1, 2, 1), (1, 8), json!({}))]),
        1
    );
    // One that asks two others has their documents.
    let two = vec![
        retrieval((1, 1, 0), (0, 9), found("d1")),
        retrieval((1, 2, 1), (1, 4), found("d2")),
        retrieval((1, 3, 1), (5, 8), found("d3")),
    ];
    assert_eq!(sources(two), 3);
}

#[test]
fn logfire_s_log_of_a_stream_is_the_end_of_its_call() {
    let part = |ids, times, kind: &str, more: Value| {
        let mut all = json!({
            "gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "logfire.msg_template": "x", "logfire.span_type": kind,
            "gen_ai.input.messages": r#"[{"role":"user","parts":[{"type":"text","content":"Hi"}]}]"#
        });
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        span("logfire.openai", ids, "x", times, all)
    };
    let begun = |ids, at| part(ids, (at, at + 5), "span", json!({ "gen_ai.response.model": "m" }));
    let ended = |ids, at, id: &str| {
        let more = json!({
            "gen_ai.response.id": id, "gen_ai.response.model": "m-001",
            "gen_ai.output.messages": r#"[{"role":"assistant","parts":[{"type":"text","content":"Hello"}]}]"#
        });
        part(ids, (at, at), "log", more)
    };
    let root = || span("app", (1, 1, 0), "root", (0, 99), json!({}));
    let all = vec![
        root(),
        begun((1, 2, 1), 1),
        ended((1, 3, 1), 10, "r1"),
        begun((1, 4, 1), 20),
        ended((1, 5, 1), 30, "r2"),
    ];
    let out = assembled(all);
    let told: Vec<Value> = out.records.iter().map(json).collect();
    assert_eq!(told.len(), 2, "{:#}", shown(&out));
    for (record, id, start) in [(&told[0], "r1", 1), (&told[1], "r2", 20)] {
        assert_eq!(record["correlation"]["response_id"], id);
        assert_eq!(record["model"], json!({ "requested": "m", "served": "m-001" }));
        let begin: Timestamp = record["time"]["start"].as_str().unwrap().parse().unwrap();
        assert_eq!(begin.as_millisecond() - 1_795_300_000_000, start, "it began with the call");
    }
    // Of another parent, it is not known whose end it is.
    assert_eq!(assembled(vec![root(), begun((1, 2, 1), 1), ended((1, 3, 0), 10, "r1")]).records.len(), 2);
}

#[test]
fn gemini_s_reason_to_stop_does_not_say_that_no_tool_was_asked_for() {
    let of = |more: Value| {
        let mut all = json!({ "gen_ai.response.finish_reasons": ["stop"] });
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        assembled(vec![chat((1, 1, 0), (0, 9), all)]).records.iter().map(json).next().unwrap()["tools"]
            .clone()
    };
    let answer = r#"[{"role":"assistant","parts":[{"type":"text","content":"Hello"}]}]"#;
    assert_eq!(of(json!({ "gen_ai.provider.name": "gcp.gemini" })), Value::Null);
    assert_eq!(
        of(json!({ "gen_ai.provider.name": "gcp.gemini", "gen_ai.output.messages": answer })),
        json!([])
    );
    assert_eq!(of(json!({ "gen_ai.provider.name": "openai" })), json!([]));
}
