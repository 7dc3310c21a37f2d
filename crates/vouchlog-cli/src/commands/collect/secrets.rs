//! Files of a collector's directory that only its owner may read.

use std::io;
use std::path::Path;

use anyhow::Context;
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use vouchlog::keys::{self, KeySource};
use vouchlog::{SigningKey, random_bytes};
use vouchlog_note::SignatureType;
use vouchlog_runtime::durable::{self, Mode};

use crate::advice::Advice;
use crate::commands::{named, read_file};

/// The secret's length as hexadecimal digits, and the end of its line.
const SECRET_TEXT: usize = 65;

/// Most bytes of a file of headers: what servers commonly take.
const MAX_HEADERS_BYTES: usize = 8 * 1024;

/// Headers that belong to the request itself.
const OURS: [HeaderName; 6] = [
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    header::HOST,
];

/// Makes the directory if it is not there, for its owner alone; one that others may enter is closed to them. Where another user owns
/// it, it stays as it is: all that is made in it is for its owner alone.
pub(super) fn make_dir(dir: &Path) -> anyhow::Result<()> {
    match durable::private_dir(dir) {
        Err(failed) if failed.kind() == io::ErrorKind::PermissionDenied && dir.is_dir() => {
            let dir = dir.display();
            tracing::warn!("{dir} belongs to another user: whether others may enter it was not changed");
            Ok(())
        }
        made => made.map_err(|failed| named(dir, failed)),
    }
}

/// The gateway's key: the one named, or the directory's own, made if it is not there. Where there is a spool the key is lost: a new
/// one is another gateway, whose records the spool must not take.
pub(super) fn gateway_key(named: Option<&KeySource>, data: &Path) -> anyhow::Result<SigningKey> {
    if let Some(key) = named {
        return Ok(key.open()?);
    }
    let file = data.join("gateway.key");
    if file.try_exists()? {
        return Ok(keys::load(&file)?);
    }
    let spool = data.join("spool");
    if spool.join("FORMAT").try_exists()? {
        return Err(Advice::error(
            format!(
                "{} is missing: the records pending in {} belong to its gateway",
                file.display(),
                spool.display()
            ),
            format!(
                "restore the key from a backup, or name it with --gateway-key; to start with a new key, move {} away and have the new key enrolled in the log",
                spool.display()
            ),
        ));
    }
    let random = hex::encode(&random_bytes()[..4]);
    Ok(keys::create(&file, &format!("gateway.localhost/{random}"), SignatureType::Ed25519)?)
}

/// The secret that names of records are made with, made in a new directory. A lost one cannot be made again: what is sent twice, or
/// waits in the journal, would be recorded twice.
pub(super) fn secret(data: &Path) -> anyhow::Result<[u8; 32]> {
    let file = data.join("collector.key");
    if data.join("FORMAT").try_exists()? && !file.try_exists()? {
        return Err(Advice::error(
            format!("{} is missing: without it, pending input would be recorded twice", file.display()),
            "restore it from a backup; to continue without the pending entries of the journal, move journal/ and FORMAT away, and keep them",
        ));
    }
    let secret = format!("{}\n", hex::encode(random_bytes()));
    match durable::create(&file, secret.as_bytes(), Mode::Private) {
        Err(failed) if failed.kind() != io::ErrorKind::AlreadyExists => return Err(named(&file, failed)),
        _ => {}
    }
    let text = String::from_utf8(read_file(&file, SECRET_TEXT)?).ok();
    let secret = text.and_then(|text| hex::decode(text.trim_end()).ok()?.try_into().ok());
    secret.with_context(|| format!("{}: it must hold 64 hexadecimal digits", file.display()))
}

/// Headers of a file, `Name: value` one a line. Their values may be keys: they are in no error, and no trace shows them.
pub(super) fn headers(file: &Path) -> anyhow::Result<HeaderMap> {
    let text = String::from_utf8(read_file(file, MAX_HEADERS_BYTES)?).ok();
    let text = text.with_context(|| format!("{}: it is not text", file.display()))?;
    let mut headers = HeaderMap::new();
    let lines = text.lines().map(str::trim).zip(1..);
    for (line, number) in lines.filter(|(line, _)| !line.is_empty() && !line.starts_with('#')) {
        let header = || {
            let (name, value) = line.split_once(':')?;
            let name: HeaderName = name.trim().parse().ok()?;
            let mut value: HeaderValue = value.trim().parse().ok()?;
            value.set_sensitive(true);
            // How a body is to be read, and where it goes, is not for others to say.
            (!OURS.contains(&name)).then_some((name, value))
        };
        let (name, value) = header().with_context(|| {
            format!("{}: line {number} is not a valid header: write `Name: value`", file.display())
        })?;
        headers.append(name, value);
    }
    Ok(headers)
}

/// 16 random bytes.
pub(super) fn random_id() -> [u8; 16] {
    let mut id = [0; 16];
    id.copy_from_slice(&random_bytes()[..16]);
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_and_their_values_never_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("headers");
        let read = |text: &str| {
            std::fs::write(&file, text).unwrap();
            headers(&file)
        };
        let both = read("# ours\nAuthorization: Bearer secret-1\n\nX-Scope-OrgID:  tenant-a \r\n").unwrap();
        assert_eq!(both["authorization"], "Bearer secret-1");
        assert_eq!(both["x-scope-orgid"], "tenant-a");
        assert!(!format!("{both:?}").contains("secret-1"));
        for wrong in
            ["secret-1", "a b: secret-1", "Host: secret-1", "content-type: secret-1", "x: secret-1\u{1}"]
        {
            let error = format!("{:#}", read(wrong).unwrap_err());
            assert!(error.contains("line 1") && !error.contains("secret-1"), "{error}");
        }
    }
}
