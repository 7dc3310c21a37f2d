//! The routes of a daemon: two for each ask, `POST` with JSON and an RPC. Names of people are in bodies alone, never in a URL, which
//! proxies and logs keep.
//!
//! ```text
//! request ─► caller (401, 403) ─► body (413, 415, 422) ─► turn (503) ─► Access::narrowed (403, 404) ─► Ask::answer
//! ```
//!
//! A call is carried out to its end whether or not its caller waits: nothing is left half done because a connection broke.

use std::sync::Arc;

use axum::Router;
use axum::routing::post;
use utoipa::openapi::OpenApi;
use vouchlog_proto::vault::SERVICE;
use vouchlog_proto::vault::v1::FILE_DESCRIPTOR_SET;
use vouchlog_runtime::Readiness;
use vouchlog_server::{Server, ServerConfig};

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
use crate::limits::{CALL_TIMEOUT, REQUESTS_OF_CONNECTION};
use crate::listing::ListSessions;
use crate::principals::{GrantPrincipal, ListPrincipals, RevokePrincipal};
use crate::reading::{FindRecords, RenewReceipts, ShowRecord};
use crate::remote::PATH;
use crate::searches::{DeleteSearch, ListSearches, SaveSearch};
use crate::sessions::OpenSession;
use crate::sources::ListSources;

mod describe;
mod grpc;
mod http;
mod rpc;
mod service;
#[cfg(test)]
mod tests;
mod turns;

use rpc::Rpc;
pub use service::{CallerError, Service};

/// The routes, each with its description.
struct Routes {
    http: Router<Arc<Service>>,
    grpc: Router<Arc<Service>>,
    document: OpenApi,
}

impl Service {
    /// A server of it, with pages beside the routes of the asks.
    pub fn server(self: &Arc<Self>, config: ServerConfig, pages: Router) -> Server {
        let Routes { http, grpc, document } = Routes::all();
        let http = http.with_state(Arc::clone(self)).merge(pages);
        let grpc = grpc.with_state(Arc::clone(self));
        let asked = Arc::clone(self);
        let health = move || {
            let desk = asked.desk();
            let spool = desk.gateway().map_or(Ok(()), vouchlog::gateway::Gateway::readiness);
            let trouble = desk.gateway().and_then(|gateway| gateway.status().trouble);
            let readiness = Readiness::new().unless("vault", desk.vault().impediment()).check("spool", spool);
            // A log that is away keeps nothing from being recorded, and few calls need the content of records.
            let notes = [("log", trouble), ("objects", desk.vault().objects_trouble())];
            let notes = notes.into_iter().filter_map(|(name, trouble)| Some((name, trouble?)));
            notes.fold(readiness, |readiness, (name, trouble)| readiness.note(name, trouble))
        };
        let max_streams_per_connection = config.max_streams_per_connection.min(REQUESTS_OF_CONNECTION);
        let config = ServerConfig { request_timeout: CALL_TIMEOUT, max_streams_per_connection, ..config };
        let server = Server::routes(http, grpc, config).describe(document);
        server
            .describe_services(&[SERVICE], FILE_DESCRIPTOR_SET)
            .health(health)
            .access(self.callers().clone())
    }
}

impl Routes {
    /// The routes of everything that is asked.
    fn all() -> Self {
        let routes = Self { http: Router::new(), grpc: Router::new(), document: describe::document() };
        routes
            .with::<FindRecords>()
            .with::<ListSessions>()
            .with::<SaveSearch>()
            .with::<ListSearches>()
            .with::<DeleteSearch>()
            .with::<ListFindings>()
            .with::<CountFindings>()
            .with::<DecideFindings>()
            .with::<ListDecisions>()
            .with::<ListIdentities>()
            .with::<ShowIdentity>()
            .with::<ListDisclosures>()
            .with::<ListSources>()
            .with::<OpenCase>()
            .with::<AddToCase>()
            .with::<NoteCase>()
            .with::<CloseCase>()
            .with::<ListCases>()
            .with::<ShowCase>()
            .with::<Export>()
            .with::<OpenSession>()
            .with::<ShowRecord>()
            .with::<RenewReceipts>()
            .with::<Present>()
            .with::<BundleSession>()
            .with::<PlaceHold>()
            .with::<LiftHold>()
            .with::<ListHolds>()
            .with::<PlanErasure>()
            .with::<Erase>()
            .with::<CheckErased>()
            .with::<SetRetention>()
            .with::<ListRetention>()
            .with::<CountRecords>()
            .with::<GrantPrincipal>()
            .with::<RevokePrincipal>()
            .with::<ListPrincipals>()
    }

    /// Adds what is asked, over HTTP and as an RPC: neither can be there without the other.
    fn with<A: Rpc>(mut self) -> Self {
        let path = format!("{PATH}{}", A::NAME);
        describe::add::<A>(&mut self.document, &path);
        let method = format!("/{SERVICE}/{}", A::METHOD);
        let http = self.http.route(&path, post(http::answer::<A>));
        let grpc = self.grpc.route(&method, post(grpc::answer::<A>));
        Self { http, grpc, ..self }
    }
}
