//! Comparing scopes and audiences.

/// Whether scopes allow all that is needed. A text may hold several, between spaces (RFC 6749, section 3.3).
pub(super) fn cover(scopes: &[String], needed: &str) -> bool {
    let listed = || scopes.iter().flat_map(|scopes| scopes.split_ascii_whitespace());
    let mut all = needed.split_ascii_whitespace().peekable();
    all.peek().is_some() && all.all(|needed| listed().any(|scope| covers(scope, needed)))
}

/// Whether a scope allows what is needed: the same, or all that begins alike, as `refund.*` allows `refund.write`.
fn covers(scope: &str, needed: &str) -> bool {
    if scope == needed || scope == "*" {
        return true;
    }
    let Some(prefix) = scope.strip_suffix('*').filter(|prefix| prefix.ends_with(['.', ':', '/'])) else {
        return false;
    };
    needed.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty())
}

/// Whether two audiences are one. Of URLs, the scheme and the host have no case, and a slash at the end says nothing.
pub(super) fn same_audience(one: &str, other: &str) -> bool {
    fn normal(audience: &str) -> String {
        let audience = audience.strip_suffix('/').unwrap_or(audience);
        let Some((scheme, rest)) = audience.split_once("://") else { return audience.to_owned() };
        let (host, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let (scheme, host) = (scheme.to_ascii_lowercase(), host.to_ascii_lowercase());
        let port = match scheme.as_str() {
            "https" => ":443",
            "http" => ":80",
            _ => "",
        };
        format!("{scheme}://{}{path}", host.strip_suffix(port).unwrap_or(&host))
    }
    one == other || normal(one) == normal(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_covers_what_it_names_and_what_begins_alike() {
        for (scope, needed) in [
            ("refund.write", "refund.write"),
            ("refund.*", "refund.write"),
            ("refund:*", "refund:write"),
            ("repo/*", "repo/a/b"),
            ("refund.*", "refund.*"),
            ("*", "anything"),
        ] {
            assert!(covers(scope, needed), "{scope} covers {needed}");
        }
        for (scope, needed) in [
            ("refund.write", "refund.*"),
            ("refund.*", "refund"),
            ("refund.*", "refund."),
            ("refund*", "refund.write"),
            ("refund.*", "refunds.write"),
            ("refund.*", "Refund.write"),
            ("refund", "refund.write"),
            ("", "refund.write"),
        ] {
            assert!(!covers(scope, needed), "{scope} covers {needed}");
        }
    }

    #[test]
    fn a_text_of_several_scopes_is_each_of_them() {
        let cover = |scopes: &[&str], needed: &str| {
            cover(&scopes.iter().map(|scope| (*scope).to_owned()).collect::<Vec<_>>(), needed)
        };
        for (scopes, needed) in [
            (&["orders.read refund.write"][..], "refund.write"),
            (&["orders.read", "refund.*"], "refund.write orders.read"),
            (&["orders.read  refund.*"], "refund.write"),
        ] {
            assert!(cover(scopes, needed), "{scopes:?} {needed}");
        }
        for (scopes, needed) in [
            (&["orders.read refund.write"][..], "refund.write admin"),
            (&["orders.read"], "orders.read refund.write"),
            (&["orders. read"], "orders.read"),
            (&["*"], " "),
            (&[""], ""),
            (&[], "orders.read"),
        ] {
            assert!(!cover(scopes, needed), "{scopes:?} {needed}");
        }
    }

    #[test]
    fn audiences_are_compared_as_urls_are() {
        for (one, other) in [
            ("corp.example", "corp.example"),
            ("https://mcp.example", "https://mcp.example/"),
            ("https://mcp.example/a/", "https://mcp.example/a"),
            ("HTTPS://MCP.example/a", "https://mcp.example/a"),
            ("https://mcp.example:443/a", "https://mcp.example/a"),
        ] {
            assert!(same_audience(one, other) && same_audience(other, one), "{one} {other}");
        }
        for (one, other) in [
            ("corp.example", "corp.example.org"),
            ("https://mcp.example/a", "https://mcp.example/A"),
            ("https://mcp.example", "http://mcp.example"),
            ("https://mcp.example:8443", "https://mcp.example"),
            ("https://mcp.example/a", "https://mcp.example/a/b"),
            ("Corp.example", "corp.example"),
        ] {
            assert!(!same_audience(one, other), "{one} {other}");
        }
    }
}
