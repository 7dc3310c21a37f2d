//! What is checked of an ask before it is carried out, wherever it came from.

use std::str::FromStr;

use vouchlog_record::RecordId;
use vouchlog_stream::StatementKind;
use vouchlog_vault::limits::{MAX_LISTED, MAX_VALUE_BYTES};
use vouchlog_vault::{Facet, VaultError};

use crate::error::DeskError;
use crate::limits::{LISTED, MAX_BASIS_BYTES, MAX_CODES, MAX_FIELD_BYTES, MAX_FIELDS, MAX_NAMED_RECORDS};
use crate::row::FacetValue;

/// A reason goes on record: it is there, short, and on one line.
pub(crate) fn reason(basis: &str) -> Result<&str, DeskError> {
    if basis.is_empty() || basis.len() > MAX_BASIS_BYTES || basis.chars().any(char::is_control) {
        return Err(DeskError::Invalid(format!("the reason has 1 to {MAX_BASIS_BYTES} bytes, on one line")));
    }
    Ok(basis)
}

/// A recipient goes on record, too.
pub(crate) fn recipient(recipient: Option<&str>) -> Result<Option<&str>, DeskError> {
    let is_name = |name: &str| {
        !name.trim().is_empty() && name.len() <= MAX_BASIS_BYTES && !name.chars().any(char::is_control)
    };
    match recipient {
        Some(name) if !is_name(name) => {
            Err(DeskError::Invalid(format!("the recipient has 1 to {MAX_BASIS_BYTES} bytes, on one line")))
        }
        recipient => Ok(recipient),
    }
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
    let known = |FacetValue { facet: name, value }: FacetValue| Ok((facet(&name)?, value));
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

/// How many rows of a list, if the caller leaves it out, or asks for more than a page has.
pub(crate) fn listed(limit: Option<usize>) -> Result<usize, DeskError> {
    match limit {
        Some(0) => Err(DeskError::Invalid("a page has at least one row".to_owned())),
        limit => Ok(limit.unwrap_or(LISTED).min(MAX_LISTED)),
    }
}

/// A place after an earlier page of a list.
pub(crate) fn place<T: FromStr<Err = VaultError>>(after: Option<&str>) -> Result<Option<T>, DeskError> {
    Ok(after.map(str::parse).transpose()?)
}

/// The place after a page, by its last row; none if the page is not full, and so the last one.
pub(crate) fn next<T, C: ToString>(rows: &[T], limit: usize, cursor: impl FnOnce(&T) -> C) -> Option<String> {
    rows.last().filter(|_| rows.len() == limit).map(|last| cursor(last).to_string())
}

/// The facet of a name.
pub(crate) fn facet(name: &str) -> Result<Facet, DeskError> {
    Facet::from_name(name).ok_or_else(|| DeskError::Invalid("there is no such facet".to_owned()))
}

/// Codes of rules, of which there are fewer than this allows.
pub(crate) fn codes(codes: Vec<String>) -> Result<Vec<String>, DeskError> {
    if codes.len() > MAX_CODES {
        return Err(DeskError::Invalid(format!("name at most {MAX_CODES} rules")));
    }
    Ok(codes)
}
