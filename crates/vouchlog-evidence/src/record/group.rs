//! How the model is written down: groups of fields and lists of words, each with its documentation and nothing else.

/// A group of a record. Every field may be absent, not applicable, redacted or erased.
macro_rules! group {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$about])*
        #[derive(Clone, Debug, Default, PartialEq, serde::Serialize, schemars::JsonSchema)]
        #[serde(default)]
        pub struct $name {
            $($(#[$doc])* #[serde(skip_serializing_if = "crate::Field::is_absent")] pub $field: crate::Field<$type>,)*
        }

        impl crate::record::read::Read for $name {
            fn read(
                value: serde_json::Value,
                at: &crate::record::path::Path<'_>,
                unknown: &mut crate::record::read::Unknown,
            ) -> Result<Self, crate::RecordError> {
                let mut group = Self::default();
                crate::record::read::members(value, at, unknown, |name, value, here, unknown| {
                    $(if name == stringify!($field).trim_start_matches("r#") {
                        group.$field = crate::record::read::Read::read(value, here, unknown)?;
                        return Ok(None);
                    })*
                    Ok(Some(value))
                })?;
                Ok(group)
            }
        }
    };
}

/// A closed list of words, spelled in JSON as in Rust but in snake case.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $word:ident,)* }) => {
        $(#[$about])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
        )]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$doc])* $word,)* }

        impl crate::record::read::Read for $name {
            fn read(
                value: serde_json::Value,
                at: &crate::record::path::Path<'_>,
                _: &mut crate::record::read::Unknown,
            ) -> Result<Self, crate::RecordError> {
                crate::record::read::leaf(value, at)
            }
        }
    };
}

pub(crate) use {group, words};
