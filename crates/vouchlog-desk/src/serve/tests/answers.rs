//! Each method answers what its route does.

use serde_json::{Value, json};

use super::world::{Outcome, World};
use crate::ask::Ask;
use crate::cases::{AddToCase, CloseCase, ListCases, NoteCase, OpenCase, ShowCase};
use crate::decisions::{DecideFindings, ListDecisions};
use crate::disclosures::ListDisclosures;
use crate::erasing::{CheckErased, Erase, PlanErasure};
use crate::exporting::Export;
use crate::findings::{CountFindings, ListFindings};
use crate::giving::{BundleSession, Present};
use crate::holding::{LiftHold, ListHolds, PlaceHold};
use crate::identities::{ListIdentities, ShowIdentity};
use crate::keeping::{CountRecords, ListRetention, SetRetention};
use crate::listing::ListSessions;
use crate::principals::{GrantPrincipal, ListPrincipals, RevokePrincipal};
use crate::reading::{FindRecords, RenewReceipts, ShowRecord};
use crate::searches::{DeleteSearch, ListSearches, SaveSearch};
use crate::serve::rpc::Rpc;
use crate::sessions::OpenSession;
use crate::sources::ListSources;

/// What differs from one call to the next.
fn settled(outcome: Outcome) -> Outcome {
    outcome.map(|mut answer| {
        for name in ["token", "saved", "to", "from"] {
            if answer[name].is_string() || answer[name].is_number() {
                answer[name] = "one of its own".into();
            }
        }
        answer
    })
}

impl World {
    /// Asks the same over both interfaces; the answer that is the same.
    async fn both<A: Rpc>(&self, principal: &str, body: Value) -> Outcome {
        let over_http = settled(self.over_http(principal, A::NAME, &body).await);
        let by_rpc = settled(self.by_rpc::<A>(principal, &body).await);
        assert_eq!(by_rpc, over_http, "{} with {body}", A::METHOD);
        over_http
    }

    /// The same, and it is answered.
    async fn answered<A: Rpc>(&self, principal: &str, body: Value) -> Value {
        let name = A::METHOD;
        self.both::<A>(principal, body).await.unwrap_or_else(|why| panic!("{name}: {why:?}"))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_reading_has_the_same_answer_over_both() {
    let world = World::start().await;
    let found =
        world.answered::<FindRecords>("reader", json!({ "limit": 2, "kinds": ["interaction"] })).await;
    assert_eq!(found["records"].as_array().unwrap().len(), 2, "{found}");
    let after = found["next"].as_str().unwrap();
    world.answered::<FindRecords>("reader", json!({ "after": after, "newest": true })).await;
    let facets = json!([{ "facet": "finding", "value": "R01" }]);
    let sessions = world.answered::<ListSessions>("reader", json!({ "facets": facets })).await;
    assert!(sessions["sessions"][0]["findings"][0]["code"].is_string(), "{sessions}");
    let findings =
        world.answered::<ListFindings>("reader", json!({ "codes": ["R01"], "state": "open" })).await;
    assert_eq!(findings["findings"][0]["state"], "open", "{findings}");
    assert!(findings["findings"][0]["found"].is_object(), "{findings}");
    world.answered::<CountFindings>("reader", json!({})).await;
    world.answered::<ListDecisions>("reader", json!({ "record": "flawed-default" })).await;
    let people = world.answered::<ListIdentities>("reader", json!({ "facet": "initiator" })).await;
    let person = people["identities"][0]["value"].clone();
    let shown =
        world.answered::<ShowIdentity>("reader", json!({ "facet": "initiator", "value": person })).await;
    assert!(shown["with"].as_array().unwrap().len() > 3, "{shown}");
    world.answered::<ListDisclosures>("reader", json!({})).await;
    let sources = world.answered::<ListSources>("reader", json!({ "from": 0 })).await;
    let examined = |source: &Value| source["examined"][0]["questions"].is_array();
    assert!(sources["sources"].as_array().unwrap().iter().any(examined), "{sources}");
    world.answered::<ListCases>("reader", json!({ "state": "closed" })).await;
    world.answered::<ListHolds>("reader", json!({})).await;
    world.answered::<ListRetention>("reader", json!({})).await;
    let counted = world.answered::<CountRecords>("reader", json!({})).await;
    assert!(counted["kinds"]["interaction"].is_u64(), "{counted}");
    world.answered::<CheckErased>("reader", json!({ "records": ["r-default"] })).await;
    let session = world.answered::<OpenSession>("reader", json!({ "session": "r-default" })).await;
    assert!(session["records"][0]["grade"].is_object(), "{session}");
    let shown = world.answered::<ShowRecord>("reader", json!({ "record": "r-default" })).await;
    assert_eq!(shown["record"]["id"], "r-default", "{shown}");
    for (what, format) in
        [("records", "ocsf"), ("records", "json-lines"), ("sessions", "csv"), ("findings", "ocsf")]
    {
        let page = world.answered::<Export>("reader", json!({ "what": what, "format": format })).await;
        assert!(page["count"].as_u64() > Some(0), "{page}");
    }
    let receipts = json!({ "records": ["r-default"], "policy": "quorum none\n" });
    assert!(world.answered::<RenewReceipts>("reader", receipts).await["why_not"].is_string());
    let subject = json!({ "target": { "subject": person }, "summary": true });
    let plan = world.answered::<PlanErasure>("everyone", subject).await;
    assert!(plan["people"].is_array() && plan["summary"]["records"].is_array(), "{plan}");
    assert_eq!(
        world.answered::<PlanErasure>("everyone", json!({ "target": { "due": null } })).await["people"],
        Value::Null
    );
    let principals = world.answered::<ListPrincipals>("root", json!({})).await;
    assert_eq!(principals["principals"].as_array().unwrap().len(), 3, "{principals}");
    world.stop().await;
}

/// Without a log: what it would record is refused by both, in the same words.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_change_has_the_same_outcome_over_both() {
    let world = World::start().await;
    let of = "everyone";
    let content = json!({ "basis": "case" });
    for outcome in [
        world.both::<ShowRecord>(of, json!({ "record": "r-default", "content": content })).await,
        world.both::<OpenSession>(of, json!({ "session": "r-default", "content": content })).await,
        world.both::<Export>(of, json!({ "format": "json-lines", "content": content })).await,
        world
            .both::<Present>(
                of,
                json!({ "record": "r-default", "fields": ["/time"], "basis": "case", "proofs": "vault" }),
            )
            .await,
        world
            .both::<BundleSession>(
                of,
                json!({ "session": "r-default", "fields": ["/time"], "basis": "case" }),
            )
            .await,
        world
            .both::<PlaceHold>(of, json!({ "name": "case", "reason": "a claim", "records": ["r-default"] }))
            .await,
        world.both::<LiftHold>(of, json!({ "name": "case", "reason": "over" })).await,
        world.both::<Erase>(of, json!({ "target": { "record": "r-default" }, "basis": "none" })).await,
        world
            .both::<DecideFindings>(
                of,
                json!({ "code": "R01", "records": ["flawed-default"], "state": "explained", "reason": "T" }),
            )
            .await,
        world.both::<OpenCase>(of, json!({ "case": "c", "reason": "T" })).await,
        world
            .both::<AddToCase>(of, json!({ "case": "c", "item": { "session": "r-default" }, "reason": "T" }))
            .await,
        world.both::<NoteCase>(of, json!({ "case": "c", "note": "T" })).await,
        world.both::<CloseCase>(of, json!({ "case": "c", "reason": "T" })).await,
    ] {
        assert_eq!(outcome.unwrap_err().0, "FAILED_PRECONDITION");
    }
    assert_eq!(world.both::<ShowCase>(of, json!({ "case": "c" })).await.unwrap_err().0, "NOT_FOUND");
    let search = json!({ "name": "mine", "facets": [{ "facet": "session", "value": "r-default" }] });
    assert_eq!(world.answered::<SaveSearch>(of, search).await["name"], "mine");
    world.answered::<ListSearches>(of, json!({ "tenant": "default" })).await;
    let retention = json!({ "class": "fin", "seconds": 86_400 });
    world.answered::<SetRetention>("root", retention).await;
    assert_eq!(world.answered::<ListRetention>(of, json!({})).await["classes"][0]["seconds"], 86_400);
    world.answered::<GrantPrincipal>("root", json!({ "name": "new", "roles": ["submit"] })).await;
    // The second of a pair finds what the first left.
    world.over_http("root", RevokePrincipal::NAME, &json!({ "name": "new" })).await.unwrap();
    assert_eq!(
        world.both::<RevokePrincipal>("root", json!({ "name": "new" })).await.unwrap_err().0,
        "NOT_FOUND"
    );
    world.by_rpc::<DeleteSearch>(of, &json!({ "name": "mine" })).await.unwrap();
    assert_eq!(world.both::<DeleteSearch>(of, json!({ "name": "mine" })).await.unwrap_err().0, "NOT_FOUND");
    world.stop().await;
}
