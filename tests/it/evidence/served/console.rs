//! The console over HTTP, as a browser uses it: what it shows to whom, what it refuses, and what becomes of forms.

use std::collections::BTreeMap;

use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, RequestBuilder, Response, StatusCode, Url};
use serde_json::{Value, json};

use super::Served;
use crate::evidence::world::{World, exchange, record_of, seal, turn};
use crate::process::{run, succeed};

mod cases;
mod certificate;
mod provider;
mod searches;
mod walk;

const PRINCIPALS: [(&str, &str, Option<&str>); 5] = [
    ("inspector", "read-metadata,read-content,disclose,erase,review", Some("default")),
    ("reader", "read-metadata", Some("default")),
    ("clerk", "read-metadata,erase", Some("acme")),
    ("chief", "read-metadata,erase,disclose", None),
    ("leaver", "read-metadata", Some("default")),
];

/// The person of the records that are made here, as `iss|sub`.
const PERSON: &str = "https://idp.example|u-<b>40771</b>";

/// A browser: cookies, and every URL that it was sent to or shown.
struct Browser<'s> {
    served: &'s Served,
    client: Client,
    cookies: BTreeMap<String, String>,
    urls: Vec<String>,
}

/// A page as a browser got it.
struct Page {
    status: StatusCode,
    path: String,
    text: String,
}

impl<'s> Browser<'s> {
    fn new(served: &'s Served) -> Self {
        Self::with(served, Client::builder())
    }

    fn with(served: &'s Served, client: ClientBuilder) -> Self {
        let client = client.redirect(Policy::none()).no_proxy().build().unwrap();
        Self { served, client, cookies: BTreeMap::new(), urls: Vec::new() }
    }

    /// A browser that has signed in.
    async fn of(served: &'s Served, principal: &str) -> Self {
        let mut browser = Self::new(served);
        let page = browser.sign_in(&served.tokens[principal]).await;
        assert_eq!((page.status, page.path.as_str()), (StatusCode::OK, "/console/sessions"), "{}", page.text);
        browser
    }

    async fn sign_in(&mut self, token: &str) -> Page {
        let form = self.get("/console/sign-in").await;
        self.post("/console/sign-in", &form, &[("token", token)]).await
    }

    async fn sent(&mut self, request: RequestBuilder) -> Response {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let response = request.header("cookie", cookies.join("; ")).send().await.unwrap();
        for cookie in response.headers().get_all("set-cookie") {
            let (name, rest) = cookie.to_str().unwrap().split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), rest.split(';').next().unwrap().to_owned());
        }
        response
    }

    fn url(&mut self, path: &str) -> String {
        self.urls.push(path.to_owned());
        format!("{}{path}", self.served.daemon.url)
    }

    /// Opens a page and follows redirects.
    async fn get(&mut self, path: &str) -> Page {
        let url = self.url(path);
        let response = self.sent(self.client.get(url)).await;
        self.page(path, response).await
    }

    /// Sends a form with the token of the page that it is on.
    async fn post(&mut self, path: &str, on: &Page, fields: &[(&str, &str)]) -> Page {
        let response = self.submit(path, &form_token(&on.text), fields).await;
        self.page(path, response).await
    }

    async fn submit(&mut self, path: &str, token: &str, fields: &[(&str, &str)]) -> Response {
        let fields: Vec<(&str, &str)> = [("form", token)].into_iter().chain(fields.iter().copied()).collect();
        let url = self.url(path);
        let request = self.client.post(url).header("origin", self.served.daemon.url.as_str());
        self.sent(form(request, &fields)).await
    }

    async fn page(&mut self, path: &str, response: Response) -> Page {
        let (mut path, mut response) = (path.to_owned(), response);
        for _ in 0..5 {
            guarded(&response);
            let Some(next) = response.headers().get("location") else { break };
            assert_eq!(response.status(), StatusCode::SEE_OTHER);
            path = next.to_str().unwrap().to_owned();
            let url = self.url(&path);
            response = self.sent(self.client.get(url)).await;
        }
        let status = response.status();
        let text = response.text().await.unwrap();
        self.urls.extend(links(&text));
        assert!(!text.contains("<script"), "no page has a script: {text}");
        let path = path.split('?').next().unwrap().to_owned();
        Page { status, path, text }
    }
}

/// What every response forbids.
fn guarded(response: &Response) {
    let header = |name: &str| response.headers().get(name).map_or("", |value| value.to_str().unwrap());
    let policy = header("content-security-policy");
    for part in ["default-src 'none'", "style-src 'self'", "form-action 'self'", "frame-ancestors 'none'"] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("script-src") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(header("cache-control"), "no-store");
    assert_eq!((header("x-content-type-options"), header("referrer-policy")), ("nosniff", "no-referrer"));
}

/// A request with a form as browsers encode it.
fn form(request: RequestBuilder, fields: &[(&str, &str)]) -> RequestBuilder {
    let mut url = Url::parse("http://encoder.example/").unwrap();
    url.query_pairs_mut().extend_pairs(fields);
    let body = url.query().unwrap_or_default().to_owned();
    request.header("content-type", "application/x-www-form-urlencoded").body(body)
}

fn form_token(page: &str) -> String {
    let after = page.split("name=\"form\" value=\"").nth(1).unwrap_or_else(|| panic!("no form: {page}"));
    after.split('"').next().unwrap().to_owned()
}

/// What a page leads to, forms included.
fn links(page: &str) -> Vec<String> {
    let of = |attribute: &str| {
        let parts: Vec<String> =
            page.split(attribute).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect();
        parts
    };
    [of("href=\""), of("action=\"")].concat()
}

/// The first link of a page that begins so.
fn link(page: &Page, beginning: &str) -> String {
    let found = links(&page.text).into_iter().find(|link| link.starts_with(beginning) && !link.contains('#'));
    found.unwrap_or_else(|| panic!("no link to {beginning} in {}", page.text))
}

/// A vault with a session in which a denied action was executed, of a person with a hostile name, beside those that every served vault
/// here has.
fn story(world: &World) {
    let without_retention = |mut record: Value| {
        record["custody"].as_object_mut().unwrap().remove("retention");
        record["initiator"]["iss"] = "https://idp.example".into();
        record["initiator"]["sub"] = "u-<b>40771</b>".into();
        record
    };
    let mut denied = record_of("s-9", &exchange("tool-call"));
    denied["correlation"] = turn(3, "tool-call")["correlation"].clone();
    denied["policy"][0]["verdict"] = "deny".into();
    denied["outcome"]["message"] = "<img src=x onerror=alert(1)>\u{1b}[2J\u{202e}".into();
    let records = [turn(1, "tool-call"), turn(2, "tool-result"), denied].map(without_retention);
    let [first, second, third] = records;
    world.record(&json!([first, second, third, seal(3)]));
}

/// A vault with all of this, and its daemon.
fn served() -> Served {
    Served::start_with(&PRINCIPALS, &[], story)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_principal_of_the_vault_signs_in() {
    let served = served();
    let mut browser = Browser::new(&served);
    // Without a visit every page leads to the form, and back afterwards.
    let page = browser.get("/console/holds").await;
    assert_eq!(page.path, "/console/sign-in");
    assert!(page.text.contains("name=\"next\" value=\"/console/holds\""), "{}", page.text);
    assert_eq!(browser.get("/").await.path, "/console/sign-in");
    let forged = format!("vouchlog-vault-{}", "A".repeat(43));
    for wrong in ["nonsense", &forged, "vouchlog-vault-", "\u{fc}\n"] {
        let page = browser.sign_in(wrong).await;
        assert_eq!(page.status, StatusCode::UNAUTHORIZED, "{wrong}");
        assert!(!page.text.contains(wrong), "a token is never shown");
    }
    // A page of another site knows neither the cookie of the form nor its field.
    let token = served.tokens["reader"].clone();
    let page_of_form = browser.get("/console/sign-in").await;
    let cookies = std::mem::take(&mut browser.cookies);
    let foreign = browser.post("/console/sign-in", &page_of_form, &[("token", &token)]).await;
    assert_eq!(foreign.status, StatusCode::FORBIDDEN);
    browser.cookies = cookies;
    for next in ["//evil.example", "https://evil.example/", "/console/../../x", "/v1/vault/find-records"] {
        let page =
            browser.post("/console/sign-in", &page_of_form, &[("token", &token), ("next", next)]).await;
        assert_eq!(page.path, "/console/sessions", "{next}");
    }
    let request = browser.client.post(format!("{}/console/sign-in", served.daemon.url));
    let token_field = form_token(&page_of_form.text);
    let request = form(request, &[("form", token_field.as_str()), ("token", &token)]);
    let cookie = browser
        .sent(request)
        .await
        .headers()
        .get_all("set-cookie")
        .iter()
        .next()
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    for part in ["vouchlog=", "HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    // Signed out is signed out, for a copy of the cookie as well.
    let page = browser.get("/console/sessions").await;
    assert!(page.text.contains("reader"), "{}", page.text);
    let copy = browser.cookies.clone();
    browser.post("/console/sign-out", &page, &[]).await;
    browser.cookies = copy;
    assert_eq!(browser.get("/console/sessions").await.path, "/console/sign-in");
    // Guessing is slow.
    let mut statuses = Vec::new();
    for _ in 0..12 {
        statuses.push(browser.sign_in(&forged).await.status);
    }
    assert_eq!(statuses.last(), Some(&StatusCode::TOO_MANY_REQUESTS), "{statuses:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forms_of_other_pages_change_nothing() {
    let served = served();
    let mut browser = Browser::of(&served, "inspector").await;
    let page = browser.get("/console/holds").await;
    let hold = [("name", "case-1"), ("reason", "r"), ("facet", "session"), ("value", "sess-story")];
    for token in ["", "A", &"A".repeat(43)] {
        let refused = browser.submit("/console/holds", token, &hold).await;
        assert_eq!(refused.status(), StatusCode::FORBIDDEN, "{token}");
    }
    let other = Browser::of(&served, "inspector").await.get("/console/holds").await;
    let refused = browser.post("/console/holds", &other, &hold).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "the token of another visit");
    let token = form_token(&page.text);
    let fields: Vec<(&str, &str)> = [("form", token.as_str())].into_iter().chain(hold).collect();
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        let request = browser.client.post(format!("{}/console/holds", served.daemon.url)).header(name, value);
        let refused = browser.sent(form(request, &fields)).await;
        assert_eq!(refused.status(), StatusCode::FORBIDDEN, "{name}: {value}");
    }
    let request = browser.client.post(format!("{}/console/holds", served.daemon.url)).json(&json!({}));
    assert_eq!(browser.sent(request).await.status(), StatusCode::BAD_REQUEST);
    let long = "x".repeat(200_000);
    let refused = browser.submit("/console/holds", &token, &[("name", &long)]).await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    assert!(browser.get("/console/holds").await.text.contains("No hold is in force"));
    let done = browser.post("/console/holds", &page, &hold).await;
    assert!(done.text.contains("Hold placed") && done.path.starts_with("/console/done/"), "{}", done.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles_and_tenants_bind_in_the_console_too() {
    let served = served();
    let mut inspector = Browser::of(&served, "inspector").await;
    let sessions = inspector.get("/console/sessions").await;
    assert!(sessions.text.contains("sess-story") && !sessions.text.contains("s-acme"), "{}", sessions.text);
    let found = inspector.post("/console/sessions", &sessions, &[("session", "sess-story")]).await;
    let session = link(&found, "/console/session/");
    let page = inspector.get(&session).await;
    let record = link(&page, "/console/record/");
    // A link gives nothing to a caller of another tenant: it is as if nothing were there.
    let mut clerk = Browser::of(&served, "clerk").await;
    let own = clerk.get("/console/sessions").await;
    assert!(own.text.contains("s-acme") && !own.text.contains("sess-story"), "{}", own.text);
    for path in [&session, &record, &format!("{record}/proof"), &format!("{session}/hold")] {
        let page = clerk.get(path).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{path}");
        assert!(!page.text.contains("40771") && !page.text.contains("sess-story"), "{}", page.text);
    }
    for path in ["/console/session/x", "/console/record/AAAA", &format!("{session}x"), "/console/done/0"] {
        assert_eq!(inspector.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    // What a role does not allow is neither offered nor done.
    let mut reader = Browser::of(&served, "reader").await;
    let page = reader.get(&session).await;
    assert!(!page.text.contains("/disclose\"") && !page.text.contains("/console/erase"), "{}", page.text);
    assert_eq!(reader.get("/console/erase").await.status, StatusCode::OK, "the form alone tells nothing");
    let record_page = reader.get(&record).await;
    assert!(record_page.text.contains("takes the role"), "{}", record_page.text);
    for (path, fields) in [
        (record.clone(), &[("basis", "case 1")][..]),
        (format!("{record}/disclose"), &[("act", "give"), ("field", "/time"), ("basis", "case 1")]),
        (format!("{session}/disclose"), &[("field", "/time"), ("basis", "case 1")]),
        (
            "/console/holds".to_owned(),
            &[("name", "n"), ("reason", "r"), ("facet", "session"), ("value", "sess-story")],
        ),
        ("/console/holds/lift".to_owned(), &[("name", "n"), ("reason", "r")]),
    ] {
        assert_eq!(reader.post(&path, &record_page, fields).await.status, StatusCode::FORBIDDEN, "{path}");
    }
    let planned =
        reader.post("/console/erase", &record_page, &[("what", "subject"), ("value", PERSON)]).await;
    assert_eq!(planned.status, StatusCode::FORBIDDEN);
    // A principal that is revoked has nothing at its next request.
    let mut leaver = Browser::of(&served, "leaver").await;
    assert_eq!(leaver.get(&session).await.status, StatusCode::OK);
    let (status, _) = served.send("root", "revoke-principal", &json!({ "name": "leaver" })).await;
    assert_eq!(status, 200);
    assert_eq!(leaver.get(&session).await.path, "/console/sign-in");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_found_opened_read_and_disclosed() {
    let served = served();
    let mut browser = Browser::of(&served, "inspector").await;
    let page = browser.get("/console/sessions").await;
    let found = browser.post("/console/sessions", &page, &[("initiator", PERSON)]).await;
    assert!(found.text.contains("sess-story") && !found.text.contains("s-default"), "{}", found.text);
    let none = browser.post("/console/sessions", &page, &[("initiator", "u-nobody")]).await;
    assert!(none.text.contains("No session matches"), "{}", none.text);
    let wrong = browser.post("/console/sessions", &page, &[("from", "yesterday")]).await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    let session = browser.get(&link(&found, "/console/session/")).await;
    // What is wrong stands before everything else, and what it is about is below.
    let at = |part: &str| session.text.find(part).unwrap_or_else(|| panic!("{part}: {}", session.text));
    assert!(at("class=\"alarm near\"") < at("Six questions") && at("Six questions") < at("Timeline"));
    assert!(session.text.contains("R26") && session.text.contains("Credentials over time"));
    assert!(
        session.text.contains("u-&lt;b&gt;40771") && !session.text.contains("<b>40771"),
        "{}",
        session.text
    );
    assert!(!session.text.contains(['\u{1b}', '\u{202e}']) && !session.text.contains("<img"));
    let path =
        links(&session.text).into_iter().filter(|link| link.starts_with("/console/record/")).nth(2).unwrap();
    let record = browser.get(&path).await;
    assert!(record.text.contains("Record s-9") && record.text.contains("withheld"), "{}", record.text);
    // Content takes a reason, and the reading is on record afterwards, with the name of the reader.
    assert_eq!(browser.post(&path, &record, &[("basis", "")]).await.status, StatusCode::BAD_REQUEST);
    let read = browser.post(&path, &record, &[("basis", "case 17")]).await;
    assert!(read.text.contains("&lt;img src=x") && !read.text.contains("<img"), "{}", read.text);
    assert!(!read.text.contains(['\u{1b}', '\u{202e}']), "{}", read.text);
    let again = browser.get(&path).await;
    assert!(
        again.text.contains("inspector")
            && again.text.contains("read content")
            && again.text.contains("case 17")
    );
    discloses(&served, &mut browser, &path).await;
    let proof = browser.get(&format!("{path}/proof")).await;
    assert!(proof.text.starts_with("c2sp.org/tlog-proof"), "{}", proof.text);
    let bundle = browser.get(&format!("{}/disclose", session.path)).await;
    let bundle = browser
        .post(
            &format!("{}/disclose", session.path),
            &bundle,
            &[("field", "/time"), ("field", "/credential"), ("basis", "case 17")],
        )
        .await;
    let file = served.world.path("bundle.json");
    std::fs::write(&file, &bundle.text).unwrap();
    let verified = run(&["verify", "--json", &file, "--log-vkey", &served.world.server.vkey]);
    // 1 is for what is found in the session.
    assert!(matches!(verified.status.code(), Some(0 | 1)), "{}", String::from_utf8_lossy(&verified.stderr));
    assert!(String::from_utf8_lossy(&verified.stdout).contains("sess-story"));
    // Proxies and browsers keep URLs.
    for url in &browser.urls {
        for name in ["40771", "sess-story"] {
            assert!(!url.contains(name), "{url}");
        }
    }
}

/// The export that a page offers.
async fn export(browser: &mut Browser<'_>, page: &Page, format: &str) -> Page {
    let hidden = |name: &str| {
        let after = page.text.split("action=\"/console/export\"").nth(1).unwrap();
        after
            .split(&format!("name=\"{name}\" value=\""))
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap()
            .to_owned()
    };
    let (what, search) = (hidden("what"), hidden("search"));
    let own = browser.get("/console/sessions").await;
    browser.post("/console/export", &own, &[("what", &what), ("search", &search), ("format", format)]).await
}

/// Three fields of a record, and nothing else of it.
async fn discloses(served: &Served, browser: &mut Browser<'_>, record: &str) {
    let path = format!("{record}/disclose");
    let page = browser.get(&format!("{path}?purpose=custom")).await;
    assert!(page.text.contains("0 of"), "{}", page.text);
    let fields = [("field", "/credential/id"), ("field", "/policy/0"), ("field", "/outcome/state")];
    let preview = [&fields[..], &[("act", "preview"), ("basis", "case 17"), ("purpose", "custom")]].concat();
    let preview = browser.post(&path, &page, &preview).await;
    assert!(preview.text.contains("3 of") && preview.text.contains("In part"), "{}", preview.text);
    let give = [&fields[..], &[("act", "give"), ("basis", "case 17")]].concat();
    let given = browser.post(&path, &page, &give).await;
    assert_eq!(given.status, StatusCode::OK, "{}", given.text);
    let file = served.world.path("presentation.json");
    std::fs::write(&file, &given.text).unwrap();
    let said =
        succeed(&["verify", "--json", "--presentation", &file, "--log-vkey", &served.world.server.vkey]);
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["holds"], true, "{said}");
    assert!(said.to_string().contains("deny") && !said.to_string().contains("40771"), "{said}");
    for bad in [
        &[("act", "give"), ("basis", "case")][..],
        &[("act", "give"), ("basis", "case"), ("field", "/no/such")],
    ] {
        let refused = browser.post(&path, &page, bad).await;
        assert!(refused.status.is_client_error(), "{}: {}", refused.status, refused.text);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn findings_identities_and_disclosures_are_listed_and_decided_about() {
    let served = served();
    let mut browser = Browser::of(&served, "inspector").await;
    let open = browser.get("/console/findings").await;
    assert!(open.text.contains("R26") && open.text.contains("record s-9"), "{}", open.text);
    let found = browser
        .post("/console/findings", &open, &[("code", "R26"), ("state", "Open"), ("session", "sess-story")])
        .await;
    assert!(found.text.contains("Save decision") && found.text.contains("record s-9"), "{}", found.text);
    let finding =
        found.text.split("name=\"finding\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let decision = [
        ("finding", finding.as_str()),
        ("state", "Accepted"),
        ("reason", "ticket 7 <b>"),
        ("until", "2099-01-31"),
    ];
    for wrong in [&decision[..1], &[decision[0], decision[1]], &[("finding", "x"), decision[1], decision[2]]]
    {
        let refused = browser.post("/console/decisions", &found, wrong).await;
        assert!(refused.status.is_client_error(), "{wrong:?}: {}", refused.text);
    }
    let mut reader = Browser::of(&served, "reader").await;
    let page = reader.get("/console/findings").await;
    assert!(page.text.contains("R26") && !page.text.contains("Save decision"), "{}", page.text);
    assert_eq!(reader.post("/console/decisions", &page, &decision).await.status, StatusCode::FORBIDDEN);
    let done = browser.post("/console/decisions", &found, &decision).await;
    assert!(done.text.contains("Decision recorded"), "{}", done.text);
    let accepted = browser.post("/console/findings", &open, &[("code", "R26"), ("state", "Accepted")]).await;
    assert!(
        accepted.text.contains("ticket 7 &lt;b&gt;") && accepted.text.contains("inspector"),
        "{}",
        accepted.text
    );
    let open = browser
        .post("/console/findings", &open, &[("code", "R26"), ("state", "Open"), ("session", "sess-story")])
        .await;
    assert!(!open.text.contains("record s-9"), "{}", open.text);
    // People, agents and credentials, and the sessions of one.
    let people = browser.get("/console/identities").await;
    assert!(people.text.contains("u-&lt;b&gt;40771"), "{}", people.text);
    let person =
        browser.post("/console/identities", &people, &[("facet", "initiator"), ("value", PERSON)]).await;
    assert!(person.text.contains("1 session") && person.text.contains("Agents"), "{}", person.text);
    let sessions = browser.get(&link(&person, "/console/sessions/")).await;
    assert!(
        sessions.text.contains("sess-story") && !sessions.text.contains("s-default"),
        "{}",
        sessions.text
    );
    let nobody = browser.post("/console/identities", &people, &[("facet", "agent"), ("value", "none")]).await;
    assert_eq!(nobody.status, StatusCode::NOT_FOUND);
    let mut clerk = Browser::of(&served, "clerk").await;
    assert_eq!(clerk.get(&person.path).await.status, StatusCode::NOT_FOUND, "of another tenant");
    let exported = export(&mut browser, &sessions, "csv").await;
    assert!(
        exported.text.contains("sess-story") && !exported.text.contains("s-default"),
        "{}",
        exported.text
    );
    let findings = browser.get("/console/findings").await;
    let exported = export(&mut browser, &findings, "ocsf").await;
    let event: Value = serde_json::from_str(exported.text.lines().next().unwrap()).unwrap();
    assert!(event["class_uid"].is_number(), "{event}");
    let none = browser.get("/console/disclosures").await;
    assert!(none.text.contains("Nothing was read or disclosed"), "{}", none.text);
    for url in &browser.urls {
        assert!(!url.contains("40771") && !url.contains("ticket"), "{url}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_keeps_what_would_be_erased_and_a_letter_states_what_was() {
    let served = served();
    let mut browser = Browser::of(&served, "inspector").await;
    let page = browser.get("/console/holds").await;
    let hold =
        [("name", "INCIDENT-<i>1"), ("reason", "litigation"), ("facet", "initiator"), ("value", PERSON)];
    let held = browser.post("/console/holds", &page, &hold).await;
    assert!(held.text.contains("INCIDENT-&lt;i&gt;1") && held.text.contains("Hold placed"), "{}", held.text);
    let begin = browser.get("/console/erase").await;
    let planned =
        browser.post("/console/erase", &begin, &[("what", "subject"), ("value", "u-<b>40771</b>")]).await;
    assert!(
        planned.text.contains("Must stay: 3 records") && planned.text.contains("Would be erased: 0"),
        "{}",
        planned.text
    );
    assert!(!planned.text.contains("<b>40771"), "{}", planned.text);
    let person = |page: &Page| {
        page.text.split("name=\"person\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
    };
    let basis = "GDPR Art. 17(1)(a)";
    let unconfirmed = browser.post(&planned.path, &planned, &[("basis", basis)]).await;
    assert_eq!(unconfirmed.status, StatusCode::BAD_REQUEST);
    let refused =
        browser.post(&planned.path, &planned, &[("basis", basis), ("person", &person(&planned))]).await;
    assert!(
        refused.text.contains("Nothing was erased") && refused.text.contains("legal hold"),
        "{}",
        refused.text
    );
    let page = browser.get("/console/holds").await;
    let lifted =
        browser.post("/console/holds/lift", &page, &[("name", "INCIDENT-<i>1"), ("reason", "settled")]).await;
    assert!(lifted.text.contains("Hold lifted"), "{}", lifted.text);
    let planned = browser.get(&planned.path.clone()).await;
    assert!(planned.text.contains("Would be erased: 3 records"), "{}", planned.text);
    let done =
        browser.post(&planned.path, &planned, &[("basis", basis), ("person", &person(&planned))]).await;
    assert!(done.text.contains("3 records") && done.path.starts_with("/console/done/"), "{}", done.text);
    let letter = browser.get(&format!("{}/letter.html", done.path)).await;
    assert!(
        letter.text.contains("3 records were erased") && letter.text.contains("u-&lt;b&gt;40771"),
        "{}",
        letter.text
    );
    let text = browser.get(&format!("{}/letter.txt", done.path)).await;
    assert!(text.text.contains("3 records were erased") && !text.text.contains("INCIDENT"), "{}", text.text);
    // The letter is of that visit alone, and the person is nowhere else any more.
    let mut other = Browser::of(&served, "inspector").await;
    assert_eq!(other.get(&format!("{}/letter.html", done.path)).await.status, StatusCode::NOT_FOUND);
    let sessions = other.get("/console/sessions").await;
    assert!(!sessions.text.contains("40771"), "{}", sessions.text);
    let nothing =
        browser.post("/console/erase", &begin, &[("what", "subject"), ("value", "u-<b>40771</b>")]).await;
    assert!(nothing.text.contains("No records of this person were found"), "{}", nothing.text);
    for url in &browser.urls {
        assert!(!url.contains("40771") && !url.contains("INCIDENT"), "{url}");
    }
    let duties = browser.get("/console/duties").await;
    assert!(duties.text.contains("AI Act") && duties.status == StatusCode::OK, "{}", duties.text);
    assert_eq!(served.daemon.terminate(), 0);
}
