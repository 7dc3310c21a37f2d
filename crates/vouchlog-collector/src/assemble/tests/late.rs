//! When a trace is done, and what comes after.

use super::*;

fn assembler(config: Config) -> Assembler {
    Assembler::new(config, naming())
}

fn call(id: u8, more: &Value) -> Item {
    let mut all = json!({ "gen_ai.output.messages": ASKS });
    all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    chat((id, 1, 0), (0, 10), all)
}

#[test]
fn a_whole_trace_settles_and_one_with_a_hole_times_out_and_says_so() {
    let mut assembler = assembler(Config::default());
    assembler.feed(vec![call(1, &json!({})), chat((2, 1, 7), (0, 10), json!({}))], &Delivery::at(at(0)));
    assert_eq!(assembler.tick(at(9)).records.len(), 0);
    let settled = assembler.tick(at(10)).records;
    assert_eq!(settled.len(), 1);
    assert_eq!(json(&settled[0])["custody"].get("completed_by"), None);
    assert_eq!(assembler.tick(at(59)).records.len(), 0);
    let timed_out = assembler.tick(at(60)).records;
    assert_eq!(json(&timed_out[0])["custody"]["completed_by"], "timeout");
    assert_eq!(json(&timed_out[0])["correlation"]["parent_span"], "07".repeat(8));
    assert_eq!(assembler.waiting(), (0, 0));
}

#[test]
fn a_trace_that_never_rests_ends_at_its_age() {
    let mut assembler = assembler(Config::default());
    let mut records = 0;
    for minute in 0..20_u8 {
        let now = at(i64::from(minute) * 59);
        assembler
            .feed(vec![chat((1, minute + 1, 99), (u64::from(minute), 100), json!({}))], &Delivery::at(now));
        records += assembler.tick(now).records.len();
    }
    assert_eq!(records, 17);
}

#[test]
fn what_comes_late_amends() {
    let mut assembler = assembler(Config::default());
    assembler.feed(vec![call(1, &json!({ "gen_ai.response.id": "r1" }))], &Delivery::at(at(0)));
    let first = assembler.tick(at(10)).records.remove(0);
    let id = first.id.clone().unwrap();
    let amends = |assembler: &mut Assembler, item: Item, now: i64| {
        assembler.feed(vec![item], &Delivery::at(at(now)));
        let out = assembler.tick(at(now + 61));
        assert_eq!(out.records.len(), 1, "{:#}", shown(&out));
        assert_ne!(out.records[0].id.as_ref(), Some(&id));
        json(&out.records[0])["correlation"]["amends"].as_str().map(str::to_owned)
    };
    let tool = span(
        "app",
        (1, 2, 9),
        "execute_tool f",
        (12, 20),
        json!({ "gen_ai.operation.name": "execute_tool", "gen_ai.tool.call.id": "c1" }),
    );
    let guardrail =
        span("app", (1, 3, 1), "run_guardrail g", (2, 3), json!({ "gen_ai.security.guardrail.name": "g" }));
    let other = span(
        "com.anthropic.sdk",
        (4, 4, 0),
        "create",
        (1, 9),
        json!({ "gen_ai.operation.name": "chat", "gen_ai.response.id": "r1" }),
    );
    for (place, item) in [tool, guardrail, other].into_iter().enumerate() {
        let amended = amends(&mut assembler, item.clone(), 100 + 100 * i64::try_from(place).unwrap());
        assert_eq!(amended.as_deref(), Some(id.as_str()), "{item:?}");
    }
    let cached = chat((5, 8, 0), (30, 31), json!({ "gen_ai.response.id": "r1" }));
    assert_eq!(amends(&mut assembler, cached, 700), None, "the same answer, later, is a cache's");
    let next = chat((1, 8, 0), (30, 40), json!({ "gen_ai.response.id": "r9" }));
    assert_eq!(amends(&mut assembler, next, 900), None);
}

#[test]
fn an_event_before_its_span_is_the_record_and_the_span_amends_it() {
    let mut assembler = assembler(Config::default());
    let (span, event) = parts();
    let trace = event.trace.clone().unwrap();
    assembler.feed(vec![Item::Event(event)], &Delivery::at(at(0)));
    let first = assembler.tick(at(60)).records.remove(0);
    assert_eq!(json(&first)["correlation"]["trace"], trace);
    assembler.feed(vec![Item::Span(span)], &Delivery::at(at(70)));
    let second = assembler.tick(at(131)).records.remove(0);
    assert_eq!(json(&second)["correlation"]["amends"], json(&first)["id"]);
}

/// A call's span and its details event, as one exporter sent them.
fn parts() -> (Span, Event) {
    let all = items("openai-v2-span-and-event");
    let span = all.iter().find_map(|item| match item {
        Item::Span(span) if span.name.starts_with("chat") => Some(span.clone()),
        _ => None,
    });
    let span = span.unwrap();
    let event = all.into_iter().find_map(|item| match item {
        Item::Event(event) if event.span.as_ref() == Some(&span.span) => Some(event),
        _ => None,
    });
    (span, event.unwrap())
}

#[test]
fn the_same_again_is_nothing_and_another_account_is_a_conflict() {
    let mut assembler = assembler(Config::default());
    let changed = call(1, &json!({ "user.id": "somebody else" }));
    assembler.feed(vec![call(1, &json!({}))], &Delivery::at(at(0)));
    assert_eq!(assembler.feed(vec![call(1, &json!({}))], &Delivery::at(at(1))), Out::default());
    let open = assembler.feed(vec![changed.clone()], &Delivery::at(at(2))).conflicts;
    assert_eq!((open.len(), open[0].record.as_ref()), (1, None));
    let record = assembler.tick(at(20)).records.remove(0);
    // Of both accounts the same one is kept, whichever came first; both are known from then on.
    let out = assembler.feed(vec![call(1, &json!({})), changed], &Delivery::at(at(30)));
    assert_eq!(out.conflicts.len(), 1);
    assert_eq!(out.conflicts[0].record, record.id);
    assert_eq!(assembler.waiting(), (0, 0));
}

#[test]
fn when_there_is_no_room_the_oldest_are_done_first_and_say_so() {
    let mut assembler = assembler(Config { max_open: 3, ..Config::default() });
    let mut out = Out::default();
    for id in 1..=5 {
        out.records
            .extend(assembler.feed(vec![call(id, &json!({}))], &Delivery::at(at(i64::from(id)))).records);
    }
    let traces: Vec<Value> =
        out.records.iter().map(|record| json(record)["correlation"]["trace"].clone()).collect();
    assert_eq!(traces, ["01".repeat(16), "02".repeat(16)]);
    assert_eq!(json(&out.records[0])["custody"]["completed_by"], "no_room");
    assert_eq!(assembler.flush().records.len(), 3);
    assert_eq!(assembler.waiting(), (0, 0));
}

#[test]
fn an_unsalted_digest_is_refused_by_its_place() {
    let mut assembler = assembler(Config::default());
    let bare = chat(
        (1, 2, 0),
        (0, 1),
        json!({ "gen_ai.security.content.input.hash": format!("sha256:{}", "ab".repeat(32)) }),
    );
    let out = assembler.feed(vec![call(1, &json!({})), bare], &Delivery::at(at(0)));
    assert_eq!(out.refused.len(), 1);
    assert_eq!(out.refused[0].place, 1);
    assert_eq!(assembler.waiting(), (1, 1));
}

#[test]
fn unsampled_calls_are_recorded_from_their_events() {
    let out = assembled(items("openai-v2-unsampled"));
    assert_eq!(out.records.len(), 6);
    assert!(out.records.iter().all(|record| json(record)["custody"]["sampled"] == true));
}

#[test]
fn nobody_waits_for_an_answer_that_a_cache_gives_again_and_again() {
    let mut assembler = assembler(Config::default());
    let mut records = 0;
    for second in 0..60_u8 {
        let answer = json!({ "gen_ai.response.id": "r1" });
        let call = chat((second + 1, 1, 0), (10 * u64::from(second), 10 * u64::from(second) + 5), answer);
        let now = at(i64::from(second));
        records += assembler.feed(vec![call], &Delivery::at(now)).records.len();
        let done = assembler.tick(now).records;
        assert!(done.iter().all(|record| json(record)["correlation"].get("amends").is_none()));
        records += done.len();
    }
    assert_eq!((records, assembler.waiting().0), (50, 10));
}

#[test]
fn records_of_a_session_come_in_the_order_of_their_begin() {
    let mut assembler = assembler(Config::default());
    let session = json!({ "session.id": "s" });
    let remote = |item: Item| {
        let Item::Span(span) = item else { panic!() };
        Item::Span(Span { flags: 0x300, ..span })
    };
    // The first trace waits for the idle time, since its root is elsewhere; the one that began later is whole.
    let earlier = remote(chat((9, 1, 7), (0, 10), session.clone()));
    let later = chat((1, 1, 0), (2_000, 2_010), session);
    let other = chat((2, 1, 0), (2_000, 2_010), json!({ "session.id": "another" }));
    assembler.feed(vec![later, earlier, other], &Delivery::at(at(0)));
    let traces = |out: Out| -> Vec<Value> {
        out.records.iter().map(|record| json(record)["correlation"]["trace"].clone()).collect()
    };
    assert_eq!(traces(assembler.tick(at(10))), ["02".repeat(16)]);
    assert_eq!(traces(assembler.tick(at(59))), [""; 0]);
    assert_eq!(traces(assembler.tick(at(60))), ["09".repeat(16), "01".repeat(16)]);
    assert_eq!(assembler.waiting(), (0, 0));
}

#[test]
fn a_record_does_not_wait_for_ever_for_an_earlier_one() {
    let mut assembler = assembler(Config::default());
    let session = json!({ "session.id": "s" });
    assembler.feed(vec![chat((1, 1, 0), (2_000, 2_010), session.clone())], &Delivery::at(at(0)));
    let mut first = None;
    for second in 0..100_u8 {
        // A trace that began before it and gets a new part each second.
        let now = at(i64::from(second));
        assembler.feed(vec![chat((9, second + 1, 200), (0, 10), session.clone())], &Delivery::at(now));
        if !assembler.tick(now).records.is_empty() {
            first.get_or_insert(second);
        }
    }
    assert_eq!(first, Some(70));
}
