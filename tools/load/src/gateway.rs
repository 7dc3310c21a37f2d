//! A gateway for load: its keys are drawn at random, its stream lives in memory, every receipt is verified.

use anyhow::{Result, anyhow};
use tonic::transport::Channel;
use vouchlog_api::{AckLevel, Append, Appended};
use vouchlog_merkle::{CompactRange, Hash, TreeHead};
use vouchlog_note::{
    Checkpoint, CosignedCheckpoint, KeyName, Origin, SignatureType, SigningKey, VerifyingKey,
};
use vouchlog_proto::v1;
use vouchlog_proto::v1::gateway_client::GatewayClient;
use vouchlog_stream::{
    Digest, Enrolment, Evidence, Statement, StatementKind, StreamId, StreamOpening, stream_origin,
};

/// The log under load, and what its receipts are verified with.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) url: String,
    pub(crate) origin: Origin,
    pub(crate) vkey: VerifyingKey,
    /// Enrols the gateways; not needed when the log enrols everybody.
    pub(crate) operator: Option<SigningKey>,
}

/// One gateway with one open stream.
pub(crate) struct Gateway {
    pub(crate) client: GatewayClient<Channel>,
    target: Target,
    stream: StreamId,
    stream_origin: Origin,
    key: SigningKey,
    range: CompactRange,
}

fn seed() -> Result<[u8; 32]> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| anyhow!("no randomness: {error}"))?;
    Ok(seed)
}

impl Gateway {
    /// Connects, enrols and opens a stream.
    pub(crate) async fn open(target: Target, number: usize) -> Result<Self> {
        let channel = Channel::from_shared(target.url.clone())?.tcp_nodelay(true).connect().await?;
        let mut client = GatewayClient::new(channel);
        // A name belongs to its key, and each run has new ones.
        let [a, b, c, d, ..] = seed()?;
        let run = u32::from_be_bytes([a, b, c, d]);
        let name = KeyName::new(&format!("load-{number}-{run:08x}.example.com"))?;
        let enrolled = SigningKey::generate(name.clone(), SignatureType::Ed25519, seed()?)?;
        let key = SigningKey::generate(name, SignatureType::CosignatureEd25519, seed()?)?;
        if let Some(operator) = &target.operator {
            let gateway = enrolled.verifying_key().clone();
            let note = Enrolment::first(target.origin.clone(), gateway).sign(operator)?;
            client.enrol(v1::EnrolRequest { note }).await?;
        }
        let opening = StreamOpening {
            log: target.origin.clone(),
            gateway: enrolled.verifying_key().clone(),
            stream: key.verifying_key().clone(),
            previous: None,
        };
        let opened = client.open_stream(v1::OpenStreamRequest { note: opening.sign(&enrolled)? }).await?;
        let stream =
            StreamId::new(opened.into_inner().stream).ok_or_else(|| anyhow!("an impossible stream"))?;
        let stream_origin = Origin::new(&stream_origin(target.origin.as_str(), stream))?;
        Ok(Self { client, target, stream, stream_origin, key, range: CompactRange::new() })
    }

    /// The request for statements, whose head is signed here.
    pub(crate) fn request(&mut self, statements: &[Statement], seconds: u64) -> Result<v1::AppendRequest> {
        let old_size = self.range.end();
        let leaves: Vec<Hash> = statements.iter().map(Statement::stream_leaf_hash).collect();
        leaves.into_iter().for_each(|leaf| self.range.append(leaf));
        let root = self.range.root().ok_or_else(|| anyhow!("a stream begins at 0"))?;
        let checkpoint =
            Checkpoint::new(self.stream_origin.clone(), TreeHead { size: self.range.size(), root });
        let head = CosignedCheckpoint::sign(&checkpoint, &self.key, seconds)?.note().to_owned();
        let append = Append {
            stream: self.stream,
            old_size,
            statements: statements.to_vec(),
            head,
            close: false,
            wait_for: AckLevel::Sequenced,
        };
        Ok(v1::AppendRequest::from(&append))
    }
}

impl Target {
    /// Verifies the receipt of a response, as a gateway's client does.
    pub(crate) fn verify(&self, response: v1::AppendResponse, statements: &[Statement]) -> Result<()> {
        let appended = Appended::try_from(response).map_err(|error| anyhow!("{error}"))?;
        let receipt = appended.receipt.ok_or_else(|| anyhow!("there is no receipt"))?;
        receipt.verify(statements, &self.origin, &self.vkey)?;
        Ok(())
    }
}

impl Gateway {
    /// What the receipts of this gateway are verified with.
    pub(crate) fn target(&self) -> Target {
        self.target.clone()
    }
}

/// Statements with digests drawn once: what they commit to does not matter to the log.
pub(crate) fn statements(count: usize) -> Result<Vec<Statement>> {
    let drawn = seed()?;
    let statement = |at: usize| Statement {
        kind: StatementKind::Interaction,
        evidence: Evidence::NONE,
        digest: Digest::of(&[&drawn[..], &at.to_be_bytes()].concat()),
    };
    Ok((0..count).map(statement).collect())
}
