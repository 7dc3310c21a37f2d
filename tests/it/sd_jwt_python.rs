//! Statements as another implementation reads them: the Python package sd-jwt verifies what we present, and refuses what we refuse.
//!
//! This takes a Python with the package: `VOUCHLOG_PYTHON`, or else `python3`. Where there is none, the test says so.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Map, Value, json};
use vouchlog_note::{KeyName, SignatureType, SigningKey};
use vouchlog_record::RecordId;
use vouchlog_statement::{ClearClaims, IssuedStatement, issue, public_jwk, verify};
use vouchlog_stream::{Evidence, StatementKind, StreamId};

/// A Python that has the package.
fn python() -> Option<PathBuf> {
    let python = PathBuf::from(std::env::var_os("VOUCHLOG_PYTHON").unwrap_or("python3".into()));
    let found = Command::new(&python).args(["-c", "import sd_jwt.verifier, jwcrypto.jwk"]).output().ok()?;
    found.status.success().then_some(python)
}

fn not_here() {
    eprintln!(
        "statements are not checked with Python here: `pip install sd-jwt==0.10.4`, and VOUCHLOG_PYTHON=<that python>: \
         cargo test -p vouchlog-cli --test it sd_jwt_python"
    );
}

fn stream_key(seed: u8) -> SigningKey {
    let name = KeyName::new("gateway.example.com").unwrap();
    SigningKey::generate(name, SignatureType::CosignatureEd25519, [seed; 32]).unwrap()
}

fn record() -> Map<String, Value> {
    let record = json!({
        "initiator": { "kind": "human", "sub": "Zoë Müller", "roles": ["clerk"] },
        "credential": { "exp": "2026-01-01T00:00:00Z", "status": { "result": "active" } },
        "policy": [ { "id": "p-1", "verdict": "allow" }, { "id": "p-2", "verdict": "modify" } ],
        "input": { "content": [ { "role": "user", "text": "\"quoted\"\n漢字 \u{1f600}" } ], "bytes": 1_234_567_890_123_u64 },
        "tools": [ { "name": "search", "arguments": { "a": [1, -2, 0.5, null, {}] } }, { "name": "pay" } ],
        "device": { "$": "not_applicable" },
    });
    let Value::Object(record) = record else { unreachable!("it is written as an object") };
    record
}

fn issued() -> IssuedStatement {
    let claims = ClearClaims {
        issuer: "gateway.example.com".to_owned(),
        issued_at: 1_767_225_600,
        record: RecordId::new("rec-0001").unwrap(),
        kind: StatementKind::Interaction,
        stream: StreamId::new(3).unwrap(),
        evidence: Evidence::new(0x0003).unwrap(),
        rules: "2026-01".to_owned(),
    };
    issue(&claims, &record(), &stream_key(7)).unwrap()
}

/// The script, with a key and an SD-JWT.
struct Script {
    python: PathBuf,
    folder: tempfile::TempDir,
}

impl Script {
    fn run(&self, key: &str, sd_jwt: &str) -> Output {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/sd_jwt_verify.py");
        let (key_file, file) = (self.folder.path().join("key"), self.folder.path().join("sd_jwt"));
        std::fs::write(&key_file, key).unwrap();
        std::fs::write(&file, sd_jwt).unwrap();
        Command::new(&self.python).arg(script).arg(key_file).arg(file).output().unwrap()
    }

    fn shown(&self, key: &str, sd_jwt: &str) -> Value {
        let output = self.run(key, sd_jwt);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

#[test]
fn another_implementation_reads_the_same_and_refuses_the_same() {
    let Some(python) = python() else { return not_here() };
    let script = Script { python, folder: tempfile::tempdir().unwrap() };
    let (issued, key) = (issued(), stream_key(7));
    let jwk = public_jwk(key.verifying_key()).unwrap().to_string();
    for paths in
        [vec![], vec!["/initiator/sub"], vec!["/tools/1/name", "/policy"], vec!["/input/content"], vec![""]]
    {
        let sd_jwt = issued.present(&paths).unwrap();
        let ours = verify(&sd_jwt, key.verifying_key()).unwrap();
        let mut expected = json!({
            "iss": "gateway.example.com", "iat": 1_767_225_600, "jti": "rec-0001", "kind": "interaction",
            "stream": 3, "evidence": 3, "rules": "2026-01",
        });
        for (name, value) in ours.disclosed {
            expected[name] = value;
        }
        assert_eq!(script.shown(&jwk, &sd_jwt), expected, "{paths:?}");
    }
    assert_eq!(verify(&issued.present(&[""]).unwrap(), key.verifying_key()).unwrap().disclosed, record());
    let vkey = key.verifying_key().to_string();
    assert_eq!(script.shown(&vkey, &issued.present(&[]).unwrap())["kind"], "interaction");

    let shown = issued.present(&["/initiator/sub"]).unwrap();
    let (jwt, rest) = shown.split_once('~').unwrap();
    let (group, field) = rest.trim_end_matches('~').split_once('~').unwrap();
    let other = self::issued();
    for (why, refused) in [
        ("a bit of the payload", shown.replacen(".eyJ", ".eyK", 1)),
        (
            "another record's signature",
            format!(
                "{}.{}~{rest}",
                &jwt[..jwt.rfind('.').unwrap()],
                &other.jwt[other.jwt.rfind('.').unwrap() + 1..]
            ),
        ),
        ("another record's disclosure", format!("{jwt}~{}~", other.disclosures[0].encoded)),
        ("a field without its group", format!("{jwt}~{field}~")),
        ("the same twice", format!("{jwt}~{group}~{group}~{field}~")),
    ] {
        assert!(verify(&refused, key.verifying_key()).is_err(), "{why}");
        assert!(!script.run(&jwk, &refused).status.success(), "{why}");
    }
    let another_key = public_jwk(stream_key(8).verifying_key()).unwrap().to_string();
    assert!(!script.run(&another_key, &shown).status.success());
}
