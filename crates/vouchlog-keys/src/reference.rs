//! A key file that holds no secret: it names a key and the place where its secret is.

use std::fmt;
use std::str::FromStr;

use vouchlog_note::{SigningKey, VerifyingKey};

use crate::error::KeyPlaceError;
use crate::location::KeyLocation;

// reference = "vouchlog/v1 key" LF "vkey " <vkey> LF "at " <place> LF

const TITLE: &str = "vouchlog/v1 key";

/// A key and the place where its secret is. Displays as the text of a key file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyReference {
    /// The public side, known before the place is asked: what it signs must verify with it.
    pub vkey: VerifyingKey,
    /// Where the secret is.
    pub location: KeyLocation,
}

impl KeyReference {
    /// Whether a key file is one of these.
    pub(crate) fn is_meant(text: &str) -> bool {
        text.starts_with(TITLE)
    }

    /// The key. See [`KeyLocation::open`].
    pub fn open(&self) -> Result<SigningKey, KeyPlaceError> {
        self.location.open(&self.vkey)
    }
}

impl FromStr for KeyReference {
    type Err = KeyPlaceError;

    fn from_str(text: &str) -> Result<Self, KeyPlaceError> {
        let malformed = KeyPlaceError::Reference;
        let mut lines = text.strip_suffix('\n').unwrap_or(text).split('\n');
        if lines.next() != Some(TITLE) {
            return Err(malformed("its first line is not `vouchlog/v1 key`"));
        }
        let vkey = lines.next().and_then(|line| line.strip_prefix("vkey "));
        let place = lines.next().and_then(|line| line.strip_prefix("at "));
        let (Some(vkey), Some(place), None) = (vkey, place, lines.next()) else {
            return Err(malformed("its lines are not `vkey VKEY` and `at PLACE`"));
        };
        Ok(Self { vkey: vkey.parse()?, location: place.parse()? })
    }
}

impl fmt::Display for KeyReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{TITLE}\nvkey {}\nat {}\n", self.vkey, self.location)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const VKEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

    #[test]
    fn a_reference_reads_as_it_is_written() {
        let text = format!("{TITLE}\nvkey {VKEY}\nat command:/bin/sign --key 1\n");
        let reference: KeyReference = text.parse().unwrap();
        assert_eq!(reference.to_string(), text);
        for wrong in [
            text.replace("v1", "v2"),
            text.replace("vkey ", "key "),
            text.replace("at ", "at"),
            text.replace("74f2", "74f3"),
            format!("{text}more\n"),
            text.replace("command:/bin/sign --key 1", "nowhere:1"),
            TITLE.to_owned(),
        ] {
            assert!(wrong.parse::<KeyReference>().is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_misread(text in "(vouchlog/v1 key\n)?(vkey )?.{0,80}\n(at )?.{0,80}\n?") {
            if let Ok(reference) = text.parse::<KeyReference>() {
                let again = reference.to_string();
                prop_assert_eq!(again.trim_end(), text.trim_end());
            }
        }
    }
}
