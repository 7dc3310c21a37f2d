//! One suite, run on SQLite and on PostgreSQL: every check gets an empty place for a vault.
//!
//! PostgreSQL is the server at `VOUCHLOG_TEST_POSTGRES` (a URL of a user that may create databases), else one of our own where
//! its programs are installed, started for the test on a socket in a temporary directory. Else a line says that it was not tested.

mod backend;
mod casework;
mod damage;
mod duties;
mod erasing;
mod finding;
mod holding;
mod keeping;
mod keying;
mod learning;
mod listing;
mod objects;
mod partitions;
mod people;
mod processes;
mod proofs;
mod repeating;
mod reviewing;
mod roles;
mod roster;
mod searching;
mod sending;
mod sqlite;
mod tenants;

use vouchlog_stream::{Digest, Evidence, LoggedAt, SequenceNumber, StatementKind, StreamId};

use crate::{Access, Facet, KeepRecord, KeyEncryptionKey, Logged, Query, RecordId, Retention, Vault};

use backend::{Cluster, TestDatabase};

/// When everything happens, unless a test says otherwise.
const NOW: i64 = 1_800_000_000_000;

type Check = std::pin::Pin<Box<dyn Future<Output = ()>>>;

macro_rules! suite {
    ($($module:ident::$check:ident,)*) => {
        mod on_sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $check() {
                    super::$module::$check(super::TestDatabase::directory()).await;
                }
            )*
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn on_postgresql() {
            let Some(cluster) = Cluster::start().await else {
                eprintln!(
                    "the vault is not tested on PostgreSQL here: install its server or set VOUCHLOG_TEST_POSTGRES"
                );
                return;
            };
            $(
                eprintln!("on PostgreSQL: {}", stringify!($check));
                // All of them in one future would not fit a thread's stack, nor would all of them before they are boxed.
                let check: fn(TestDatabase) -> Check = |place| Box::pin($module::$check(place));
                check(cluster.place(stringify!($check)).await).await;
            )*
        }
    };
}

suite! {
    keeping::what_is_kept_is_read_back,
    keeping::keeping_again_is_fine_and_another_digest_is_not,
    keeping::a_call_is_kept_whole_or_not_at_all,
    keeping::callers_at_once_are_grouped_and_each_answered,
    keeping::bounds_are_kept,
    keeping::statements_are_logged_once_and_in_order,
    repeating::an_id_given_again_with_other_content_is_a_conflict,
    repeating::secrets_stand_alike_in_one_vault_and_nowhere_else,
    sending::a_second_call_submits_what_the_first_could_not,
    sending::a_lost_spool_loses_nothing_and_doubles_nothing,
    sending::other_gateways_records_are_left_to_them_until_they_fall_silent,
    sending::pages_are_sent_to_the_end_and_errors_resume,
    keeping::stream_proofs_are_kept_and_completed,
    keeping::content_of_an_earlier_version_is_read,
    proofs::proofs_of_a_run_are_stored_as_one,
    proofs::a_proof_of_another_form_is_stored_as_text,
    proofs::a_run_that_was_changed_is_not_served,
    keeping::a_closed_vault_says_so,
    finding::facets_must_all_match,
    finding::pages_are_complete_and_stable,
    finding::kinds_times_and_orders_select,
    finding::hostile_values_stay_values,
    finding::tenants_share_no_pseudonym,
    finding::verdicts_and_findings_are_found_together,
    finding::more_sets_than_there_is_room_for_are_found,
    erasing::an_erased_record_leaves_its_tombstone,
    erasing::a_person_is_erased_but_for_what_must_stay,
    erasing::an_erasure_survives_a_crash_at_every_step,
    erasing::holds_and_duties_are_respected,
    erasing::what_is_due_is_swept,
    erasing::a_hold_covers_what_is_kept_later,
    erasing::a_hold_covers_all_pages_of_a_query,
    erasing::what_was_lost_is_named_and_never_passes_for_erased,
    people::a_person_is_found_at_any_issuer_and_in_any_form,
    people::records_of_an_earlier_version_are_found_by_any_form,
    people::a_hold_of_an_earlier_version_covers_what_is_kept_later,
    holding::holds_are_on_record_once_also_after_a_crash,
    learning::what_was_learnt_is_kept_until_records_change,
    listing::sessions_are_listed_by_what_their_records_have,
    listing::pages_of_sessions_are_complete,
    listing::an_erasure_takes_names_out_of_lists,
    listing::tenants_see_their_own_lists,
    listing::lists_are_read_from_their_indexes,
    reviewing::findings_are_a_queue_in_order,
    reviewing::a_decision_is_on_record_once_also_after_a_crash,
    casework::a_case_is_its_records_once_each_also_after_a_crash,
    casework::cases_are_listed_by_state_and_tenant,
    searching::a_search_is_kept_for_its_owner_alone,
    searching::saved_searches_are_bounded,
    searching::an_erasure_takes_searches_for_what_it_erased,
    searching::a_search_changed_behind_its_back_is_not_served,
    listing::identities_show_since_when_they_are_used,
    listing::records_of_an_earlier_version_are_listed,
    partitions::records_of_before_and_of_this_month_are_read_alike,
    objects::long_content_is_an_object_and_short_content_is_not,
    objects::a_missing_or_altered_object_is_named_and_stops_nothing_else,
    objects::a_vault_without_its_objects_does_what_needs_none,
    objects::a_vault_opens_while_its_store_is_away,
    objects::a_vault_takes_its_own_store_alone,
    objects::an_erasure_removes_objects_once_the_store_is_there,
    objects::an_object_that_stays_is_in_no_others_way,
    objects::what_no_record_names_is_removed_a_day_later,
    objects::content_in_a_closed_folder_is_written_again,
    objects::records_that_are_kept_already_leave_no_object,
    keying::a_vault_opens_with_its_key_alone,
    keying::rewrapping_changes_the_key_and_nothing_else,
    keying::moved_ciphertexts_do_not_open,
    roles::every_operation_takes_its_role,
    roles::principals_come_and_go,
    roster::principals_changed_behind_its_back_are_noticed,
    roster::principals_of_an_earlier_version_are_sealed_once,
    duties::holds_and_duties_changed_behind_its_back_are_noticed,
    duties::rows_of_holds_and_classes_have_no_say,
    duties::duties_of_an_earlier_version_are_sealed_once,
    tenants::every_operation_takes_its_tenant,
    processes::two_processes_and_a_kill_lose_nothing_acknowledged,
    processes::many_handles_make_the_same_vault,
    processes::two_handles_write_the_same_vault,
}

fn kek(byte: u8) -> KeyEncryptionKey {
    KeyEncryptionKey::from_bytes([byte; 32])
}

/// A vault that is opened, and what its holder may do.
async fn open(place: &TestDatabase) -> (Vault, Access) {
    let vault = Vault::open_or_create(&place.location, kek(1)).await.unwrap();
    let owner = vault.owner().await.unwrap();
    (vault, owner)
}

fn id(name: &str) -> RecordId {
    RecordId::new(name).unwrap()
}

/// A record of a session and a person; everything in it can be told from its name.
fn record(name: &str, session: &str, person: &str) -> KeepRecord {
    KeepRecord {
        id: id(name),
        kind: StatementKind::Interaction,
        tenant: "acme".to_owned(),
        stream: StreamId::new(7).unwrap(),
        evidence: Evidence::new(0b1011).unwrap(),
        digest: Digest::of(name.as_bytes()),
        jwt: format!("header.{name}.signature"),
        metadata: metadata(name),
        content: content(name),
        facets: vec![
            (Facet::Session, session.to_owned()),
            (Facet::Initiator, person.to_owned()),
            (Facet::Tool, "search".to_owned()),
        ],
        subjects: vec![person.to_owned()],
        started_at: NOW,
        retention: Retention::default(),
        amends: None,
    }
}

fn metadata(name: &str) -> Vec<u8> {
    format!("metadata-in-clear-of-{name}").into_bytes()
}

fn content(name: &str) -> Vec<u8> {
    format!("content-in-clear-of-{name}").repeat(300).into_bytes()
}

fn logged(name: &str, index: u64, proof: &str) -> Logged {
    Logged {
        digest: Digest::of(name.as_bytes()),
        index: vouchlog_merkle::LeafIndex::new(index),
        stream: StreamId::new(9).unwrap(),
        sequence: SequenceNumber::new(index).unwrap(),
        logged_at: LoggedAt::from_millis(NOW.unsigned_abs()).unwrap(),
        proof: proof.to_owned(),
    }
}

fn by(facet: Facet, value: &str) -> Query {
    Query { facets: vec![(facet, value.to_owned())], ..Query::default() }
}

/// The ids a query finds, in its order.
async fn ids(vault: &Vault, access: &Access, query: &Query) -> Vec<String> {
    let rows = vault.find(access, query).await.unwrap();
    rows.into_iter().map(|row| row.id.to_string()).collect()
}
