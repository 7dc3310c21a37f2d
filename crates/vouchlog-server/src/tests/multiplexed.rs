//! An HTTP/2 client whose frames a test decides: requests without a body or with half of one, messages that are no messages, windows
//! that stay shut.

use bytes::Bytes;
use h2::client::{Builder, ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tonic::{Code, Status};

use super::Running;

/// A connection.
pub(super) struct Multiplexed {
    send: SendRequest<Bytes>,
    authority: String,
    driver: JoinHandle<()>,
}

impl Drop for Multiplexed {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// A call: what is still to be sent, and the answer to come.
pub(super) struct Call {
    pub(super) body: SendStream<Bytes>,
    pub(super) answer: ResponseFuture,
}

/// How a call ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    /// Of an RPC.
    pub(super) rpc: Option<Status>,
}

impl Ended {
    pub(super) fn code(&self) -> Option<Code> {
        self.rpc.as_ref().map(Status::code)
    }
}

impl Multiplexed {
    pub(super) async fn connect(running: &Running) -> Self {
        Self::with_window(running, 65_535).await
    }

    /// A connection of which each stream takes so many bytes before it wants no more.
    pub(super) async fn with_window(running: &Running, window: u32) -> Self {
        let stream = TcpStream::connect(running.address).await.unwrap();
        let mut builder = Builder::new();
        builder.initial_window_size(window).initial_max_send_streams(1_000);
        let (send, connection) = builder.handshake(stream).await.unwrap();
        // A server that closes the connection is what some tests are about.
        let driver = tokio::spawn(async move { drop(connection.await) });
        Self { send, authority: running.address.to_string(), driver }
    }

    /// Whether the server has closed it.
    pub(super) fn is_closed(&self) -> bool {
        self.driver.is_finished()
    }

    /// Sends the head of a POST whose body is to come.
    pub(super) async fn begin(&mut self, path: &str, content_type: &str) -> Call {
        let request = Request::post(format!("http://{}{path}", self.authority));
        let request = request.header("content-type", content_type).header("te", "trailers").body(()).unwrap();
        let mut send = self.send.clone().ready().await.unwrap();
        let (answer, body) = send.send_request(request, false).unwrap();
        Call { body, answer }
    }

    /// Sends a whole GET.
    pub(super) async fn ask(&mut self, path: &str) -> Result<Call, h2::Error> {
        let request = Request::get(format!("http://{}{path}", self.authority)).body(()).unwrap();
        let (answer, body) = self.send.clone().ready().await?.send_request(request, true)?;
        Ok(Call { body, answer })
    }

    /// An RPC with these bytes as its whole body.
    pub(super) async fn rpc(&mut self, path: &str, body: &[u8]) -> Ended {
        let mut call = self.begin(path, "application/grpc").await;
        call.body.send_data(Bytes::copy_from_slice(body), true).unwrap();
        call.end().await.unwrap()
    }

    /// The answer to a GET.
    pub(super) async fn get(&mut self, path: &str) -> Result<Ended, h2::Error> {
        self.ask(path).await?.end().await
    }
}

impl Call {
    /// Reads the answer to its end.
    pub(super) async fn end(self) -> Result<Ended, h2::Error> {
        let Self { body: _sending, answer } = self;
        let (head, mut received) = answer.await?.into_parts();
        let mut body = Vec::new();
        while let Some(data) = received.data().await {
            let data = data?;
            received.flow_control().release_capacity(data.len())?;
            body.extend_from_slice(&data);
        }
        let trailers = trailers(&mut received).await;
        let rpc = Status::from_header_map(&head.headers).or_else(|| Status::from_header_map(&trailers));
        Ok(Ended { status: head.status.as_u16(), headers: head.headers, body, rpc })
    }
}

async fn trailers(received: &mut RecvStream) -> HeaderMap {
    received.trailers().await.ok().flatten().unwrap_or_default()
}

/// A gRPC frame around a message.
pub(super) fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap();
    [&[0][..], &length.to_be_bytes(), message].concat()
}
