//! The URL of a PostgreSQL database: never shown with its password, and verified TLS unless the server is on this machine or the URL states
//! otherwise.

use std::fmt;
use std::net::IpAddr;

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use url::Url;

/// The parameters that a URL may have. The driver would log any other with its value, which may be a password.
const PARAMETERS: [&str; 17] = [
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
];

/// Whether a URL may set settings of the server (`options`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerSettings {
    /// It may.
    Taken,
    /// It may not: they could switch durability off.
    Refused,
}

/// The URL of a PostgreSQL database. Shown without its password.
#[derive(Clone)]
pub struct PostgresUrl {
    options: PgConnectOptions,
    url: String,
    shown: String,
    weakness: Option<&'static str>,
}

impl PostgresUrl {
    /// Whether a text is meant as a URL, of a database or something else, and so names no file: also where its `//` was forgotten.
    pub fn is_meant(text: &str) -> bool {
        text.contains("://") || text.starts_with("postgres:") || text.starts_with("postgresql:")
    }

    /// Reads a `postgres://` URL. A server on another machine is connected to with TLS, and its certificate and name are verified,
    /// unless the URL states another `sslmode`; one in the environment (`PGSSLMODE`) does not count. None if it is not such a URL: the
    /// reason may quote it, so there is none.
    pub fn parse(text: &str, settings: ServerSettings) -> Option<Self> {
        let shown = without_password(text);
        let mut url =
            Url::parse(text).ok().filter(|url| matches!(url.scheme(), "postgres" | "postgresql"))?;
        let is_known = |name: &str| {
            let is_setting = name == "options" || name.starts_with("options[");
            PARAMETERS.contains(&name) || is_setting && settings == ServerSettings::Taken
        };
        // Without `//` there is no server in it, and the driver takes one by default.
        if url.cannot_be_a_base()
            || url.fragment().is_some()
            || !url.query_pairs().all(|(name, _)| is_known(&name))
        {
            return None;
        }
        let options: PgConnectOptions = text.parse().ok()?;
        let is_here = options.get_socket().is_some() || is_loopback(options.get_host());
        let is_stated = url.query_pairs().any(|(name, _)| matches!(&*name, "sslmode" | "ssl-mode"));
        if is_here {
            return Some(Self { options, url: text.to_owned(), shown, weakness: None });
        }
        if !is_stated {
            let options = options.ssl_mode(PgSslMode::VerifyFull);
            url.query_pairs_mut().append_pair("sslmode", "verify-full");
            return Some(Self { options, url: url.into(), shown, weakness: None });
        }
        let weakness = match options.get_ssl_mode() {
            PgSslMode::VerifyFull => None,
            PgSslMode::VerifyCa => Some("the name in the server's certificate is not verified"),
            PgSslMode::Require => Some("the server's certificate is not verified"),
            _ => Some("the connection may be in clear"),
        };
        Some(Self { options, url: text.to_owned(), shown, weakness })
    }

    /// What the driver connects with.
    pub fn options(&self) -> &PgConnectOptions {
        &self.options
    }

    /// The same as a URL, with the password and, if the server is not on this machine, an `sslmode`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What the connection lacks, if anything: it is not verified because the URL asks for less.
    pub fn weakness(&self) -> Option<&'static str> {
        self.weakness
    }
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresUrl({self})")
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    let address: Option<IpAddr> = bare.parse().ok();
    host.eq_ignore_ascii_case("localhost")
        || address.is_some_and(|address| address.to_canonical().is_loopback())
}

/// A URL without its password and parameters, which may hold one.
pub fn without_password(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    // Where `//` was forgotten, a password can follow the first colon.
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.split_once(':').map_or_else(|| url.to_owned(), |(before, _)| format!("{before}:…"));
    };
    // A password may itself hold an unescaped `@` or `/`: everything up to the last `@` goes.
    match rest.rsplit_once('@') {
        Some((user, host)) => {
            format!("{scheme}://{}@{host}", user.split([':', '/']).next().unwrap_or_default())
        }
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> PostgresUrl {
        PostgresUrl::parse(text, ServerSettings::Refused).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn a_url_never_shows_its_password() {
        for (text, shown) in [
            ("postgres://u:secret@h:5432/d?sslmode=require", "postgres://u@h:5432/d"),
            ("postgresql://u:se%2Fcr@et@h/d", "postgresql://u@h/d"),
            ("postgres://h/d?user=u&password=secret", "postgres://h/d"),
        ] {
            assert_eq!(read(text).to_string(), shown);
            assert!(!format!("{:?}", read(text)).contains("secret"));
        }
        for text in [
            "",
            "mysql://u:secret@h/d",
            "postgres:secret",
            "postgres:u:secret@h/d",
            "postgres://u:se/cr@secret@h/d",
            "postgres://h/d?passwd=secret",
            "postgres://h/d#secret",
        ] {
            assert!(PostgresUrl::parse(text, ServerSettings::Taken).is_none(), "{text}");
            assert!(!without_password(text).contains("secret"), "{text}");
        }
    }

    #[test]
    fn settings_of_the_server_are_taken_where_they_may_be() {
        for text in ["postgres://h/d?options=-c%20synchronous_commit%3Doff", "postgres://h/d?options[x]=y"] {
            assert!(PostgresUrl::parse(text, ServerSettings::Refused).is_none());
            assert!(PostgresUrl::parse(text, ServerSettings::Taken).is_some());
        }
    }

    #[test]
    fn a_database_elsewhere_takes_verified_tls_unless_the_url_states_otherwise() {
        let mode = |text: &str| {
            let url = read(text);
            let again: PgConnectOptions = url.url().parse().unwrap();
            assert_eq!(
                std::mem::discriminant(&again.get_ssl_mode()),
                std::mem::discriminant(&url.options().get_ssl_mode()),
                "{text}"
            );
            (again.get_ssl_mode(), url.weakness().is_some())
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
            assert!(matches!(mode(verified), (PgSslMode::VerifyFull, false)), "{verified}");
        }
        for weak in ["disable", "allow", "prefer", "require", "verify-ca"] {
            for name in ["sslmode", "ssl-mode"] {
                let url = format!("postgres://db.example.com/d?{name}={weak}");
                assert!(!matches!(mode(&url).0, PgSslMode::VerifyFull) && mode(&url).1, "{url}");
                let url = format!("postgres://127.0.0.1/d?{name}={weak}");
                assert!(!mode(&url).1, "{url}");
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
            assert_eq!((read(here).url(), read(here).weakness()), (here, None));
        }
    }
}
