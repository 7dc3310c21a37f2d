//! Where a log finds its operator's key.
//!
//! Who holds that key decides which keys speak for which gateway, so it does not belong with the data that is copied, mounted and backed up.
//! A new log keeps it beside its data directory, or does not hold it at all.

use std::fmt;
use std::path::{Path, PathBuf};

use vouchlog::keys::KeySource;
use vouchlog::{LogBuilder, VerifyingKey};

use crate::output;

/// The operator of a log.
#[derive(clap::Args)]
pub(super) struct OperatorKeyArgs {
    /// The operator's key, which enrols gateways: a key file, or another place and the vkey [default: <DATA>.operator.key, beside the data
    /// directory; created with a new log]
    #[arg(long, value_name = "KEY", env = "VOUCHLOG_OPERATOR_KEY")]
    operator_key: Option<KeySource>,
    /// The operator of a new log that is not to hold the operator's key: gateways are then enrolled with `vouchlog enrol` alone
    #[arg(long, value_name = "VKEY", env = "VOUCHLOG_OPERATOR_VKEY", conflicts_with = "operator_key")]
    operator_vkey: Option<VerifyingKey>,
}

/// Where the operator's key is, for people.
pub(super) enum OperatorPlace {
    /// It was given, or found.
    At(String),
    /// Not here.
    Elsewhere,
}

impl fmt::Display for OperatorPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(place) => f.write_str(place),
            Self::Elsewhere => f.write_str("not held here: gateways are enrolled with `vouchlog enrol`"),
        }
    }
}

impl OperatorKeyArgs {
    /// Gives a log its operator's key, or its place.
    pub(super) fn choose(&self, builder: LogBuilder, data: &Path) -> anyhow::Result<LogBuilder> {
        if let Some(key) = &self.operator_key {
            return Ok(builder.operator_key(key.open()?));
        }
        if let Some(operator) = &self.operator_vkey {
            return Ok(builder.operator(operator.clone()));
        }
        let (inside, beside) = (inside(data), beside(data));
        if inside.exists() {
            output::note(&format!(
                "the operator's key is in the data directory, so that every copy of that can enrol gateways. Move it out: mv {} {}",
                inside.display(),
                beside.as_deref().unwrap_or(Path::new("ELSEWHERE")).display()
            ));
            return Ok(builder);
        }
        match beside {
            Some(file) if file.exists() || may_create(&file) => Ok(builder.operator_file(file)),
            _ => Ok(builder),
        }
    }

    /// The key that was given.
    pub(super) fn key(&self) -> Option<&KeySource> {
        self.operator_key.as_ref()
    }

    /// Where the key is now.
    pub(super) fn place(&self, data: &Path) -> OperatorPlace {
        if let Some(key) = &self.operator_key {
            return OperatorPlace::At(key.to_string());
        }
        let places = [beside(data), Some(inside(data))];
        match places.into_iter().flatten().find(|file| self.operator_vkey.is_none() && file.exists()) {
            Some(file) => OperatorPlace::At(file.display().to_string()),
            None => OperatorPlace::Elsewhere,
        }
    }
}

fn inside(data: &Path) -> PathBuf {
    data.join("operator.key")
}

/// The file beside the data directory; none for the root of a file system.
pub(super) fn beside(data: &Path) -> Option<PathBuf> {
    let named = if data.file_name().is_some() { data.to_owned() } else { std::path::absolute(data).ok()? };
    let name = named.file_name()?.to_str()?;
    Some(named.with_file_name(format!("{name}.operator.key")))
}

/// Whether a file can be made there. A service that may write to nothing but its data directory keeps the key in there.
fn may_create(file: &Path) -> bool {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Made with the data directory if it is not there yet.
    let existing = folder.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("."));
    rustix::fs::access(existing, rustix::fs::Access::WRITE_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_beside_the_data_directory() {
        let file = |data: &str| beside(Path::new(data)).map(|file| file.display().to_string());
        assert_eq!(file("./log").as_deref(), Some("./log.operator.key"));
        assert_eq!(file("log/").as_deref(), Some("log.operator.key"));
        assert_eq!(file("/srv/vouchlog/log").as_deref(), Some("/srv/vouchlog/log.operator.key"));
        assert_eq!(file("/"), None);
        let here = std::path::absolute(".").unwrap();
        assert_eq!(
            beside(Path::new(".")),
            Some(
                here.with_file_name(format!("{}.operator.key", here.file_name().unwrap().to_str().unwrap()))
            )
        );
    }
}
