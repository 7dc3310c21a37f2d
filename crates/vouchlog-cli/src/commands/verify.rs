//! `vouchlog verify`: checks a proof file, a completeness file or a presentation, offline.

use std::path::{Path, PathBuf};

use clap::ArgGroup;
use vouchlog::verify::{self, Claim, Verified, VerifyError};
use vouchlog::{Digest, Opening, Policy, VerifyingKey};
use vouchlog_auditor::limits::{MAX_COMPLETENESS_BYTES, MAX_EVIDENCE_BYTES};
use vouchlog_auditor::{CompletenessProof, EvidenceFile, verify_completeness};
use vouchlog_note::limits::{MAX_NOTE_BYTES, MAX_PROOF_FILE_BYTES};
use vouchlog_session::SessionBundle;
use vouchlog_session::limits::MAX_BUNDLE_BYTES;
use vouchlog_statement::limits::MAX_PRESENTATION_BYTES;
use vouchlog_statement::{LogTrust, Presentation};
use vouchlog_stream::limits::MAX_ENTRY_BYTES;

use super::input::MAX_RECORD_BYTES;
use super::sample::MAX_SAMPLE_BYTES;
use super::{auditing, ended, given, prove_complete, read_file, sample, verify_finding};
use crate::advice::Advice;
use crate::output::{Outcome, Output};

pub(super) mod gateway;
mod logged;
mod presented;

pub(super) use logged::words;

use gateway::Sender;

/// The first line of every proof file.
const PROOF_FIRST_LINE: &[u8] = b"c2sp.org/tlog-proof@v1\n";
/// No kind of file has more.
const MAX_FILE_BYTES: usize = 256 << 20;
/// More than any opening has; the reader keeps its own bound.
const MAX_OPENING_FILE_BYTES: usize = 64 * 1024;

/// Verify offline that something was logged or that streams are complete, with a file of proofs and the log's vkey
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  vouchlog verify case17.json --log-vkey \"$LOG_VKEY\" --policy policy.txt\n  \
                        vouchlog verify stream3.completeness.json --log-vkey \"$LOG_VKEY\"\n  \
                        vouchlog verify receipts/17.tlog-proof --log-vkey \"$LOG_VKEY\" \\\n    \
                        --record call.json --opening receipts/call.json.opening.json\n\n\
                        A gateway's name is the word of the log's operator unless you pin its key with --gateway-vkey. A statement that was\n\
                        logged before its gateway's key was revoked still holds (0); one that was logged after does not (1).\n\
                        Exit status: 0 it holds, 1 it does not, or the evidence of a finding proves misconduct, 2 it could not be checked."
)]
pub(crate) struct Args {
    /// The file: a proof file, a completeness file, a presentation, a session bundle, the evidence of an audit's finding, or a
    /// sample, or - for standard input. Its contents tell which
    #[arg(value_name = "FILE", conflicts_with_all = ["proof", "completeness", "presentation", "bundle"])]
    file: Option<PathBuf>,
    /// A proof file (C2SP tlog-proof)
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present_any = ["file", "completeness", "presentation", "bundle"],
        conflicts_with_all = ["completeness", "presentation", "bundle"]
    )]
    proof: Option<PathBuf>,
    /// The log's public key; its name is the log's origin
    #[arg(long, value_name = "VKEY", env = "VOUCHLOG_LOG_VKEY")]
    log_vkey: VerifyingKey,
    /// Witnesses that must have cosigned (C2SP tlog-policy)
    #[arg(long, value_name = "FILE", env = "VOUCHLOG_POLICY")]
    policy: Option<PathBuf>,
    /// A gateway's public key that is trusted: statements must be of it, or of a key it handed its name over to; may be repeated
    #[arg(long = "gateway-vkey", value_name = "VKEY", env = "VOUCHLOG_GATEWAY_VKEYS", value_delimiter = ' ')]
    gateways: Vec<VerifyingKey>,
    /// For a proof file: the proof file of the entry that opened the statement's stream. It shows whose statement it is
    #[arg(long, value_name = "FILE", conflicts_with_all = ["completeness", "presentation", "bundle"])]
    stream_proof: Option<PathBuf>,
    /// An earlier checkpoint of the log that satisfies the policy: the entry was logged after it
    #[arg(long, value_name = "FILE", requires = "policy", conflicts_with_all = ["completeness", "presentation", "bundle"])]
    earlier: Option<PathBuf>,
    /// For a proof file: the proof that the log has ended (`vouchlog log retire`). What its key signed beyond that does not hold
    #[arg(long, value_name = "FILE", conflicts_with_all = ["completeness", "presentation", "bundle"])]
    retirement: Option<PathBuf>,
    #[command(flatten)]
    claim: ClaimArgs,
}

/// What was logged, as the user knows it.
#[derive(clap::Args)]
#[group(skip)] // that group would hold --opening too, which goes together with --record
#[command(group = ArgGroup::new("claim").args(["digest", "entry", "record", "completeness", "presentation", "bundle"]))]
struct ClaimArgs {
    /// The digest that was logged, 64 hex digits
    #[arg(long, value_name = "HEX")]
    digest: Option<Digest>,
    /// A file with the entry itself; works with proof files of any log
    #[arg(long, value_name = "FILE")]
    entry: Option<PathBuf>,
    /// The record that was committed to
    #[arg(long, value_name = "FILE", requires = "opening")]
    record: Option<PathBuf>,
    /// The opening that `vouchlog submit` wrote for the record
    #[arg(long, value_name = "FILE", requires = "record")]
    opening: Option<PathBuf>,
    /// A file that `vouchlog prove-complete` wrote: streams without a gap
    #[arg(long, value_name = "FILE")]
    completeness: Option<PathBuf>,
    /// A file that `vouchlog disclose` wrote: chosen fields of a record
    #[arg(long, value_name = "FILE")]
    presentation: Option<PathBuf>,
    /// A file that `vouchlog session --bundle` wrote: the disclosed part of a session
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    /// Write the bundle's session as an HTML page
    #[arg(long, value_name = "FILE", conflicts_with_all = ["completeness", "presentation"])]
    html: Option<PathBuf>,
}

impl Args {
    pub(crate) fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let GivenFile { kind, path, bytes } = self.file()?;
        anyhow::ensure!(
            self.claim.html.is_none() || kind == FileKind::Bundle,
            "--html draws the session of a bundle, and {} is none",
            path.display()
        );
        let policy = || self.policy.as_deref().map(super::policy).transpose();
        let identity = || auditing::identity(vec![self.log_vkey.clone()], None, self.policy.as_deref());
        anyhow::ensure!(
            self.gateways.is_empty() || !matches!(kind, FileKind::Evidence | FileKind::Sample),
            "--gateway-vkey is for what a gateway states, and {} is about a whole log",
            path.display()
        );
        anyhow::ensure!(
            self.stream_proof.is_none() || kind == FileKind::Proof,
            "--stream-proof is for proof files, and {} is none",
            path.display()
        );
        anyhow::ensure!(
            self.retirement.is_none() || kind == FileKind::Proof,
            "--retirement is for proof files, and {} is none",
            path.display()
        );
        let policy = match kind {
            FileKind::Presentation | FileKind::Bundle => policy()?,
            _ => None,
        };
        let trust = LogTrust::new(&self.log_vkey, policy.as_ref()).pinned_to(&self.gateways);
        match kind {
            FileKind::Proof => self.entry(&bytes, output),
            FileKind::Completeness => self.completeness(&bytes, output),
            FileKind::Presentation => presented::presentation(&bytes, &trust, output),
            FileKind::Bundle => {
                let html = self.claim.html.as_deref().map(|html| (html, path.as_path()));
                presented::bundle(&bytes, &trust, html, output)
            }
            FileKind::Evidence => verify_finding::check(&bytes, &identity()?, output),
            FileKind::Sample => sample::check(&path, &bytes, &identity()?, output),
        }
    }

    /// The file to verify, of the kind that its flag names or else its contents. It is read once: it may be a pipe.
    fn file(&self) -> anyhow::Result<GivenFile> {
        let claim = &self.claim;
        let named = [
            (FileKind::Proof, &self.proof),
            (FileKind::Completeness, &claim.completeness),
            (FileKind::Presentation, &claim.presentation),
            (FileKind::Bundle, &claim.bundle),
        ];
        let named = named.into_iter().find_map(|(kind, file)| Some((kind, file.as_ref()?)));
        let (kind, path) = match (named, &self.file) {
            (Some((kind, path)), _) => (Some(kind), path),
            (None, Some(path)) => (None, path),
            (None, None) => anyhow::bail!("give the file to verify"),
        };
        GivenFile::read(kind, path)
    }

    fn completeness(&self, json: &[u8], output: Output) -> anyhow::Result<Outcome> {
        let log = auditing::identity(vec![self.log_vkey.clone()], None, self.policy.as_deref())?;
        let verified = CompletenessProof::from_json(json).and_then(|proof| verify_completeness(&proof, &log));
        match verified {
            Ok(shown) => {
                if let Some(stranger) = gateway::unpinned(&shown, &self.gateways) {
                    return output.refuse(&stranger);
                }
                let mut words = prove_complete::words(log.origin.as_str(), &shown);
                words.push('\n');
                words
                    .push_str(&gateway::completeness_notes(&self.gateways, self.policy.is_some()).join("\n"));
                output.answer(&words, &prove_complete::as_json(&shown))?;
                Ok(Outcome::Fine)
            }
            // As with proof files: one that is malformed does not hold.
            Err(error) => output.refuse(&error.to_string()),
        }
    }

    fn entry(&self, proof: &[u8], output: Output) -> anyhow::Result<Outcome> {
        if let Some(file) = &self.retirement
            && let Some(finding) = ended::beyond(file, &self.log_vkey, proof)?
        {
            return output.refuse(&finding);
        }
        let policy = self.policy.as_deref().map(super::policy).transpose()?;
        let loaded = self.claim.load()?;
        let earlier = self.earlier.as_ref().map(|path| read_file(path, MAX_NOTE_BYTES)).transpose()?;
        let verified = loaded.verify(proof, &self.log_vkey, policy.as_ref());
        let verified = verified.and_then(|verified| match (&earlier, &policy) {
            (Some(earlier), Some(policy)) => verified.after(earlier, &self.log_vkey, policy),
            _ => Ok(verified),
        });
        match verified {
            Ok(verified) => self.shown(&verified, policy.as_ref(), output),
            Err(error) if error.is_finding() => output.refuse(&error.to_string()),
            Err(error) => Err(advise(error)),
        }
    }

    /// What was verified, and whose statement it is, as far as a proof of its stream's opening shows.
    fn shown(&self, verified: &Verified, policy: Option<&Policy>, output: Output) -> anyhow::Result<Outcome> {
        let opening = match &self.stream_proof {
            None => None,
            Some(path) => {
                let proof = read_file(path, MAX_PROOF_FILE_BYTES)?;
                match logged::carried(&proof, &self.log_vkey, policy) {
                    Ok(opening) => Some(opening),
                    Err(error) if error.is_finding() => {
                        return output.refuse(&format!("the proof of the stream's opening: {error}"));
                    }
                    Err(error) => return Err(advise(error)),
                }
            }
        };
        let sender = Sender::of(verified, opening.as_ref())?;
        if let Some(finding) = sender.not_pinned(&self.gateways)? {
            return output.refuse(&finding);
        }
        let words =
            format!("{}{}", words(verified, policy.is_some()), sender.words(verified, &self.gateways));
        let mut json = logged::json(verified);
        sender.fill(&mut json);
        output.answer(&words, &json)?;
        Ok(Outcome::Fine)
    }
}

/// What a file that can be verified is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FileKind {
    Proof,
    Completeness,
    Presentation,
    Bundle,
    Evidence,
    Sample,
}

impl FileKind {
    /// The most bytes that a file of this kind has.
    fn limit(self) -> usize {
        match self {
            Self::Proof => MAX_PROOF_FILE_BYTES,
            Self::Completeness => MAX_COMPLETENESS_BYTES,
            Self::Presentation => MAX_PRESENTATION_BYTES,
            Self::Bundle => MAX_BUNDLE_BYTES,
            Self::Evidence => MAX_EVIDENCE_BYTES,
            Self::Sample => MAX_SAMPLE_BYTES,
        }
    }
}

/// A file to verify.
struct GivenFile {
    kind: FileKind,
    path: PathBuf,
    bytes: Vec<u8>,
}

impl GivenFile {
    /// Without a kind, the contents show it.
    fn read(kind: Option<FileKind>, path: &Path) -> anyhow::Result<Self> {
        let bytes = given::read_or_stdin(path, kind.map_or(MAX_FILE_BYTES, FileKind::limit))?;
        let kind = match kind.or_else(|| recognise(&bytes)) {
            Some(kind) => kind,
            None => {
                return Err(Advice::error(
                    format!("{} is no file that can be verified", path.display()),
                    "give a proof file, a completeness file, a presentation, a session bundle, an audit's evidence file or a sample",
                ));
            }
        };
        anyhow::ensure!(
            bytes.len() <= kind.limit(),
            "{}: longer than {} bytes",
            path.display(),
            kind.limit()
        );
        Ok(Self { kind, path: path.to_owned(), bytes })
    }
}

/// What a file is by its first line, or by the format that its JSON names.
fn recognise(bytes: &[u8]) -> Option<FileKind> {
    #[derive(serde::Deserialize)]
    struct Named {
        format: String,
    }
    if bytes.starts_with(PROOF_FIRST_LINE) {
        return Some(FileKind::Proof);
    }
    let named = serde_json::from_slice::<Named>(bytes).map(|named| named.format);
    match named.as_deref() {
        Ok(CompletenessProof::FORMAT) => Some(FileKind::Completeness),
        Ok(Presentation::FORMAT) => Some(FileKind::Presentation),
        Ok(SessionBundle::FORMAT) => Some(FileKind::Bundle),
        Ok(EvidenceFile::FORMAT) => Some(FileKind::Evidence),
        Ok(sample::FORMAT) => Some(FileKind::Sample),
        _ => None,
    }
}

fn advise(error: VerifyError) -> anyhow::Error {
    let hint = match error {
        VerifyError::NotEarlier { .. } => "give a checkpoint published before the entry was logged",
        VerifyError::NoEntry => {
            "give the entry with --entry FILE, or fetch a proof file with `vouchlog prove`"
        }
        _ => "--log-vkey takes the vkey that `vouchlog serve` prints for the log",
    };
    let problem = error.to_string();
    anyhow::Error::new(error).context(Advice::new(problem, hint))
}

/// The claim with the files it names in memory.
enum Loaded {
    Digest(Digest),
    Entry(Vec<u8>),
    Record(Vec<u8>, Vec<u8>),
}

impl ClaimArgs {
    fn load(&self) -> anyhow::Result<Loaded> {
        Ok(match (&self.digest, &self.entry, &self.record, &self.opening) {
            (Some(digest), ..) => Loaded::Digest(*digest),
            (_, Some(entry), ..) => Loaded::Entry(read_file(entry, MAX_ENTRY_BYTES)?),
            (_, _, Some(record), Some(opening)) => Loaded::Record(
                read_file(record, MAX_RECORD_BYTES)?,
                read_file(opening, MAX_OPENING_FILE_BYTES)?,
            ),
            _ => {
                return Err(Advice::error(
                    "a proof file proves that something was logged, and nothing was given",
                    "give it with --digest, --entry, or --record and --opening",
                ));
            }
        })
    }
}

impl Loaded {
    fn verify(
        &self,
        proof: &[u8],
        log: &VerifyingKey,
        policy: Option<&Policy>,
    ) -> Result<Verified, VerifyError> {
        match self {
            Self::Digest(digest) => verify::verify(proof, log, policy, Claim::Digest(*digest)),
            Self::Entry(entry) => verify::verify(proof, log, policy, Claim::Entry(entry)),
            Self::Record(record, opening) => {
                let opening = Opening::parse(opening)?;
                verify::verify(proof, log, policy, Claim::Record(record, &opening))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::parsed;

    #[test]
    fn a_file_is_recognised_by_its_contents() {
        assert_eq!(recognise(b"c2sp.org/tlog-proof@v1\nindex 0\n"), Some(FileKind::Proof));
        for (format, kind) in [
            ("completeness", FileKind::Completeness),
            ("presentation", FileKind::Presentation),
            ("session", FileKind::Bundle),
            ("evidence", FileKind::Evidence),
            ("sample", FileKind::Sample),
        ] {
            let json = format!("{{ \"other\": [1], \"format\": \"vouchlog/v1 {format}\" }}");
            assert_eq!(recognise(json.as_bytes()), Some(kind), "{format}");
        }
        let wrong: [&[u8]; 7] = [
            b"",
            b"c2sp.org/tlog-proof@v2\n",
            b"{}",
            b"[1]",
            b"{ \"format\": \"vouchlog/v1 audit-state\" }",
            b"{ \"format\": \"vouchlog/v1 session\", \"format\": \"vouchlog/v1 sample\" }",
            &[0xff, 0xfe],
        ];
        for wrong in wrong {
            assert_eq!(recognise(wrong), None);
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("file");
            std::fs::write(&path, wrong).unwrap();
            let error = GivenFile::read(None, &path).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains("is no file that can be verified"), "{error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_is_read_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let (pipe, proof) = (path.clone(), [PROOF_FIRST_LINE, b"index 0\n"].concat());
        let written = proof.clone();
        let writer = std::thread::spawn(move || std::fs::write(pipe, written).unwrap());
        let given = GivenFile::read(None, &path).unwrap();
        assert_eq!((given.kind, given.bytes), (FileKind::Proof, proof));
        writer.join().unwrap();
    }

    #[test]
    fn a_claim_is_made_in_exactly_one_way() {
        let fits = |flags: &str| {
            parsed::<ClaimArgs>(std::iter::once("verify").chain(flags.split_whitespace())).is_ok()
        };
        let digest = format!("--digest {}", "07".repeat(32));
        assert!(fits(&digest));
        assert!(fits("--entry e"));
        assert!(fits("--record r --opening o"));
        assert!(fits("--completeness c"));
        for wrong in ["--record r", "--opening o", "--digest 07", "--entry e --record r --opening o"] {
            assert!(!fits(wrong), "{wrong}");
        }
        assert!(!fits(&format!("{digest} --entry e")));
        assert!(!fits(&format!("{digest} --completeness c")));
    }
}
