//! The messages of a vault's server, package `vouchlog.vault.v1`, and the same as JSON.
//!
//! Each message is in JSON what the operation's question or answer is over HTTP. So a server converts between the two with serde, and no
//! field can mean one thing in one interface and another in the other.

mod strict;

pub use strict::{StrictCodec, read_strictly};

/// The service that has all methods.
pub const SERVICE: &str = "vouchlog.vault.v1.Vault";

/// The messages, and the client.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic, reason = "generated from documented messages")]
#[rustfmt::skip]
pub mod v1 {
    include!("generated/vouchlog.vault.v1.rs");

    /// The compiled descriptors of the package, for gRPC reflection.
    pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("generated/vouchlog.vault.v1.bin");
}

/// In JSON a choice that has no value of its own is null.
impl From<()> for v1::Due {
    fn from((): ()) -> Self {
        Self {}
    }
}

impl From<v1::Due> for () {
    fn from(_: v1::Due) -> Self {}
}

/// Values of enumerations, which are names in JSON: `FINDING_STATE_OPEN` is `open`.
mod names {
    use serde::de::Error as _;
    use serde::ser::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    use super::v1::{CaseState, ExportFormat, ExportedThing, FindingState, ProofsFrom};

    /// An enumeration of the package.
    pub(super) trait Named: TryFrom<i32> + Into<i32> {
        /// What the names of its values begin with.
        const PREFIX: &'static str;

        fn whole_name(&self) -> &'static str;
        fn from_whole_name(name: &str) -> Option<Self>;
    }

    macro_rules! named {
        ($($enumeration:ident: $prefix:literal),* $(,)?) => {$(
            impl Named for $enumeration {
                const PREFIX: &'static str = $prefix;

                fn whole_name(&self) -> &'static str {
                    self.as_str_name()
                }

                fn from_whole_name(name: &str) -> Option<Self> {
                    Self::from_str_name(name)
                }
            }
        )*};
    }

    named! {
        CaseState: "CASE_STATE_",
        ExportFormat: "EXPORT_FORMAT_",
        ExportedThing: "EXPORTED_THING_",
        FindingState: "FINDING_STATE_",
        ProofsFrom: "PROOFS_FROM_",
    }

    /// Whether a value is left out.
    pub(super) fn is_unspecified(value: &i32) -> bool {
        *value == 0
    }

    /// A number that is no value is refused, and never taken for one that was left out.
    pub(super) fn write<N: Named, S: Serializer>(value: &i32, serializer: S) -> Result<S::Ok, S::Error> {
        let value = N::try_from(*value).map_err(|_| S::Error::custom("an enumeration has no such value"))?;
        let name = value.whole_name().trim_start_matches(N::PREFIX);
        serializer.serialize_str(&name.to_ascii_lowercase().replace('_', "-"))
    }

    pub(super) fn read<'de, N: Named, D: Deserializer<'de>>(deserializer: D) -> Result<i32, D::Error> {
        let name = String::deserialize(deserializer)?;
        let whole = format!("{}{}", N::PREFIX, name.to_ascii_uppercase().replace('-', "_"));
        let value = N::from_whole_name(&whole).map(N::into).filter(|value| !is_unspecified(value));
        value.ok_or_else(|| D::Error::custom("an enumeration has no such value"))
    }
}

/// Text that is a value in JSON, byte for byte.
mod json {
    use serde::ser::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use serde_json::value::RawValue;

    pub(super) fn serialize<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(text.to_owned()).map_err(S::Error::custom)?.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
        Ok(String::from(Box::<str>::from(Box::<RawValue>::deserialize(deserializer)?)))
    }
}

/// The same of a value that may be missing.
mod optional_json {
    use serde::ser::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use serde_json::value::RawValue;

    pub(super) fn serialize<S: Serializer>(text: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
        let value = text.clone().map(RawValue::from_string).transpose().map_err(S::Error::custom)?;
        value.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<String>, D::Error> {
        let value = Option::<Box<RawValue>>::deserialize(deserializer)?;
        Ok(value.map(|value| String::from(Box::<str>::from(value))))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost::Message;
    use prost_types::FileDescriptorSet;
    use serde_json::{Value, json};

    use super::*;

    fn json_of(message: &impl serde::Serialize) -> Value {
        serde_json::to_value(message).unwrap()
    }

    #[test]
    fn the_service_is_the_one_that_is_described() {
        let set = FileDescriptorSet::decode(v1::FILE_DESCRIPTOR_SET).unwrap();
        let file = &set.file[0];
        assert_eq!((set.file.len(), file.service.len()), (1, 1));
        assert_eq!(format!("{}.{}", file.package(), file.service[0].name()), SERVICE);
        for method in &file.service[0].method {
            assert!(!method.client_streaming() && !method.server_streaming(), "{}", method.name());
            assert!(method.input_type().ends_with(&format!(".{}Request", method.name())));
        }
    }

    #[test]
    fn choices_are_what_they_are_over_http() {
        use v1::target::Target;
        for (target, expected) in [
            (Some(Target::Record("r".to_owned())), json!({ "record": "r" })),
            (Some(Target::Subject("s".to_owned())), json!({ "subject": "s" })),
            (Some(Target::Due(v1::Due {})), json!({ "due": null })),
            (None, Value::Null),
        ] {
            let message = v1::Target { target };
            assert_eq!(json_of(&message), expected);
            assert_eq!(serde_json::from_value::<v1::Target>(expected).unwrap(), message);
        }
        let names = v1::Names { names: vec!["ann".to_owned()] };
        assert_eq!(
            json_of(&v1::EraseRequest { confirmed: Some(names), ..Default::default() })["confirmed"],
            json!(["ann"])
        );
        assert_eq!(json_of(&v1::EraseRequest::default())["confirmed"], Value::Null);
    }

    #[test]
    fn every_value_of_an_enumeration_has_a_name_and_no_other_number_has() {
        let with = |state| json_of(&v1::DecideFindingsRequest { state, ..Default::default() });
        let names: BTreeSet<String> =
            (1..=3).map(|state| with(state)["state"].as_str().unwrap().to_owned()).collect();
        assert_eq!(names, BTreeSet::from(["accepted", "explained", "open"].map(str::to_owned)));
        assert_eq!(with(0).get("state"), None);
        for wrong in [4, -1, i32::MAX] {
            assert!(
                serde_json::to_value(v1::DecideFindingsRequest { state: wrong, ..Default::default() })
                    .is_err()
            );
        }
        for (name, expected) in
            [("json-lines", Some(v1::ExportFormat::JsonLines)), ("unspecified", None), ("JSON", None)]
        {
            let read = serde_json::from_value::<v1::ExportRequest>(json!({ "format": name }));
            assert_eq!(read.ok().map(|read| read.format()), expected, "{name}");
        }
    }

    #[test]
    fn whole_values_stay_byte_for_byte() {
        let text = r#"{"b":1.50,"a":[ 18446744073709551615, "ä" ]}"#;
        let message: v1::MadeBundle = serde_json::from_str(&format!(r#"{{"bundle":{text}}}"#)).unwrap();
        assert_eq!(message.bundle, text);
        assert_eq!(serde_json::to_string(&message).unwrap(), format!(r#"{{"bundle":{text}}}"#));
        let opened: v1::OpenedRecord =
            serde_json::from_str(r#"{"row":null,"record":null,"grade":{"a": 1},"proof":null}"#).unwrap();
        assert_eq!((opened.record, opened.grade.as_deref()), (None, Some(r#"{"a": 1}"#)));
    }
}
