//! Each ask as a method of the gRPC service: its messages, and how they become the ask and its answer.
//!
//! A message is in JSON what the ask is over HTTP, and becomes the ask from that. So neither interface can ask for anything that the other
//! cannot, nor mean another thing by it.

use prost::{Message, Name};
use serde::Serialize;
use serde::de::DeserializeOwned;
use vouchlog_api::Error;
use vouchlog_proto::vault::v1;

use super::service::noted;
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
use crate::sessions::OpenSession;
use crate::sources::ListSources;

/// An ask that is a method of the service.
pub(super) trait Rpc: Ask {
    /// The message that asks.
    type Request: Message + Name + Default + Serialize + DeserializeOwned + 'static;
    /// The message that answers.
    type Reply: Message + Default + Serialize + DeserializeOwned + 'static;

    /// The name of the method.
    const METHOD: &'static str;
}

macro_rules! methods {
    ($($ask:ident($request:ident) -> $reply:ident;)*) => {$(
        impl Rpc for $ask {
            type Request = v1::$request;
            type Reply = v1::$reply;
            const METHOD: &'static str = stringify!($ask);
        }
    )*};
}

methods! {
    FindRecords(FindRecordsRequest) -> FoundRecords;
    ListSessions(ListSessionsRequest) -> SessionRows;
    SaveSearch(SaveSearchRequest) -> SearchRow;
    ListSearches(ListSearchesRequest) -> SearchRows;
    DeleteSearch(DeleteSearchRequest) -> DeletedSearch;
    ListFindings(ListFindingsRequest) -> FindingRows;
    CountFindings(CountFindingsRequest) -> FindingCounts;
    DecideFindings(DecideFindingsRequest) -> DecidedFindings;
    ListDecisions(ListDecisionsRequest) -> DecisionRows;
    ListIdentities(ListIdentitiesRequest) -> IdentityRows;
    ShowIdentity(ShowIdentityRequest) -> Identity;
    ListDisclosures(ListDisclosuresRequest) -> DisclosureRows;
    ListSources(ListSourcesRequest) -> SourceRows;
    OpenCase(OpenCaseRequest) -> ChangedCase;
    AddToCase(AddToCaseRequest) -> ChangedCase;
    NoteCase(NoteCaseRequest) -> ChangedCase;
    CloseCase(CloseCaseRequest) -> ChangedCase;
    ListCases(ListCasesRequest) -> CaseRows;
    ShowCase(ShowCaseRequest) -> Case;
    Export(ExportRequest) -> ExportPage;
    OpenSession(OpenSessionRequest) -> SessionPage;
    ShowRecord(ShowRecordRequest) -> OpenedRecord;
    RenewReceipts(RenewReceiptsRequest) -> RenewedReceipts;
    Present(PresentRequest) -> Presented;
    BundleSession(BundleSessionRequest) -> MadeBundle;
    PlaceHold(PlaceHoldRequest) -> HeldRecords;
    LiftHold(LiftHoldRequest) -> Lifted;
    ListHolds(ListHoldsRequest) -> HoldRows;
    PlanErasure(PlanErasureRequest) -> PlannedErasure;
    Erase(EraseRequest) -> ErasedRecords;
    CheckErased(CheckErasedRequest) -> CheckedErased;
    SetRetention(SetRetentionRequest) -> RetentionSet;
    ListRetention(ListRetentionRequest) -> RetentionClasses;
    CountRecords(CountRecordsRequest) -> CountedRecords;
    GrantPrincipal(GrantPrincipalRequest) -> Granted;
    RevokePrincipal(RevokePrincipalRequest) -> Revoked;
    ListPrincipals(ListPrincipalsRequest) -> PrincipalRows;
}

/// What a message asks for.
///
/// # Errors
/// Something that the ask needs is missing, or is none of its values. The reason may quote what was sent, which names people: it goes back
/// to its sender and nowhere else.
pub(super) fn ask_of<A: Rpc>(request: &A::Request) -> Result<A, Error> {
    let asked = serde_json::to_value(request).and_then(serde_json::from_value);
    asked.map_err(|error| Error::invalid(format!("the request is not one of {}: {error}", A::METHOD)))
}

/// The message of an answer.
///
/// # Errors
/// The message lacks a field for something: a bug, as a test compares the two.
pub(super) fn reply_of<A: Rpc>(answer: &A::Answer) -> Result<A::Reply, Error> {
    // Text, and no tree of values: what is JSON in the message stays as it is, byte for byte.
    let reply = serde_json::to_vec(answer).and_then(|json| serde_json::from_slice(&json));
    reply.map_err(|error| {
        // The error may quote the answer.
        tracing::error!(
            method = A::METHOD,
            line = error.line(),
            column = error.column(),
            "an answer does not fit its message"
        );
        noted()
    })
}
