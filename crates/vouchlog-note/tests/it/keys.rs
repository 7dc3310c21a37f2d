//! Goal: a vkey or key file is read in exactly one spelling. Method: Go's vectors with every substring and every
//! increment, the specification's worked example, and a table of refusals.

use vouchlog_note::{KeyError, KeyId, KeyName, SignatureType, SigningKey, VerifyingKey};

use crate::vectors;

const FOO: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";

#[derive(serde::Deserialize)]
struct GoVectors {
    vkeys_valid: Vec<String>,
    vkeys_invalid: Vec<InvalidVkey>,
    skey: String,
    text: String,
    sig_lines: std::collections::HashMap<String, String>,
}

#[derive(serde::Deserialize)]
struct InvalidVkey {
    vkey: Option<String>,
}

fn go_vectors() -> GoVectors {
    vectors::json("golang__mod/sumdb-note-vectors.json")
}

#[test]
fn no_substring_and_no_increment_of_a_vkey_is_a_vkey() {
    for vkey in go_vectors().vkeys_valid {
        assert_eq!(vkey.parse::<VerifyingKey>().unwrap().to_string(), vkey);
        for start in 0..vkey.len() {
            for end in start..vkey.len() {
                let part = if start == 0 { &vkey[..end] } else { &vkey[start..=end] };
                assert!(part.parse::<VerifyingKey>().is_err(), "{part}");
            }
        }
        for place in 0..vkey.len() {
            let mut changed = vkey.clone().into_bytes();
            changed[place] += 1;
            let changed = String::from_utf8(changed).unwrap();
            assert!(changed.parse::<VerifyingKey>().is_err(), "{changed}");
        }
    }
    for vkey in go_vectors().vkeys_invalid.into_iter().filter_map(|invalid| invalid.vkey) {
        assert!(vkey.parse::<VerifyingKey>().is_err(), "{vkey}");
    }
}

#[test]
fn go_key_file_signs_as_go_does() {
    let vectors = go_vectors();
    let key = SigningKey::from_key_file(&vectors.skey).unwrap();
    assert_eq!(key.to_key_file().unwrap().as_str(), format!("{}\n", vectors.skey));
    assert_eq!(key.verifying_key().to_string(), vectors.vkeys_valid[0]);
    let line = key.sign_note(&vectors.text).unwrap();
    assert_eq!(format!("{line}\n"), vectors.sig_lines["PeterNeumann"]);
}

#[test]
fn the_worked_example_has_its_parts() {
    let key: VerifyingKey = FOO.parse().unwrap();
    assert_eq!(key.name().as_str(), "example.com/foo");
    assert_eq!(key.id(), KeyId::from_bytes([0x53, 0x0d, 0x90, 0x3a]));
    assert_eq!(key.signature_type(), SignatureType::Ed25519);
    let bytes = "e932791ae6e7a840a46164c904786426d5e7821dd8b29a00d61cae72afdd4da4";
    assert_eq!(hex::encode(key.ed25519_bytes().unwrap()), bytes);
    let name = KeyName::new("example.com/foo").unwrap();
    let made = VerifyingKey::ed25519(name, SignatureType::Ed25519, *key.ed25519_bytes().unwrap());
    assert_eq!(made.unwrap(), key);
    let name = KeyName::new("example.com/foo").unwrap();
    let no_ed25519 = VerifyingKey::ed25519(name, SignatureType::MlDsa44, *key.ed25519_bytes().unwrap());
    assert_eq!(no_ed25519.unwrap_err(), KeyError::NotEd25519 { signature_type: SignatureType::MlDsa44 });
}

#[test]
fn malformed_vkeys_are_refused() {
    fn check(vkey: &str, expected: &KeyError) {
        assert_eq!(&vkey.parse::<VerifyingKey>().unwrap_err(), expected, "{vkey}");
    }
    let id = "530d903a";
    let key = "AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    check("", &KeyError::NotThreeParts);
    check("example.com/foo", &KeyError::NotThreeParts);
    check(&format!("example.com/foo+{id}"), &KeyError::NotThreeParts);
    check(&format!("+{id}+{key}"), &KeyError::EmptyName);
    check(&format!("a b+{id}+{key}"), &KeyError::NameCharacter { character: ' ' });
    check(&format!("example.com/foo+530D903A+{key}"), &KeyError::IdSyntax);
    check(&format!("example.com/foo+530d903+{key}"), &KeyError::IdSyntax);
    check(&format!("example.com/foo+0530d903a+{key}"), &KeyError::IdSyntax);
    check(&format!("example.com/foo+{id}+{key}="), &KeyError::Base64);
    check(&format!("example.com/foo+{id}+"), &KeyError::Base64);
    check(&format!("example.com/foo+{id}+{key}\n"), &KeyError::Base64);
    let url_safe = "Ac_zctda0e5eza-HJyk9SxEdh-s3Ux18htTTAD8OuAn8";
    check(&format!("sum.golang.org+033de0ae+{url_safe}"), &KeyError::Base64);
    // One trailing bit set: `AQ==` spells one byte, `AR==` would spell the same.
    check(&format!("example.com/foo+{id}+AR=="), &KeyError::Base64);
    check(&format!("example.com/foo+{id}+AQ"), &KeyError::Base64);
    let short = KeyError::KeyLength { signature_type: SignatureType::Ed25519, expected: 32, actual: 0 };
    check(&format!("example.com/foo+{id}+AQ=="), &short);
    let short = KeyError::KeyLength { signature_type: SignatureType::MlDsa44, expected: 1312, actual: 2 };
    check(&format!("example.com/foo+{id}+BgAA"), &short);
    check(&format!("example.com/foo+{id}+AgAA"), &KeyError::UnknownType { type_byte: 0x02 });
    check(&format!("example.com/foo+{id}+/wAA"), &KeyError::UnknownType { type_byte: 0xff });
    check(&"a".repeat(3000), &KeyError::TooLong { bytes: 3000, limit: 2017 });

    let stated: KeyId = "530d903b".parse().unwrap();
    let wrong_id = KeyError::WrongId { stated, computed: id.parse().unwrap() };
    check(&format!("example.com/foo+530d903b+{key}"), &wrong_id);
    // The same key under another type byte has another ID.
    let cosigner = FOO.replace("+Aeky", "+BOky");
    assert!(matches!(cosigner.parse::<VerifyingKey>(), Err(KeyError::WrongId { .. })));
}

#[test]
fn a_wrong_id_that_others_overlook_is_refused() {
    // The vkey of a published test whose library ignores the ID of cosigner keys.
    let bytes = *FOO.parse::<VerifyingKey>().unwrap().ed25519_bytes().unwrap();
    let key = VerifyingKey::ed25519(KeyName::new("test").unwrap(), SignatureType::CosignatureEd25519, bytes);
    let vkey = key.unwrap().to_string();
    let (_, tail) = vkey.split_at("test+00000000".len());
    assert!(matches!(format!("test+5893dc2c{tail}").parse::<VerifyingKey>(), Err(KeyError::WrongId { .. })));
}

#[test]
fn key_names_are_checked() {
    for name in ["a", "example.com/foo", "oid/1.3.6.1", "héllo", "\u{1f511}", &"n".repeat(255)] {
        assert_eq!(KeyName::new(name).unwrap().as_str(), name);
    }
    for character in ['+', ' ', '\t', '\n', '\r', '\0', '\u{7f}', '\u{85}', '\u{a0}', '\u{2003}', '\u{3000}']
    {
        let expected = KeyError::NameCharacter { character };
        assert_eq!(KeyName::new(&format!("a{character}b")).unwrap_err(), expected);
    }
    assert_eq!(KeyName::new("").unwrap_err(), KeyError::EmptyName);
    let too_long = KeyError::NameTooLong { bytes: 256, limit: 255 };
    assert_eq!(KeyName::new(&"n".repeat(256)).unwrap_err(), too_long);
}

#[test]
fn malformed_key_files_are_refused() {
    fn check(file: &str, expected: &KeyError) {
        assert_eq!(&SigningKey::from_key_file(file).unwrap_err(), expected, "{file}");
    }
    let skey = go_vectors().skey;
    check("", &KeyError::NotAKeyFile);
    check(FOO, &KeyError::NotAKeyFile);
    check("PRIVATE+KEY+name+00000000", &KeyError::NotAKeyFile);
    check(
        &skey[..skey.len() - 4],
        &KeyError::KeyLength { signature_type: SignatureType::Ed25519, expected: 32, actual: 29 },
    );
    check(&skey[..skey.len() - 1], &KeyError::Base64);
    check(&format!("{skey}\n\n"), &KeyError::Base64);
    let wrong_id = SigningKey::from_key_file(&skey.replace("c74f20a3", "c74f20a4"));
    assert!(matches!(wrong_id, Err(KeyError::WrongId { .. })));
    // The same seed under another type byte is another key, with another ID.
    let wrong_id = SigningKey::from_key_file(&skey.replace("+AYEK", "+BoEK"));
    assert!(matches!(wrong_id, Err(KeyError::WrongId { .. })));
}

#[test]
fn debug_output_never_holds_the_secret() {
    for signature_type in [SignatureType::Ed25519, SignatureType::CosignatureEd25519, SignatureType::MlDsa44]
    {
        let key = vectors::signing_key("log.example", signature_type, 0x5e);
        let shown = format!("{key:?}");
        assert!(shown.contains("log.example"));
        assert!(!shown.contains(&hex::encode([0x5e; 32])) && !shown.contains("Xl5eXl5e"), "{shown}");
        assert!(
            key.to_key_file().unwrap().contains("Xl5eXl5e"),
            "the check above looks for what the key file holds"
        );
    }
}
