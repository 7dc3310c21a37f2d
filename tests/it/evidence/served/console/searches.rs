//! Saved searches in the console, over the interface and as commands: each caller's own.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{Browser, PERSON, link, served};

/// What a page has of the saved searches: the links to them, and what deletes them.
fn saved(page: &str) -> &str {
    page.split("class=\"saved\"").nth(1).map_or("", |after| after.split("</section>").next().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_is_saved_found_again_and_deleted_by_its_owner_alone() {
    let served = served();
    let mut browser = Browser::of(&served, "inspector").await;
    let all = browser.get("/console/sessions").await;
    assert!(!all.text.contains("Saved searches") && !all.text.contains("Save this search"), "{}", all.text);
    let found =
        browser.post("/console/sessions", &all, &[("initiator", PERSON), ("from", "2020-01-01")]).await;
    let search = link_of_form(&found.text);
    let save = [("search", search.as_str()), ("name", "the <i>refund</i>")];
    let shown = browser.post("/console/searches", &found, &save).await;
    assert_eq!(shown.status, StatusCode::OK, "{}", shown.text);
    let list = saved(&shown.text);
    assert!(
        list.contains("the &lt;i&gt;refund&lt;/i&gt;") && list.contains("aria-current"),
        "{}",
        shown.text
    );
    assert!(!shown.text.contains("Save this search"), "it is saved already: {}", shown.text);

    // Found again at another machine, it shows the same and fills the filter in.
    let mut elsewhere = Browser::of(&served, "inspector").await;
    let page = elsewhere.get("/console/sessions").await;
    let list = saved(&page.text);
    assert!(!list.contains("aria-current"), "{list}");
    let again = elsewhere.get(&link_in(list, "/console/sessions/")).await;
    assert!(again.text.contains("sess-story") && !again.text.contains("s-default"), "{}", again.text);
    assert!(
        again.text.contains("value=\"2020-01-01\"") && again.text.contains("u-&lt;b&gt;40771"),
        "{}",
        again.text
    );
    let session = elsewhere.get(&link(&again, "/console/session/")).await;
    assert!(session.text.contains("Six questions"), "{}", session.text);

    // Another caller of the tenant sees none of it, and opens neither the search by its form nor deletes it.
    let mut reader = Browser::of(&served, "reader").await;
    let theirs = reader.get("/console/sessions").await;
    assert!(!theirs.text.contains("Saved searches"), "{}", theirs.text);
    let handle = list.split("name=\"saved\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let refused = reader.post("/console/searches/delete", &theirs, &[("saved", &handle)]).await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND, "{}", refused.text);
    let mut clerk = Browser::of(&served, "clerk").await;
    let own = clerk.get("/console/sessions").await;
    for (path, field) in
        [("/console/searches/delete", ("saved", &handle)), ("/console/searches", ("search", &search))]
    {
        let refused = clerk.post(path, &own, &[(field.0, field.1), ("name", "x")]).await;
        assert_eq!(refused.status, StatusCode::NOT_FOUND, "{path}: {}", refused.text);
    }
    for name in ["", "two\nlines", &"x".repeat(129)] {
        let refused = browser.post("/console/searches", &shown, &[("search", &search), ("name", name)]).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{name:?}: {}", refused.text);
    }

    // The same over the interface and as a command.
    let (status, listed) = served.send("inspector", "list-searches", &json!({})).await;
    assert_eq!((status, &listed["searches"][0]["facets"][0]["value"]), (200, &json!(PERSON)), "{listed}");
    served.ask_as("inspector", &["vault", "search", "save", "denied", "--by", "verdict=deny"]);
    let (_, listed) = served.ask_as("inspector", &["vault", "search", "list"]);
    let names: Vec<&Value> = listed["searches"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["denied", "the <i>refund</i>"], "{listed}");
    let (_, sessions) = served.ask_as("inspector", &["vault", "sessions", "--saved", "denied"]);
    assert_eq!(sessions["sessions"][0]["session"], "sess-story", "{sessions}");
    served.ask_as("inspector", &["vault", "search", "delete", "denied"]);
    let (_, listed) = served.ask_as("reader", &["vault", "search", "list"]);
    assert_eq!(listed["searches"], json!([]), "{listed}");

    // A caller of every tenant names the one whose sessions are found.
    let mut chief = Browser::of(&served, "chief").await;
    let all = chief.get("/console/sessions").await;
    let found = chief.post("/console/sessions", &all, &[("verdict", "deny")]).await;
    let search = link_of_form(&found.text);
    for (tenant, status) in
        [("", StatusCode::BAD_REQUEST), ("acme", StatusCode::OK), ("default", StatusCode::OK)]
    {
        let save = [("search", search.as_str()), ("name", "d"), ("tenant", tenant)];
        let page = chief.post("/console/searches", &found, &save).await;
        assert_eq!(page.status, status, "{tenant}: {}", page.text);
    }
    let page = chief.get("/console/sessions").await;
    assert!(
        saved(&page.text).contains("d · acme") && saved(&page.text).contains("d · default"),
        "{}",
        page.text
    );

    // Deleted is deleted, and an erasure of the person takes what names the person.
    let page = browser.get("/console/sessions").await;
    let gone = browser.post("/console/searches/delete", &page, &[("saved", &handle)]).await;
    assert!(gone.status == StatusCode::OK && !gone.text.contains("Saved searches"), "{}", gone.text);
    let again = browser.post("/console/searches/delete", &page, &[("saved", &handle)]).await;
    assert_eq!(again.status, StatusCode::NOT_FOUND, "{}", again.text);
    let person = json!({ "name": "person", "facets": [{ "facet": "initiator", "value": PERSON }] });
    assert_eq!(served.send("inspector", "save-search", &person).await.0, 200);
    let target = json!({ "tenant": "default", "target": { "subject": PERSON }, "basis": "GDPR Art. 17" });
    assert_eq!(served.send("inspector", "erase", &target).await.0, 200);
    let (_, listed) = served.send("inspector", "list-searches", &json!({})).await;
    assert_eq!(listed["searches"], json!([]), "{listed}");
    for url in browser.urls.iter().chain(&elsewhere.urls) {
        assert!(!url.contains("40771") && !url.contains("refund"), "{url}");
    }
    assert_eq!(served.daemon.terminate(), 0);
}

/// The handle of the search that a page offers to save.
fn link_of_form(page: &str) -> String {
    let form = page.split("action=\"/console/searches\"").nth(1).unwrap_or_else(|| panic!("no form: {page}"));
    form.split("name=\"search\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

fn link_in(part: &str, beginning: &str) -> String {
    let after = part.split("href=\"").map(|rest| rest.split('"').next().unwrap());
    after.into_iter().find(|link| link.starts_with(beginning)).unwrap_or_else(|| panic!("{part}")).to_owned()
}
