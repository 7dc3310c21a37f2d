//! Where a database is: its URL, which never shows its password, and whether the connection is verified.

use std::fmt;

use sqlx::postgres::PgConnectOptions;
use vouchlog_outbound::{PostgresUrl, ServerSettings, without_password};
use vouchlog_storage::StoreError;

/// The place of a database. Shown without its password.
#[derive(Clone)]
pub struct Location(PostgresUrl);

impl Location {
    /// Whether a text is meant as a URL, of a database or something else, and so names no directory: also where its `//` was forgotten.
    pub fn is_meant(text: &str) -> bool {
        PostgresUrl::is_meant(text)
    }

    /// Reads a `postgres://` URL. A server on another machine is connected to with TLS, and its certificate and name are verified,
    /// unless the URL states another `sslmode`. `PGSSLMODE` in the environment does not count.
    ///
    /// # Errors
    /// [`StoreError::Foreign`] if it is not such a URL.
    pub fn parse(text: &str) -> Result<Self, StoreError> {
        let url = PostgresUrl::parse(text, ServerSettings::Refused);
        url.map(Self).ok_or_else(|| {
            StoreError::Foreign(format!("`{}` is not a valid PostgreSQL URL", without_password(text)))
        })
    }

    pub(crate) fn options(&self) -> &PgConnectOptions {
        self.0.options()
    }

    /// What the connection lacks, if anything: it is not verified because the URL asks for less.
    pub fn weakness(&self) -> Option<&'static str> {
        self.0.weakness()
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Location({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_shows_no_password() {
        for text in [
            "",
            "mysql://u:secret@h/d",
            "postgres:secret",
            "postgres:u:secret@h/d",
            "postgres://u:se/cr@secret@h/d",
            "postgres://h/d?passwd=secret",
            "postgres://h/d?options=-c%20synchronous_commit%3Doff%20secret",
        ] {
            let refused = Location::parse(text).unwrap_err().to_string();
            assert!(!refused.contains("secret"), "{refused}");
        }
        assert_eq!(Location::parse("postgres://u:secret@h/d").unwrap().to_string(), "postgres://u@h/d");
    }
}
