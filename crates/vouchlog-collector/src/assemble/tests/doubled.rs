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
