//! The body of an answer until the client has read it: its bytes are taken from a pool, and each piece notes when it was made.
//!
//! A transport forgets a body as soon as it has its last piece, long before the client has it. So a piece carries what it holds along
//! with its bytes, and that is given back when the transport drops the bytes.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http::HeaderMap;
use hyper::body::{Frame, SizeHint};
use vouchlog_api::Error;

use super::account::Account;
use super::call::Form;
use super::connection::{Busy, Unread};
use super::holdings::Resource;
use super::pools::Allotment;
use crate::status::status;

/// What an answer holds while it is sent.
pub(crate) struct Sending {
    /// A call without an end has its place until the answer is through.
    pub(crate) account: Arc<Account>,
    /// The request is under way.
    #[expect(dead_code, reason = "held, not read")]
    pub(crate) busy: Option<Busy>,
    /// Where it takes room.
    pub(crate) room: Resource,
    pub(crate) form: Form,
}

/// The body of an answer.
pub(crate) struct AnswerBody {
    body: Body,
    /// The whole body, where its length is known.
    whole: Option<Arc<Allotment>>,
    is_over: bool,
    sending: Sending,
}

/// Bytes, and what they hold.
struct Piece {
    bytes: Bytes,
    _held: Arc<Allotment>,
    _unread: Option<Unread>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl AnswerBody {
    /// Takes room for the body, where its length is known; else each piece takes its own.
    pub(crate) fn new(body: Body, sending: Sending) -> Result<Self, Error> {
        let length = body.size_hint().exact().map(|length| usize::try_from(length).unwrap_or(usize::MAX));
        let take = |length| sending.account.take_answer(sending.room, length);
        let whole = length.filter(|length| *length > 0).map(take).transpose()?.map(Arc::new);
        Ok(Self { body, whole, is_over: false, sending })
    }

    fn piece(&self, bytes: Bytes) -> Result<Bytes, Error> {
        let Sending { account, room, .. } = &self.sending;
        let held = match &self.whole {
            Some(whole) => Arc::clone(whole),
            None => Arc::new(account.take_answer(*room, bytes.len())?),
        };
        Ok(Bytes::from_owner(Piece { bytes, _held: held, _unread: account.connection().map(Unread::new) }))
    }

    /// In the place of a piece without room: how the RPC ended; or the end of the connection, where nothing can be said any more.
    fn refuse(&mut self, why: &Error) -> Result<Frame<Bytes>, axum::Error> {
        self.is_over = true;
        let status = status(why);
        let mut trailers = HeaderMap::new();
        match self.sending.form == Form::Rpc && status.add_header(&mut trailers).is_ok() {
            true => Ok(Frame::trailers(trailers)),
            false => Err(axum::Error::new(status)),
        }
    }
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        if this.is_over {
            return Poll::Ready(None);
        }
        let frame = match std::task::ready!(Pin::new(&mut this.body).poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            other => return Poll::Ready(other),
        };
        Poll::Ready(Some(match frame.into_data() {
            Ok(bytes) if bytes.is_empty() => Ok(Frame::data(bytes)),
            Ok(bytes) => this.piece(bytes).map(Frame::data).or_else(|why| this.refuse(&why)),
            Err(other) => Ok(other),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.is_over || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
