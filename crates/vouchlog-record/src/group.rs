//! How the model is written down: groups of fields and lists of words, each with its documentation and nothing else.

/// A group of a record. Every field may be absent, not applicable, redacted or erased.
macro_rules! group {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$about])*
        #[derive(Clone, Debug, Default, PartialEq, serde::Serialize, schemars::JsonSchema)]
        #[serde(default)]
        pub struct $name {
            $($(#[$doc])* #[serde(skip_serializing_if = "crate::field::Field::is_absent")] pub $field: crate::field::Field<$type>,)*
        }

        impl crate::read::Read for $name {
            fn read(
                value: serde_json::Value,
                at: &crate::path::Path<'_>,
                unknown: &mut crate::read::Unknown,
            ) -> Result<Self, crate::error::RecordError> {
                let mut group = Self::default();
                crate::read::members(value, at, unknown, |name, value, here, unknown| {
                    $(if name == stringify!($field).trim_start_matches("r#") {
                        group.$field = crate::read::Read::read(value, here, unknown)?;
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

        impl crate::read::Read for $name {
            fn read(
                value: serde_json::Value,
                at: &crate::path::Path<'_>,
                _: &mut crate::read::Unknown,
            ) -> Result<Self, crate::error::RecordError> {
                crate::read::leaf(value, at)
            }
        }
    };
}

pub(crate) use {group, words};
