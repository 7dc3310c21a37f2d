//! Goal: a route does what it does for callers with its role, in every protocol, and for web pages only by a name of the server. Method:
//! one access file, and requests by each of its principals.

use reqwest::StatusCode;
use serde_json::{Value, json};
use tonic::Code;
use vouchlog_access::{Access, AccessFile, Reach, Setup};
use vouchlog_proto::v1;
use vouchlog_proto::v1::gateway_client::GatewayClient;
use vouchlog_proto::v1::log_client::LogClient;

use super::fake::Fake;
use super::{Running, Served, client};
use crate::{Server, ServerConfig};

fn access(anonymous: &Value) -> Access {
    let principal = |name: &str, token: &str, role: &str| {
        let sha256 = vouchlog_merkle::sha256(token.as_bytes()).to_string();
        json!({ "name": name, "tokens": [{ "sha256": sha256 }], "roles": [role] })
    };
    let file = json!({ "anonymous": anonymous, "principals": [
        principal("submitter", "submitter-token-1", "submit"),
        principal("operator", "operator-token-01", "administer"),
        principal("scraper", "scraper-token-001", "metrics"),
    ] });
    let file = AccessFile::parse(file.to_string().as_bytes()).unwrap();
    Access::new(&Setup { file: Some(file), ..Setup::default() }, || jiff::Timestamp::UNIX_EPOCH).unwrap()
}

async fn start(access: Access) -> Running {
    Running::start(Server::new(Fake::new(), ServerConfig::default()).access(access)).await
}

async fn asked(served: &Running, method: &str, path: &str, token: &str) -> reqwest::Response {
    let request = client().request(method.parse().unwrap(), served.url(path));
    let request = if token.is_empty() { request } else { request.bearer_auth(token) };
    request.header("content-type", "text/plain").body("something salted").send().await.unwrap()
}

#[tokio::test]
async fn each_route_takes_its_role() {
    let served = start(access(&json!({ "roles": ["read"] }))).await;
    for (method, path, token, expected) in [
        ("POST", "/add", "", 401),
        ("POST", "/add", "submitter-token-2", 401),
        ("POST", "/add", "operator-token-01", 403),
        ("POST", "/add", "submitter-token-1", 200),
        ("POST", "/v1/gateways", "", 401),
        ("POST", "/v1/gateways", "submitter-token-1", 403),
        ("POST", "/v1/revocations", "", 401),
        ("GET", "/metrics", "", 401),
        ("GET", "/metrics", "scraper-token-001", 200),
        ("GET", "/metrics", "operator-token-01", 200),
        ("GET", "/checkpoint", "", 200),
        // A credential that is wrong is not overlooked where none would do.
        ("GET", "/checkpoint", "submitter-token-2", 401),
        ("GET", "/healthz", "", 200),
        ("GET", "/readyz", "submitter-token-2", 200),
    ] {
        let answer = asked(&served, method, path, token).await;
        assert_eq!(answer.status().as_u16(), expected, "{method} {path} {token}");
        let challenge =
            answer.headers().get("www-authenticate").map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(challenge.is_some(), expected == 401 || expected == 403, "{method} {path} {token}");
        if expected == 401 {
            let problem: Value = answer.json().await.unwrap();
            assert_eq!((&problem["code"], &problem["status"]), (&json!("UNAUTHENTICATED"), &json!(401)));
            assert!(!problem.to_string().contains("token-2"), "{problem}");
        }
    }
    // The note is looked at only after the caller.
    let answer = asked(&served, "POST", "/v1/gateways", "operator-token-01").await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert!(answer.headers().get("www-authenticate").is_none(), "it is the note that is refused");

    let private = start(access(&json!({}))).await;
    assert_eq!(asked(&private, "GET", "/checkpoint", "").await.status(), StatusCode::UNAUTHORIZED);
    let open = start(Access::off(Reach::Network)).await;
    for (method, path) in [("POST", "/add"), ("GET", "/metrics"), ("GET", "/checkpoint")] {
        assert_eq!(asked(&open, method, path, "").await.status(), StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn each_rpc_takes_its_role_and_signed_ones_none() {
    let served = start(access(&json!({ "roles": ["read"] }))).await;
    let mut gateway = GatewayClient::new(served.channel().await);
    let append = || v1::AppendHouseRequest::default();
    assert_eq!(gateway.append_house(append()).await.unwrap_err().code(), Code::Unauthenticated);
    let mut request = tonic::Request::new(append());
    request.metadata_mut().insert("authorization", "Bearer operator-token-01".parse().unwrap());
    assert_eq!(gateway.append_house(request).await.unwrap_err().code(), Code::PermissionDenied);
    let mut request = tonic::Request::new(append());
    request.metadata_mut().insert("authorization", "Bearer submitter-token-1".parse().unwrap());
    let answer = gateway.append_house(request).await.map_err(|status| status.code());
    assert!(!matches!(answer, Err(Code::Unauthenticated | Code::PermissionDenied)), "{answer:?}");
    let enrol = gateway.enrol(v1::EnrolRequest::default()).await.unwrap_err();
    assert_eq!(enrol.code(), Code::Unauthenticated);
    // It fails for its note, and not for its caller.
    let opened = gateway.open_stream(v1::OpenStreamRequest::default()).await.unwrap_err();
    assert_ne!(opened.code(), Code::Unauthenticated);
    let mut reader = LogClient::new(served.channel().await);
    assert!(reader.get_checkpoint(v1::GetCheckpointRequest::default()).await.is_ok());
}

#[tokio::test]
async fn a_name_that_was_pointed_here_does_not_pass_for_this_site() {
    let served = Served::start().await;
    let port = served.address.port();
    let post = async |running: &Running, headers: &str| {
        let request =
            format!("POST /add HTTP/1.1\r\n{headers}connection: close\r\ncontent-length: 6\r\n\r\nsalted");
        let answer = running.raw(request.as_bytes()).await;
        answer.split(' ').nth(1).unwrap_or_default().to_owned()
    };
    for (headers, expected) in [
        (format!("host: evil.example:{port}\r\norigin: http://evil.example:{port}\r\n"), "403"),
        (format!("host: evil.example:{port}\r\nsec-fetch-site: same-origin\r\n"), "403"),
        (
            "host: evil.example\r\norigin: http://evil.example\r\nsec-fetch-site: same-origin\r\n".to_owned(),
            "403",
        ),
        (format!("host: localhost:{port}\r\norigin: http://localhost:{port}\r\n"), "200"),
        (
            format!(
                "host: 127.0.0.1:{port}\r\norigin: http://127.0.0.1:{port}\r\nsec-fetch-site: same-origin\r\n"
            ),
            "200",
        ),
        // No web page can leave both out.
        (format!("host: log.internal:{port}\r\n"), "200"),
    ] {
        assert_eq!(post(&served, &headers).await, expected, "{headers}");
    }
    let server = Server::new(Fake::new(), ServerConfig::default()).hosts(["log.example".to_owned()]);
    let named = Running::start(server).await;
    let page =
        |name: &str| format!("host: {name}\r\norigin: https://{name}\r\nsec-fetch-site: same-origin\r\n");
    assert_eq!(post(&named, &page("log.example")).await, "200");
    assert_eq!(post(&named, &page("log.example.evil")).await, "403");
    // An RPC by HTTP/1.1 is as good as any.
    let rpc = "host: evil.example\r\norigin: http://evil.example\r\ncontent-type: application/grpc\r\n";
    let request = format!(
        "POST /vouchlog.v1.Gateway/AppendHouse HTTP/1.1\r\n{rpc}connection: close\r\ncontent-length: 5\r\n\r\n\0\0\0\0\0"
    );
    let answer = named.raw(request.as_bytes()).await;
    assert!(answer.to_ascii_lowercase().contains("grpc-status: 7"), "{answer}");
}
