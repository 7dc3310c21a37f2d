//! An identity provider that answers what a test tells it to, on a socket of the loopback interface.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// What it answers at a path.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Json(Value),
    Raw(String),
    /// Nothing: the connection ends.
    Nothing,
}

/// What it answers.
struct Answers {
    discovery: Answer,
    keys: Answer,
    token: Answer,
    /// What it was sent at the token endpoint, head and body.
    redeemed: Vec<String>,
}

pub(super) struct Provider {
    pub(super) issuer: String,
    answers: Arc<Mutex<Answers>>,
    /// How often keys were asked for.
    fetches: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Provider {
    /// A provider with these keys.
    pub(super) async fn start(keys: &[Value]) -> Self {
        Self::begin(keys, None).await
    }

    /// A provider with these keys and a certificate, and the certificate in PEM.
    pub(super) async fn start_tls(keys: &[Value]) -> (Self, String) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder().with_no_client_auth();
        let config = config.with_single_cert(vec![made.cert.der().clone()], key).unwrap();
        (Self::begin(keys, Some(TlsAcceptor::from(Arc::new(config)))).await, made.cert.pem())
    }

    async fn begin(keys: &[Value], tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let issuer = match tls {
            None => format!("http://{address}"),
            Some(_) => format!("https://localhost:{}", address.port()),
        };
        let answers = Arc::new(Mutex::new(Answers {
            discovery: Answer::Json(discovery(&issuer)),
            keys: Answer::Json(json!({ "keys": keys })),
            token: Answer::Nothing,
            redeemed: Vec::new(),
        }));
        let fetches = Arc::new(AtomicUsize::new(0));
        let (told, counted) = (Arc::clone(&answers), Arc::clone(&fetches));
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (told, counted, tls) = (Arc::clone(&told), Arc::clone(&counted), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, told, counted).await,
                        Some(tls) => {
                            // A client that does not trust the certificate ends the handshake.
                            let Ok(stream) = tls.accept(stream).await else { return };
                            serve(stream, told, counted).await;
                        }
                    }
                });
            }
        });
        Self { issuer, answers, fetches, task }
    }

    pub(super) fn has_keys(&self, keys: &[Value]) {
        self.answers.lock().keys = Answer::Json(json!({ "keys": keys }));
    }

    pub(super) fn answers_keys(&self, answer: Answer) {
        self.answers.lock().keys = answer;
    }

    pub(super) fn answers_discovery(&self, answer: Answer) {
        self.answers.lock().discovery = answer;
    }

    pub(super) fn answers_codes(&self, answer: Answer) {
        self.answers.lock().token = answer;
    }

    /// What it was sent at the token endpoint since the last time.
    pub(super) fn redeemed(&self) -> Vec<String> {
        std::mem::take(&mut self.answers.lock().redeemed)
    }

    pub(super) fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A discovery document.
pub(super) fn discovery(issuer: &str) -> Value {
    json!({ "issuer": issuer, "jwks_uri": format!("{issuer}/jwks"), "token_endpoint": format!("{issuer}/token"),
        "authorization_endpoint": format!("{issuer}/authorize?tenant=a") })
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    answers: Arc<Mutex<Answers>>,
    fetches: Arc<AtomicUsize>,
) {
    let mut request = Vec::new();
    let mut buffer = [0; 1_024];
    while !is_whole(&request) {
        match stream.read(&mut buffer).await {
            Ok(length) if length > 0 => request.extend_from_slice(&buffer[..length]),
            _ => return,
        }
    }
    let is_keys = request.starts_with(b"GET /jwks ");
    if is_keys {
        fetches.fetch_add(1, Ordering::SeqCst);
    }
    let answer = {
        let mut answers = answers.lock();
        if is_keys {
            answers.keys.clone()
        } else if request.starts_with(b"POST /token ") {
            answers.redeemed.push(String::from_utf8(request).unwrap());
            answers.token.clone()
        } else {
            answers.discovery.clone()
        }
    };
    let text = match answer {
        Answer::Json(value) => {
            let body = value.to_string();
            format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
        }
        Answer::Raw(text) => text,
        Answer::Nothing => return,
    };
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.shutdown().await;
}

/// Whether the head of a request has arrived, and the body that it announces.
fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let head = head.to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
    body.len() >= length.map_or(0, |length| length.parse().unwrap())
}
