//! Cases and sources in the console: who sees them, what goes on record, and what is refused.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::super::{Served, token_file};
use super::{Browser, PRINCIPALS, Page, link, served, story};
use crate::evidence::world::{World, exchange, record_of};

/// Records of two services beside the story: one that sent now, and one that has been silent for a month.
pub(super) fn services(world: &World) {
    story(world);
    let now = jiff::Timestamp::now();
    let of = |service: &str, hours: i64| {
        let mut record = record_of(service, &exchange("tool-call"));
        record["custody"].as_object_mut().unwrap().remove("retention");
        record["custody"]["service"] = service.into();
        record["correlation"]["session"] = format!("session of {service}").into();
        let start = now - jiff::SignedDuration::from_hours(hours);
        record["time"]["start"] = start.to_string().into();
        record["time"]["end"] = start.to_string().into();
        record
    };
    world.record(&json!([of("refund-gateway", 1), of("old-gateway", 30 * 24)]));
}

/// The form that adds something to a case.
fn act<'a>(what: &'a str, value: &'a str) -> [(&'a str, &'a str); 4] {
    [("act", "add"), ("what", what), ("value", value), ("reason", "ticket 8")]
}

/// Only what exists can be added, and a disclosure is added by its record.
async fn nothing_else_can_be_added(browser: &mut Browser<'_>, case: &Page) {
    for (what, value, expected) in [
        ("session", "no such session", StatusCode::BAD_REQUEST),
        ("session", "s-acme", StatusCode::BAD_REQUEST),
        ("hold", "no such hold", StatusCode::NOT_FOUND),
        ("disclosure", "not an id", StatusCode::BAD_REQUEST),
        ("disclosure", "s-9", StatusCode::BAD_REQUEST),
        ("disclosure", "r-acme", StatusCode::NOT_FOUND),
        ("person", "x", StatusCode::BAD_REQUEST),
    ] {
        let refused = browser.post(&case.path, case, &act(what, value)).await;
        assert_eq!(refused.status, expected, "{what} {value}: {}", refused.text);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_case_groups_what_an_investigation_has_until_it_is_closed() {
    let served = served();
    let mut browser = Browser::of(&served, "inspector").await;
    let none = browser.get("/console/cases").await;
    assert!(none.text.contains("No case that you have access to"), "{}", none.text);
    // From the session: a case is opened for it.
    let sessions = browser.get("/console/sessions").await;
    let found = browser.post("/console/sessions", &sessions, &[("session", "sess-story")]).await;
    let session = browser.get(&link(&found, "/console/session/")).await;
    let adding = browser.get(&link(&session, &format!("{}/case", session.path))).await;
    assert!(adding.text.contains("No case is open"), "{}", adding.text);
    let open = [("act", "open"), ("case", "INC-<b>7"), ("owner", "team <i>"), ("reason", "a claim <u>")];
    let case = browser.post(&adding.path, &adding, &open).await;
    assert_eq!(case.status, StatusCode::OK, "{}", case.text);
    for shown in
        ["Case INC-&lt;b&gt;7", "team &lt;i&gt;", "a claim &lt;u&gt;", "sess-story", "1 session, 0 holds"]
    {
        assert!(case.text.contains(shown), "{shown}: {}", case.text);
    }
    let again = browser.post(&adding.path, &adding, &open).await;
    assert_eq!(again.status, StatusCode::CONFLICT, "one case of a name: {}", again.text);
    // Links lead both ways.
    assert_eq!(link(&case, "/console/session/"), session.path);
    let page = browser.get(&session.path).await;
    assert!(
        page.text.contains("Case INC-&lt;b&gt;7") && page.text.contains("id=\"h-cases\""),
        "{}",
        page.text
    );
    assert_eq!(link(&page, "/console/case/"), case.path);
    assert!(!page.text.contains("Add to the case"), "it is in the only open case: {}", page.text);
    let another = browser.get("/console/cases").await;
    let other = [("act", "open"), ("case", "INC-6"), ("owner", "ann"), ("reason", "another")];
    let other = browser.post("/console/cases", &another, &other).await;
    let page = browser.get(&session.path).await;
    assert!(page.text.contains("Add to the case") && page.text.contains("INC-6, owner ann"), "{}", page.text);
    let into = page.text.split("<option value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let add = [("act", "add"), ("in", into.as_str()), ("reason", "seen there, too")];
    let added = browser.post(&adding.path, &page, &add).await;
    assert!(added.path == other.path && added.text.contains("seen there, too"), "{}", added.text);
    browser.post(&other.path, &added, &[("act", "close"), ("reason", "a duplicate")]).await;
    let page = browser.get(&session.path).await;
    assert!(page.text.contains("INC-6") && !page.text.contains("Add to the case"), "{}", page.text);

    nothing_else_can_be_added(&mut browser, &case).await;
    let holds = browser.get("/console/holds").await;
    let hold = [("name", "hold-7"), ("reason", "r"), ("facet", "session"), ("value", "sess-story")];
    browser.post("/console/holds", &holds, &hold).await;
    browser.post(&case.path, &case, &act("hold", "hold-7")).await;
    let noted = browser.post(&case.path, &case, &[("act", "note"), ("note", "asked the team")]).await;
    assert!(noted.text.contains("1 session, 1 hold, 0 disclosures, 1 note"), "{}", noted.text);

    // Others see it if it is of their tenant, and add nothing without the role.
    let mut reader = Browser::of(&served, "reader").await;
    let page = reader.get(&case.path).await;
    assert!(page.text.contains("asked the team") && !page.text.contains("Close case"), "{}", page.text);
    let refused = reader.post(&case.path, &page, &[("act", "note"), ("note", "x")]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let page = reader.get(&session.path).await;
    assert!(page.text.contains("INC-6") && !page.text.contains("Add to"), "{}", page.text);
    let refused = reader.post(&adding.path, &page, &add).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let mut clerk = Browser::of(&served, "clerk").await;
    assert_eq!(clerk.get(&case.path).await.status, StatusCode::NOT_FOUND);
    assert!(!clerk.get("/console/cases").await.text.contains("INC-"));

    let closed = browser.post(&case.path, &case, &[("act", "close"), ("reason", "refunded")]).await;
    assert!(
        closed.text.contains("takes nothing more") && closed.text.contains("refunded"),
        "{}",
        closed.text
    );
    let refused = browser.post(&case.path, &case, &[("act", "note"), ("note", "too late")]).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.text);
    assert!(!browser.get("/console/cases").await.text.contains("INC-"), "only open ones");

    // The same over the interface and as a command; each step is a record in the log.
    let (code, shown) = served.ask_as("inspector", &["vault", "case", "show", "INC-<b>7"]);
    assert_eq!((code, &shown["case"]["state"]), (0, &json!("closed")), "{shown}");
    let entries = shown["entries"].as_array().unwrap();
    let actions: Vec<&Value> = entries.iter().map(|entry| &entry["action"]).collect();
    assert_eq!(actions, ["opened", "added", "added", "noted", "closed"]);
    assert!(entries.iter().all(|entry| entry["entry"].is_u64() && entry["by"] == "inspector"), "{shown}");
    served.ask_as("inspector", &["vault", "case", "open", "INC-8", "--reason", "another"]);
    served.ask_as("inspector", &["vault", "case", "add", "INC-8", "--session", "s-default", "--reason", "r"]);
    served.ask_as("inspector", &["vault", "case", "note", "INC-8", "a note"]);
    let (_, listed) = served.ask_as("inspector", &["vault", "case", "list", "--in-state", "open"]);
    assert_eq!((&listed["cases"][0]["case"], &listed["cases"][0]["records"]), (&json!("INC-8"), &json!(3)));
    served.ask_as("inspector", &["vault", "case", "close", "INC-8", "--reason", "done"]);
    for (of, expected) in [
        (&[][..], &["INC-8", "INC-<b>7", "INC-6"][..]),
        (&["--session", "sess-story"], &["INC-<b>7", "INC-6"]),
        (&["--session", "s-default"], &["INC-8"]),
        (&["--session", "s-acme"], &[]),
    ] {
        let (_, listed) = served.ask_as("inspector", &[&["vault", "case", "list"], of].concat());
        let names: Vec<&Value> =
            listed["cases"].as_array().unwrap().iter().map(|case| &case["case"]).collect();
        assert_eq!(names, expected, "{listed}");
    }
    for url in &browser.urls {
        assert!(!url.contains("INC-") && !url.contains("story") && !url.contains("claim"), "{url}");
    }
    assert_eq!(served.daemon.terminate(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sources_show_how_far_their_evidence_reaches() {
    let served = Served::start_with(&PRINCIPALS, &[], services);
    let mut reader = Browser::of(&served, "reader").await;
    let page = reader.get("/console/sources").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    let (_, asked) = served.send("reader", "list-sources", &json!({ "from": 0 })).await;
    let sources = asked["sources"].as_array().unwrap();
    assert!(!sources.is_empty(), "{asked}");
    // Of the one that sent, how far its evidence reaches is shown; of the one that is silent, that this is not known.
    let article = |service: &str| {
        let at =
            page.text.find(&format!(">{service}</h2>")).unwrap_or_else(|| panic!("{service}: {}", page.text));
        page.text[at..].split("</article>").next().unwrap().to_owned()
    };
    let sent = article("refund-gateway");
    for shown in [
        "Who authorised it?",
        "Which identity executed it?",
        "Was its credential valid?",
        " of 1",
        "What is missing",
    ] {
        assert!(sent.contains(shown), "{shown}: {sent}");
    }
    assert!(!sent.contains("Silent"), "{sent}");
    let silent = article("old-gateway");
    assert!(
        silent.contains("Silent") && silent.contains("is not known") && !silent.contains(" of 1"),
        "{silent}"
    );
    // Examined, each has a ladder of three questions, and says what is missing.
    let examined = sources.iter().flat_map(|source| source["examined"].as_array().unwrap());
    let examined: Vec<&Value> = examined.collect();
    assert!(!examined.is_empty(), "{asked}");
    for source in &examined {
        assert_eq!(source["questions"].as_array().unwrap().len(), 3, "{source}");
        assert!(source["records"].as_u64().unwrap() >= source["complete"].as_u64().unwrap(), "{source}");
        assert!(source["arrived"].as_i64().unwrap() > 0, "{source}");
    }
    // The doctor finds the same.
    let token = token_file(&served.world, "reader");
    let (_, doctor) = served.world.ask(&["doctor", "--vault-token", &token, "--since", "2000-01-01"]);
    let mut counted: Vec<&Value> =
        doctor["services"].as_array().unwrap().iter().map(|one| &one["records"]).collect();
    let mut records: Vec<&Value> = examined.iter().map(|source| &source["records"]).collect();
    counted.sort_by_key(|count| count.as_u64());
    records.sort_by_key(|count| count.as_u64());
    assert_eq!(records, counted, "{asked} {doctor}");

    // Each tenant's are its own, and a caller of every tenant chooses.
    let (status, _) = served.send("clerk", "list-sources", &json!({ "tenant": "default" })).await;
    assert_eq!(status, 404);
    let (_, own) = served.send("clerk", "list-sources", &json!({ "from": 0 })).await;
    assert_eq!(own["tenant"], "acme");
    let mut chief = Browser::of(&served, "chief").await;
    let first = chief.get("/console/sources").await;
    let chosen = chief.post("/console/sources", &first, &[("tenant", "acme")]).await;
    assert!(chosen.text.contains("tenant acme"), "{}", chosen.text);
    let mut clerk = Browser::of(&served, "clerk").await;
    let theirs = chief.post("/console/sources", &first, &[("tenant", "default")]).await;
    assert_eq!(clerk.get(&theirs.path).await.status, StatusCode::NOT_FOUND);
    assert_eq!(served.daemon.terminate(), 0);
}
