//! The explorer: pages in which a browser checks the log itself. They are files, embedded here, and run from any server of files.
//!
//! Nothing in them is trusted by a reader because this server sends it: they check with the key that the reader confirms.

mod files;

use files::FILES;

/// What a server offers the pages' readers beside the log. It proves nothing, since it comes from the server of the log, and the pages show it so.
#[derive(Clone, Debug, Default)]
pub struct Offered {
    /// The log's vkey.
    pub log_vkey: Option<String>,
    /// A witness policy (C2SP tlog-policy).
    pub policy: Option<String>,
}

/// A file of the explorer.
#[derive(Clone, Copy, Debug)]
pub struct ExplorerFile {
    /// Where it is below the log's root.
    pub path: &'static str,
    /// What is in it.
    pub bytes: &'static [u8],
}

/// Path of the front page.
pub(crate) const FRONT: &str = "index.html";
/// Path of the page of entries.
pub(crate) const ENTRY: &str = "explorer/entry.html";
/// Path of the page of streams.
pub(crate) const STREAMS: &str = "explorer/streams.html";
/// Path of the page that compares heads.
pub(crate) const COMPARE: &str = "explorer/compare.html";
/// Path of the page that audits.
pub(crate) const AUDIT: &str = "explorer/audit.html";
/// Path of the offered vkey.
pub const OFFERED_VKEY: &str = "explorer/log.vkey";
/// Path of the offered policy.
pub const OFFERED_POLICY: &str = "explorer/policy.txt";

/// Where a page has room for what the server reports.
const PLACE_OF_FACTS: &str = "<!-- facts -->";

/// All files, the front page among them.
pub fn explorer_files() -> impl Iterator<Item = ExplorerFile> {
    FILES.iter().map(|&(path, bytes)| ExplorerFile { path, bytes })
}

impl ExplorerFile {
    /// The file at a path.
    pub(crate) fn at(path: &str) -> Option<Self> {
        explorer_files().find(|file| file.path == path)
    }

    /// Its content type, by its name.
    pub(crate) fn content_type(&self) -> &'static str {
        match self.path.rsplit_once('.').map(|(_, extension)| extension) {
            Some("html") => "text/html; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            _ => "application/octet-stream",
        }
    }
}

/// A page with what the server reports, for readers without JavaScript. `facts` is HTML.
pub(crate) fn page_with(path: &str, facts: &str) -> String {
    let page = ExplorerFile::at(path).map_or(&b""[..], |file| file.bytes);
    String::from_utf8_lossy(page).replacen(PLACE_OF_FACTS, facts, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_have_room_for_facts() {
        for path in [FRONT, ENTRY, STREAMS, COMPARE, AUDIT] {
            let page = page_with(path, "<p>here</p>");
            assert!(page.contains("<p>here</p>") && !page.contains(PLACE_OF_FACTS), "{path}");
        }
    }

    #[test]
    fn pages_run_and_load_only_what_is_beside_them() {
        let pages = explorer_files().filter(|file| file.content_type().starts_with("text/html"));
        let mut count = 0;
        for page in pages {
            let text = std::str::from_utf8(page.bytes).unwrap();
            // The page that checks files is one file, and its policy names the one script in it by its hash.
            let is_whole = page.path == "explorer/verify.html";
            let sources = if is_whole { "'sha256-" } else { "'self'; style-src 'self'" };
            assert!(text.contains(&format!("default-src 'none'; script-src {sources}")), "{}", page.path);
            assert_eq!(text.matches("<script>").count(), usize::from(is_whole), "{}", page.path);
            for forbidden in ["style=\"", "onclick", "src=\"http", "href=\"http", "unsafe-inline"] {
                assert!(!text.contains(forbidden), "{}: {forbidden}", page.path);
            }
            count += 1;
        }
        assert!(count >= 5, "{count} pages");
    }
}
