//! Where a vault is: in a file of SQLite or in a database of PostgreSQL.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use vouchlog_outbound::{PostgresUrl, ServerSettings, without_password};

use crate::{Result, VaultError};

/// A place for a vault: a directory (with `vault.db` in it), `sqlite://FILE`, or `postgres://…`.
#[derive(Clone)]
pub(crate) enum Location {
    File(PathBuf),
    Postgres(Box<PostgresUrl>),
}

impl Location {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        if let Some(file) = text.strip_prefix("sqlite://").or_else(|| text.strip_prefix("sqlite:")) {
            // Parameters could turn durability off, and memory has none.
            if file.is_empty() || file.contains(['?', '#']) || file.contains(":memory:") {
                return Err(VaultError::Location(text.to_owned()));
            }
            return Ok(Self::File(file.into()));
        }
        if PostgresUrl::is_meant(text) {
            // The reason may quote the URL, so it is not passed on.
            let url = PostgresUrl::parse(text, ServerSettings::Taken)
                .ok_or_else(|| VaultError::Location(without_password(text)))?;
            return Ok(Self::Postgres(Box::new(url)));
        }
        if text.is_empty() {
            return Err(VaultError::Location(String::new()));
        }
        Ok(Self::File(Path::new(text).join("vault.db")))
    }

    /// As it may be shown: without the password, and without parameters, which may hold one.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::File(file) => file.display().to_string(),
            Self::Postgres(postgres) => postgres.to_string(),
        }
    }
}

/// The URL of a file: every byte that could mean something in a URL escaped.
pub(crate) fn file_url(file: &Path) -> Result<String> {
    let Some(path) = file.to_str() else {
        return Err(VaultError::Location(file.display().to_string()));
    };
    let mut url = "sqlite://".to_owned();
    for byte in path.bytes() {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'/' | b'.' | b'_' | b'-' => url.push(byte.into()),
            _ => write!(url, "%{byte:02X}").expect("a string takes everything"),
        }
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_never_shows_its_password() {
        for (text, shown) in [
            ("postgres://u:secret@h:5432/d?sslmode=require", "postgres://u@h:5432/d"),
            ("postgresql://u:se%2Fcr@et@h/d", "postgresql://u@h/d"),
            ("postgres://h/d?user=u&password=secret", "postgres://h/d"),
            ("vault", "vault/vault.db"),
            ("sqlite:///v/x.db", "/v/x.db"),
        ] {
            assert_eq!(Location::parse(text).unwrap().shown(), shown);
        }
        for text in [
            "",
            "mysql://u:secret@h/d",
            "postgres:u:secret@h/d",
            "postgresql:secret",
            "postgres://u:se/cr@secret@h/d",
            "postgres://h/d?passwd=secret",
            "postgres://h/d#secret",
            "sqlite::memory:",
            "sqlite://f?mode=memory",
            "sqlite:",
        ] {
            let Err(VaultError::Location(shown)) = Location::parse(text) else { panic!("{text}") };
            assert!(!shown.contains("secret"));
        }
    }

    /// A vault takes settings of the server from its URL, such as a schema.
    #[test]
    fn a_database_elsewhere_takes_verified_tls_and_settings_of_the_server() {
        let url = "postgres://u@db.example.com/d?options=-c%20search_path%3Dvault";
        let Location::Postgres(read) = Location::parse(url).unwrap() else { panic!("{url}") };
        assert_eq!((read.url(), read.weakness()), (&*format!("{url}&sslmode=verify-full"), None));
    }

    #[test]
    fn a_file_url_escapes_what_a_url_would_read() {
        assert_eq!(file_url(Path::new("/a b/c?d#e%20")).unwrap(), "sqlite:///a%20b/c%3Fd%23e%2520");
    }
}
