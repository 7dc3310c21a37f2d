//! Observability platforms, and frameworks whose answers are serialised in another one's attributes. Recorded exports of all of them are in
//! `testdata/otlp`; here is each kind by itself.

use super::*;

fn text(role: &str, content: &str) -> Value {
    json!({ "role": role, "parts": [{ "type": "text", "content": content }] })
}

fn failed(mut item: Item) -> Item {
    if let Item::Span(span) = &mut item {
        span.failed = true;
    }
    item
}

#[test]
fn langfuse_has_one_name_for_the_model_and_json_for_the_rest() {
    let attributes = json!({
        "langfuse.observation.type": "generation", "langfuse.observation.model.name": "m-001",
        "langfuse.observation.input": r#"{"messages":[{"role":"user","content":"Hi"}],"tools":[{"type":"function","function":{"name":"f"}}]}"#,
        "langfuse.observation.output": r#"{"role":"assistant","content":"Hello"}"#,
        "langfuse.observation.usage_details": r#"{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}"#,
        "langfuse.observation.metadata.finish_reason": r#""stop""#, "user.id": "u-1"
    });
    let reading = read_span("langfuse-sdk", "OpenAI-generation", attributes.clone());
    assert_eq!((reading.dialect, reading.role), (Dialect::Langfuse, Role::Inference));
    for (field, expected) in [
        ("model.served", json!("m-001")),
        ("content.input", json!([text("user", "Hi")])),
        ("content.output", json!([text("assistant", "Hello")])),
        ("usage.input_tokens", json!(3)),
        ("usage.output_tokens", json!(4)),
        ("output.finish", json!(["stop"])),
        ("initiator.sub", json!("u-1")),
    ] {
        assert_eq!(reading.fields.get(field), Some(&expected), "{field}");
    }
    assert_eq!(reading.left, Attributes::new());
    // No model answered a call that failed: the name is the one that was asked for.
    let reading = read(&failed(span("langfuse-sdk", (1, 1, 0), "x", (0, 1), attributes)));
    assert_eq!((reading.text("model.requested"), reading.text("model.served")), (Some("m-001"), None));
}

#[test]
fn functions_that_langfuse_wraps_are_called_as_their_spans_are() {
    let of = |kind: &str, input: &str| {
        let attributes = json!({
            "langfuse.observation.type": kind, "langfuse.observation.input": input, "langfuse.observation.output": r#"[{"id":"kb-1","content":"x"}]"#
        });
        read_span("langfuse-sdk", "get_weather", attributes)
    };
    let tool = of("tool", r#"{"args":[],"kwargs":{"city":"Paris"}}"#);
    assert_eq!((tool.role, tool.text("tool.name")), (Role::Tool, Some("get_weather")));
    assert_eq!(tool.fields["tool.arguments"], json!({ "city": "Paris" }));
    let only = of("tool", r#"{"args":["Paris"],"kwargs":{}}"#);
    assert_eq!(only.fields["tool.arguments"], "Paris");
    // Arguments of which no name is known stay as they are.
    let mixed = of("tool", r#"{"args":["Paris"],"kwargs":{"unit":"C"}}"#);
    assert_eq!(mixed.fields["tool.arguments"], json!({ "args": ["Paris"], "kwargs": { "unit": "C" } }));
    let retriever = of("retriever", r#"{"args":["refunds?"],"kwargs":{}}"#);
    assert_eq!((retriever.role, retriever.text("source.query")), (Role::Retrieval, Some("refunds?")));
    assert_eq!(retriever.fields["source.documents"], json!([{ "id": "kb-1", "content": "x" }]));
    let agent = of("agent", "{}");
    assert_eq!((agent.role, agent.text("workload.agent.name")), (Role::Agent, Some("get_weather")));
    assert_eq!(of("span", "{}").role, Role::Context);
}

#[test]
fn mlflow_has_requests_and_answers_whole() {
    let reading = read_span(
        "mlflow.tracing.provider",
        "Completions",
        json!({
            "mlflow.spanType": r#""CHAT_MODEL""#, "model": r#""m""#, "temperature": "0.5", "stream": "true", "mlflow.llm.model": r#""m-001""#,
            "mlflow.spanInputs": r#"{"model":"m","messages":[{"role":"user","content":"Hi"}]}"#,
            "mlflow.spanOutputs": r#"{"id":"r1","model":"m-001","choices":[{"finish_reason":"stop","index":0,"message":{"role":"assistant","content":"Hello"}}]}"#,
            "mlflow.chat.tokenUsage": r#"{"input_tokens":3,"output_tokens":4,"total_tokens":7}"#, "mlflow.traceRequestId": r#""tr-1""#
        }),
    );
    assert_eq!((reading.dialect, reading.role), (Dialect::MlFlow, Role::Inference));
    for (field, expected) in [
        ("model.requested", json!("m")),
        ("model.served", json!("m-001")),
        ("model.params.temperature", json!(0.5)),
        ("model.params.stream", json!(true)),
        ("correlation.response_id", json!("r1")),
        ("content.input", json!([text("user", "Hi")])),
        ("usage.output_tokens", json!(4)),
    ] {
        assert_eq!(reading.fields.get(field), Some(&expected), "{field}");
    }
    assert_eq!(reading.fields["content.output"][0]["parts"], text("assistant", "Hello")["parts"]);
    assert_eq!(reading.left, Attributes::new());
    // By the conventions' names it has the model that answered in both places, and the one that was asked for in a third.
    let reading = read_span(
        "mlflow.tracing.provider",
        "chat m-001",
        json!({ "gen_ai.operation.name": "chat", "gen_ai.request.model": "m-001", "gen_ai.response.model": "m-001", "model": r#""m""# }),
    );
    assert_eq!((reading.text("model.requested"), reading.text("model.served")), (Some("m"), Some("m-001")));
    let tool = read_span(
        "mlflow.tracing.provider",
        "f",
        json!({ "mlflow.spanType": r#""TOOL""#, "mlflow.spanInputs": r#"{"x":1}"#, "mlflow.spanOutputs": r#""ok""# }),
    );
    assert_eq!((tool.role, tool.text("tool.name")), (Role::Tool, Some("f")));
    assert_eq!(
        (&tool.fields["tool.arguments"], &tool.fields["tool.result"]),
        (&json!({ "x": 1 }), &json!("ok"))
    );
}

/// An answer as LangChain serialises it.
fn generations() -> Value {
    let about = json!({ "id": "r1", "model_name": "m-001", "finish_reason": "tool_calls" });
    let call = json!({ "name": "f", "args": { "x": 1 }, "id": "c1", "type": "tool_call" });
    let kwargs = json!({ "content": "", "type": "ai", "response_metadata": about, "tool_calls": [call] });
    let message = json!({ "lc": 1, "type": "constructor", "id": ["langchain", "schema", "messages", "AIMessage"], "kwargs": kwargs });
    json!({ "generations": [[{ "text": "", "message": message, "generation_info": null }]], "llm_output": null })
}

fn human(content: &str) -> Value {
    json!({ "lc": 1, "type": "constructor", "id": ["HumanMessage"], "kwargs": { "content": content, "type": "human" } })
}

#[test]
fn messages_that_langchain_serialised_are_read() {
    let attributes = json!({
        "langsmith.span.kind": "llm", "gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.system": "langchain",
        "langsmith.metadata.ls_provider": "openai", "langsmith.metadata.session_id": "s1", "langsmith.metadata.user_id": "u1",
        "gen_ai.prompt": json!({ "messages": [[human("Hi")]] }).to_string(), "gen_ai.completion": generations().to_string()
    });
    let reading = read_span("langsmith", "ChatOpenAI", attributes);
    assert_eq!((reading.dialect, reading.role), (Dialect::LangSmith, Role::Inference));
    for (field, expected) in [
        ("model.provider", json!("openai")),
        ("model.served", json!("m-001")),
        ("correlation.response_id", json!("r1")),
        ("correlation.session", json!("s1")),
        ("initiator.sub", json!("u1")),
        ("content.input", json!([text("user", "Hi")])),
        (
            "content.output",
            json!([{ "role": "assistant", "finish_reason": "tool_call", "parts": [
                { "type": "tool_call", "id": "c1", "name": "f", "arguments": { "x": 1 } }] }]),
        ),
    ] {
        assert_eq!(reading.fields.get(field), Some(&expected), "{field}");
    }
    // What it calls embeddings is a retriever.
    let retriever = json!({
        "langsmith.span.kind": "retriever", "gen_ai.operation.name": "embeddings", "gen_ai.prompt": r#"{"query":"refunds?"}"#,
        "gen_ai.completion": r#"{"documents":[{"id":"d1","page_content":"x"}]}"#
    });
    let reading = read_span("langsmith", "VectorStoreRetriever", retriever);
    assert_eq!((reading.role, reading.text("source.query")), (Role::Retrieval, Some("refunds?")));
    assert_eq!(reading.fields["source.documents"], json!([{ "id": "d1", "page_content": "x" }]));
}

#[test]
fn a_list_that_is_not_langchain_s_stays_what_it_was() {
    for value in [
        json!({ "messages": [{ "type": "human", "content": "Hi" }, { "role": "user", "content": "Ho" }] }),
        json!({ "messages": [["user", "Hi"]] }),
        json!({ "generations": "many" }),
        json!([human("Hi")]),
    ] {
        assert_eq!(langchain::plain(&value), None, "{value}");
    }
    assert_eq!(langchain::answer(&json!({ "id": "r" })), None);
    assert_eq!(langchain::answered_call(&json!({ "tool_call_id": "c" })), None, "a tool's own result");
    let deep = (0..1000).fold(human("Hi"), |inner, _| json!([inner]));
    assert_eq!(langchain::plain(&json!({ "messages": [deep] })), None);
}

fn open_inference(more: &Value) -> Reading {
    let mut all = json!({ "openinference.span.kind": "LLM" });
    all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    read_span("openinference.instrumentation.x", "x", all)
}

#[test]
fn openinference_s_model_is_the_one_asked_for_unless_parameters_name_that() {
    let models = |reading: &Reading| {
        (reading.text("model.requested").map(str::to_owned), reading.text("model.served").map(str::to_owned))
    };
    let some = |name: &str| Some(name.to_owned());
    assert_eq!(models(&open_inference(&json!({ "llm.model_name": "m" }))), (some("m"), None));
    let both = json!({ "llm.model_name": "m-001", "llm.invocation_parameters": r#"{"model":"m"}"# });
    assert_eq!(models(&open_inference(&both)), (some("m"), some("m-001")));
    // Agents of OpenAI have the answer in the place of the parameters.
    let answer = json!({
        "llm.model_name": "m-001", "llm.invocation_parameters": r#"{"id":"r1","model":"m-001"}"#, "output.value": r#"{"id":"r1"}"#
    });
    assert_eq!(models(&open_inference(&answer)), (None, some("m-001")));
    let embedding = read_span(
        "openinference.x",
        "x",
        json!({ "openinference.span.kind": "EMBEDDING", "embedding.model_name": "e" }),
    );
    assert_eq!(models(&embedding), (some("e"), None));
    let haystack = json!({ "openinference.span.kind": "LLM", "llm.model_name": "m-001" });
    let haystack = read_span("openinference.instrumentation.haystack", "x", haystack);
    assert_eq!(models(&haystack), (None, some("m-001")), "it names the answer's");
    let langchain = json!({ "llm.model_name": "m", "llm.invocation_parameters": r#"{"model":"m"}"#, "output.value": generations().to_string() });
    assert_eq!(open_inference(&langchain).text("correlation.response_id"), Some("r1"));
}

#[test]
fn a_failed_call_was_answered_by_no_model() {
    let attributes = json!({ "openinference.span.kind": "LLM", "llm.model_name": "m", "llm.invocation_parameters": r#"{"model":"m"}"# });
    let reading = read(&failed(span("openinference.x", (1, 1, 0), "x", (0, 1), attributes)));
    assert_eq!((reading.text("model.requested"), reading.text("model.served")), (Some("m"), None));
    let logfire = json!({
        "gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.response.model": "m", "logfire.msg_template": "Chat"
    });
    assert_eq!(read_span("logfire.openai", "x", logfire).text("model.served"), None);
    let failing =
        json!({ "gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.response.model": "m" });
    let reading = read(&failed(span("x", (1, 1, 0), "chat m", (0, 1), failing.clone())));
    assert_eq!((reading.text("model.requested"), reading.text("model.served")), (Some("m"), None));
    assert_eq!(read_span("x", "chat m", failing).text("model.served"), Some("m"));
    let spring = json!({ "gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.response.model": "none" });
    assert_eq!(read_span("org.springframework.boot", "chat m", spring).text("model.served"), None);
}

#[test]
fn the_schema_of_a_tool_is_not_its_arguments() {
    let schema = r#"{"city":{"type":"string"}}"#;
    let of = |input: &str| {
        let attributes = json!({
            "openinference.span.kind": "TOOL", "tool.name": "f", "tool.parameters": schema, "input.value": input,
            "output.value": r#"{"type":"tool","data":{"content":"ok","tool_call_id":"c1"}}"#
        });
        read_span("openinference.x", "f", attributes)
    };
    let plain = of(r#"{"city":"Paris"}"#);
    assert_eq!(plain.fields["tool.arguments"], json!({ "city": "Paris" }));
    assert_eq!(plain.text("tool.call_id"), Some("c1"), "LangChain's result names the call");
    let wrapped = of(r#"{"args":[],"sanitize_inputs_outputs":true,"kwargs":{"city":"Paris"}}"#);
    assert_eq!(wrapped.fields["tool.arguments"], json!({ "city": "Paris" }));
    let callback = of(r#"{"input_str":"x","inputs":{"city":"Paris"},"kwargs":{"tool_call_id":"c2"}}"#);
    assert_eq!(callback.fields["tool.arguments"], json!({ "city": "Paris" }));
    assert_eq!(callback.text("tool.call_id"), Some("c2"));
    let unnamed =
        json!({ "openinference.span.kind": "TOOL", "input.value": r#"{"kwargs":{"city":"Paris"}}"# });
    let unnamed = read_span("openinference.x", "f.__call__", unnamed);
    assert_eq!(
        (unnamed.text("tool.name"), &unnamed.fields["tool.arguments"]),
        (Some("f"), &json!({ "city": "Paris" }))
    );
    let nothing = open_inference(&json!({
        "llm.output_messages.0.message.role": "assistant", "llm.output_messages.0.message.tool_calls.0.tool_call.id": "c1",
        "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "f",
        "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": "{}"
    }));
    assert_eq!(nothing.fields["content.output"][0]["parts"][0]["arguments"], json!({}), "it takes nothing");
}

#[test]
fn semantic_kernel_and_adk_write_names_of_python_and_placeholders() {
    let chat = json!({ "gen_ai.operation.name": "chat", "gen_ai.response.finish_reason": "FinishReason.TOOL_CALLS" });
    assert_eq!(read_span("semantic_kernel", "chat m", chat).fields["output.finish"], json!(["tool_call"]));
    let tool = json!({ "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "f", "gen_ai.tool.call.id": "<not specified>" });
    assert_eq!(read_span("gcp.vertex.agent", "execute_tool f", tool).text("tool.call_id"), None);
}

#[test]
fn logfire_lists_the_events_of_a_call_and_ends_with_the_answer() {
    let said = |role: &str, content: &str| json!({ "event.name": format!("gen_ai.{role}.message"), "role": role, "content": content });
    let events = json!([
        said("system", "Be brief."),
        said("user", "Hi"),
        said("assistant", "Ho"),
        said("user", "And?"),
        said("assistant", "Hello")
    ]);
    let attributes =
        json!({ "gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "events": events.to_string() });
    let reading = read_span("logfire.openai_agents", "x", attributes.clone());
    let asked =
        [text("system", "Be brief."), text("user", "Hi"), text("assistant", "Ho"), text("user", "And?")];
    assert_eq!(reading.fields["content.input"], json!(asked));
    assert_eq!(reading.fields["content.output"], json!([text("assistant", "Hello")]));
    assert_eq!(reading.left, Attributes::new());
    let reading = read(&failed(span("logfire.openai_agents", (1, 1, 0), "x", (0, 1), attributes)));
    assert_eq!(reading.fields.get("content.output"), None, "the last message was the program's");
    // Where there is a choice, that is the answer; and a list of other things is left alone.
    let choice = json!([said("assistant", "Ho"), { "event.name": "gen_ai.choice", "index": 0, "message": { "role": "assistant", "content": "Hello" } }]);
    let reading = read_span(
        "pydantic-ai",
        "chat m",
        json!({ "gen_ai.operation.name": "chat", "events": choice.to_string() }),
    );
    assert_eq!(reading.fields["content.input"], json!([text("assistant", "Ho")]));
    let other =
        read_span("x", "chat m", json!({ "gen_ai.operation.name": "chat", "events": r#"[{"name":"x"}]"# }));
    assert!(other.left.contains_key("events"));
}

#[test]
fn logfire_names_agents_tools_and_guardrails_of_openai() {
    let of = |template: &str, more: Value| {
        let mut all = json!({ "gen_ai.system": "openai", "logfire.msg_template": template, "name": "n" });
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        read_span("logfire.openai_agents", template, all)
    };
    assert_eq!(of("Agent run: {name!r}", json!({})).role, Role::Agent);
    let tool = of("Function: {name}", json!({ "input": r#"{"x":1}"#, "output": "ok" }));
    assert_eq!(
        (tool.role, tool.text("tool.name"), &tool.fields["tool.arguments"]),
        (Role::Tool, Some("n"), &json!({ "x": 1 }))
    );
    for (triggered, verdict) in [(false, "allow"), (true, "deny")] {
        let guardrail = of("Guardrail {name!r} {triggered=}", json!({ "triggered": triggered }));
        assert_eq!((guardrail.role, guardrail.text("decision.verdict")), (Role::Guardrail, Some(verdict)));
    }
}
