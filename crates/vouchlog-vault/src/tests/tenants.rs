//! Each role, with access to the tenant, to another one, and to all, doing each operation on what is of that tenant.

use super::listing::identities;
use super::reviewing::decision;
use super::*;
use crate::access::ReadPermit;
use crate::operation::Operation;
use crate::role::{Role, Roles};
use crate::{ErasurePlan, FindingQuery, FindingState, HoldTarget, Result, Scope, SessionQuery, VaultError};

const OPERATIONS: [(&str, Role); 31] = [
    ("keep", Role::Submit),
    ("find", Role::ReadMetadata),
    ("find in all", Role::ReadMetadata),
    ("find by person", Role::ReadMetadata),
    ("row", Role::ReadMetadata),
    ("kept", Role::ReadMetadata),
    ("jwt", Role::ReadMetadata),
    ("proof", Role::ReadMetadata),
    ("metadata", Role::ReadMetadata),
    ("redaction key", Role::ReadMetadata),
    ("holds", Role::ReadMetadata),
    ("due", Role::ReadMetadata),
    ("pending erasures", Role::ReadMetadata),
    ("sessions", Role::ReadMetadata),
    ("findings", Role::ReadMetadata),
    ("count findings", Role::ReadMetadata),
    ("identities", Role::ReadMetadata),
    ("identity", Role::ReadMetadata),
    ("save search", Role::ReadMetadata),
    ("saved searches", Role::ReadMetadata),
    ("delete search", Role::ReadMetadata),
    ("decide", Role::Review),
    ("content", Role::ReadContent),
    ("plan a record", Role::Erase),
    ("plan what is due", Role::Erase),
    ("plan a person", Role::Erase),
    ("begin", Role::Erase),
    ("finish", Role::Erase),
    ("hold records", Role::Erase),
    ("hold what matches", Role::Erase),
    ("release", Role::Erase),
];

/// A vault with records of the tenant `acme` under each state, and one of another tenant.
async fn prepared(vault: &Vault, owner: &Access) {
    let due = KeepRecord {
        retention: Retention { class: "P0D".to_owned(), until: Some(NOW) },
        ..record("due", "s", "q")
    };
    let elsewhere = KeepRecord { tenant: "other".to_owned(), ..record("elsewhere", "s", "p") };
    let mut held = record("held", "s", "p");
    held.facets.push((Facet::Finding, "R26".to_owned()));
    let records = vec![held, record("going", "s", "p"), due, elsewhere];
    vault.keep(owner, records, NOW).await.unwrap();
    vault.hold(owner, "case", "a claim", &HoldTarget::Records(vec![id("held")]), NOW).await.unwrap();
    let plan = vault.plan_erasure(owner, &Scope::Record(id("going")), NOW).await.unwrap();
    vault.begin_erasure(owner, &plan, "basis", &id("e1"), NOW).await.unwrap();
}

/// Does an operation on what is of the tenant `acme`. Whether anything of it was seen or changed.
async fn call(vault: &Vault, access: &Access, operation: &str) -> Result<bool> {
    let (held, acme) = (id("held"), Some("acme".to_owned()));
    let plan = ErasurePlan { scope: "record", records: vec![held.clone()], refusals: vec![], more: false };
    let is_acme = |rows: Vec<crate::Row>| rows.iter().any(|row| row.tenant == "acme");
    let planned = |plan: ErasurePlan| {
        let mut ids = plan.records.iter().chain(plan.refusals.iter().map(|refusal| &refusal.record));
        ids.any(|id| id.as_str() != "elsewhere")
    };
    Ok(match operation {
        "keep" => vault.keep(access, vec![record("held", "s", "p")], NOW).await.map(|()| true)?,
        "find" => is_acme(vault.find(access, &Query { tenant: acme, ..Query::default() }).await?),
        "find in all" => is_acme(vault.find(access, &Query::default()).await?),
        "find by person" => is_acme(vault.find(access, &by(Facet::Initiator, "p")).await?),
        "row" => vault.row(access, &held).await.map(|_| true)?,
        "kept" => !vault.kept(access, &[held]).await?.is_empty(),
        "jwt" => vault.jwt(access, &held).await.map(|_| true)?,
        "proof" => vault.proof(access, &held).await.map(|_| true)?,
        "metadata" => vault.metadata(access, &held).await.map(|_| true)?,
        "redaction key" => vault.redaction_key(access, "acme").await?.is_some(),
        "holds" => !vault.holds(access).await?.is_empty(),
        "due" => !vault.due(access, NOW, 9).await?.is_empty(),
        "pending erasures" => !vault.pending_erasures(access).await?.is_empty(),
        "sessions" => {
            let query = SessionQuery { limit: 10, ..SessionQuery::default() };
            vault.sessions(access, &query).await?.iter().any(|session| session.tenant == "acme")
        }
        "findings" => {
            let query = FindingQuery { limit: 10, state: FindingState::Explained, ..FindingQuery::default() };
            let explained = vault.findings(access, &query).await?;
            let open = vault.findings(access, &FindingQuery { state: FindingState::Open, ..query }).await?;
            explained.into_iter().chain(open).any(|finding| finding.row.tenant == "acme")
        }
        "count findings" => !vault.count_findings(access, None).await?.is_empty(),
        "identities" => {
            let found = vault.identities(access, &identities(Facet::Tool)).await?;
            found.iter().any(|identity| identity.tenant == "acme")
        }
        "identity" => {
            let found = vault.identity(access, None, Facet::Initiator, "p").await?;
            found.iter().any(|uses| uses.identity.tenant == "acme")
        }
        "save search" => {
            let access = access.narrowed(Operation::SaveSearches, Some("acme"))?;
            vault.save_search(&access, "x", &SessionQuery::default(), NOW).await.map(|_| true)?
        }
        "saved searches" => {
            let saved = vault.saved_searches(access, None).await?;
            saved.searches.iter().any(|search| search.tenant == "acme")
        }
        "delete search" => {
            let access = access.narrowed(Operation::SaveSearches, Some("acme"))?;
            vault.delete_search(&access, "x").await.map(|()| true)?
        }
        "decide" => {
            let access = access.narrowed(Operation::Review, Some("acme"))?;
            vault.decide(&access, &decision(&[held]), NOW).await.map(|_| true)?
        }
        "content" => {
            let permit = ReadPermit::new(vec![held.clone()]);
            vault.content(access, &permit, &held).await.map(|_| true)?
        }
        "plan a record" => planned(vault.plan_erasure(access, &Scope::Record(held), NOW).await?),
        "plan what is due" => {
            planned(vault.plan_erasure(access, &Scope::Retention(vec![id("due")]), NOW).await?)
        }
        "plan a person" => {
            let scope = Scope::Subject { tenant: None, subject: "p".to_owned() };
            planned(vault.plan_erasure(access, &scope, NOW).await?)
        }
        // It is under a hold, so that it stays for the next one.
        "begin" => match vault.begin_erasure(access, &plan, "basis", &id("e2"), NOW).await {
            Err(VaultError::Refused(_)) => true,
            begun => begun.map(|()| true)?,
        },
        "finish" => vault.finish_erasure(access, &id("e1"), NOW).await? > 0,
        "hold records" => {
            let target = HoldTarget::Records(vec![held]);
            vault.hold(access, "case", "a claim", &target, NOW).await.map(|_| true)?
        }
        "hold what matches" => {
            let target = HoldTarget::Matching(Query { tenant: acme, ..by(Facet::Initiator, "p") });
            vault.hold(access, "case", "a claim", &target, NOW).await.map(|_| true)?
        }
        "release" => {
            vault.release(access, "case", "settled", NOW).await?;
            true
        }
        other => panic!("{other}"),
    })
}

pub(super) async fn every_operation_takes_its_tenant(place: TestDatabase) {
    let (vault, owner) = open(&place).await;
    prepared(&vault, &owner).await;
    let admin = vault.grant(&owner, "admin", Roles::all(), None, NOW).await.unwrap();
    let admin = vault.authenticate(&admin).await.unwrap();
    for role in Role::ALL.into_iter().filter(|role| *role != Role::Admin) {
        for (tenant, may) in
            [(Some("acme"), true), (None, true), (Some("other"), false), (Some("none"), false)]
        {
            let roles = [role].into_iter().collect();
            let token = vault.grant(&admin, "x", roles, tenant, NOW).await.unwrap();
            let access = vault.authenticate(&token).await.unwrap();
            for (operation, needs) in OPERATIONS {
                let outcome = call(&vault, &access, operation).await;
                let case = format!("{role} of {tenant:?} does {operation}: {outcome:?}");
                match outcome {
                    Err(VaultError::Forbidden { .. }) => assert_ne!(role, needs, "{case}"),
                    Ok(seen) => assert!(role == needs && seen == may, "{case}"),
                    Err(
                        VaultError::ForbiddenTenant { .. }
                        | VaultError::UnknownRecord(_)
                        | VaultError::UnknownHold(_)
                        | VaultError::UnknownErasure(_),
                    ) => assert!(role == needs && !may, "{case}"),
                    Err(_) => panic!("{case}"),
                }
                if operation == "release" && may && role == needs {
                    let target = HoldTarget::Records(vec![id("held")]);
                    vault.hold(&admin, "case", "a claim", &target, NOW).await.unwrap();
                }
            }
        }
    }
    // A hold of two tenants is lifted by a caller that has access to both; what concerns all takes access to all.
    let both = HoldTarget::Records(vec![id("held"), id("elsewhere")]);
    vault.hold(&admin, "case", "a claim", &both, NOW).await.unwrap();
    let clerk = [Role::Erase, Role::ReadMetadata].into_iter().collect();
    let clerk = vault.grant(&admin, "clerk", clerk, Some("acme"), NOW).await.unwrap();
    let clerk = vault.authenticate(&clerk).await.unwrap();
    let denied = VaultError::NeedsAllTenants("clerk".to_owned());
    assert_eq!(vault.release(&clerk, "case", "settled", NOW).await, Err(denied.clone()));
    assert_eq!(vault.compact(&clerk).await, Err(denied.clone()));
    assert_eq!(vault.set_retention(&clerk, "c", std::time::Duration::ZERO).await, Err(denied));
    assert_eq!(vault.holds(&clerk).await.unwrap()[0].records, 1, "only its own are counted");
    // Nor does a recorder of one tenant put on record what somebody of all tenants did.
    let by_admin = async |access: &Access| {
        let pending = vault.pending_hold_events(access).await.unwrap();
        pending.iter().any(|event| event.by == "admin")
    };
    assert!(by_admin(&admin).await && !by_admin(&clerk).await);
    // An administrator names others for every tenant, so it is one of every tenant.
    let bound = vault.grant(&admin, "y", Roles::all(), Some("acme"), NOW).await;
    assert!(matches!(bound, Err(VaultError::Invalid(_))), "{bound:?}");
}
