//! Places where a secret key can be, other than in a file of ours.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::thread;

use vouchlog_note::{SigningKey, VerifyingKey};

use crate::agent::{Agent, Fingerprint};
use crate::bounded::{Bounded, ThreadSigner};
use crate::error::KeyPlaceError;
use crate::limits::PATIENCE;
use crate::pkcs11_uri;
use crate::pkcs11_uri::Pkcs11Uri;
use crate::program::Program;

/// Where a secret key is, as one line of text. Displays as what it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyLocation {
    /// `ssh-agent:` and perhaps the key's SHA-256 fingerprint: the agent at `SSH_AUTH_SOCK`.
    Agent(Option<Fingerprint>),
    /// `pkcs11:` and the rest of an RFC 7512 URI.
    Pkcs11(Pkcs11Uri),
    /// `command:` and a program with its arguments, parted by white space; no shell reads them.
    Command(Program),
    /// `aws-kms:` and the id, alias or ARN of a key.
    AwsKms(String),
    /// `gcp-kms:` and the resource name of a key version.
    GcpKms(String),
}

impl FromStr for KeyLocation {
    type Err = KeyPlaceError;

    fn from_str(text: &str) -> Result<Self, KeyPlaceError> {
        let unknown = || KeyPlaceError::Unknown(text.to_owned());
        let (scheme, rest) = text.split_once(':').ok_or_else(unknown)?;
        let name = || {
            let is_name = |c: char| c.is_ascii_alphanumeric() || "-_/:.".contains(c);
            if rest.is_empty() || rest.len() > 2_048 || !rest.chars().all(is_name) {
                return Err(KeyPlaceError::Malformed(format!("{scheme}: {rest}")));
            }
            Ok(rest.to_owned())
        };
        match scheme {
            "ssh-agent" if rest.is_empty() => Ok(Self::Agent(None)),
            "ssh-agent" => Ok(Self::Agent(Some(rest.parse()?))),
            "pkcs11" => Ok(Self::Pkcs11(rest.parse()?)),
            "command" => Ok(Self::Command(rest.parse()?)),
            "aws-kms" => Ok(Self::AwsKms(name()?)),
            "gcp-kms" => Ok(Self::GcpKms(name()?)),
            _ => Err(unknown()),
        }
    }
}

impl fmt::Display for KeyLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agent(None) => f.write_str("ssh-agent:"),
            Self::Agent(Some(fingerprint)) => write!(f, "ssh-agent:{fingerprint}"),
            Self::Pkcs11(uri) => write!(f, "{}{uri}", pkcs11_uri::SCHEME),
            Self::Command(program) => write!(f, "command:{program}"),
            Self::AwsKms(key) => write!(f, "aws-kms:{key}"),
            Self::GcpKms(name) => write!(f, "gcp-kms:{name}"),
        }
    }
}

impl KeyLocation {
    /// Whether a text is of a place of this kind, well-formed or not; any other is a path.
    pub(crate) fn is_meant(text: &str) -> bool {
        let scheme = text.split_once(':').map(|(scheme, _)| scheme);
        scheme
            .is_some_and(|scheme| ["ssh-agent", "pkcs11", "command", "aws-kms", "gcp-kms"].contains(&scheme))
    }

    /// The key whose public side is `vkey` and whose secret is here. Nothing is asked yet, beyond what it takes to connect.
    pub fn open(&self, vkey: &VerifyingKey) -> Result<SigningKey, KeyPlaceError> {
        let key = *vkey
            .ed25519_bytes()
            .ok_or(vouchlog_note::KeyError::NotEd25519 { signature_type: vkey.signature_type() })?;
        let signer = match self {
            Self::Agent(fingerprint) => {
                if let Some(stated) = fingerprint.as_ref().filter(|stated| **stated != Fingerprint::of(&key))
                {
                    let words = format!("the fingerprint {stated} is not that of {vkey}");
                    return Err(KeyPlaceError::Malformed(words));
                }
                self.bounded(Agent::new(key)?)?
            }
            Self::Pkcs11(uri) => self.pkcs11(uri)?,
            Self::Command(program) => self.bounded(program.for_key(vkey))?,
            Self::AwsKms(id) => self.aws_kms(id)?,
            Self::GcpKms(name) => self.gcp_kms(name)?,
        };
        Ok(SigningKey::elsewhere(vkey.clone(), Arc::new(signer))?)
    }

    /// The 32 bytes of the public key, asked of the place. Blocks, and may be called on an async thread.
    ///
    /// # Errors
    /// [`KeyPlaceError::NoVkey`] for a program: it only signs.
    pub fn public_key(&self) -> Result<[u8; 32], KeyPlaceError> {
        // On a thread of its own: requests to a key service have their own runtime.
        thread::scope(|scope| scope.spawn(|| self.ask_public_key()).join())
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    fn ask_public_key(&self) -> Result<[u8; 32], KeyPlaceError> {
        match self {
            Self::Agent(fingerprint) => Ok(Agent::find(fingerprint.as_ref())?),
            Self::Command(_) => Err(KeyPlaceError::NoVkey),
            #[cfg(feature = "pkcs11")]
            Self::Pkcs11(uri) => Ok(crate::pkcs11::public_key(uri)?),
            #[cfg(feature = "aws-kms")]
            Self::AwsKms(id) => Ok(crate::aws_kms::Kms::from_environment(id)?.public_key()?),
            #[cfg(feature = "gcp-kms")]
            Self::GcpKms(name) => {
                use crate::gcp_kms::{Kms, Resource};
                Ok(Kms::from_environment(name, Resource::Version)?.public_key()?)
            }
            #[cfg(not(feature = "pkcs11"))]
            Self::Pkcs11(_) => Err(KeyPlaceError::NotBuilt("pkcs11")),
            #[cfg(not(feature = "aws-kms"))]
            Self::AwsKms(_) => Err(KeyPlaceError::NotBuilt("aws-kms")),
            #[cfg(not(feature = "gcp-kms"))]
            Self::GcpKms(_) => Err(KeyPlaceError::NotBuilt("gcp-kms")),
        }
    }

    fn bounded(&self, place: impl ThreadSigner + 'static) -> Result<Bounded, KeyPlaceError> {
        Ok(Bounded::start(self.to_string(), PATIENCE, place)?)
    }

    #[cfg(feature = "pkcs11")]
    fn pkcs11(&self, uri: &Pkcs11Uri) -> Result<Bounded, KeyPlaceError> {
        self.bounded(crate::pkcs11::Token::new(uri)?)
    }

    #[cfg(not(feature = "pkcs11"))]
    fn pkcs11(&self, _: &Pkcs11Uri) -> Result<Bounded, KeyPlaceError> {
        Err(KeyPlaceError::NotBuilt("pkcs11"))
    }

    #[cfg(feature = "aws-kms")]
    fn aws_kms(&self, id: &str) -> Result<Bounded, KeyPlaceError> {
        self.bounded(crate::aws_kms::Kms::from_environment(id)?)
    }

    #[cfg(not(feature = "aws-kms"))]
    fn aws_kms(&self, _: &str) -> Result<Bounded, KeyPlaceError> {
        Err(KeyPlaceError::NotBuilt("aws-kms"))
    }

    #[cfg(feature = "gcp-kms")]
    fn gcp_kms(&self, name: &str) -> Result<Bounded, KeyPlaceError> {
        use crate::gcp_kms::{Kms, Resource};
        self.bounded(Kms::from_environment(name, Resource::Version)?)
    }

    #[cfg(not(feature = "gcp-kms"))]
    fn gcp_kms(&self, _: &str) -> Result<Bounded, KeyPlaceError> {
        Err(KeyPlaceError::NotBuilt("gcp-kms"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_as_it_is_written() {
        for text in [
            "ssh-agent:",
            "ssh-agent:SHA256:uNiVztksCsDhcc0u9e8BrrJXVGDRDx0wWGoWrMzqpWs",
            "pkcs11:token=vouchlog;object=log-key?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/etc/pin",
            "command:/usr/local/bin/sign --slot 3",
            "aws-kms:arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
            "gcp-kms:projects/p/locations/global/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1",
        ] {
            let place: KeyLocation = text.parse().unwrap();
            assert_eq!(place.to_string(), text);
            assert!(KeyLocation::is_meant(text));
        }
    }

    #[test]
    fn what_names_no_place_is_refused() {
        for text in [
            "",
            "log.key",
            "C:\\log.key",
            "vault:x",
            "aws-kms:",
            "aws-kms:a b",
            "gcp-kms:projects/p?x",
            "command:",
            "command: ",
            "ssh-agent:MD5:00",
            "pkcs11:",
            "pkcs11:object=a?pin-value=1234",
        ] {
            assert!(text.parse::<KeyLocation>().is_err(), "{text}");
        }
        assert!(!KeyLocation::is_meant("C:\\log.key") && !KeyLocation::is_meant("./log.key"));
    }
}
