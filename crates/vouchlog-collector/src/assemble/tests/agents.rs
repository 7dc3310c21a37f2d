//! Several agents: those called elsewhere, those that hand the work over, and those that share a program.

use super::*;
use crate::assemble::{Assembler, Config, Delivery};

const SERVER: u8 = 2;
const CLIENT: u8 = 3;

/// A span of the agent-to-agent protocol.
fn a2a(ids: (u8, u8, u8), method: &str, kind: u8, times: (u64, u64), state: &str) -> Item {
    let attributes = json!({
        "a2a.method.name": method, "a2a.task.id": "task-1", "a2a.context.id": "ctx-1", "a2a.task.state": state,
        "gen_ai.agent.name": "Refunds", "gen_ai.agent.version": "2",
    });
    spans("a2a-python-sdk", &[(ids, method, kind, times, attributes)]).remove(0)
}

#[test]
fn the_state_of_a_task_is_the_state_of_the_call() {
    for (state, outcome, status, error) in [
        ("TASK_STATE_COMPLETED", Some("executed"), Some("executed"), None),
        ("TASK_STATE_FAILED", Some("error"), Some("failed"), Some("task_failed")),
        ("TASK_STATE_REJECTED", Some("error"), Some("denied"), Some("task_rejected")),
        ("TASK_STATE_CANCELED", Some("cancelled"), Some("failed"), Some("task_canceled")),
        ("TASK_STATE_INPUT_REQUIRED", Some("deferred"), None, None),
        ("TASK_STATE_AUTH_REQUIRED", Some("deferred"), None, None),
        ("TASK_STATE_SUBMITTED", None, None, None),
        ("TASK_STATE_WORKING", None, None, None),
        // As JSON-RPC of the versions before spells them.
        ("input-required", Some("deferred"), None, None),
        ("canceled", Some("cancelled"), Some("failed"), Some("task_canceled")),
        // No state is no statement about the task: the call itself ended.
        ("TASK_STATE_UNSPECIFIED", Some("executed"), Some("executed"), None),
    ] {
        let record = one(vec![a2a((1, 2, 0), "SendMessage", CLIENT, (0, 10), state)]);
        let text = |pointer: &str| record.pointer(pointer).and_then(Value::as_str);
        assert_eq!(text("/outcome/state"), outcome, "{state}");
        assert_eq!((text("/tools/0/status"), text("/tools/0/error")), (status, error), "{state}");
        let is_open = status.is_none();
        assert_eq!(text("/tools/0/effect"), is_open.then_some("dispatched"), "{state}");
    }
}

#[test]
fn a_remote_agent_stands_beside_the_one_that_executed() {
    let local = span(
        "app",
        (1, 1, 0),
        "invoke_agent Desk",
        (0, 50),
        json!({ "gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "Desk" }),
    );
    let remote = a2a((1, 2, 1), "SendMessage", CLIENT, (5, 20), "TASK_STATE_COMPLETED");
    let record = one(vec![local, remote]);
    assert_eq!(record["workload"]["agent"], json!({ "name": "Desk" }));
    let remote = &record["remote_agents"];
    assert_eq!(
        (
            &remote[0]["name"],
            &remote[0]["version"],
            &remote[0]["task"],
            &remote[0]["context"],
            &remote[0]["state"]
        ),
        (&json!("Refunds"), &json!("2"), &json!("task-1"), &json!("ctx-1"), &json!("completed"))
    );
    assert_eq!((remote.as_array().unwrap().len(), record["correlation"].get("a2a_task_state")), (1, None));
    // The call of the agent, above the call over the protocol in the same program, tells of the same agent.
    let above = json!({ "gen_ai.operation.name": "invoke_agent", "gen_ai.agent.id": "r-1", "gen_ai.agent.name": "Refunds" });
    let mut all = spans("app", &[((1, 1, 0), "invoke_agent Refunds", CLIENT, (0, 50), above)]);
    all.push(a2a((1, 2, 1), "SendMessage", CLIENT, (5, 20), "TASK_STATE_COMPLETED"));
    let record = one(all);
    assert_eq!((record["workload"].get("agent"), &record["remote_agents"][0]["id"]), (None, &json!("r-1")));
    // At the other side, the agent is who executes.
    let served = one(vec![a2a((1, 2, 0), "SendMessage", SERVER, (5, 20), "TASK_STATE_WORKING")]);
    assert_eq!(
        (&served["workload"]["agent"]["name"], served.get("remote_agents")),
        (&json!("Refunds"), None)
    );
    assert_eq!(served["correlation"]["a2a_task_state"], "working");
}

#[test]
fn asking_what_became_of_a_task_executes_nothing() {
    let send = || a2a((1, 2, 1), "SendMessage", CLIENT, (0, 10), "TASK_STATE_SUBMITTED");
    let polls = |method: &str| {
        vec![
            a2a((1, 3, 1), method, CLIENT, (20, 25), "TASK_STATE_WORKING"),
            a2a((1, 4, 1), method, CLIENT, (40, 45), "TASK_STATE_COMPLETED"),
        ]
    };
    for method in ["GetTask", "tasks/get", "SubscribeToTask"] {
        let mut all = polls(method);
        all.push(send());
        let record = one(all);
        assert_eq!(record["tools"].as_array().unwrap().len(), 1, "{record:#}");
        assert_eq!(
            (&record["tools"][0]["name"], &record["tools"][0]["status"], &record["outcome"]["state"]),
            (&json!("SendMessage"), &json!("executed"), &json!("executed"))
        );
        let remote = &record["remote_agents"][0];
        assert_eq!((&remote["polls"], &remote["state"]), (&json!(2), &json!("completed")));
        assert_eq!(record["otel"]["parts"].as_array().unwrap().len(), 3, "all of them are kept");
        // Without the call that gave the task, nothing was done here.
        let alone = one(polls(method));
        assert_eq!((alone.get("tools"), alone.get("outcome")), (None, None), "{alone:#}");
        assert_eq!(alone["remote_agents"][0]["polls"], 2);
    }
    // A request to cancel is one.
    let cancel = a2a((1, 3, 1), "CancelTask", CLIENT, (20, 25), "TASK_STATE_CANCELED");
    assert_eq!(assembled(vec![send(), cancel]).records.len(), 2);
    // Talk about the protocol is none.
    let card = a2a((1, 5, 1), "GetExtendedAgentCard", CLIENT, (20, 25), "");
    assert_eq!(assembled(vec![card]).records.len(), 0);
}

#[test]
fn a_later_poll_amends_the_record_of_its_task() {
    let mut assembler = Assembler::new(Config::default(), naming());
    assembler.feed(
        vec![a2a((1, 2, 0), "SendMessage", CLIENT, (0, 10), "TASK_STATE_SUBMITTED")],
        &Delivery::at(at(0)),
    );
    let first = assembler.tick(at(61)).records;
    assembler.feed(
        vec![a2a((2, 3, 0), "GetTask", CLIENT, (90_000, 90_010), "TASK_STATE_FAILED")],
        &Delivery::at(at(100)),
    );
    let second = assembler.tick(at(161)).records;
    let ([first], [second]) = (first.as_slice(), second.as_slice()) else { panic!() };
    let (first, second) = (json(first), json(second));
    assert_eq!(second["correlation"]["amends"], first["id"]);
    assert_eq!((second.get("tools"), &second["remote_agents"][0]["state"]), (None, &json!("failed")));
    // The server of the same task tells of its own side.
    assembler.feed(
        vec![a2a((3, 4, 0), "GetTask", SERVER, (99_000, 99_010), "TASK_STATE_FAILED")],
        &Delivery::at(at(200)),
    );
    let served = assembler.tick(at(261)).records;
    assert_eq!(json(&served[0])["correlation"].get("amends"), None);
}

/// A span of LangChain's instrumentation in OpenLLMetry.
fn traceloop(ids: (u8, u8, u8), name: &str, kind: &str, times: (u64, u64), mut more: Value) -> Item {
    more["traceloop.span.kind"] = kind.into();
    more["traceloop.workflow.name"] = "LangGraph".into();
    more["traceloop.entity.name"] = name.into();
    span("opentelemetry.instrumentation.langchain", ids, name, times, more)
}

fn node(name: &str) -> Value {
    json!({ "traceloop.association.properties.langgraph_node": name })
}

#[test]
fn a_handoff_of_langgraph_names_who_goes_on() {
    let mut chat = node("supervisor");
    chat["llm.request.type"] = "chat".into();
    let mut worker = node("flights");
    worker["llm.request.type"] = "chat".into();
    let tool = |more: Value| traceloop((1, 3, 1), "transfer_to_flights", "tool", (20, 30), more);
    let others = || {
        vec![
            traceloop((1, 1, 0), "LangGraph", "workflow", (0, 100), json!({})),
            traceloop((1, 2, 1), "ChatOpenAI", "", (5, 10), chat.clone()),
        ]
    };
    let handed = |items: Vec<Item>| {
        let out = assembled(items);
        let tools: Vec<Value> = out.records.iter().map(|record| json(record)["tools"][0].clone()).collect();
        tools
            .into_iter()
            .find(|tool| tool["name"] == "transfer_to_flights")
            .map(|tool| tool["handoff"].clone())
    };
    for result in [
        "Successfully transferred to flights",
        "Command(graph='__parent__', update={'messages': []}, goto='flights')",
        r#"{"graph":"__parent__","update":{"messages":[]},"goto":"flights"}"#,
        r#"{"output":"Command(update={}, goto='flights')"}"#,
    ] {
        let mut all = others();
        all.push(tool(json!({ "traceloop.entity.output": result })));
        assert_eq!(handed(all), Some(json!("flights")), "{result}");
    }
    // What the tool answered was not recorded: a node of that name that acts in the trace shows it.
    let mut all = others();
    all.push(tool(json!({})));
    assert_eq!(handed(all), Some(Value::Null), "it may be any tool");
    let mut all = others();
    all.extend([tool(json!({})), traceloop((1, 4, 1), "ChatOpenAI", "", (40, 50), worker)]);
    let out = assembled(all.clone());
    let nodes: Vec<Value> =
        out.records.iter().map(|record| json(record)["workload"]["agent"]["node"].clone()).collect();
    assert!(nodes.contains(&json!("supervisor")) && nodes.contains(&json!("flights")), "{nodes:?}");
    assert_eq!(handed(all), Some(json!("flights")));
}

#[test]
fn a_tool_that_is_called_like_a_handoff_is_none() {
    let tool = |name: &str, more: Value| {
        let mut attributes = json!({ "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name });
        attributes.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        one(vec![span("app", (1, 2, 0), "execute_tool", (0, 9), attributes)])["tools"][0]["handoff"].clone()
    };
    let result = |text: &str| json!({ "gen_ai.tool.call.result": text });
    assert_eq!(tool("transfer_to_savings", result("{\"moved\": 100}")), Value::Null);
    assert_eq!(
        tool("transfer_to_savings", result("Successfully transferred to savings account 7")),
        Value::Null
    );
    assert_eq!(tool("next_step", result("{\"goto\":\"flights\"}")), Value::Null, "no Command");
    // Others' handoffs: OpenAI's Agents SDK, Google's ADK, and spans of their own.
    assert_eq!(tool("transfer_to_flight_agent", result("{\"assistant\":\"Flight agent\"}")), "Flight agent");
    assert_eq!(
        tool("transfer_to_agent", json!({ "gen_ai.tool.call.arguments": "{\"agent_name\":\"flights\"}" })),
        "flights"
    );
    let handoff = json!({
        "traceloop.span.kind": "handoff", "gen_ai.system": "openai_agents",
        "gen_ai.handoff.from_agent": "Triage", "gen_ai.handoff.to_agent": "Flights",
    });
    let record = one(vec![span(
        "opentelemetry.instrumentation.openai_agents",
        (1, 2, 0),
        "Triage.handoff",
        (0, 9),
        handoff,
    )]);
    assert_eq!(record["tools"][0]["handoff"], "Flights");
    assert_eq!(record["otel"]["parts"][0]["attributes"]["gen_ai.handoff.from_agent"], "Triage");
}

#[test]
fn agents_that_share_a_program_keep_ids_of_their_own() {
    let agent = |ids, times, id: &str, name: &str| {
        let attributes = json!({ "gen_ai.operation.name": "invoke_agent", "gen_ai.agent.id": id, "gen_ai.agent.name": name });
        span("app", ids, "invoke_agent", times, attributes)
    };
    let all = vec![
        agent((1, 1, 0), (0, 100), "a-1", "Triage"),
        chat((1, 2, 1), (5, 10), json!({ "gen_ai.response.id": "r1" })),
        // As a tool of the first.
        agent((1, 3, 1), (20, 60), "a-2", "Refunds"),
        chat((1, 4, 3), (25, 30), json!({ "gen_ai.response.id": "r2" })),
        // One that names itself, and no id: it has not the id of the one above.
        span(
            "app",
            (1, 5, 1),
            "invoke_agent",
            (70, 90),
            json!({ "gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "Mailer" }),
        ),
        chat((1, 6, 5), (75, 80), json!({ "gen_ai.response.id": "r3" })),
    ];
    let out = assembled(all);
    let found: Vec<(Value, Value)> = out
        .records
        .iter()
        .map(|record| (json(record)["workload"]["id"].clone(), json(record)["workload"]["agent"].clone()))
        .collect();
    assert_eq!(
        found,
        [
            (json!("svc"), json!({ "id": "a-1", "name": "Triage" })),
            (json!("svc"), json!({ "id": "a-2", "name": "Refunds" })),
            (json!("svc"), json!({ "name": "Mailer" })),
        ]
    );
}
