//! Each role with each tenant and each thing that can be asked: what the table says is what is answered.

use serde_json::{Value, json};

use super::Served;

/// Something to ask of a tenant: its name, its body, the roles it takes, and whether it concerns every tenant.
struct Cell {
    name: &'static str,
    body: fn(&str) -> Value,
    roles: &'static [&'static str],
    reach: Reach,
}

#[derive(Clone, Copy, PartialEq)]
enum Reach {
    /// The tenant that is named.
    Tenant,
    /// None in particular.
    Any,
    /// Every tenant.
    Every,
}

const CELLS: [Cell; 40] = [
    cell("find-records", |tenant| json!({ "tenant": tenant }), &["read-metadata"], Reach::Tenant),
    cell("list-sessions", |tenant| json!({ "tenant": tenant }), &["read-metadata"], Reach::Tenant),
    cell("save-search", search, &["read-metadata"], Reach::Tenant),
    cell("list-searches", |tenant| json!({ "tenant": tenant }), &["read-metadata"], Reach::Tenant),
    cell("delete-search", search_name, &["read-metadata"], Reach::Tenant),
    cell("open-session", session, &["read-metadata"], Reach::Tenant),
    cell("open-session", session_with_content, &["read-content", "read-metadata"], Reach::Tenant),
    cell("show-record", record, &["read-metadata"], Reach::Tenant),
    cell("show-record", record_with_content, &["read-content", "read-metadata"], Reach::Tenant),
    cell("renew-receipts", receipts, &["read-metadata"], Reach::Tenant),
    cell("check-erased", records, &["read-metadata"], Reach::Tenant),
    cell("count-records", |tenant| json!({ "tenant": tenant }), &["read-metadata"], Reach::Tenant),
    cell("list-holds", |tenant| json!({ "tenant": tenant }), &["read-metadata"], Reach::Tenant),
    cell("list-retention", |_| json!({}), &["read-metadata"], Reach::Any),
    cell("list-findings", |tenant| json!({ "tenant": tenant }), &["read-metadata"], Reach::Tenant),
    cell("count-findings", |tenant| json!({ "tenant": tenant }), &["read-metadata"], Reach::Tenant),
    cell("list-decisions", |tenant| json!({ "tenant": tenant }), &["read-metadata"], Reach::Tenant),
    cell("list-identities", identities, &["read-metadata"], Reach::Tenant),
    cell("show-identity", identity, &["read-metadata"], Reach::Tenant),
    cell("list-disclosures", record, &["read-metadata"], Reach::Tenant),
    cell("list-sources", |tenant| json!({ "tenant": tenant }), &["read-metadata"], Reach::Tenant),
    cell("list-cases", |tenant| json!({ "tenant": tenant }), &["read-metadata"], Reach::Tenant),
    cell("open-case", case, &["review"], Reach::Tenant),
    cell("add-to-case", case_item, &["review", "read-metadata"], Reach::Tenant),
    cell("note-case", case_note, &["review"], Reach::Tenant),
    cell("close-case", case_of_nobody, &["review"], Reach::Tenant),
    cell("show-case", case_shown, &["read-metadata"], Reach::Tenant),
    cell("export", export, &["read-metadata"], Reach::Tenant),
    cell("export", export_of_content, &["read-content", "read-metadata"], Reach::Tenant),
    cell("decide-findings", decision, &["review"], Reach::Tenant),
    cell("present", fields, &["disclose", "read-metadata"], Reach::Tenant),
    cell("bundle-session", bundle, &["disclose", "read-metadata"], Reach::Tenant),
    cell("place-hold", hold, &["erase"], Reach::Tenant),
    cell("lift-hold", release, &["erase"], Reach::Tenant),
    cell("plan-erasure", plan, &["erase"], Reach::Tenant),
    cell("erase", erasure, &["erase"], Reach::Tenant),
    cell("set-retention", |_| json!({ "class": "fin", "seconds": 86_400 }), &["erase"], Reach::Every),
    cell("grant-principal", |_| json!({ "name": "new", "roles": ["submit"] }), &["admin"], Reach::Every),
    cell("revoke-principal", |_| json!({ "name": "new" }), &["admin"], Reach::Every),
    cell("list-principals", |_| json!({}), &["admin"], Reach::Every),
];

const fn cell(
    name: &'static str,
    body: fn(&str) -> Value,
    roles: &'static [&'static str],
    reach: Reach,
) -> Cell {
    Cell { name, body, roles, reach }
}

fn search(tenant: &str) -> Value {
    json!({ "tenant": tenant, "name": "mine", "facets": [{ "facet": "session", "value": format!("s-{tenant}") }] })
}

fn search_name(tenant: &str) -> Value {
    json!({ "tenant": tenant, "name": "mine" })
}

fn session(tenant: &str) -> Value {
    json!({ "tenant": tenant, "session": format!("s-{tenant}") })
}

fn session_with_content(tenant: &str) -> Value {
    json!({ "tenant": tenant, "session": format!("s-{tenant}"), "content": { "basis": "case" } })
}

fn record(tenant: &str) -> Value {
    json!({ "tenant": tenant, "record": format!("r-{tenant}") })
}

fn record_with_content(tenant: &str) -> Value {
    json!({ "tenant": tenant, "record": format!("r-{tenant}"), "content": { "basis": "case" } })
}

fn identities(tenant: &str) -> Value {
    json!({ "tenant": tenant, "facet": "agent" })
}

fn identity(tenant: &str) -> Value {
    json!({ "tenant": tenant, "facet": "session", "value": format!("s-{tenant}") })
}

fn export(tenant: &str) -> Value {
    json!({ "tenant": tenant, "what": "findings", "format": "ocsf" })
}

fn export_of_content(tenant: &str) -> Value {
    json!({ "tenant": tenant, "format": "json-lines", "content": { "basis": "case" } })
}

fn decision(tenant: &str) -> Value {
    json!({ "tenant": tenant, "code": "R01", "records": [format!("flawed-{tenant}")], "state": "explained", "reason": "TICKET-1" })
}

fn case(tenant: &str) -> Value {
    json!({ "tenant": tenant, "case": "case", "reason": "TICKET-1" })
}

fn case_item(tenant: &str) -> Value {
    json!({ "tenant": tenant, "case": "case", "item": { "session": format!("s-{tenant}") }, "reason": "TICKET-1" })
}

fn case_note(tenant: &str) -> Value {
    json!({ "tenant": tenant, "case": "case", "note": "TICKET-1" })
}

fn case_of_nobody(tenant: &str) -> Value {
    json!({ "tenant": tenant, "case": "of nobody", "reason": "TICKET-1" })
}

fn case_shown(tenant: &str) -> Value {
    json!({ "tenant": tenant, "case": "case" })
}

fn receipts(tenant: &str) -> Value {
    json!({ "tenant": tenant, "records": [format!("r-{tenant}")], "policy": "quorum none\n" })
}

fn records(tenant: &str) -> Value {
    json!({ "tenant": tenant, "records": [format!("r-{tenant}")] })
}

fn fields(tenant: &str) -> Value {
    json!({ "tenant": tenant, "record": format!("r-{tenant}"), "fields": ["/outcome/state"], "basis": "case" })
}

fn bundle(tenant: &str) -> Value {
    json!({ "tenant": tenant, "session": format!("s-{tenant}"), "fields": ["/outcome"], "basis": "case" })
}

fn hold(tenant: &str) -> Value {
    json!({ "tenant": tenant, "name": format!("case-{tenant}"), "reason": "a claim", "records": [format!("r-{tenant}")] })
}

fn release(tenant: &str) -> Value {
    json!({ "tenant": tenant, "name": format!("case-{tenant}"), "reason": "over" })
}

fn plan(tenant: &str) -> Value {
    json!({ "tenant": tenant, "target": { "record": format!("owed-{tenant}") } })
}

fn erasure(tenant: &str) -> Value {
    json!({ "tenant": tenant, "target": { "record": format!("owed-{tenant}") }, "basis": "none" })
}

const PRINCIPALS: [(&str, &str, Option<&str>); 23] = [
    ("submit of default", "submit", Some("default")),
    ("submit of acme", "submit", Some("acme")),
    ("submit of all", "submit", None),
    ("reader of default", "read-metadata", Some("default")),
    ("reader of acme", "read-metadata", Some("acme")),
    ("reader of all", "read-metadata", None),
    ("content of default", "read-content", Some("default")),
    ("content of acme", "read-content", Some("acme")),
    ("content of all", "read-content", None),
    ("disclose of default", "disclose", Some("default")),
    ("disclose of acme", "disclose", Some("acme")),
    ("disclose of all", "disclose", None),
    ("erase of default", "erase", Some("default")),
    ("erase of acme", "erase", Some("acme")),
    ("erase of all", "erase", None),
    ("review of default", "review", Some("default")),
    ("review of acme", "review", Some("acme")),
    ("review of all", "review", None),
    ("admin", "admin", None),
    ("investigator of default", "read-metadata,read-content,disclose", Some("default")),
    ("investigator of acme", "read-metadata,read-content,disclose", Some("acme")),
    ("investigator of all", "read-metadata,read-content,disclose", None),
    ("everything of acme", "submit,read-metadata,read-content,disclose,erase,review", Some("acme")),
];

/// How a vault is asked.
#[derive(Clone, Copy)]
enum Interface {
    Http,
    Rpc,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_role_tenant_and_operation_is_answered_as_the_table_says() {
    check(Interface::Http).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_role_tenant_and_operation_is_answered_as_the_table_says_by_rpcs() {
    check(Interface::Rpc).await;
}

async fn check(interface: Interface) {
    let served = Served::start(&PRINCIPALS, &[]);
    let mut wrong = Vec::new();
    for (principal, roles, own) in PRINCIPALS {
        let has = |role: &&str| roles.split(',').any(|one| one == *role);
        for Cell { name, body, roles: needed, reach } in &CELLS {
            for tenant in ["default", "acme"] {
                let expected = if !needed.iter().all(has) {
                    // Of what takes two roles the second is asked for once the tenant is known.
                    let is_foreign = *reach == Reach::Tenant && own.is_some_and(|own| own != tenant);
                    if has(&needed[0]) && is_foreign { 404 } else { 403 }
                } else if *reach == Reach::Every && own.is_some() {
                    403
                } else if *reach == Reach::Tenant && own.is_some_and(|own| own != tenant) {
                    404
                } else {
                    200
                };
                // The second grant and revocation of a pair find what the first left; the case is there once it was opened.
                let body = body(tenant);
                let (status, said) = match interface {
                    Interface::Http => served.send(principal, name, &body).await,
                    Interface::Rpc => served.call(principal, name, &body).await,
                };
                let otherwise = match *name {
                    "revoke-principal" | "close-case" | "show-case" => 404,
                    "open-case" => 409,
                    _ => 200,
                };
                if status != expected && !(expected == 200 && status == otherwise) {
                    wrong.push(format!(
                        "{principal}: {name} of {tenant}: {status} instead of {expected}: {said}"
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} cells:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(served.daemon.terminate(), 0);
}
