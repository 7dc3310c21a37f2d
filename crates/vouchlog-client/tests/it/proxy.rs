//! A TCP proxy that cuts connections after so many bytes, at any byte of any frame, in either direction.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, tcp};
use tokio::sync::watch;

/// How many bytes a connection may carry to the log and back before it is cut.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    pub(crate) up: usize,
    pub(crate) down: usize,
}

impl Budget {
    pub(crate) const ENDLESS: Self = Self { up: usize::MAX, down: usize::MAX };
}

type Plan = Box<dyn FnMut() -> Budget + Send>;

struct Shared {
    target: Mutex<Option<SocketAddr>>,
    plan: Mutex<Plan>,
    cuts: watch::Sender<u64>,
}

/// The proxy. Its address stays the same whatever is behind it.
#[derive(Clone)]
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

impl Proxy {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            target: Mutex::new(None),
            plan: Mutex::new(Box::new(|| Budget::ENDLESS)),
            cuts: watch::Sender::new(0),
        });
        let proxy = Self { address, shared: shared.clone() };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let target = *shared.target.lock().unwrap();
                let Some(target) = target else { continue };
                let budget = (shared.plan.lock().unwrap())();
                tokio::spawn(carry(client, target, budget, shared.cuts.subscribe()));
            }
        });
        proxy
    }

    /// Cuts every connection, and sends new ones to `target`; nowhere, if there is none.
    pub(crate) fn lead_to(&self, target: Option<SocketAddr>) {
        *self.shared.target.lock().unwrap() = target;
        self.cut();
    }

    /// Cuts every connection now.
    pub(crate) fn cut(&self) {
        self.shared.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// How much each further connection may carry.
    pub(crate) fn plan(&self, plan: impl FnMut() -> Budget + Send + 'static) {
        *self.shared.plan.lock().unwrap() = Box::new(plan);
    }
}

async fn carry(client: TcpStream, target: SocketAddr, budget: Budget, mut cuts: watch::Receiver<u64>) {
    let Ok(server) = TcpStream::connect(target).await else { return };
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    // Whichever ends first takes the connection with it.
    tokio::select! {
        () = copy(from_client, to_server, budget.up) => {}
        () = copy(from_server, to_client, budget.down) => {}
        _ = cuts.changed() => {}
    }
}

async fn copy(mut from: tcp::OwnedReadHalf, mut to: tcp::OwnedWriteHalf, mut budget: usize) {
    let mut buffer = vec![0; 16 * 1024];
    while budget > 0 {
        let Ok(read @ 1..) = from.read(&mut buffer).await else { return };
        let carried = read.min(budget);
        if to.write_all(&buffer[..carried]).await.is_err() {
            return;
        }
        budget -= carried;
    }
}
