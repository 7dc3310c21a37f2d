//! What is checked of an ask before it is carried out, wherever it came from.

use vouchlog_record::RecordId;
use vouchlog_stream::StatementKind;
use vouchlog_vault::limits::MAX_VALUE_BYTES;
use vouchlog_vault::{Cursor, Facet};

use crate::error::DeskError;
use crate::limits::{MAX_BASIS_BYTES, MAX_FIELD_BYTES, MAX_FIELDS, MAX_NAMED_RECORDS};
use crate::row::FacetValue;

/// A reason goes on record: it is there, short, and on one line.
pub(crate) fn reason(basis: &str) -> Result<&str, DeskError> {
    if basis.is_empty() || basis.len() > MAX_BASIS_BYTES || basis.chars().any(char::is_control) {
        return Err(DeskError::Invalid(format!("the reason has 1 to {MAX_BASIS_BYTES} bytes, on one line")));
    }
    Ok(basis)
}

/// Fields of a disclosure, as JSON pointers.
pub(crate) fn fields(fields: &[String]) -> Result<&[String], DeskError> {
    let is_path =
        |field: &String| field.len() <= MAX_FIELD_BYTES && (field.is_empty() || field.starts_with('/'));
    if fields.is_empty() || fields.len() > MAX_FIELDS || !fields.iter().all(is_path) {
        return Err(DeskError::Invalid(format!(
            "a disclosure has 1 to {MAX_FIELDS} fields, each a JSON pointer of at most {MAX_FIELD_BYTES} bytes"
        )));
    }
    Ok(fields)
}

/// Facets with their values. A name that is none is refused, and never left out of a search.
pub(crate) fn facets(given: Vec<FacetValue>) -> Result<Vec<(Facet, String)>, DeskError> {
    let known = |FacetValue { facet, value }: FacetValue| {
        let known = Facet::from_name(&facet);
        known
            .map(|known| (known, value))
            .ok_or_else(|| DeskError::Invalid("there is no such facet".to_owned()))
    };
    given.into_iter().map(known).collect()
}

/// Kinds of records by their names.
pub(crate) fn kinds(names: &[String]) -> Result<Vec<StatementKind>, DeskError> {
    if names.len() > StatementKind::ALL.len() {
        return Err(DeskError::Invalid("there are not that many kinds".to_owned()));
    }
    let known = |name: &String| {
        StatementKind::from_name(name).ok_or_else(|| DeskError::Invalid("there is no such kind".to_owned()))
    };
    names.iter().map(known).collect()
}

/// The place after an earlier page.
pub(crate) fn cursor(after: Option<&str>) -> Result<Option<Cursor>, DeskError> {
    Ok(after.map(str::parse).transpose()?)
}

/// The name of a session.
pub(crate) fn session(name: &str) -> Result<&str, DeskError> {
    if name.is_empty() || name.len() > MAX_VALUE_BYTES {
        return Err(DeskError::Invalid(format!("a session has a name of 1 to {MAX_VALUE_BYTES} bytes")));
    }
    Ok(name)
}

/// Records that are named one by one.
pub(crate) fn records(ids: &[RecordId]) -> Result<&[RecordId], DeskError> {
    if ids.is_empty() || ids.len() > MAX_NAMED_RECORDS {
        return Err(DeskError::Invalid(format!("name 1 to {MAX_NAMED_RECORDS} records")));
    }
    Ok(ids)
}
