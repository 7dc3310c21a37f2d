//! Who is served when not everybody can be: places and bytes, shares of connections, addresses and keys, and the pace of bodies.
//!
//! ```text
//! head ─► is its pool used up? ─► body, as it comes ─► whole: a place ─► handler ─► answer, until it is read
//!           no: 503, at once       Waiting, BodyBytes    by kind of call              AnswerBytes
//! ```
//!
//! A place is held by requests that are whole, and only until their answer begins: what a client does not send, and does not read,
//! costs it bytes of its own share and nobody a place.

mod account;
mod answer;
mod body;
mod call;
mod connection;
mod framing;
mod holdings;
mod keys;
mod pace;
mod pools;
mod time;

use std::future::Future;
use std::sync::Arc;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::response::Response;
use vouchlog_api::Error;
use vouchlog_runtime::charge;

use crate::config::ServerConfig;
use crate::metrics::ServerMetrics;
use account::Account;
pub(crate) use account::QueueRoom;
use answer::{AnswerBody, Sending};
use body::{Arrival, ArrivingBody};
pub(crate) use call::{Call, Form};
use connection::Busy;
#[cfg(test)]
pub(crate) use connection::testing;
pub(crate) use connection::{Address, AddressKey, Connection, Origin, is_local};
pub(crate) use holdings::Resource;
use pace::LeastPace;
pub(crate) use pools::{Allotment, Pools};
pub(crate) use time::Clock;

/// Admits the requests of a server. Clones admit to the same places.
#[derive(Clone)]
pub(crate) struct Admission {
    pools: Arc<Pools>,
    metrics: ServerMetrics,
    least: LeastPace,
}

impl Admission {
    pub(crate) fn new(config: &ServerConfig, metrics: ServerMetrics) -> Self {
        let least = LeastPace { idle: config.body_idle_timeout, rate: config.min_body_rate };
        Self { pools: Pools::new(config, metrics.clone()), metrics, least }
    }

    /// The pools that requests take from.
    pub(crate) fn pools(&self) -> &Arc<Pools> {
        &self.pools
    }

    /// Has a request answered by `respond`, if there is room for it.
    pub(crate) async fn answer<F, R>(
        &self,
        call: Call,
        request: Request,
        respond: F,
    ) -> Result<Response, Error>
    where
        F: FnOnce(Request) -> R,
        R: Future<Output = Result<Response, Error>>,
    {
        let connection = request.extensions().get::<Arc<Connection>>().cloned();
        let busy = connection.as_ref().map(Busy::new);
        let account = Account::new(&self.pools, connection.as_ref());
        let request = self.admit(call, request, &account)?;
        let answer = charge::scope(Some(Arc::<Account>::clone(&account)), respond(request)).await;
        if let Some(why) = account.refusal() {
            return Err(why);
        }
        if !call.is_stream {
            account.settle();
        }
        let (head, body) = answer?.into_parts();
        let room = match call.place {
            Resource::Operations => Resource::OperationsBytes,
            _ => Resource::AnswerBytes,
        };
        let sending = Sending { account, busy, room, form: call.form };
        Ok(Response::from_parts(head, Body::new(AnswerBody::new(body, sending)?)))
    }

    fn admit(&self, call: Call, mut request: Request, account: &Arc<Account>) -> Result<Request, Error> {
        if call.is_stream {
            request.extensions_mut().insert(QueueRoom::of(account));
        }
        let is_whole = request.body().is_end_stream();
        match is_whole || call.is_stream {
            true => account.take_place(call.place)?,
            // Its body would be read for nothing.
            false if self.pools.is_used_up(call.place) => return Err(self.pools.refuse(call.place)),
            false => {}
        }
        if is_whole {
            return Ok(request);
        }
        let arrival = Arrival::new(Arc::clone(account), self.metrics.clone(), call);
        let (head, body) = request.into_parts();
        Ok(Request::from_parts(head, Body::new(ArrivingBody::new(body, arrival, self.least))))
    }
}
