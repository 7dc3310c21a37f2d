//! The URI of a key in a PKCS#11 token (RFC 7512), as far as it names one key.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::error::KeyPlaceError;

pub(crate) const SCHEME: &str = "pkcs11:";
const MAX_URI_BYTES: usize = 2_048;

// rest  = [ <attribute> *( ";" <attribute> ) ] [ "?" <query> *( "&" <query> ) ]
// value = percent-encoded

/// What a URI says after `pkcs11:`. Displays as it was read; it holds no PIN.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    not(feature = "pkcs11"),
    allow(dead_code, reason = "without a token, it is only read and written")
)]
pub struct Pkcs11Uri {
    text: String,
    /// Label of the token.
    pub(crate) token: Option<String>,
    /// Serial number of the token.
    pub(crate) serial: Option<String>,
    /// Number of the slot.
    pub(crate) slot: Option<u64>,
    /// Label of the key.
    pub(crate) object: Option<String>,
    /// Id of the key.
    pub(crate) id: Option<Vec<u8>>,
    /// Whether it is a secret key, such as one of AES, and not a private one; if the URI states that.
    pub(crate) is_secret: Option<bool>,
    /// The module to load.
    pub(crate) module: Option<PathBuf>,
    /// Where the PIN is.
    pub(crate) pin: Option<PinSource>,
}

/// Where the PIN of a token is; never the PIN itself, which any user of the machine could read off the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(feature = "pkcs11"),
    allow(dead_code, reason = "without a token, it is only read and written")
)]
pub(crate) enum PinSource {
    /// `pin-source=file:PATH`, or a path.
    File(PathBuf),
    /// `pin-source=env:NAME`.
    Environment(String),
}

fn malformed(what: &str) -> KeyPlaceError {
    KeyPlaceError::Malformed(format!("{SCHEME} {what}"))
}

impl FromStr for Pkcs11Uri {
    type Err = KeyPlaceError;

    fn from_str(text: &str) -> Result<Self, KeyPlaceError> {
        if text.is_empty() || text.len() > MAX_URI_BYTES || !text.bytes().all(|c| c.is_ascii_graphic()) {
            return Err(malformed("is followed by an RFC 7512 URI of visible ASCII characters"));
        }
        let (path, query) = text.split_once('?').unwrap_or((text, ""));
        let mut uri = Self { text: text.to_owned(), ..Self::default() };
        for attribute in path.split(';').filter(|attribute| !attribute.is_empty()) {
            let (name, value) =
                attribute.split_once('=').ok_or_else(|| malformed("has an attribute without a value"))?;
            match name {
                "token" => set(&mut uri.token, decode_text(value)?)?,
                "serial" => set(&mut uri.serial, decode_text(value)?)?,
                "object" => set(&mut uri.object, decode_text(value)?)?,
                "id" => set(&mut uri.id, decode(value)?)?,
                "slot-id" => set(
                    &mut uri.slot,
                    value.parse().map_err(|_| malformed("has a slot-id that is no number"))?,
                )?,
                "type" if value == "private" || value == "secret-key" => {
                    set(&mut uri.is_secret, value == "secret-key")?;
                }
                _ => {
                    return Err(malformed(&format!(
                        "has the attribute `{name}`: it may have token, serial, slot-id, object, id, and type=private or type=secret-key"
                    )));
                }
            }
        }
        for attribute in query.split('&').filter(|attribute| !attribute.is_empty()) {
            let (name, value) =
                attribute.split_once('=').ok_or_else(|| malformed("has an attribute without a value"))?;
            match name {
                "module-path" => set(&mut uri.module, decode_text(value)?.into())?,
                "pin-source" => set(&mut uri.pin, pin_source(&decode_text(value)?)?)?,
                // Its value is not repeated: it is a secret.
                "pin-value" => {
                    return Err(malformed(
                        "must not hold the PIN: name a file with pin-source=file:PATH, or a variable with pin-source=env:NAME",
                    ));
                }
                _ => {
                    return Err(malformed(&format!(
                        "has the query attribute `{name}`: it may have module-path and pin-source"
                    )));
                }
            }
        }
        if uri.object.is_none() && uri.id.is_none() {
            return Err(malformed("names no key: give object=LABEL or id=%01"));
        }
        Ok(uri)
    }
}

fn set<T>(place: &mut Option<T>, value: T) -> Result<(), KeyPlaceError> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(malformed("has an attribute twice")),
    }
}

fn pin_source(value: &str) -> Result<PinSource, KeyPlaceError> {
    match value.split_once(':') {
        Some(("env", name)) if !name.is_empty() => Ok(PinSource::Environment(name.to_owned())),
        Some(("file", path)) if !path.is_empty() => {
            Ok(PinSource::File(path.strip_prefix("//").unwrap_or(path).into()))
        }
        None if value.starts_with('/') => Ok(PinSource::File(value.into())),
        _ => Err(malformed("has a pin-source that is not file:PATH or env:NAME")),
    }
}

fn decode(value: &str) -> Result<Vec<u8>, KeyPlaceError> {
    let wrong = || malformed("has a percent sign without two hexadecimal digits");
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (digits, after) = rest.split_first_chunk::<2>().ok_or_else(wrong)?;
        let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'));
        bytes.push(digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).ok_or_else(wrong)?);
        rest = after;
    }
    Ok(bytes)
}

fn decode_text(value: &str) -> Result<String, KeyPlaceError> {
    let text = String::from_utf8(decode(value)?).ok().filter(|text| !text.contains(|c: char| c.is_control()));
    text.ok_or_else(|| malformed("has a value that is not text"))
}

impl fmt::Display for Pkcs11Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_uri_names_a_key_and_where_its_pin_is() {
        let text = "token=The%20log;object=log-key;id=%00%ff;slot-id=3;type=private?module-path=/usr/lib/p11.so&pin-source=file:/etc/pin";
        let uri: Pkcs11Uri = text.parse().unwrap();
        assert_eq!(uri.token.as_deref(), Some("The log"));
        assert_eq!((uri.object.as_deref(), uri.id.as_deref()), (Some("log-key"), Some(&[0, 255][..])));
        assert_eq!((uri.slot, uri.module), (Some(3), Some("/usr/lib/p11.so".into())));
        assert_eq!(uri.pin, Some(PinSource::File("/etc/pin".into())));
        assert_eq!(uri.text, text);
        let pin = |source: &str| format!("object=a?pin-source={source}").parse::<Pkcs11Uri>().unwrap().pin;
        assert_eq!(pin("env:PIN"), Some(PinSource::Environment("PIN".into())));
        assert_eq!(pin("file:///etc/pin"), Some(PinSource::File("/etc/pin".into())));
        assert_eq!(pin("%2Fetc%2Fpin"), Some(PinSource::File("/etc/pin".into())));
    }

    #[test]
    fn a_pin_is_refused_and_never_repeated() {
        let error = "object=a?pin-value=98765".parse::<Pkcs11Uri>().unwrap_err().to_string();
        assert!(error.contains("pin-source") && !error.contains("98765"), "{error}");
    }

    #[test]
    fn what_could_name_several_keys_or_none_is_refused() {
        for wrong in [
            "",
            "token=a",
            "object=a;object=b",
            "object=a;model=x",
            "object=%zz",
            "object=%+1",
            "object=%0a",
            "slot-id=x;object=a",
            "object",
            "object=a;type=public",
            "object=a?module-name=x",
            "object=a?pin-source=|cat",
            "object=a b",
        ] {
            assert!(wrong.parse::<Pkcs11Uri>().is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_uri_panics(text in "(object=|id=)?[ -~]{0,60}(\\?pin-source=.{0,20})?") {
            if let Ok(uri) = text.parse::<Pkcs11Uri>() {
                prop_assert_eq!(uri.to_string(), text);
            }
        }
    }
}
