//! Where a vault is: in a file of SQLite or in a database of PostgreSQL.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use url::Url;

use crate::{Result, VaultError};

/// A place for a vault: a directory (with `vault.db` in it), `sqlite://FILE`, or `postgres://…`.
#[derive(Clone)]
pub(crate) enum Location {
    File(PathBuf),
    Postgres(PostgresUrl),
}

/// The URL of a PostgreSQL database, with the protection of its connections.
#[derive(Clone)]
pub(crate) struct PostgresUrl {
    /// It has an `sslmode` if the server is not on this machine.
    pub(crate) url: String,
    /// What the `sslmode` that was asked for lacks.
    pub(crate) weakness: Option<&'static str>,
}

/// The parameters that a URL may have. The driver would log any other with its value, which may be a password.
const PARAMETERS: [&str; 18] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];

impl PostgresUrl {
    /// Reads a URL. A server on another machine is connected to with TLS, and its certificate and name are verified, unless the URL
    /// states another `sslmode`; one in the environment (`PGSSLMODE`) does not count. None if it is not such a URL.
    fn parse(text: &str) -> Option<Self> {
        let mut url = Url::parse(text).ok()?;
        let is_known = |name: &str| PARAMETERS.contains(&name) || name.starts_with("options[");
        if url.fragment().is_some() || !url.query_pairs().all(|(name, _)| is_known(&name)) {
            return None;
        }
        let options: PgConnectOptions = text.parse().ok()?;
        let is_here = options.get_socket().is_some() || is_loopback(options.get_host());
        let is_stated = url.query_pairs().any(|(name, _)| matches!(&*name, "sslmode" | "ssl-mode"));
        if is_here {
            return Some(Self { url: text.to_owned(), weakness: None });
        }
        if !is_stated {
            url.query_pairs_mut().append_pair("sslmode", "verify-full");
            return Some(Self { url: url.into(), weakness: None });
        }
        let weakness = match options.get_ssl_mode() {
            PgSslMode::VerifyFull => None,
            PgSslMode::VerifyCa => Some("the name in the server's certificate is not verified"),
            PgSslMode::Require => Some("the server's certificate is not verified"),
            _ => Some("the connection may be in clear"),
        };
        Some(Self { url: text.to_owned(), weakness })
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    let address: Option<IpAddr> = bare.parse().ok();
    host.eq_ignore_ascii_case("localhost")
        || address.is_some_and(|address| address.to_canonical().is_loopback())
}

impl Location {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            // The reason may quote the URL, so it is not passed on.
            let url = PostgresUrl::parse(text).ok_or_else(|| VaultError::Location(without_password(text)))?;
            return Ok(Self::Postgres(url));
        }
        if let Some(file) = text.strip_prefix("sqlite://").or_else(|| text.strip_prefix("sqlite:")) {
            // Parameters could turn durability off, and memory has none.
            if file.is_empty() || file.contains(['?', '#']) || file.contains(":memory:") {
                return Err(VaultError::Location(text.to_owned()));
            }
            return Ok(Self::File(file.into()));
        }
        if text.is_empty() || text.contains("://") {
            return Err(VaultError::Location(without_password(text)));
        }
        Ok(Self::File(Path::new(text).join("vault.db")))
    }

    /// As it may be shown: without the password, and without parameters, which may hold one.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::File(file) => file.display().to_string(),
            Self::Postgres(postgres) => without_password(&postgres.url),
        }
    }
}

fn without_password(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    // A password may itself hold an unescaped `@` or `/`: everything up to the last `@` goes.
    match rest.rsplit_once('@') {
        Some((user, host)) => {
            format!("{scheme}://{}@{host}", user.split([':', '/']).next().unwrap_or_default())
        }
        None => url.to_owned(),
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

    #[test]
    fn a_database_elsewhere_takes_verified_tls_unless_the_url_says_otherwise() {
        let read = |text: &str| {
            let Location::Postgres(read) = Location::parse(text).unwrap() else { panic!("{text}") };
            let options: PgConnectOptions = read.url.parse().unwrap();
            (options.get_ssl_mode(), read.weakness.is_some())
        };
        for verified in [
            "postgres://u:secret@db.example.com/d",
            "postgresql://10.0.0.1:5432/d",
            "postgres://localhost.example.com/d",
            "postgres://127.0.0.1/d?host=db.example.com",
            "postgres://localhost/d?hostaddr=192.0.2.1&sslrootcert=/ca.pem",
            "postgres://db.example.com/d?ssl-mode=verify-full",
            "postgres://[2001:db8::1]/d",
        ] {
            assert!(matches!(read(verified), (PgSslMode::VerifyFull, false)), "{verified}");
        }
        for weak in ["disable", "allow", "prefer", "require", "verify-ca"] {
            for name in ["sslmode", "ssl-mode"] {
                let url = format!("postgres://db.example.com/d?{name}={weak}");
                assert!(!matches!(read(&url).0, PgSslMode::VerifyFull) && read(&url).1, "{url}");
                let url = format!("postgres://127.0.0.1/d?{name}={weak}");
                assert!(!read(&url).1, "{url}");
            }
        }
        for here in [
            "postgres://u:secret@127.0.0.1:5432/d",
            "postgres://localhost/d",
            "postgres://[::1]/d",
            "postgres://%2Frun%2Fpostgresql/d",
            "postgres:///d?host=/run/postgresql",
            "postgres://db.example.com/d?hostaddr=127.0.0.1",
        ] {
            let Location::Postgres(read) = Location::parse(here).unwrap() else { panic!("{here}") };
            assert_eq!((read.url.as_str(), read.weakness), (here, None));
        }
    }

    #[test]
    fn a_file_url_escapes_what_a_url_would_read() {
        assert_eq!(file_url(Path::new("/a b/c?d#e%20")).unwrap(), "sqlite:///a%20b/c%3Fd%23e%2520");
    }
}
