//! How values are written in the JSON files of this crate: hashes, keys and origins as their one text, bytes as base64.

/// Whether a value is the default, and so left out.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
pub(crate) fn is_zero(value: &u64) -> bool {
    *value == 0
}

/// As [`is_zero`].
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
pub(crate) fn is_false(value: &bool) -> bool {
    !value
}

/// Anything with one text, which [`FromStr`](std::str::FromStr) reads and checks.
pub(crate) mod text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    pub(crate) fn serialize<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// A list of such values.
pub(crate) mod texts {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::de::{Deserialize, Deserializer};
    use serde::ser::Serializer;

    #[derive(serde::Serialize, serde::Deserialize)]
    #[serde(bound(serialize = "T: Display", deserialize = "T: FromStr<Err: Display>"))]
    struct One<T>(#[serde(with = "super::text")] T);

    #[derive(serde::Serialize)]
    #[serde(bound = "T: Display")]
    struct OneRef<'a, T>(#[serde(with = "super::text")] &'a T);

    pub(crate) fn serialize<T: Display, S: Serializer>(
        values: &[T],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(values.iter().map(OneRef))
    }

    pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<Vec<T>, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        Ok(Vec::<One<T>>::deserialize(deserializer)?.into_iter().map(|One(value)| value).collect())
    }
}

/// A value with one text, or nothing.
pub(crate) mod maybe_text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::{Serialize, Serializer};

    pub(crate) fn serialize<T: Display, S: Serializer>(
        value: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.as_ref().map(ToString::to_string).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| text.parse().map_err(D::Error::custom)).transpose()
    }
}

/// Bytes as base64 (RFC 4648 section 4).
pub(crate) mod base64 {
    use ::base64::Engine;
    use ::base64::engine::general_purpose::STANDARD;
    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        STANDARD.decode(text.as_bytes()).map_err(D::Error::custom)
    }
}

/// A list of byte strings as base64.
pub(crate) mod base64s {
    use serde::de::{Deserialize, Deserializer};
    use serde::ser::Serializer;

    #[derive(serde::Serialize, serde::Deserialize)]
    struct One(#[serde(with = "super::base64")] Vec<u8>);

    #[derive(serde::Serialize)]
    struct OneRef<'a>(#[serde(with = "super::base64")] &'a [u8]);

    pub(crate) fn serialize<S: Serializer>(values: &[Vec<u8>], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(values.iter().map(|bytes| OneRef(bytes)))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Vec<u8>>, D::Error> {
        Ok(Vec::<One>::deserialize(deserializer)?.into_iter().map(|One(bytes)| bytes).collect())
    }
}

/// A compact range that begins at 0, as its end and its hashes.
pub(crate) mod range {
    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::{Serialize, Serializer};
    use vouchlog_merkle::{CompactRange, Hash};

    #[derive(serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Stored {
        size: u64,
        #[serde(with = "super::texts")]
        hashes: Vec<Hash>,
    }

    pub(crate) fn serialize<S: Serializer>(range: &CompactRange, serializer: S) -> Result<S::Ok, S::Error> {
        Stored { size: range.end(), hashes: range.hashes().to_vec() }.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<CompactRange, D::Error> {
        let stored = Stored::deserialize(deserializer)?;
        CompactRange::from_hashes(0, stored.size, stored.hashes).map_err(D::Error::custom)
    }
}
