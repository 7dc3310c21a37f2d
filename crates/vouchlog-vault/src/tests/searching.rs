//! Saved searches: each caller's own, within the tenant, and gone with what they name.

use sqlx::{Executor, Row as _};

use super::listing::{asked, at};
use super::*;
use crate::limits::{MAX_SAVED_SEARCH_BYTES, MAX_SAVED_SEARCHES, MAX_VALUE_BYTES};
use crate::role::{Role, Roles};
use crate::{SavedSearch, Scope, SessionQuery, VaultError};

/// A principal that reads, and what it may do.
async fn reader(vault: &Vault, admin: &Access, name: &str, tenant: Option<&str>) -> Access {
    let token = vault.grant(admin, name, Roles::from_iter([Role::ReadMetadata]), tenant, NOW).await.unwrap();
    vault.authenticate(&token).await.unwrap()
}

async fn names(vault: &Vault, access: &Access) -> Vec<String> {
    let saved = vault.saved_searches(access, None).await.unwrap();
    assert!(!saved.is_cut);
    saved.searches.into_iter().map(|search| search.name).collect()
}

/// A vault of two tenants, its administrator, and a reader of the first.
async fn prepared(place: &TestDatabase) -> (Vault, Access, Access) {
    let (vault, owner) = open(place).await;
    let other = KeepRecord { tenant: "other".to_owned(), ..at("r2", "s", "ann", 0, &[]) };
    vault.keep(&owner, vec![at("r1", "s", "ann", 0, &[]), other], NOW).await.unwrap();
    let token = vault.grant(&owner, "admin", Roles::all(), None, NOW).await.unwrap();
    let admin = vault.authenticate(&token).await.unwrap();
    let ann = reader(&vault, &admin, "ann", Some("acme")).await;
    (vault, admin, ann)
}

pub(super) async fn a_search_is_kept_for_its_owner_alone(place: TestDatabase) {
    let (vault, admin, ann) = prepared(&place).await;
    let query = SessionQuery {
        from: Some(-1),
        to: Some(NOW),
        ..asked(&[(Facet::Initiator, "https://idp.example|u-1"), (Facet::Verdict, "deny")])
    };
    let saved = vault.save_search(&ann, "denied", &query, NOW).await.unwrap();
    let expected = SavedSearch {
        name: "denied".to_owned(),
        tenant: "acme".to_owned(),
        facets: query.facets.clone(),
        from: Some(-1),
        to: Some(NOW),
        saved_at: NOW,
    };
    assert_eq!(saved, expected);
    assert!(!format!("{saved:?}").contains("u-1"), "{saved:?}");
    // One of the same name is replaced; others stand beside it, by name.
    vault.save_search(&ann, "all", &asked(&[]), NOW + 1).await.unwrap();
    let query = asked(&[(Facet::Tool, "search")]);
    vault.save_search(&ann, "denied", &query, NOW + 2).await.unwrap();
    let found = vault.saved_searches(&ann, Some("acme")).await.unwrap().searches;
    assert_eq!(
        found.iter().map(|one| (one.name.as_str(), one.saved_at)).collect::<Vec<_>>(),
        [("all", NOW + 1), ("denied", NOW + 2)]
    );
    assert_eq!(found[1].facets, query.facets);

    // Another caller sees none of them, nor does a member of a group that is called like it.
    let bob = reader(&vault, &admin, "bob", Some("acme")).await;
    let team = reader(&vault, &admin, "team", Some("acme")).await;
    let [member, other] = ["ann", "bob"].map(|person| team.clone().of_person(person));
    for access in [&bob, &member, &admin] {
        assert_eq!(names(&vault, access).await, [] as [&str; 0], "{}", access.name());
        let acme = access.of_tenant("acme").unwrap();
        let unknown = VaultError::UnknownSearch("denied".to_owned());
        assert_eq!(vault.delete_search(&acme, "denied").await, Err(unknown), "{}", access.name());
    }
    // A caller of every tenant has searches of each, and names the tenant to save one.
    for tenant in ["other", "acme"] {
        vault.save_search(&admin.of_tenant(tenant).unwrap(), "mine", &asked(&[]), NOW).await.unwrap();
    }
    let mine = vault.saved_searches(&admin, None).await.unwrap().searches;
    assert_eq!(mine.iter().map(|one| one.tenant.as_str()).collect::<Vec<_>>(), ["acme", "other"]);
    let of_none = vault.save_search(&admin, "mine", &asked(&[]), NOW).await;
    assert!(matches!(of_none, Err(VaultError::Invalid(_))), "{of_none:?}");
    assert!(vault.saved_searches(&ann, Some("other")).await.is_err());

    vault.delete_search(&ann, "denied").await.unwrap();
    assert_eq!(names(&vault, &ann).await, ["all"]);

    // They go with a principal that is revoked, and with the members of a group; its successor of the same name has none.
    vault.save_search(&member, "m", &asked(&[(Facet::Initiator, "ann")]), NOW).await.unwrap();
    vault.save_search(&other, "m", &asked(&[]), NOW).await.unwrap();
    vault.revoke(&admin, "ann").await.unwrap();
    let ann = reader(&vault, &admin, "ann", Some("acme")).await;
    assert_eq!(names(&vault, &ann).await, [] as [&str; 0]);
    assert_eq!((names(&vault, &member).await.len(), names(&vault, &admin).await.len()), (1, 2));
    vault.revoke(&admin, "team").await.unwrap();
    assert_eq!((names(&vault, &member).await.len(), names(&vault, &admin).await.len()), (0, 2));
    let mut raw = place.raw().await;
    let left = raw.fetch_one("SELECT count(*) FROM saved_search_value").await.unwrap().get::<i64, _>(0);
    assert_eq!(left, 0, "nothing is left of searches that are gone");
    // A new key opens what the old one sealed.
    vault.rewrap(&admin, kek(2)).await.unwrap();
    assert_eq!(names(&vault, &admin).await.len(), 2);
}

pub(super) async fn saved_searches_are_bounded(place: TestDatabase) {
    let (vault, _, ann) = prepared(&place).await;
    let invalid = async |name: &str, query: &SessionQuery| {
        let refused = vault.save_search(&ann, name, query, NOW).await;
        assert!(matches!(refused, Err(VaultError::Invalid(_))), "{name:?}: {refused:?}");
    };
    for name in ["", "two\nlines", &"x".repeat(129)] {
        invalid(name, &asked(&[])).await;
    }
    // What no list of sessions is searched by is not saved, nor what is too long.
    invalid("x", &asked(&[(Facet::Trace, "t")])).await;
    invalid("x", &asked(&[(Facet::Tool, "t"); 9])).await;
    let long = "x".repeat(MAX_VALUE_BYTES);
    let facets = vec![(Facet::Tool, long.as_str()); MAX_SAVED_SEARCH_BYTES / MAX_VALUE_BYTES];
    invalid("x", &asked(&facets)).await;
    vault.save_search(&ann, "long", &asked(&facets[1..]), NOW).await.unwrap();
    for number in 1..MAX_SAVED_SEARCHES {
        vault.save_search(&ann, &format!("s-{number}"), &asked(&[]), NOW).await.unwrap();
    }
    invalid("one more", &asked(&[])).await;
    vault.save_search(&ann, "s-1", &asked(&[]), NOW).await.expect("it takes the place of another");
    vault.delete_search(&ann, "s-1").await.unwrap();
    vault.save_search(&ann, "one more", &asked(&[]), NOW).await.unwrap();
}

pub(super) async fn an_erasure_takes_searches_for_what_it_erased(place: TestDatabase) {
    let (vault, owner) = open(&place).await;
    let acme = owner.of_tenant("acme").unwrap();
    let other = KeepRecord { tenant: "other".to_owned(), ..at("o1", "s-1", "https://i|ann", 0, &[]) };
    let held = [
        at("a1", "s-1", "https://i|ann", 0, &[(Facet::Credential, "c-1")]),
        at("a2", "s-2", "https://i|ann", 1, &[]),
        at("b1", "s-2", "https://i|bob", 2, &[]),
    ];
    vault.keep(&owner, held.into_iter().chain([other]).collect(), NOW).await.unwrap();
    let of_other = owner.of_tenant("other").unwrap();
    for (access, name, facets) in [
        (&acme, "ann", &[(Facet::Initiator, "https://i/|ann"), (Facet::Verdict, "deny")][..]),
        (&acme, "bob", &[(Facet::Initiator, "https://i|bob")]),
        (&acme, "never there", &[(Facet::Initiator, "https://i|eve")]),
        (&acme, "session 1", &[(Facet::Session, "s-1")]),
        (&acme, "session 2", &[(Facet::Session, "s-2")]),
        (&acme, "credential", &[(Facet::Credential, "c-1")]),
        (&acme, "tool", &[(Facet::Tool, "search")]),
        (&of_other, "ann elsewhere", &[(Facet::Initiator, "https://i|ann")]),
    ] {
        vault.save_search(access, name, &asked(facets), NOW).await.unwrap();
    }
    let erase = async |id: &str, scope: Scope| {
        let erasure = RecordId::new(id).unwrap();
        let plan = vault.plan_erasure(&acme, &scope, NOW).await.unwrap();
        vault.begin_erasure(&acme, &plan, "basis", &erasure, NOW).await.unwrap();
        let begun = names(&vault, &owner).await;
        vault.finish_erasure(&acme, &erasure, NOW).await.unwrap();
        assert_eq!(names(&vault, &owner).await, begun, "they go at once");
        begun
    };
    // Another record has the person.
    let left = erase("e1", Scope::Record(id("a1"))).await;
    assert_eq!(left, ["ann", "ann elsewhere", "bob", "never there", "session 2", "tool"]);
    let ann = Scope::Subject { tenant: None, subject: "https://i|ann".to_owned() };
    assert_eq!(erase("e2", ann).await, ["ann elsewhere", "bob", "never there", "session 2", "tool"]);
}

pub(super) async fn a_search_changed_behind_its_back_is_not_served(place: TestDatabase) {
    let (vault, admin, ann) = prepared(&place).await;
    let bob = reader(&vault, &admin, "bob", Some("acme")).await;
    vault.save_search(&ann, "a", &asked(&[(Facet::Tool, "t")]), NOW).await.unwrap();
    vault.save_search(&bob, "b", &asked(&[]), NOW).await.unwrap();
    let mut raw = place.raw().await;
    // A search of one caller given to another.
    let one_owner = "(SELECT owner FROM saved_search ORDER BY mac LIMIT 1)";
    raw.execute(sqlx::AssertSqlSafe(format!("UPDATE saved_search SET owner = {one_owner}"))).await.unwrap();
    let outcomes = [vault.saved_searches(&ann, None).await, vault.saved_searches(&bob, None).await];
    assert!(outcomes.iter().any(|one| matches!(one, Err(VaultError::Damaged(_)))), "{outcomes:?}");
    assert!(
        outcomes.iter().all(|one| one.as_ref().is_ok_and(|saved| saved.searches.is_empty()) || one.is_err())
    );
}
