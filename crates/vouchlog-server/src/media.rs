//! Content types of answers.

use http::{HeaderName, header};

/// Plain text.
pub(crate) const TEXT: &str = "text/plain; charset=utf-8";

/// The header that names a content type.
pub(crate) fn content_type(value: &'static str) -> [(HeaderName, &'static str); 1] {
    [(header::CONTENT_TYPE, value)]
}
