//! `POST /add` over HTTP/1.1 on a connection that is kept open. The log answers at once: what is counted is the server, with a subscriber
//! that writes log lines as the program's does, and the kernel left out.

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use vouchlog_api::{
    AckLevel, Append, Appended, Appender, Error, HouseAppend, HouseAppended, LogReader, Lookup, LookupKey,
    Opened, Result, StreamInfo, Watch,
};
use vouchlog_merkle::{LeafIndex, TileId, TreeSize};
use vouchlog_sequencer::testing::statements;
use vouchlog_server::{Server, ServerConfig};
use vouchlog_stream::{Statement, StatementKind, StreamId};

use crate::cases::Round;
use crate::log;

const REQUEST: &[u8] =
    b"POST /add HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 20\r\n\r\n01234567890123456789";

/// Answers every append with the same receipt.
#[derive(Clone)]
struct Answering(HouseAppended);

/// Methods that this case does not call.
macro_rules! not_asked {
    ($($method:ident($($argument:ty),*) -> $answer:ty;)*) => {
        $(async fn $method(&self, $(_: $argument),*) -> Result<$answer> {
            Err(Error::internal("not asked here"))
        })*
    };
}

impl Appender for Answering {
    async fn append_house(&self, _: HouseAppend) -> Result<HouseAppended> {
        Ok(self.0.clone())
    }

    not_asked! {
        open_stream(String) -> Opened;
        append(Append) -> Appended;
        enrol(String) -> LeafIndex;
        revoke(String) -> LeafIndex;
        set_quota(String) -> LeafIndex;
        retire(String) -> LeafIndex;
        change_key(String) -> LeafIndex;
        stream(StreamId) -> StreamInfo;
    }
}

impl LogReader for Answering {
    not_asked! {
        checkpoint() -> String;
        checkpoint_after(TreeSize) -> String;
        tile(TileId, u16) -> Bytes;
        entry_bundle(u64, u16) -> Bytes;
    }
}

impl Lookup for Answering {
    not_asked! {
        find(LookupKey) -> LeafIndex;
    }
}

impl Watch for Answering {
    not_asked! {
        checkpoint_other_than(String) -> String;
        sequenced_checkpoint() -> String;
    }
}

/// A receipt as the engine makes them.
async fn receipt() -> Result<HouseAppended> {
    let statement = Statement { kind: StatementKind::Opaque, ..statements(1, 1)[0] };
    let append = HouseAppend { statements: vec![statement], wait_for: AckLevel::Sequenced };
    let log = log::open();
    let appended = log.append_house(append).await;
    log.stop().await;
    appended
}

pub(crate) fn add() -> Round {
    let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(std::io::sink);
    tracing_subscriber::registry().with(lines.with_filter(EnvFilter::new("info"))).init();
    let runtime = log::runtime();
    let mut client = runtime.block_on(async {
        let answering = Answering(receipt().await.expect("appended"));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let server = Server::new(answering, ServerConfig::default());
        tokio::spawn(server.run(listener, std::future::pending()));
        let client = TcpStream::connect(address).await.expect("it listens");
        client.set_nodelay(true).expect("the option is known");
        client
    });
    let mut buffer = vec![0; 4_096];
    Box::new(move || runtime.block_on(post(&mut client, &mut buffer)))
}

/// One request, and its response as a whole.
async fn post(client: &mut TcpStream, buffer: &mut [u8]) {
    client.write_all(REQUEST).await.expect("the server reads");
    let mut length = 0;
    while !is_whole(&buffer[..length]) {
        let more = client.read(&mut buffer[length..]).await.expect("the server answers");
        assert!(more > 0, "the response ended early: {}", String::from_utf8_lossy(&buffer[..length]));
        length += more;
    }
    assert!(buffer.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", String::from_utf8_lossy(&buffer[..length]));
}

/// The body is an index, of one digit in a new log.
fn is_whole(response: &[u8]) -> bool {
    response.len() > 5 && &response[response.len() - 5..response.len() - 1] == b"\r\n\r\n"
}
