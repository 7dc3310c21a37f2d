//! Roles: each operation with each of them, and the life of principals.

use std::time::Duration;

use super::listing::identities;
use super::reviewing::decision;
use super::*;
use crate::access::{ReadPermit, Token};
use crate::role::{Role, Roles};
use crate::{ErasurePlan, FindingQuery, HoldTarget, Result, Scope, SessionQuery, StreamProofs, VaultError};

const OPERATIONS: [(&str, Role); 36] = [
    ("keep", Role::Submit),
    ("unlogged", Role::Submit),
    ("unlogged_among", Role::Submit),
    ("kept_not_logged", Role::Submit),
    ("logged", Role::Submit),
    ("keep_stream_proofs", Role::Submit),
    ("find", Role::ReadMetadata),
    ("row", Role::ReadMetadata),
    ("jwt", Role::ReadMetadata),
    ("proof", Role::ReadMetadata),
    ("metadata", Role::ReadMetadata),
    ("stream_proofs", Role::ReadMetadata),
    ("holds", Role::ReadMetadata),
    ("due", Role::ReadMetadata),
    ("retention_classes", Role::ReadMetadata),
    ("pending_erasures", Role::ReadMetadata),
    ("sessions", Role::ReadMetadata),
    ("findings", Role::ReadMetadata),
    ("count_findings", Role::ReadMetadata),
    ("identities", Role::ReadMetadata),
    ("identity", Role::ReadMetadata),
    ("save_search", Role::ReadMetadata),
    ("saved_searches", Role::ReadMetadata),
    ("delete_search", Role::ReadMetadata),
    ("decide", Role::Review),
    ("content", Role::ReadContent),
    ("plan_erasure", Role::Erase),
    ("begin_erasure", Role::Erase),
    ("finish_erasure", Role::Erase),
    ("hold", Role::Erase),
    ("release", Role::Erase),
    ("set_retention", Role::Erase),
    ("compact", Role::Erase),
    ("grant", Role::Admin),
    ("principals", Role::Admin),
    ("rewrap", Role::Admin),
];

/// Calls an operation with arguments that are fine, or fail for another reason than a role.
async fn call(vault: &Vault, access: &Access, operation: &str) -> Result<()> {
    let (r1, e1) = (id("r1"), id("e1"));
    let plan = ErasurePlan { scope: "record", records: vec![], refusals: vec![], more: false };
    let proofs = StreamProofs {
        stream: StreamId::new(1).unwrap(),
        gateway: "g".to_owned(),
        opening: "o".to_owned(),
        enrolment: None,
        genesis: None,
    };
    match operation {
        "keep" => vault.keep(access, vec![record("r1", "s", "p")], NOW).await,
        "unlogged" => vault.unlogged(access, i64::MIN, 1).await.map(drop),
        "unlogged_among" => vault.unlogged_among(access, &[r1]).await.map(drop),
        "kept_not_logged" => vault.kept_not_logged(access).await.map(drop),
        "logged" => vault.logged(access, vec![]).await.map(drop),
        "keep_stream_proofs" => vault.keep_stream_proofs(access, proofs).await,
        "find" => vault.find(access, &Query::default()).await.map(drop),
        "row" => vault.row(access, &r1).await.map(drop),
        "jwt" => vault.jwt(access, &r1).await.map(drop),
        "proof" => vault.proof(access, &r1).await.map(drop),
        "metadata" => vault.metadata(access, &r1).await.map(drop),
        "stream_proofs" => vault.stream_proofs(access, proofs.stream).await.map(drop),
        "holds" => vault.holds(access).await.map(drop),
        "due" => vault.due(access, NOW, 1).await.map(drop),
        "retention_classes" => vault.retention_classes(access).await.map(drop),
        "pending_erasures" => vault.pending_erasures(access).await.map(drop),
        "sessions" => vault.sessions(access, &SessionQuery::default()).await.map(drop),
        "findings" => vault.findings(access, &FindingQuery::default()).await.map(drop),
        "count_findings" => vault.count_findings(access, None).await.map(drop),
        "identities" => vault.identities(access, &identities(Facet::Tool)).await.map(drop),
        "identity" => vault.identity(access, None, Facet::Tool, "search").await.map(drop),
        "save_search" => vault.save_search(access, "x", &SessionQuery::default(), NOW).await.map(drop),
        "saved_searches" => vault.saved_searches(access, None).await.map(drop),
        "delete_search" => vault.delete_search(access, "x").await,
        "decide" => vault.decide(access, &decision(&[r1]), NOW).await.map(drop),
        "content" => vault.content(access, &ReadPermit::new(vec![r1.clone()]), &r1).await.map(drop),
        "plan_erasure" => vault.plan_erasure(access, &Scope::Record(r1), NOW).await.map(drop),
        "begin_erasure" => vault.begin_erasure(access, &plan, "basis", &e1, NOW).await,
        "finish_erasure" => vault.finish_erasure(access, &e1, NOW).await.map(drop),
        "hold" => vault.hold(access, "case", "a lawsuit", &HoldTarget::Records(vec![]), NOW).await.map(drop),
        "release" => vault.release(access, "no such case", "settled", NOW).await,
        "set_retention" => vault.set_retention(access, "class", Duration::ZERO).await,
        "compact" => vault.compact(access).await,
        "grant" => vault.grant(access, "x", Roles::all(), None, NOW).await.map(drop),
        "principals" => vault.principals(access).await.map(drop),
        "rewrap" => vault.rewrap(access, kek(1)).await,
        other => panic!("{other}"),
    }
}

pub(super) async fn every_operation_takes_its_role(place: TestDatabase) {
    let (vault, owner) = open(&place).await;
    vault.keep(&owner, vec![record("r1", "s", "p")], NOW).await.unwrap();
    let admin = vault.grant(&owner, "admin", Roles::all(), None, NOW).await.unwrap();
    let admin = vault.authenticate(&admin).await.unwrap();
    for role in Role::ALL {
        let token = vault.grant(&admin, role.name(), [role].into_iter().collect(), None, NOW).await.unwrap();
        let access = vault.authenticate(&token).await.unwrap();
        assert!(access.roles().has(role));
        for (operation, needs) in OPERATIONS {
            let outcome = call(&vault, &access, operation).await;
            let forbidden = VaultError::Forbidden { who: role.name().to_owned(), needs };
            assert_eq!(outcome == Err(forbidden), needs != role, "{role} does {operation}: {outcome:?}");
        }
        let refused = vault.revoke(&access, "x").await;
        assert_eq!(matches!(refused, Err(VaultError::Forbidden { .. })), role != Role::Admin, "{refused:?}");
    }
}

pub(super) async fn principals_come_and_go(place: TestDatabase) {
    let (vault, owner) = open(&place).await;
    let submit: Roles = [Role::Submit].into_iter().collect();
    // The first must be able to name others.
    assert_eq!(vault.grant(&owner, "gateway", submit, None, NOW).await, Err(VaultError::LastAdmin));
    assert_eq!(vault.principals(&owner).await.unwrap(), []);
    let admin_token = vault.grant(&owner, "admin", Roles::all(), None, NOW).await.unwrap();
    assert_eq!(vault.owner().await, Err(VaultError::TokenNeeded), "the key alone is not enough any more");
    let admin = vault.authenticate(&admin_token).await.unwrap();
    assert_eq!((admin.name(), admin.roles()), ("admin", Roles::all()));

    let token = vault.grant(&admin, "gateway", submit, None, NOW).await.unwrap();
    let shown = token.reveal().to_string();
    assert_eq!(Token::parse(&format!("{shown}\n")).unwrap(), token);
    assert!(!format!("{token:?}").contains(&shown["vouchlog-vault-".len()..]));
    let gateway = vault.authenticate(&Token::parse(&shown).unwrap()).await.unwrap();
    assert_eq!((gateway.name(), gateway.roles()), ("gateway", submit));
    for text in ["", "vouchlog-vault-", &shown[1..], &shown[..shown.len() - 1]] {
        assert_eq!(Token::parse(text), Err(VaultError::TokenUnknown), "{text}");
    }
    // The token itself is nowhere: a new grant makes a new one and the old one void.
    let renewed = vault.grant(&admin, "gateway", Roles::NONE, None, NOW + 1).await.unwrap();
    assert_eq!(vault.authenticate(&token).await, Err(VaultError::TokenUnknown));
    assert_eq!(vault.authenticate(&renewed).await.unwrap().roles(), Roles::NONE);
    let names: Vec<_> = vault.principals(&admin).await.unwrap();
    assert!(names.iter().map(|principal| principal.name.as_str()).eq(["admin", "gateway"]));

    assert_eq!(vault.revoke(&admin, "admin").await, Err(VaultError::LastAdmin));
    assert_eq!(vault.grant(&admin, "admin", submit, None, NOW).await, Err(VaultError::LastAdmin));
    assert_eq!(vault.revoke(&admin, "nobody").await, Err(VaultError::UnknownPrincipal("nobody".to_owned())));
    vault.authenticate(&admin_token).await.unwrap();
    vault.revoke(&admin, "gateway").await.unwrap();
    assert_eq!(vault.authenticate(&renewed).await, Err(VaultError::TokenUnknown));
    vault.revoke(&admin, "admin").await.unwrap();
    assert_eq!(vault.owner().await.unwrap(), owner);
}
