//! What a collector's directory holds that nobody else may read.

use std::io;
use std::path::Path;

use anyhow::Context;
use vouchlog::{SigningKey, keys, random_bytes};
use vouchlog_note::SignatureType;

use crate::commands::read_file;

/// The secret's length as hexadecimal digits, and the end of its line.
const SECRET_TEXT: usize = 65;

/// Makes the directory if it is not there, for its owner alone.
pub(super) fn make_dir(dir: &Path) -> anyhow::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(dir).with_context(|| dir.display().to_string())
}

/// The gateway's key: the one named, or the directory's own, made if it is not there.
pub(super) fn gateway_key(named: Option<&Path>, data: &Path) -> anyhow::Result<SigningKey> {
    if let Some(file) = named {
        return Ok(keys::load(file)?);
    }
    let file = data.join("gateway.key");
    if file.try_exists()? {
        return Ok(keys::load(&file)?);
    }
    let random = hex::encode(&random_bytes()[..4]);
    Ok(keys::create(&file, &format!("gateway.localhost/{random}"), SignatureType::Ed25519)?)
}

/// The secret that names of records are made with. A lost one cannot be made again: what is sent twice would then be recorded twice.
pub(super) fn secret(data: &Path) -> anyhow::Result<[u8; 32]> {
    let file = data.join("collector.key");
    let made = keys::write_secret(&file, format!("{}\n", hex::encode(random_bytes())).as_bytes());
    match made {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(error).with_context(|| file.display().to_string());
        }
        _ => {}
    }
    let text = String::from_utf8(read_file(&file, SECRET_TEXT)?).ok();
    let secret = text.and_then(|text| hex::decode(text.trim_end()).ok()?.try_into().ok());
    secret.with_context(|| format!("{}: it has to hold 64 hexadecimal digits", file.display()))
}

/// 16 random bytes.
pub(super) fn random_id() -> [u8; 16] {
    let mut id = [0; 16];
    id.copy_from_slice(&random_bytes()[..16]);
    id
}
