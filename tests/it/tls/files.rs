//! Certificates made with the OpenSSL program.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// An authority in a folder, and what it issued: `NAME.pem` and `NAME.key`.
pub(crate) struct Authority {
    folder: PathBuf,
}

impl Authority {
    pub(crate) fn new(folder: &Path) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join("openssl.cnf"), "[req]\ndistinguished_name = dn\n[dn]\n").unwrap();
        let authority = Self { folder: folder.to_owned() };
        let extensions =
            ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,digitalSignature"];
        authority.make("ca", &[], &extensions);
        authority
    }

    /// A certificate for these names, such as `DNS:localhost`. One of the same name is replaced.
    pub(crate) fn issue(&self, name: &str, names: &str) {
        let (ca, key) = (self.at("ca.pem"), self.at("ca.key"));
        let names = format!("subjectAltName={names}");
        self.make(name, &["-CA", &ca, "-CAkey", &key], &["basicConstraints=CA:FALSE", &names]);
    }

    fn make(&self, name: &str, issuer: &[&str], extensions: &[&str]) {
        let mut command = Command::new("openssl");
        command.args([
            "req",
            "-x509",
            "-days",
            "2",
            "-nodes",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
        ]);
        command.args(["-config", &self.at("openssl.cnf"), "-subj", &format!("/CN={name}")]).args(issuer);
        command.args(["-keyout", &self.at(&format!("{name}.key")), "-out", &self.at(&format!("{name}.pem"))]);
        command.args(extensions.iter().flat_map(|extension| ["-addext", extension]));
        let made = command.output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }

    pub(crate) fn at(&self, file: &str) -> String {
        self.folder.join(file).to_str().unwrap().to_owned()
    }
}

/// What curl says of a request: the body and `version status`, or nothing if there was no answer.
pub(crate) fn curl(authority: &Authority, url: &str, more: &[&str]) -> Option<(String, String)> {
    let mut command = Command::new("curl");
    command.args(["--silent", "--max-time", "30", "--noproxy", "*", "--cacert", &authority.at("ca.pem")]);
    let output =
        command.args(["--write-out", "\n%{http_version} %{http_code}"]).args(more).arg(url).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (body, outcome) = text.rsplit_once('\n')?;
    output.status.success().then(|| (body.to_owned(), outcome.to_owned()))
}

/// A handshake by OpenSSL's client, which verifies the server.
pub(crate) fn s_client(authority: &Authority, address: &str, more: &[&str]) -> Output {
    let mut command = Command::new("openssl");
    command.args([
        "s_client",
        "-connect",
        address,
        "-servername",
        "localhost",
        "-CAfile",
        &authority.at("ca.pem"),
    ]);
    command.args(["-verify_return_error", "-verify_hostname", "localhost"]).args(more);
    command.stdin(Stdio::null()).output().unwrap()
}
