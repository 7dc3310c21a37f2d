//! Which texts can be the SPIFFE ID of a workload.

// SPEC: SPIFFE-ID section 2: at most 2,048 bytes.
const MAX_BYTES: usize = 2_048;
// SPEC: SPIFFE-ID section 2.1: a trust domain has at most 255 bytes.
const MAX_TRUST_DOMAIN_BYTES: usize = 255;

const SCHEME: &str = "spiffe:";

/// Whether a name claims to be a SPIFFE ID, well spelled or not.
pub(crate) fn claims_to_be_spiffe(name: &str) -> bool {
    name.get(..SCHEME.len()).is_some_and(|scheme| scheme.eq_ignore_ascii_case(SCHEME))
}

/// Whether it is the SPIFFE ID of a workload: `spiffe://` trust domain `/` path, and nothing else. No issuer signs another one, so
/// that it was not read from a verified document.
pub(crate) fn is_workload_id(id: &str) -> bool {
    let Some((trust_domain, path)) = id.strip_prefix("spiffe://").and_then(|rest| rest.split_once('/'))
    else {
        // Without a path it names the trust domain, not a workload in it (X509-SVID section 2).
        return false;
    };
    id.len() <= MAX_BYTES && is_trust_domain(trust_domain) && path.split('/').all(is_segment)
}

/// A user, a port, upper case and percent-encoding need characters that are not here.
fn is_trust_domain(name: &str) -> bool {
    let is_its = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'.' | b'-' | b'_');
    (1..=MAX_TRUST_DOMAIN_BYTES).contains(&name.len()) && name.bytes().all(is_its)
}

/// Nor are a query, a fragment and percent-encoding. A trailing slash leaves an empty segment.
fn is_segment(segment: &str) -> bool {
    let is_its = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-' | b'_');
    !matches!(segment, "" | "." | "..") && segment.bytes().all(is_its)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_workloads_are_those_of_the_standard() {
        let longest_domain = "a".repeat(255);
        for id in [
            "spiffe://corp.example/ns/agents/sa/refunds",
            "spiffe://corp.example/Refunds",
            "spiffe://corp_1.example-2/a..b/...",
            "spiffe://10.0.0.1/x",
            &format!("spiffe://{longest_domain}/x"),
            &format!("spiffe://corp.example/{}", "a".repeat(2_048 - 22)),
        ] {
            assert!(is_workload_id(id) && claims_to_be_spiffe(id), "{id}");
        }
    }

    #[test]
    fn what_no_issuer_signs_is_no_id() {
        for id in [
            "spiffe://Corp.example/refunds",
            "spiffe://corp.example:8443/refunds",
            "spiffe://user@corp.example/refunds",
            "spiffe://user:secret@corp.example/refunds",
            "spiffe://corp.example/ns/../sa/refunds",
            "spiffe://corp.example/ns/./refunds",
            "spiffe://corp.example/..",
            "spiffe://corp.example/ref%75nds",
            "spiffe://corp%2eexample/refunds",
            "spiffe://corp.example//refunds",
            "spiffe://corp.example/refunds/",
            "spiffe://corp.example/",
            "spiffe://corp.example",
            "spiffe:///refunds",
            "spiffe://",
            "spiffe:corp.example/refunds",
            "SPIFFE://corp.example/refunds",
            "Spiffe://corp.example/refunds",
            "spiffe://corp.example/refunds?x=1",
            "spiffe://corp.example/refunds#x",
            "spiffe://corp.example/re funds",
            "spiffe://corp.example/refünds",
            "spiffe://[::1]/refunds",
            " spiffe://corp.example/refunds",
            "https://corp.example/refunds",
            "",
            &format!("spiffe://{}/x", "a".repeat(256)),
            &format!("spiffe://corp.example/{}", "a".repeat(2_048 - 21)),
        ] {
            assert!(!is_workload_id(id), "{id}");
        }
    }
}
