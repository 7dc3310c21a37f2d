//! The secret of the console's client at a provider: where it is, and reading it whenever it is needed, so that one in a file can be replaced.

use std::fs::File;
use std::io::{Error, ErrorKind, Read as _};
use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::denied::Denied;
use crate::limits::MAX_SECRET_BYTES;

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SecretPlace {
    /// In a file, whose one line it is.
    File(PathBuf),
    /// In a variable of the process's environment.
    Variable(String),
}

impl SecretPlace {
    /// Reads the secret. If it cannot be read, the log names the place and the reason.
    pub(crate) async fn read(self) -> Result<Zeroizing<String>, Denied> {
        let read = tokio::task::spawn_blocking(move || {
            self.text().and_then(|text| line(&text)).map_err(|error| {
                tracing::error!(place = ?self, %error, "the secret of the console's client cannot be read");
            })
        });
        read.await.ok().and_then(Result::ok).ok_or(Denied::Unavailable)
    }

    fn text(&self) -> std::io::Result<Zeroizing<String>> {
        let mut text = Zeroizing::new(String::new());
        match self {
            Self::File(file) => {
                File::open(file)?.take(MAX_SECRET_BYTES + 1).read_to_string(&mut text)?;
            }
            Self::Variable(name) => {
                // An error of the library would quote a value that is not Unicode.
                let missing =
                    |_| Error::new(ErrorKind::NotFound, "the variable is not set, or not to a text");
                *text = std::env::var(name).map_err(missing)?;
            }
        }
        Ok(text)
    }
}

fn line(text: &str) -> std::io::Result<Zeroizing<String>> {
    let secret = text.trim();
    if secret.is_empty() || text.len() as u64 > MAX_SECRET_BYTES || secret.chars().any(char::is_control) {
        return Err(Error::new(ErrorKind::InvalidData, "it is empty, too long, or has more than one line"));
    }
    Ok(Zeroizing::new(secret.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_secret_is_the_one_line_of_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        for (text, expected) in [
            ("s&cret:1\n", Some("s&cret:1")),
            (" s ", Some("s")),
            ("", None),
            ("\n", None),
            ("two\nlines", None),
            (&"x".repeat(5_000), None),
        ] {
            std::fs::write(&path, text).unwrap();
            let read = SecretPlace::File(path.clone()).read().await;
            assert_eq!(read.ok().as_ref().map(|secret| secret.as_str()), expected, "{text:?}");
        }
        let missing = SecretPlace::File(folder.path().join("missing")).read().await;
        assert_eq!(missing.unwrap_err(), Denied::Unavailable);
        let variable = SecretPlace::Variable("PATH".to_owned()).read().await.unwrap();
        assert_eq!(variable.as_str(), std::env::var("PATH").unwrap());
        let missing = SecretPlace::Variable("VOUCHLOG_NO_SUCH_VARIABLE".to_owned()).read().await;
        assert_eq!(missing.unwrap_err(), Denied::Unavailable);
    }
}
