//! Proofs of a run of entries are stored as one, and each is given back as it was.

use sqlx::{Executor, Row as _};
use vouchlog_merkle::{
    CompactRange, InclusionProof, LeafIndex, NodeId, TreeHead, TreeSize, leaf_hash, node_hash,
};
use vouchlog_note::{
    Checkpoint, KeyName, Origin, ProofFile, SignatureType, SignedCheckpoint, SigningKey, UnverifiedNote,
};
use vouchlog_stream::StatementEntry;

use super::*;
use crate::VaultError;

/// Entries of others before ours.
const BEFORE: u64 = 5;

/// The entries of a log: some of others, then those of the records, then more of others.
fn leaves(names: &[String], after: u64) -> Vec<Vec<u8>> {
    let others = |from: u64, to: u64| (from..to).map(|n| format!("another's entry {n}").into_bytes());
    let ours = names.iter().enumerate().map(|(n, name)| entry(name, n as u64).to_bytes().to_vec());
    let end = BEFORE + names.len() as u64;
    others(0, BEFORE).chain(ours).chain(others(end, end + after)).collect()
}

/// The entry of a record, as [`logged`] places it.
fn entry(name: &str, n: u64) -> StatementEntry {
    let Logged { stream, sequence, logged_at, .. } = logged(name, BEFORE + n, "");
    StatementEntry { logged_at, stream, sequence, statement: record(name, "s", "p").statement() }
}

/// What [`Logged`] the log with these leaves gives for each of the names.
fn receipts(names: &[String], after: u64) -> Vec<Logged> {
    let leaves: Vec<_> = leaves(names, after).iter().map(|leaf| leaf_hash(leaf)).collect();
    let tree = CompactRange::of_leaves(0, &leaves).unwrap();
    let size = TreeSize::new(leaves.len() as u64);
    let origin = Origin::new("log.example.com").unwrap();
    let name = KeyName::new("log.example.com").unwrap();
    let key = SigningKey::generate(name, SignatureType::Ed25519, [5; 32]).unwrap();
    let head = TreeHead { size, root: tree.root().unwrap() };
    let signed = SignedCheckpoint::sign(&Checkpoint::new(origin, head), &key).unwrap();
    let node = |node: &NodeId| {
        let [first, end] = [node.first_leaf(), node.end_leaf()].map(|leaf| usize::try_from(leaf).unwrap());
        let mut hashes = leaves[first..end].to_vec();
        while hashes.len() > 1 {
            hashes = hashes.chunks(2).map(|pair| node_hash(&pair[0], &pair[1])).collect();
        }
        hashes[0]
    };
    let receipt = |(n, name): (usize, &String)| {
        let index = LeafIndex::new(BEFORE + n as u64);
        let plan = InclusionProof::plan(index, size).unwrap();
        let nodes: Vec<_> = plan.nodes().iter().map(node).collect();
        let proof = InclusionProof::from_nodes(&plan, &nodes).unwrap();
        let note = UnverifiedNote::parse(signed.note().as_bytes()).unwrap();
        let extra = entry(name, n as u64).to_bytes().to_vec();
        let file = ProofFile::new(Some(extra), index, proof, note).unwrap();
        logged(name, index.get(), &file.to_text())
    };
    names.iter().enumerate().map(receipt).collect()
}

async fn count(place: &TestDatabase, table: &str) -> i64 {
    let mut raw = place.raw().await;
    let sql = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
    sqlx::query(sql).fetch_one(&mut raw).await.unwrap().get(0)
}

async fn assert_given_back(vault: &Vault, owner: &Access, receipts: &[Logged], names: &[String]) {
    for (name, receipt) in names.iter().zip(receipts) {
        let proof = vault.proof(owner, &id(name)).await.unwrap();
        assert_eq!(proof.as_ref(), Some(&receipt.proof), "{name}");
    }
    let all: Vec<RecordId> = names.iter().map(|name| id(name)).collect();
    let proofs = vault.proofs(owner, &all).await.unwrap();
    assert_eq!(proofs.len(), names.len());
    for (name, receipt) in names.iter().zip(receipts) {
        assert_eq!(proofs[&id(name)], receipt.proof, "{name}");
    }
}

/// Records that are kept, and their names.
async fn kept(vault: &Vault, owner: &Access, count: usize) -> Vec<String> {
    let names: Vec<String> = (0..count).map(|n| format!("r{n}")).collect();
    let records = names.iter().map(|name| record(name, "s", "p")).collect();
    vault.keep(owner, records, NOW).await.unwrap();
    names
}

pub(super) async fn proofs_of_a_run_are_stored_as_one(place: TestDatabase) {
    let (vault, owner) = open(&place).await;
    let names = kept(&vault, &owner, 300).await;
    let bare = receipts(&names, 3);
    let mut given = bare.clone();
    given.reverse();
    vault.logged(&owner, given).await.unwrap();
    assert_given_back(&vault, &owner, &bare, &names).await;
    // 256 entries at most.
    assert_eq!((count(&place, "proof").await, count(&place, "proof_run").await), (0, 2));
    // Some are replaced by proofs under another checkpoint: what is still needed of the old runs stays.
    let later = receipts(&names, 90);
    vault.logged(&owner, later[10..20].to_vec()).await.unwrap();
    let mixed = [&bare[..10], &later[10..20], &bare[20..]].concat();
    assert_given_back(&vault, &owner, &mixed, &names).await;
    assert_eq!(count(&place, "proof_run").await, 3);
    vault.logged(&owner, later.clone()).await.unwrap();
    assert_given_back(&vault, &owner, &later, &names).await;
    assert_eq!(count(&place, "proof_run").await, 2);
    assert_eq!(vault.check(None, |_| {}).await.unwrap(), Vec::<String>::new());
    vault.close().await;
}

pub(super) async fn a_proof_of_another_form_is_stored_as_text(place: TestDatabase) {
    let (vault, owner) = open(&place).await;
    let names = kept(&vault, &owner, 6).await;
    let mut given = receipts(&names, 1);
    // Without its entry, with the entry of another, and something else altogether: each as an earlier version stored it.
    given[1].proof = given[1]
        .proof
        .lines()
        .filter(|line| !line.starts_with("extra"))
        .fold(String::new(), |text, line| text + line + "\n");
    given[2].proof = given[3].proof.clone();
    given[4].proof = "a proof".to_owned();
    vault.logged(&owner, given.clone()).await.unwrap();
    assert_given_back(&vault, &owner, &given, &names).await;
    assert_eq!((count(&place, "proof").await, count(&place, "proof_run").await), (3, 3));
    // A proof that fits replaces a text, and the other way round.
    let later = receipts(&names, 40);
    vault.logged(&owner, later.clone()).await.unwrap();
    assert_given_back(&vault, &owner, &later, &names).await;
    assert_eq!((count(&place, "proof").await, count(&place, "proof_run").await), (0, 1));
    vault.logged(&owner, given.clone()).await.unwrap();
    assert_given_back(&vault, &owner, &given, &names).await;
    assert_eq!((count(&place, "proof").await, count(&place, "proof_run").await), (3, 3));
    let mut raw = place.raw().await;
    raw.execute("UPDATE record SET proof_run = NULL WHERE id = 'r0'").await.unwrap();
    assert!(matches!(vault.proof(&owner, &id("r0")).await, Err(VaultError::Damaged(_))));
    vault.close().await;
}

pub(super) async fn a_run_that_was_changed_is_not_served(place: TestDatabase) {
    let (vault, owner) = open(&place).await;
    let names = kept(&vault, &owner, 8).await;
    let given = receipts(&names, 2);
    vault.logged(&owner, given.clone()).await.unwrap();
    let mut raw = place.raw().await;
    let packed: Vec<u8> =
        sqlx::query("SELECT packed FROM proof_run").fetch_one(&mut raw).await.unwrap().get(0);
    for changed in [
        packed[..packed.len() - 1].to_vec(),
        [&packed[..40], &[packed[40] ^ 1], &packed[41..]].concat(),
        vec![],
    ] {
        sqlx::query("UPDATE proof_run SET packed = $1").bind(changed).execute(&mut raw).await.unwrap();
        assert!(matches!(vault.proof(&owner, &id("r3")).await, Err(VaultError::Damaged(_))));
    }
    sqlx::query("UPDATE proof_run SET packed = $1").bind(packed).execute(&mut raw).await.unwrap();
    assert_given_back(&vault, &owner, &given, &names).await;
    // The proof of a neighbour does not pass for that of a record.
    raw.execute("UPDATE record SET leaf_index = leaf_index + 1 WHERE id = 'r3'").await.unwrap();
    assert!(matches!(vault.proof(&owner, &id("r3")).await, Err(VaultError::Damaged(_))));
    assert_ne!(vault.check(None, |_| {}).await.unwrap(), Vec::<String>::new());
    vault.close().await;
}
