//! The file of a wrapped key, and a real token that wraps it.

use super::*;

const VAULT: VaultId = [7; 16];

fn wrapped() -> WrappedKey {
    WrappedKey { vault: VAULT, by: "aws-kms", key: vec![0xfb; 60] }
}

#[test]
fn a_wrapped_key_reads_as_it_is_written_and_no_other_byte_is_taken() {
    let text = wrapped().text();
    assert_eq!(WrappedKey::parse(&text), Ok(wrapped()));
    for at in 0..text.len() {
        let mut changed = text.clone().into_bytes();
        changed[at] ^= 1;
        let changed = String::from_utf8(changed).unwrap();
        assert!(WrappedKey::parse(&changed).is_err(), "byte {at}");
        assert!(WrappedKey::parse(&text[..at]).is_err(), "{at} bytes");
    }
    let more = text.replace("by aws-kms\n", "by aws-kms\nmore\n");
    for wrong in ["", TITLE, "half a key", &more, &(text.clone() + "\n")] {
        assert!(WrappedKey::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn what_no_place_could_unwrap_is_not_asked_of_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vault.key.wrapped");
    let load = |place: &str| load(&place.parse().unwrap(), &path).unwrap_err();
    assert_eq!(load("aws-kms:alias/vault"), KeyError::NoWrappedKey(path.clone()));
    std::fs::write(&path, wrapped().text()).unwrap();
    let error = load("pkcs11:object=vault").to_string();
    assert!(error.contains("wrapped with aws-kms, not with pkcs11"), "{error}");
    for damaged in [&b"vouchlog/v1 wrapped vault key\n"[..], &[0xff; 40], &[b'a'; MAX_WRAPPED_KEY_BYTES + 1]]
    {
        std::fs::write(&path, damaged).unwrap();
        assert!(matches!(load("aws-kms:alias/vault"), KeyError::DamagedWrappedKey { .. }));
    }
}

/// SoftHSM finds its configuration in the environment. So each test runs this binary again with a token of its own.
#[cfg(feature = "pkcs11")]
mod token {
    use std::fs;
    use std::path::PathBuf;
    use std::process::Command;

    use super::*;
    use crate::{KeyEncryptionKey, Vault, VaultError, VaultKeySource};

    const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";
    /// Set in the process that has a token.
    const FOLDER: &str = "VOUCHLOG_TEST_TOKEN";

    /// Runs a test of this file again in a process that has a token with two AES keys; returns the folder in that process.
    fn with_token(test: &str) -> Option<PathBuf> {
        if let Some(folder) = std::env::var_os(FOLDER) {
            return Some(folder.into());
        }
        if Command::new("softhsm2-util").arg("--version").output().is_err() {
            eprintln!("no token wraps here: install SoftHSM (softhsm2) to have this test run");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        fs::create_dir(path("tokens")).unwrap();
        let conf = format!("directories.tokendir = {}\nobjectstore.backend = file\n", path("tokens"));
        fs::write(path("conf"), conf).unwrap();
        fs::write(path("pin"), "1234\n").unwrap();
        fs::write(path("wrong"), "99999\n").unwrap();
        let run = |arguments: &[&str]| {
            let mut command = Command::new("softhsm2-util");
            let output = command.args(arguments).env("SOFTHSM2_CONF", path("conf")).output().unwrap();
            assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        };
        run(&["--init-token", "--free", "--label", "vouchlog", "--pin", "1234", "--so-pin", "5678"]);
        for (id, label) in [("01", "vault"), ("02", "other")] {
            fs::write(path("key"), [id.as_bytes()[1]; 32]).unwrap();
            let key = path("key");
            let import = ["--import", &key, "--aes", "--token", "vouchlog", "--label", label, "--id", id];
            run(&[&import[..], &["--pin", "1234"]].concat());
        }
        let again = Command::new(std::env::current_exe().unwrap())
            .args([&format!("keys::wrapped::tests::token::{test}"), "--exact", "--nocapture"])
            .env(FOLDER, folder.path())
            .env("SOFTHSM2_CONF", path("conf"))
            .output()
            .unwrap();
        let shown = String::from_utf8_lossy(&again.stdout);
        assert!(
            again.status.success() && shown.contains("1 passed"),
            "{shown}{}",
            String::from_utf8_lossy(&again.stderr)
        );
        None
    }

    /// A key of the token, its PIN, and the file with what it wrapped, in a folder.
    fn source(folder: &Path, object: &str, pin: &str, file: &str) -> VaultKeySource {
        let folder = folder.display();
        let uri = format!(
            "pkcs11:token=vouchlog;object={object}?module-path={MODULE}&pin-source=file:{folder}/{pin}"
        );
        format!("{uri} {folder}/{file}").parse().unwrap()
    }

    async fn refusal(location: &str, key: KeyEncryptionKey) -> VaultError {
        Vault::open(location, key).await.map(drop).unwrap_err()
    }

    #[tokio::test]
    async fn a_vault_opens_with_the_key_that_a_token_unwraps() {
        let Some(folder) = with_token("a_vault_opens_with_the_key_that_a_token_unwraps") else { return };
        let location = folder.join("vault").display().to_string();
        let own = source(&folder, "vault", "pin", "keys/own");
        assert_eq!(own.load(), Err(KeyError::NoWrappedKey(folder.join("keys/own"))));
        let key = own.load_or_create().unwrap();
        assert_eq!((own.load_or_create().unwrap(), own.load().unwrap()), (key.clone(), key.clone()));
        let text = fs::read_to_string(folder.join("keys/own")).unwrap();
        assert!(!text.contains(&hex::encode(key.bytes())) && !text.contains(&STANDARD.encode(key.bytes())));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(folder.join("keys/own")).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert!(!Vault::exists(&location).await.unwrap());
        Vault::create(&location, key).await.unwrap().close().await;
        assert!(Vault::exists(&location).await.unwrap());
        let vault = Vault::open(&location, own.load().unwrap()).await.unwrap();
        let owner = vault.owner().await.unwrap();

        // The key of another vault is named as such, and nothing is wrapped under it.
        let foreign = source(&folder, "vault", "pin", "foreign").load_or_create().unwrap();
        assert_eq!(vault.rewrap(&owner, foreign.clone()).await, Err(VaultError::ForeignKey));
        assert_eq!(refusal(&location, foreign).await, VaultError::ForeignKey);

        assert!(matches!(vault.load_or_create_key(&own), Err(VaultError::Invalid(_))));

        // Another key of the token, which wraps another key of the vault.
        let next = source(&folder, "other", "pin", "next");
        let key = vault.load_or_create_key(&next).unwrap();
        vault.rewrap(&owner, key).await.unwrap();
        vault.close().await;
        assert_eq!(refusal(&location, own.load().unwrap()).await, VaultError::WrongKey);
        Vault::open(&location, next.load().unwrap()).await.unwrap().close().await;
    }

    #[test]
    fn a_key_that_cannot_be_unwrapped_is_an_error_and_stays_as_it_is() {
        let test = "a_key_that_cannot_be_unwrapped_is_an_error_and_stays_as_it_is";
        let Some(folder) = with_token(test) else { return };
        let own = source(&folder, "vault", "pin", "own");
        let key = own.load_or_create().unwrap();
        let path = folder.join("own");
        let text = fs::read_to_string(&path).unwrap();
        let refused = |source: &VaultKeySource| {
            let made = source.load_or_create().unwrap_err().to_string();
            assert_eq!(source.load().unwrap_err().to_string(), made);
            made
        };
        // Its own sum holds, so that only the token can know.
        let mut bent = WrappedKey::parse(&text).unwrap().key;
        bent[20] ^= 1;
        for (changed, why) in [
            (WrappedKey { vault: [9; 16], ..WrappedKey::parse(&text).unwrap() }.text(), "for another vault"),
            (WrappedKey { key: bent, ..WrappedKey::parse(&text).unwrap() }.text(), "did not decrypt"),
            (text.replace("key ", "key A"), "is damaged"),
            (String::new(), "is damaged"),
        ] {
            fs::write(&path, &changed).unwrap();
            let error = refused(&own);
            assert!(error.contains(why) && error.contains("/own"), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), changed);
        }
        fs::write(&path, &text).unwrap();
        for (object, pin, why) in [
            ("other", "pin", "another key of the token"),
            ("none", "pin", "no such AES key"),
            ("vault", "none", "with the PIN is missing"),
        ] {
            let error = refused(&source(&folder, object, pin, "own"));
            assert!(error.contains(why), "{error}");
        }
        // A place that is away wraps nothing, and leaves no file.
        let away: VaultKeySource =
            format!("pkcs11:token=none;object=vault?module-path={MODULE} {}/new", folder.display())
                .parse()
                .unwrap();
        let error = away.load_or_create().unwrap_err().to_string();
        assert!(error.contains("did not wrap") && error.contains("no token fits"), "{error}");
        assert!(!folder.join("new").exists());
        // Once: a token counts wrong PINs.
        let error = source(&folder, "vault", "wrong", "own").load().unwrap_err().to_string();
        assert!(error.contains("refused the PIN") && !error.contains("99999"), "{error}");
        assert_eq!(own.load(), Ok(key));
    }
}
