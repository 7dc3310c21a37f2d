//! What a URL has in the place of a name. Proxies and browsers keep URLs, and the names of sessions, records and people may identify
//! people. So a URL has a handle: the name, sealed under a key of this process.
//!
//! ```text
//! AES-256-GCM-SIV (what it names as JSON; kind as associated data; nonce of zeros) in base64url
//! ```
//!
//! A name always gets the same handle, so that a browser can mark the pages it has visited. AES-GCM-SIV allows a fixed nonce: all that
//! a reader of two handles learns is whether they are equal. A handle gives no access: a visitor who follows it has to sign in. After a
//! restart of the server older handles name nothing.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::limits::MAX_HANDLE_BYTES;

/// Something that a URL names.
pub(crate) trait Named: Serialize + DeserializeOwned {
    /// So that a handle of one kind is none of another.
    const KIND: &'static str;

    /// The tenant that it is of, if it names one.
    fn tenant(&self) -> Option<&str> {
        None
    }
}

/// Makes handles and opens them.
pub(crate) struct Handles(LessSafeKey);

impl Handles {
    /// With a fresh key.
    pub(crate) fn new() -> Self {
        let mut secret = Zeroizing::new([0; 32]);
        getrandom::fill(secret.as_mut_slice()).expect("the operating system gives random bytes");
        let key = UnboundKey::new(&AES_256_GCM_SIV, secret.as_slice()).expect("an AES-256 key has 32 bytes");
        Self(LessSafeKey::new(key))
    }

    /// The handle of something.
    pub(crate) fn of<T: Named>(&self, named: &T) -> String {
        let mut sealed = serde_json::to_vec(named).expect("names are JSON");
        self.0
            .seal_in_place_append_tag(nonce(), Aad::from(T::KIND), &mut sealed)
            .expect("a name is shorter than what AES-GCM-SIV takes");
        URL_SAFE_NO_PAD.encode(sealed)
    }

    /// What a handle names; none if it is not a handle of this process, or of another kind.
    pub(crate) fn open<T: Named>(&self, handle: &str) -> Option<T> {
        if handle.len() > MAX_HANDLE_BYTES {
            return None;
        }
        let mut sealed = URL_SAFE_NO_PAD.decode(handle).ok()?;
        let opened = self.0.open_in_place(nonce(), Aad::from(T::KIND), &mut sealed).ok()?;
        serde_json::from_slice(opened).ok()
    }
}

fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct One(String);
    impl Named for One {
        const KIND: &'static str = "one";
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Other(String);
    impl Named for Other {
        const KIND: &'static str = "other";
    }

    #[test]
    fn a_handle_names_one_thing_and_shows_none_of_it() {
        let handles = Handles::new();
        let name = One("https://idp.example|ann".to_owned());
        let handle = handles.of(&name);
        assert_eq!(handles.open::<One>(&handle), Some(name));
        assert_eq!(handle, handles.of(&One("https://idp.example|ann".to_owned())));
        assert_ne!(handle, handles.of(&One("https://idp.example|bob".to_owned())));
        assert!(handle.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_".contains(&c)), "{handle}");
        assert!(!handle.contains("ann"));
    }

    #[test]
    fn what_is_not_a_handle_of_this_process_and_kind_names_nothing() {
        let handles = Handles::new();
        let handle = handles.of(&One("s-1".to_owned()));
        assert_eq!(handles.open::<Other>(&handle), None, "another kind");
        assert_eq!(Handles::new().open::<One>(&handle), None, "another process");
        for at in 0..handle.len() {
            let mut bytes = handle.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_ne!(handles.open::<One>(&changed), Some(One("s-2".to_owned())));
            if changed != handle && URL_SAFE_NO_PAD.decode(&changed).is_ok() {
                assert_eq!(handles.open::<One>(&changed), None, "{changed}");
            }
        }
        for other in ["", "x", "%", "..", &"A".repeat(20_000)] {
            assert_eq!(handles.open::<One>(other), None, "{other}");
        }
    }
}
