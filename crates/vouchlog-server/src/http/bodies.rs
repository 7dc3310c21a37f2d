//! Bodies of requests as the document describes them: what is accepted has the lengths and the first line that the schema states.

use serde::Deserialize;
use utoipa::openapi::schema::{ArrayBuilder, Object, ObjectBuilder, OneOfBuilder, Type};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};
use vouchlog_api::limits::MAX_NOTE_BYTES;
use vouchlog_note::limits::MAX_ADD_CHECKPOINT_BYTES;

use crate::limits::{MAX_ADD_BYTES, MAX_JSON_STATEMENTS};

/// A statement for the house stream.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewStatement {
    /// Name of the kind. The sender is unknown, so the house stream takes no other kind.
    #[schema(pattern = "^opaque$", example = "opaque")]
    pub(super) kind: String,
    /// 64 lowercase hex digits: SHA-256 of a statement that holds a random salt, or another salted commitment. Never a bare
    /// hash of content: what can be guessed could be found in a public log.
    #[schema(
        pattern = "^[0-9a-f]{64}$",
        example = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    )]
    pub(super) digest: String,
    /// Evidence bitmap: 0, no claim, and 0 if not given.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 0)]
    pub(super) evidence: u32,
}

/// One statement or an array of them.
pub(super) struct NewStatements;

impl PartialSchema for NewStatements {
    fn schema() -> RefOr<Schema> {
        let one = || RefOr::from(Ref::from_schema_name(NewStatement::name()));
        let many =
            ArrayBuilder::new().items(one()).min_items(Some(1)).max_items(Some(MAX_JSON_STATEMENTS)).build();
        OneOfBuilder::new().description(Some("One statement, or many.")).item(one()).item(many).into()
    }
}

impl ToSchema for NewStatements {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((NewStatement::name().into(), NewStatement::schema()));
        NewStatement::schemas(schemas);
    }
}

/// Declares text bodies by their first line, a regular expression, and their greatest length.
macro_rules! texts {
    ($($(#[doc = $doc:literal])* $name:ident: $pattern:literal, $longest:expr;)*) => {$(
        $(#[doc = $doc])*
        pub(super) struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                text(Some($pattern), $longest).into()
            }
        }

        impl ToSchema for $name {}
    )*};
}

texts! {
    /// The note that enrols a gateway.
    EnrolmentNote: "^vouchlog/v1 enrol\\n", MAX_NOTE_BYTES;
    /// The note that revokes one.
    RevocationNote: "^vouchlog/v1 revoke\\n", MAX_NOTE_BYTES;
    /// The note that bounds what gateways may log.
    QuotaNote: "^vouchlog/v1 quota\\n", MAX_NOTE_BYTES;
    /// A checkpoint with its consistency proof.
    NewCheckpoint: "^old (0|[1-9][0-9]*)\\n", MAX_ADD_CHECKPOINT_BYTES;
    /// A subtree of a checkpoint, with its proof.
    NewSubtree: "^subtree (0|[1-9][0-9]*) [1-9][0-9]*\\n", MAX_ADD_CHECKPOINT_BYTES;
}

/// Any bytes, of which the hash is logged.
pub(super) struct AnyBytes;

impl PartialSchema for AnyBytes {
    fn schema() -> RefOr<Schema> {
        text(None, MAX_ADD_BYTES).into()
    }
}

impl ToSchema for AnyBytes {}

fn text(pattern: Option<&str>, longest: usize) -> Object {
    let text = ObjectBuilder::new().schema_type(Type::String).pattern(pattern);
    text.min_length(Some(1)).max_length(Some(longest)).build()
}
