//! What the holder of a statement reads of it.

use serde_json::{Map, Value};

use super::claims::CLEAR;
use super::process::process;
use super::{IssuedStatement, StatementError, decode, strict_json};

impl IssuedStatement {
    /// The record as far as the disclosures here show it. Nothing is checked but that they belong to the statement: this is for
    /// whoever keeps it.
    ///
    /// # Errors
    /// [`StatementError::Form`], [`StatementError::Payload`] and the errors of disclosures, when what was kept is damaged.
    pub fn record(&self) -> Result<Map<String, Value>, StatementError> {
        let payload = self.jwt.split('.').nth(1).and_then(decode);
        let payload = payload.ok_or(StatementError::Form("its payload is not base64url"))?;
        let payload =
            strict_json::parse(&payload).map_err(|error| StatementError::Payload(error.to_string()))?;
        let Value::Object(payload) = payload else {
            return Err(StatementError::Payload("it is not an object".to_owned()));
        };
        let disclosures: Vec<&str> =
            self.disclosures.iter().map(|disclosure| disclosure.encoded.as_str()).collect();
        let mut record = process(payload, &disclosures)?.claims;
        for name in CLEAR {
            record.remove(name);
        }
        Ok(record)
    }
}
