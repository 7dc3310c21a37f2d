//! Writes what `compression.rs` compresses, of every record of a vault, each into a file of its own, to train a dictionary on:
//!
//! ```sh
//! cargo run -p vouchlog-vault --example dictionary -- VAULT KEY-FILE FOLDER
//! zstd --train FOLDER/* --maxdict=16384 --dictID=32769 -o crates/vouchlog-vault/dictionaries/32769.zdict
//! ```
//!
//! Use a vault of synthetic records alone: a dictionary contains parts of them in clear. A dictionary that vaults have been written with
//! never changes; train another one under the next number, and keep both.

use std::error::Error;
use std::io::Read;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use vouchlog_vault::{Query, Vault, VaultKeySource};

const DICTIONARY: &[u8] = include_bytes!("../dictionaries/32769.zdict");

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [vault, key, folder] = arguments.as_slice() else {
        return Err("give a vault, its key file and a folder".into());
    };
    let key: VaultKeySource = format!("file:{key}").parse()?;
    let vault = Vault::open(vault, key.load()?).await?;
    let owner = vault.owner().await?;
    let mut pages = vault.pages(&owner, Query::default());
    while let Some(rows) = pages.next().await? {
        for row in rows.iter().filter(|row| row.erased.is_none()) {
            let mut facts = Vec::new();
            let metadata = vault.metadata(&owner, &row.id).await?;
            zstd::Decoder::with_dictionary(&metadata[..], DICTIONARY)?.read_to_end(&mut facts)?;
            std::fs::write(Path::new(folder).join(format!("facts-{}", row.id)), facts)?;
            let statement = without_digests(&vault.jwt(&owner, &row.id).await?)?;
            std::fs::write(Path::new(folder).join(format!("statement-{}", row.id)), statement)?;
        }
    }
    vault.close().await;
    Ok(())
}

/// Header and payload of a statement, as `statement_text.rs` compresses them.
fn without_digests(jwt: &str) -> Result<String, Box<dyn Error>> {
    let mut parts = jwt.split('.').take(2).map(|part| URL_SAFE_NO_PAD.decode(part));
    let mut next = || Ok::<_, Box<dyn Error>>(String::from_utf8(parts.next().ok_or("it is no JWT")??)?);
    let (header, payload) = (next()?, next()?);
    let (before, rest) = payload.split_once("\"_sd\":[").ok_or("it has no digests")?;
    let (_, after) = rest.split_once(']').ok_or("its digests have no end")?;
    Ok(format!("{header}\n{before}\"_sd\":[]{after}"))
}
