//! The note of a witness that rotates its key.
//!
//! ```text
//! vouchlog/v1 witness
//! witness <new vkey of type 0x04>
//! replaces <old vkey of type 0x04>
//! cosigned by the old key and the new key
//! ```
//!
//! It names no log: it is for every verifier whose policy lists the old key. Both keys cosign the text as they would a checkpoint (type
//! 0x04, with the time). It can never be read as one, because the second line of a checkpoint is a number.

use vouchlog_note::{SignatureType, SigningKey, UnverifiedNote, VerifyingKey};

use super::{Lines, TextError, parse, verify_all};

const TITLE: &str = "vouchlog/v1 witness";

/// Another key takes the place of a witness's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessRotation {
    /// The new key (type 0x04).
    pub witness: VerifyingKey,
    /// The key whose place it takes; it has the same name, and another id.
    pub replaces: VerifyingKey,
}

impl WitnessRotation {
    /// The first line of the note.
    pub const TITLE: &'static str = TITLE;

    /// The note, cosigned by both keys at `time`, in POSIX seconds.
    ///
    /// # Errors
    /// [`TextError::Form`] if these are not the two keys of one witness.
    pub fn sign(old: &SigningKey, new: &SigningKey, time: u64) -> Result<String, TextError> {
        let rotation = Self { witness: new.verifying_key().clone(), replaces: old.verifying_key().clone() };
        rotation.check()?;
        let text = format!("{TITLE}\nwitness {}\nreplaces {}\n", rotation.witness, rotation.replaces);
        let lines = vec![old.cosign_note(&text, time)?, new.cosign_note(&text, time)?];
        Ok(UnverifiedNote::from_parts(&text, lines)?.as_str().to_owned())
    }

    /// Reads a note and verifies that both keys cosigned it.
    pub fn open(note: &str) -> Result<Self, TextError> {
        let unverified = parse(note)?;
        let mut lines = Lines::new(TITLE, unverified.unverified_text())?;
        let witness = lines.vkey("witness", SignatureType::CosignatureEd25519)?;
        let replaces = lines.vkey("replaces", SignatureType::CosignatureEd25519)?;
        lines.end()?;
        let rotation = Self { witness, replaces };
        rotation.check()?;
        verify_all(unverified, [&rotation.replaces, &rotation.witness].into_iter())?;
        Ok(rotation)
    }

    /// SPEC: a witness keeps its name, and its keys have different ids: a cosignature then names one key.
    fn check(&self) -> Result<(), TextError> {
        let problem = if self.witness.name() != self.replaces.name() {
            "the key that is replaced has another name"
        } else if self.witness.id() == self.replaces.id()
            || self.witness.public_key() == self.replaces.public_key()
        {
            "a key cannot replace itself"
        } else {
            return Ok(());
        };
        Err(TextError::Form { expected: TITLE, problem })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use vouchlog_note::{Checkpoint, KeyName, Origin};

    use super::*;

    fn key(name: &str, kind: SignatureType, seed: u8) -> SigningKey {
        SigningKey::generate(KeyName::new(name).unwrap(), kind, [seed; 32]).unwrap()
    }

    fn witness(seed: u8) -> SigningKey {
        key("witness.example.com/w1", SignatureType::CosignatureEd25519, seed)
    }

    #[test]
    fn a_rotation_is_signed_by_both_keys_of_one_witness() {
        let note = WitnessRotation::sign(&witness(1), &witness(2), 1_767_225_600).unwrap();
        let rotation = WitnessRotation::open(&note).unwrap();
        assert_eq!(
            (&rotation.replaces, &rotation.witness),
            (witness(1).verifying_key(), witness(2).verifying_key())
        );
        let text = note.split("\n\n").next().unwrap().to_owned() + "\n";
        let signed = |by: &[&SigningKey]| {
            let lines = by.iter().map(|key| key.cosign_note(&text, 7).unwrap()).collect();
            UnverifiedNote::from_parts(&text, lines).unwrap().as_str().to_owned()
        };
        assert_eq!(WitnessRotation::open(&signed(&[&witness(2), &witness(1)])), Ok(rotation));
        for by in
            [&[&witness(1)][..], &[&witness(2)], &[&witness(3), &witness(2)], &[&witness(1), &witness(3)]]
        {
            assert!(matches!(WitnessRotation::open(&signed(by)), Err(TextError::Note(_))));
        }
        assert!(WitnessRotation::sign(&witness(1), &witness(1), 7).is_err());
        assert!(
            WitnessRotation::sign(&witness(1), &key("other", SignatureType::CosignatureEd25519, 2), 7)
                .is_err()
        );
        assert!(
            WitnessRotation::sign(&key("witness.example.com/w1", SignatureType::Ed25519, 1), &witness(2), 7)
                .is_err()
        );
    }

    /// The text is no checkpoint, and a witness's key signs a checkpoint in no other way than as one.
    #[test]
    fn no_rotation_is_a_checkpoint_and_no_checkpoint_a_note() {
        let note = WitnessRotation::sign(&witness(1), &witness(2), 7).unwrap();
        let text = note.split("\n\n").next().unwrap().to_owned() + "\n";
        assert!(Checkpoint::parse(&text).is_err());
        let head = vouchlog_merkle::TreeHead {
            size: vouchlog_merkle::TreeSize::new(3),
            root: vouchlog_merkle::leaf_hash(b"x"),
        };
        let checkpoint =
            Checkpoint::new(Origin::new(TITLE).unwrap_or_else(|_| Origin::new("log").unwrap()), head);
        assert!(witness(1).cosign_note(&checkpoint.text(), 7).is_err());
    }

    #[test]
    fn no_bit_of_a_note_may_change() {
        let note = WitnessRotation::sign(&witness(1), &witness(2), 7).unwrap();
        for place in 0..note.len() {
            for bit in 0..8 {
                let mut bytes = note.clone().into_bytes();
                bytes[place] ^= 1 << bit;
                let Ok(changed) = String::from_utf8(bytes) else { continue };
                assert!(WitnessRotation::open(&changed).is_err(), "bit {bit} of byte {place}: {changed}");
            }
        }
        for (length, _) in note.char_indices() {
            assert!(WitnessRotation::open(&note[..length]).is_err(), "cut to {length}");
        }
    }

    proptest! {
        #[test]
        fn random_lines_never_panic(lines in prop::collection::vec("(witness|replaces) (none| |\\PC){0,9}", 0..4)) {
            let text = format!("{TITLE}\n{}\n", lines.join("\n"));
            if let Ok(line) = witness(1).cosign_note(&text, 7)
                && let Ok(note) = UnverifiedNote::from_parts(&text, vec![line])
            {
                prop_assert!(WitnessRotation::open(note.as_str()).is_err());
            }
        }
    }
}
