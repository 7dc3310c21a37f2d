//! A form as a browser sends it.

use axum::body::Body;
use http::{HeaderMap, header};
use url::form_urlencoded;
use vouchlog_server::read_body;

use crate::limits::{MAX_FORM_BYTES, MAX_FORM_FIELDS};

/// The fields of a form, in their order.
#[derive(Debug, Default)]
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    /// Reads a form; none if the body is too long, has too many fields, or is of another type.
    pub(crate) async fn read(headers: &HeaderMap, body: Body) -> Option<Self> {
        let content_type = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
        let essence = content_type.split(';').next()?.trim();
        if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return None;
        }
        Self::parse(&read_body(body, MAX_FORM_BYTES).await.ok()?)
    }

    fn parse(body: &[u8]) -> Option<Self> {
        let fields: Vec<_> = form_urlencoded::parse(body).into_owned().take(MAX_FORM_FIELDS + 1).collect();
        (fields.len() <= MAX_FORM_FIELDS).then_some(Self(fields))
    }

    /// A field, without white space around it; empty if it is not there.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value.trim())
    }

    /// A field, if something was entered.
    pub(crate) fn entered(&self, name: &str) -> Option<String> {
        Some(self.get(name)).filter(|value| !value.is_empty()).map(str::to_owned)
    }

    /// All values of a field.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(field, _)| field == name).map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_as_they_were_entered() {
        let form = Form::parse(b"who=+ann%7C%3Cb%3E+&f=%2Fa&f=%2Fb&empty=").unwrap();
        assert_eq!(form.get("who"), "ann|<b>");
        assert_eq!(form.all("f").collect::<Vec<_>>(), ["/a", "/b"]);
        assert_eq!((form.entered("empty"), form.entered("not there")), (None, None));
        let many = "f=1&".repeat(MAX_FORM_FIELDS + 1);
        assert!(Form::parse(many.as_bytes()).is_none());
    }
}
