//! Writing reports as files of HTML, and signing them.
//!
//! A signature stands beside the first file, in `FILE.sig`. It is a signed note (C2SP signed-note) of this text:
//!
//! ```text
//! vouchlog/v1 report
//! 2026-11-27T09:14:20Z
//! <SHA-256, hexadecimal> session.html
//! <SHA-256, hexadecimal> session-2.html
//! ```

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use vouchlog::SigningKey;
use vouchlog::keys::KeySource;
use vouchlog_merkle::{Hash, sha256};
use vouchlog_note::UnverifiedNote;
use vouchlog_session::Timeline;

use super::{custody, write_file};
use crate::output;
use crate::report::{self, ReportFile, SessionMade};

/// The first line of what is signed.
const HEADER: &str = "vouchlog/v1 report";
/// Files of one report: a session of 10,000 records has 200 pages.
const MAX_FILES: usize = 1_000;

/// Where a report goes, and who signs it.
#[derive(clap::Args)]
pub(super) struct PaperArgs {
    /// Also write the report as an HTML page: scope, findings, next steps, what was checked and what was not. A session of more than 50
    /// records goes on in FILE-2, FILE-3 and so on
    #[arg(long, value_name = "FILE")]
    pub(super) html: Option<PathBuf>,
    /// Sign the report with this key: writes FILE.sig, which `vouchlog verify-report` checks. A key file of `vouchlog keygen --kind auditor`,
    /// or another place and the vkey
    #[arg(long, value_name = "KEY", requires = "html", env = "VOUCHLOG_REPORT_KEY")]
    sign: Option<KeySource>,
}

/// A report to write.
pub(super) struct Paper<'a> {
    file: &'a Path,
    key: Option<SigningKey>,
}

impl PaperArgs {
    /// Opens the key, so that a wrong one is reported before any work is done.
    pub(super) fn open(&self) -> anyhow::Result<Option<Paper<'_>>> {
        let Some(file) = &self.html else { return Ok(None) };
        super::check_writable(file)?;
        let key = self.sign.as_ref().map(KeySource::open).transpose()?;
        Ok(Some(Paper { file, key }))
    }
}

/// The time that a report states as that of its making.
pub(super) fn now() -> Timestamp {
    Timestamp::from_millisecond(custody::now_millis()).unwrap_or(Timestamp::MAX)
}

impl<'a> Paper<'a> {
    /// A report that is not signed.
    pub(super) fn unsigned(file: &'a Path) -> Self {
        Self { file, key: None }
    }

    /// Writes the pages of a session.
    pub(super) fn session(&self, timeline: &Timeline, made: &SessionMade<'_>) -> anyhow::Result<()> {
        self.write(report::session(timeline, made, &self.name()), made.made.at)
    }

    /// Writes the one page of an audit.
    pub(super) fn audit(&self, made: &report::AuditMade<'_>) -> anyhow::Result<()> {
        self.write(vec![ReportFile { name: self.name(), html: report::audit(made) }], made.made.at)
    }

    fn name(&self) -> String {
        self.file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    }

    /// Writes pages, the first into the file that was named and the others beside it; then what is signed of them.
    fn write(&self, pages: Vec<ReportFile>, at: Timestamp) -> anyhow::Result<()> {
        let mut listed = Vec::with_capacity(pages.len());
        for (number, ReportFile { name, html }) in pages.into_iter().enumerate() {
            let path = if number == 0 { self.file.to_owned() } else { self.file.with_file_name(&name) };
            write_file(&path, html.as_bytes())?;
            output::note(&format!("wrote {}", path.display()));
            listed.push(PageSum { digest: sha256(html.as_bytes()), name });
        }
        if let Some(key) = &self.key {
            let signed = SignedReport { at, pages: listed }.sign(key)?;
            let path = signature_file(self.file);
            write_file(&path, signed.as_bytes())?;
            output::note(&format!("wrote {}", path.display()));
        }
        Ok(())
    }
}

/// Where the signature of a report is.
pub(super) fn signature_file(report: &Path) -> PathBuf {
    report.with_added_extension("sig")
}

/// A file of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PageSum {
    pub(super) digest: Hash,
    pub(super) name: String,
}

/// What is signed of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SignedReport {
    /// When it was made, by its maker's clock.
    pub(super) at: Timestamp,
    pub(super) pages: Vec<PageSum>,
}

impl SignedReport {
    fn sign(&self, key: &SigningKey) -> anyhow::Result<String> {
        let text = self.text()?;
        let line = key.sign_note(&text)?;
        Ok(UnverifiedNote::from_parts(&text, vec![line])?.as_str().to_owned())
    }

    fn text(&self) -> anyhow::Result<String> {
        let number = self.pages.len();
        anyhow::ensure!(
            (1..=MAX_FILES).contains(&number),
            "a report has 1 to {MAX_FILES} files, not {number}"
        );
        let mut text = format!("{HEADER}\n{}\n", self.at.strftime("%Y-%m-%dT%H:%M:%SZ"));
        for PageSum { digest, name } in &self.pages {
            anyhow::ensure!(is_plain(name), "the name of a signed report is printable and no path: {name:?}");
            text.push_str(&format!("{digest} {name}\n"));
        }
        Ok(text)
    }

    /// Reads what was signed. Whether it was, the caller has checked.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        if lines.next()? != HEADER {
            return None;
        }
        let at = lines.next()?.parse().ok()?;
        let page = |line: &str| {
            let (digest, name) = line.split_once(' ')?;
            Some(PageSum { digest: digest.parse().ok()?, name: name.to_owned() })
        };
        let pages: Vec<PageSum> = lines.take(MAX_FILES + 1).map(page).collect::<Option<_>>()?;
        let report = Self { at, pages };
        // There is one text of each report.
        (report.text().ok()? == text).then_some(report)
    }
}

/// Whether a name is one of a file in the same folder, on one line.
fn is_plain(name: &str) -> bool {
    let is_odd = |c: char| c.is_control() || c == '/' || c == '\\';
    !name.is_empty() && name != "." && name != ".." && !name.contains(is_odd)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use vouchlog_note::SignatureType;

    use super::*;

    fn report(names: &[&str]) -> SignedReport {
        let page = |name: &&str| PageSum { digest: sha256(name.as_bytes()), name: (*name).to_owned() };
        SignedReport { at: "2026-11-27T09:14:20Z".parse().unwrap(), pages: names.iter().map(page).collect() }
    }

    #[test]
    fn what_is_signed_is_read_back() {
        for names in [&["a.html"][..], &["my session.html", "my session-2.html"]] {
            let report = report(names);
            assert_eq!(SignedReport::parse(&report.text().unwrap()), Some(report));
        }
        for name in ["", "..", "../a.html", "a\nb", "c\\d"] {
            assert!(report(&[name]).text().is_err(), "{name:?}");
        }
        let good = report(&["a.html"]).text().unwrap();
        for bad in [
            good.replace("v1", "v2"),
            good.replace("a.html", "x/a.html"),
            good.replace('T', " "),
            good.replace('\n', "\r\n"),
        ] {
            assert_eq!(SignedReport::parse(&bad), None, "{bad}");
        }
        assert_eq!(SignedReport::parse("vouchlog/v1 report\n2026-11-27T09:14:20Z\n"), None, "no file");
    }

    #[test]
    fn a_signature_is_a_note_by_the_key() {
        let key =
            SigningKey::generate("auditor.example.com".parse().unwrap(), SignatureType::Ed25519, [7; 32])
                .unwrap();
        let signed = report(&["a.html"]).sign(&key).unwrap();
        let note = UnverifiedNote::parse(signed.as_bytes()).unwrap().verify([key.verifying_key()]).unwrap();
        assert_eq!(SignedReport::parse(note.text()), Some(report(&["a.html"])));
    }

    proptest! {
        #[test]
        fn random_text_never_panics(text: String) {
            let _ = SignedReport::parse(&text);
            let _ = SignedReport::parse(&format!("{HEADER}\n2026-11-27T09:14:20Z\n{text}\n"));
        }
    }
}
