//! HTML pages: who gets one, and what goes with it.

use axum::response::Response;
use http::{HeaderMap, HeaderValue, header};

use super::tiles::{CHECKPOINT_CACHING, cached, etag};

/// SPEC: RFC 9110 section 12.5.1. Browsers name `text/html`; other programs accept anything, and get text.
pub(super) fn accepts_html(request: &HeaderMap) -> bool {
    let listed = request.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    listed.flat_map(|value| value.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let is_html = parts.next().is_some_and(|range| range.eq_ignore_ascii_case("text/html"));
        is_html
            && !parts
                .any(|parameter| parameter.strip_prefix("q=").is_some_and(|weight| weight.parse() == Ok(0.0)))
    })
}

/// A response that depends on whether the client accepts HTML.
pub(super) fn by_accept(mut response: Response) -> Response {
    response.headers_mut().append(header::VARY, HeaderValue::from_static("accept"));
    response
}

/// An HTML page.
pub(super) fn page(request: &HeaderMap, html: String) -> Response {
    guarded(cached(request, &etag(html.as_bytes()), CHECKPOINT_CACHING, "text/html; charset=utf-8", html))
}

/// What a page cannot say of itself: who may frame it, and that its type is not to be guessed. Its policy is in the page.
pub(super) fn guarded(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("frame-ancestors 'none'"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepting(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(value))])
    }

    #[test]
    fn only_clients_that_name_html_get_it() {
        for yes in ["text/html", "text/html,application/xhtml+xml,*/*;q=0.8", "image/png, Text/HTML;q=0.2"] {
            assert!(accepts_html(&accepting(yes)), "{yes}");
        }
        for no in ["*/*", "text/plain", "text/*", "text/html;q=0", "text/htmlx", ""] {
            assert!(!accepts_html(&accepting(no)), "{no}");
        }
        assert!(!accepts_html(&HeaderMap::new()));
    }
}
