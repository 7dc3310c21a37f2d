//! Court files: one HTML file with the evidence of a case and the program that checks it.
//!
//! ```text
//! <!doctype html> … </html>                                       the verifier: VERIFIER, byte for byte
//! <script type="application/json" id="vouchlog-court"> … </script>  what it is to check, as JSON without `<`
//! ```
//!
//! The verifier is the first part of the file, unchanged, so any tool computes its digest from the file: `head -c LENGTH FILE | sha256sum`.
//! The data comes after it and is never run: the verifier's content security policy allows one script, by its hash.

use jiff::Timestamp;
use serde_json::{Value, json};
use vouchlog_grading::rules;
use vouchlog_stream::Digest;

/// The page that checks files: what `web/explorer` builds.
pub const VERIFIER: &str = include_str!("../../../web/explorer/dist/explorer/verify.html");

const FORMAT: &str = "vouchlog/v1 court";

/// What a court file is made of. Its recipient takes nothing in it on trust but what its own keys verify.
#[derive(Clone, Copy, Debug)]
pub struct CourtFile<'a> {
    /// What the case is about, such as the name of a session.
    pub title: &'a str,
    /// When the file was made.
    pub made: Timestamp,
    /// The reason for the disclosure: the case or the request.
    pub basis: &'a str,
    /// The log's vkey. The page names it as given by the file's maker.
    pub log_vkey: &'a str,
    /// The witness policy (C2SP tlog-policy).
    pub policy: Option<&'a str>,
    /// What is to be checked: session bundles, presentations, completeness files, proof files.
    pub parts: &'a [CourtPart<'a>],
    /// The proof file of the entry that logs the verifier's digest.
    pub verifier_proof: Option<&'a str>,
}

/// A file inside a court file.
#[derive(Clone, Copy, Debug)]
pub struct CourtPart<'a> {
    /// Its name, such as `session.json`.
    pub name: &'a str,
    /// Its text, unchanged.
    pub text: &'a str,
}

impl CourtFile<'_> {
    /// The file. It opens in any browser, without a network.
    pub fn to_html(&self) -> String {
        // JSON has `<` in strings only, and there it may be escaped: without it no record can end the element or begin a comment.
        let data = self.to_json().to_string().replace('<', "\\u003c");
        format!("{VERIFIER}<script type=\"application/json\" id=\"vouchlog-court\">{data}</script>\n")
    }

    fn to_json(self) -> Value {
        let parts: Vec<Value> =
            self.parts.iter().map(|part| json!({ "name": part.name, "text": part.text })).collect();
        json!({
            "format": FORMAT,
            "title": self.title,
            "made": self.made.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
            "basis": self.basis,
            "log_vkey": self.log_vkey,
            "policy": self.policy.unwrap_or_default(),
            "gateway_vkeys": "",
            "files": parts,
            "rules": rules().iter().map(rule).collect::<Vec<_>>(),
            "verifier": {
                "bytes": VERIFIER.len(),
                "sha256": verifier_digest().to_string(),
                "proof": self.verifier_proof,
            },
        })
    }
}

fn rule(rule: &vouchlog_grading::Rule) -> Value {
    json!({ "code": rule.code, "title": rule.name, "text": format!("{}. {}.", rule.says, rule.remedy) })
}

/// SHA-256 of [`VERIFIER`]: what a log has as the digest of a statement, so that recipients can compare.
pub fn verifier_digest() -> Digest {
    Digest::of(VERIFIER.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "</script><script>alert(1)</script><!-- <script> \u{2028}\"\\\0é";

    fn court(parts: &[CourtPart<'_>]) -> String {
        CourtFile {
            title: HOSTILE,
            made: Timestamp::UNIX_EPOCH,
            basis: HOSTILE,
            log_vkey: "log.example.com/ai+00000000+AA",
            policy: Some(HOSTILE),
            parts,
            verifier_proof: None,
        }
        .to_html()
    }

    #[test]
    fn the_verifier_is_the_first_part_of_the_file_unchanged() {
        let html = court(&[]);
        assert_eq!(Digest::of(&html.as_bytes()[..VERIFIER.len()]), verifier_digest());
        assert!(VERIFIER.trim_end().ends_with("</html>"));
    }

    #[test]
    fn no_record_leaves_its_element() {
        let html = court(&[CourtPart { name: HOSTILE, text: HOSTILE }]);
        let data = &html[VERIFIER.len()..];
        assert_eq!((data.matches('<').count(), data.matches("<script").count()), (2, 1), "{data}");
        let (_, data) = data.split_once('>').unwrap();
        let data: Value = serde_json::from_str(data.trim_end().strip_suffix("</script>").unwrap()).unwrap();
        assert_eq!(data["files"][0], json!({ "name": HOSTILE, "text": HOSTILE }));
        assert_eq!((&data["title"], &data["policy"]), (&json!(HOSTILE), &json!(HOSTILE)));
    }

    #[test]
    fn every_rule_is_in_it() {
        let html = court(&[]);
        assert!(rules().iter().all(|rule| html.contains(&format!("\"{}\"", rule.code))));
    }

    #[test]
    fn the_verifier_runs_one_script_and_loads_nothing() {
        assert_eq!(VERIFIER.matches("<script").count(), 1);
        let policy = VERIFIER.split("Content-Security-Policy\" content=\"").nth(1).unwrap();
        let policy = policy.split('"').next().unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'sha256-"), "{policy}");
        assert!(!policy.contains("unsafe") && !policy.contains("connect-src"), "{policy}");
        for forbidden in
            [" src=", "@import", "url(http", "fetch(", "XMLHttpRequest", "WebSocket", "sendBeacon"]
        {
            assert!(!VERIFIER.contains(forbidden), "{forbidden}");
        }
    }
}
