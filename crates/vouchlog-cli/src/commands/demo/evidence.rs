//! The part of the story in which a record becomes evidence.

use anyhow::Context;
use vouchlog::custody::{Custodian, CustodyConfig, Proofs};
use vouchlog::{Log, Policy, SigningKey};
use vouchlog_client::Options;
use vouchlog_record::{DisclosureScope, Record};
use vouchlog_statement::{LogTrust, Presentation, verify_presentation};
use vouchlog_vault::{Access, KeyEncryptionKey, PresentationRequest, Scope, Vault};

use super::{DemoFolder, Running, Story};
use crate::commands::custody::advise;
use crate::connections;

/// A record in the format of `vouchlog schema`; see `samples/README.md`.
const INTERACTION: &[u8] = include_bytes!("../../../samples/interaction.json");

/// What the gateway gives to the auditor.
const FIELDS: [&str; 3] = ["/initiator/sub", "/credential", "/outcome/state"];

/// Records an interaction, discloses three fields of it, tries to erase it, and verifies what was disclosed.
pub(super) async fn tell(
    story: &mut Story,
    folder: &DemoFolder,
    running: &Running<Log>,
    gateway: SigningKey,
    policy: &Policy,
) -> anyhow::Result<()> {
    story.step(
        "A record states who authorised an action, which identity executed it, and with which credential.",
    )?;
    let location = folder.path("vault");
    let location = location.to_str().context("the path is text")?;
    let vault = Vault::create(location, KeyEncryptionKey::generate()?).await?;
    let owner = vault.owner().await?;
    let config = CustodyConfig {
        url: running.url.clone(),
        security: connections::security(),
        log: running.what.vkey().clone(),
        gateway,
        state: folder.path("custodian"),
        tenant: "default".to_owned(),
        options: Options::default(),
    };
    let custodian = Custodian::open(vault, owner.clone(), config).await.map_err(advise)?;
    let disclosed = record_and_show(story, &custodian, &owner, running).await;
    custodian.stop().await;
    let trust = LogTrust::new(running.what.vkey(), Some(policy));
    let verified = verify_presentation(&disclosed?, &trust)?;
    let shown = &verified.statement.disclosed;
    story.tell(&format!(
        "The auditor verifies that {} acted with the credential {}, at index {}, cosigned by both witnesses.",
        shown["initiator"]["sub"], shown["credential"]["id"], verified.index
    ))
}

async fn record_and_show(
    story: &mut Story,
    custodian: &Custodian,
    owner: &Access,
    running: &Running<Log>,
) -> anyhow::Result<Presentation> {
    let recorder = custodian.recorder();
    let recorded = recorder.record(vec![Record::from_json(INTERACTION)?.record]).await?;
    let recorded = recorded.first().context("one record was recorded")?;
    let grade = recorded.grade.as_ref().context("it is new, so it was graded")?;
    let verdicts = &grade.verdicts;
    story.tell(&format!("who authorised it is known           {}", verdicts.authorized_known))?;
    story.tell(&format!("what identity executed it is known   {}", verdicts.executor_known))?;
    story.tell(&format!("credential valid at that very moment {}", verdicts.credential_valid_at_moment))?;
    recorder.flush().await?;
    story.tell("It is in a vault, encrypted under its own key; the log has the digest of its SD-JWT.")?;

    let row = recorder.vault().row(owner, &recorded.id).await?;
    let index = row.place.context("it was logged")?.index;
    // The witnesses come by every few milliseconds.
    while running.what.published().is_none_or(|head| !head.size().contains(index)) {
        tokio::time::sleep(super::WITNESS_INTERVAL).await;
    }
    let fields: Vec<String> = FIELDS.iter().map(|field| (*field).to_owned()).collect();
    let request = PresentationRequest {
        rows: &[row],
        paths: &fields,
        basis: "demo",
        scope: DisclosureScope::Presented,
        recipient: None,
    };
    let made = custodian.present(owner, request, Proofs::Fetched).await.map_err(advise)?;
    let presentation = made.into_iter().next().context("one presentation for one record")?;
    story.tell("Three of its fields go to the auditor, with proofs; the file reveals nothing else of it.")?;
    let erased = recorder.erase(owner, &Scope::Record(recorded.id.clone()), "demo: the story ends").await;
    let erased = erased?;
    anyhow::ensure!(
        erased.records.is_empty() && erased.refusals.len() == 1,
        "a record that must be kept for seven years was erased"
    );
    story.tell(&format!("Its erasure is refused, and the refusal is logged: {}.", erased.refusals[0]))?;
    recorder.flush().await?;
    Ok(presentation)
}
