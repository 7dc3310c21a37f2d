//! A vault in memory's place: a directory, records that were sent nowhere, principals, and its server.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::client::Grpc;
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;
use vouchlog_access::Access as Callers;
use vouchlog_api::AnySubmitter;
use vouchlog_note::{KeyName, SignatureType, SigningKey};
use vouchlog_proto::vault::SERVICE;
use vouchlog_record::Record;
use vouchlog_server::ServerConfig;
use vouchlog_vault::{Access, Recorder, RecorderConfig, Role, Roles, Vault, VaultKeySource};

use super::nowhere::Nowhere;
use crate::local::LocalDesk;
use crate::remote::PATH;
use crate::serve::Service;
use crate::serve::rpc::Rpc;

const TEMPLATE: &str = include_str!("../../../../vouchlog-record/testdata/record-complete.json");
const EARLIER: &str = include_str!("../../../../vouchlog-record/testdata/earlier.json");

/// The served vault. Principals: `reader` and `everyone` of the tenant `default`, `root` of all.
pub(super) struct World {
    pub(super) address: SocketAddr,
    pub(super) tokens: BTreeMap<&'static str, String>,
    client: reqwest::Client,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
    _folder: tempfile::TempDir,
}

/// How a question ended: an answer, or a word and a sentence why there is none.
pub(super) type Outcome = Result<Value, (String, String)>;

impl World {
    pub(super) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key: VaultKeySource =
            format!("file:{}", folder.path().join("vault.key").display()).parse().unwrap();
        let location = folder.path().join("vault").to_string_lossy().into_owned();
        let vault = Vault::open_or_create(&location, key.load_or_create().unwrap()).await.unwrap();
        let owner = vault.owner().await.unwrap();
        for tenant in ["default", "acme"] {
            fill(&vault, &owner, tenant).await;
        }
        let mut tokens = BTreeMap::new();
        let reader = Roles::from_iter([Role::ReadMetadata]);
        let of_tenant = Roles::from_iter(Role::ALL.into_iter().filter(|role| *role != Role::Admin));
        let principals = [
            ("root", Roles::from_iter([Role::Admin, Role::Erase]), None),
            ("reader", reader, Some("default")),
            ("everyone", of_tenant, Some("default")),
        ];
        for (name, roles, tenant) in principals {
            let token = vault.grant(&owner, name, roles, tenant, 0).await.unwrap();
            tokens.insert(name, token.reveal().to_string());
        }
        let service = Service::new(LocalDesk::reading(vault, None), Callers::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let server = service.server(ServerConfig::default(), Router::new());
        let task = tokio::spawn(async move { server.run(listener, async { drop(stopped.await) }).await });
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { address, tokens, client, stop: Some(stop), task, _folder: folder }
    }

    pub(super) async fn stop(mut self) {
        drop(self.stop.take());
        self.task.await.unwrap();
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(super) async fn channel(&self) -> Channel {
        Endpoint::from_shared(self.url("")).unwrap().connect().await.unwrap()
    }

    /// Asks over HTTP.
    pub(super) async fn over_http(&self, principal: &str, name: &str, body: &Value) -> Outcome {
        let url = self.url(&format!("{PATH}{name}"));
        let asked =
            self.client.post(url).bearer_auth(&self.tokens[principal]).json(body).send().await.unwrap();
        let is_answer = asked.status().is_success();
        let said: Value = asked.json().await.unwrap();
        let word = |name: &str| said[name].as_str().unwrap_or_default().to_owned();
        if is_answer { Ok(said) } else { Err((word("code"), word("detail"))) }
    }

    /// The same by an RPC: its message is what has this JSON.
    pub(super) async fn by_rpc<A: Rpc>(&self, principal: &str, body: &Value) -> Outcome {
        let message: A::Request = serde_json::from_value(body.clone()).unwrap();
        let asked = call::<A>(self.channel().await, Some(&self.tokens[principal]), message).await;
        match asked {
            Ok(reply) => Ok(serde_json::to_value(reply).unwrap()),
            Err(status) => {
                assert!(status.get_details_request_info().is_some(), "{status:?}");
                let info = status.get_details_error_info().unwrap();
                assert_eq!(info.domain, "vouchlog");
                Err((info.reason, status.message().to_owned()))
            }
        }
    }
}

/// One call.
pub(super) async fn call<A: Rpc>(
    channel: Channel,
    token: Option<&str>,
    message: A::Request,
) -> Result<A::Reply, Status> {
    let mut request = Request::new(message);
    if let Some(token) = token {
        let value = MetadataValue::try_from(format!("Bearer {token}")).unwrap();
        request.metadata_mut().insert("authorization", value);
    }
    let mut client = Grpc::new(channel);
    client.ready().await.map_err(|error| Status::new(Code::Unknown, error.to_string()))?;
    let path = format!("/{SERVICE}/{}", A::METHOD).parse().unwrap();
    let codec = tonic_prost::ProstCodec::<A::Request, A::Reply>::default();
    Ok(client.unary(request, path, codec).await?.into_inner())
}

async fn fill(vault: &Vault, owner: &Access, tenant: &str) {
    let key = SigningKey::generate(
        KeyName::new("gateway.example").unwrap(),
        SignatureType::CosignatureEd25519,
        [7; 32],
    );
    let config = RecorderConfig {
        tenant: tenant.to_owned(),
        issuer: "gateway.example".to_owned(),
        clock: Timestamp::now,
        randomness: || {
            let mut bytes = [0; 16];
            getrandom::fill(&mut bytes).unwrap();
            bytes
        },
    };
    let submitter = AnySubmitter::new(Nowhere(Arc::new(key.unwrap())));
    let recorder = Recorder::open(vault.clone(), owner.clone(), submitter, config).await.unwrap();
    let earlier: Vec<Value> = serde_json::from_str(EARLIER).unwrap();
    let mut records = if tenant == "default" { earlier } else { Vec::new() };
    for name in ["r", "flawed"] {
        let mut record: Value = serde_json::from_str(TEMPLATE).unwrap();
        record["id"] = format!("{name}-{tenant}").into();
        record["correlation"] =
            json!({ "session": format!("{name}-{tenant}"), "trace": "0af7651916cd43dd8448eb211c80319c" });
        if name == "flawed" {
            // It has no initiator, and so a finding.
            record.as_object_mut().unwrap().remove("initiator");
        }
        records.push(record);
    }
    let records = records.into_iter().map(|value| Record::from_value(value).unwrap().record).collect();
    recorder.record(records).await.unwrap();
}
