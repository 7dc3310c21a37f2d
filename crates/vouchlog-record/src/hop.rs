//! One hop of a chain of authority.

use std::borrow::Cow;

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::authority::CredentialBinding;
use crate::error::RecordError;
use crate::field::Field;
use crate::group::group;
use crate::path::Path;
use crate::read::{Read, Unknown};

/// A hop: a principal by name, or with the delegation that made it act.
#[derive(Clone, Debug, PartialEq)]
pub enum Hop {
    /// The principal alone.
    Principal(String),
    /// The principal, and what is known of the delegation.
    Delegation(Box<Delegation>),
}

group! {
    /// A delegation (RFC 8693): for whom, by whom, and how long.
    Delegation {
        /// The principal of this hop (`sub` of the token). Personal.
        principal: String,
        /// Who vouches for it (`iss`).
        issuer: String,
        /// Who acts for the principal (`act.sub`, or the client): the principal of the next hop.
        actor: String,
        /// When the delegation was issued.
        iat: Timestamp,
        /// Not valid before.
        nbf: Timestamp,
        /// Not valid at or after.
        exp: Timestamp,
        /// How it is bound to the actor (`cnf`).
        confirmation: CredentialBinding,
    }
}

impl Hop {
    /// The principal's name.
    pub fn principal(&self) -> Option<&str> {
        match self {
            Self::Principal(name) => Some(name),
            Self::Delegation(delegation) => delegation.principal.value().map(String::as_str),
        }
    }

    /// What is known of the delegation, beyond a name.
    pub fn delegation(&self) -> Option<&Delegation> {
        match self {
            Self::Principal(_) => None,
            Self::Delegation(delegation) => Some(delegation),
        }
    }

    /// Whether the name is withheld.
    pub fn is_withheld(&self) -> bool {
        self.delegation().is_some_and(|delegation| delegation.principal.is_withheld())
    }
}

impl Read for Hop {
    fn read(value: Value, at: &Path<'_>, unknown: &mut Unknown) -> Result<Self, RecordError> {
        match value {
            Value::String(name) => Ok(Self::Principal(name)),
            // A hop that is withheld as a whole has no name that could be compared.
            Value::Object(ref object) if object.contains_key(crate::format::MARK) => {
                let principal = Field::read(value, at, unknown)?;
                Ok(Self::Delegation(Box::new(Delegation { principal, ..Delegation::default() })))
            }
            value => Delegation::read(value, at, unknown).map(|it| Self::Delegation(Box::new(it))),
        }
    }
}

impl Serialize for Hop {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Principal(name) => name.serialize(serializer),
            Self::Delegation(delegation) => delegation.serialize(serializer),
        }
    }
}

impl JsonSchema for Hop {
    fn schema_name() -> Cow<'static, str> {
        "Hop".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "type": "string" }, generator.subschema_for::<Delegation>()] })
    }
}
