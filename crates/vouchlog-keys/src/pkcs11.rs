//! Keys in a PKCS#11 token: a hardware module, a smart card, or SoftHSM. Ed25519 keys sign, AES keys wrap another key.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use vouchlog_note::SignerError;
use vouchlog_runtime::durable;
use zeroize::Zeroizing;

use crate::bounded::ThreadSigner;
use crate::pkcs11_uri::{PinSource, Pkcs11Uri};
use crate::wrapper::KeyWrapper;

/// Longest PIN.
const MAX_PIN_BYTES: usize = 255;
// wrapped = <nonce[12]> <ciphertext[32]> <tag[16]>      AES-GCM

/// Bytes of the nonce of a wrapped key.
const NONCE_BYTES: usize = 12;
/// Bits of its tag: the longest.
const TAG_BITS: std::ffi::c_ulong = 128;
/// Names the module where a URI does not.
const MODULE_VARIABLE: &str = "VOUCHLOG_PKCS11_MODULE";

fn failed(what: &str) -> impl FnOnce(Error) -> SignerError {
    move |error| SignerError::new(format!("{what}: {error}"))
}

/// The module, loaded once: a process initialises it once, however many keys it has there.
fn module(uri: &Pkcs11Uri) -> Result<Arc<Pkcs11>, SignerError> {
    static LOADED: OnceLock<Mutex<HashMap<PathBuf, Arc<Pkcs11>>>> = OnceLock::new();
    let path = uri.module.clone().or_else(|| std::env::var_os(MODULE_VARIABLE).map(PathBuf::from));
    let path = path.ok_or_else(|| {
        SignerError::new(format!("no module: give module-path=… in the URI, or set {MODULE_VARIABLE}"))
    })?;
    let mut loaded = LOADED.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(module) = loaded.get(&path) {
        return Ok(module.clone());
    }
    let what = format!("the module {}", path.display());
    let module = Pkcs11::new(&path).map_err(failed(&what))?;
    module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).map_err(failed(&what))?;
    Ok(loaded.entry(path).or_insert(Arc::new(module)).clone())
}

fn slot(module: &Pkcs11, uri: &Pkcs11Uri) -> Result<Slot, SignerError> {
    let slots = module.get_slots_with_initialized_token().map_err(failed("the slots cannot be listed"))?;
    let mut fitting = slots.into_iter().filter(|slot| {
        let Ok(token) = module.get_token_info(*slot) else { return false };
        uri.slot.is_none_or(|id| slot.id() == id)
            && uri.token.as_ref().is_none_or(|label| token.label() == label)
            && uri.serial.as_ref().is_none_or(|serial| token.serial_number() == serial)
    });
    match (fitting.next(), fitting.next()) {
        (Some(slot), None) => Ok(slot),
        (Some(_), Some(_)) => {
            Err(SignerError::new("several tokens fit the URI: name one with token= or serial="))
        }
        (None, _) => Err(SignerError::new("no token fits the URI")),
    }
}

fn pin(uri: &Pkcs11Uri) -> Result<Option<Zeroizing<String>>, SignerError> {
    let (what, text) = match &uri.pin {
        None => return Ok(None),
        Some(PinSource::Environment(name)) => (format!("the variable {name}"), std::env::var(name).ok()),
        Some(PinSource::File(path)) => (format!("the file {}", path.display()), read_pin(path)?),
    };
    let text =
        Zeroizing::new(text.ok_or_else(|| SignerError::new(format!("{what} with the PIN is missing")))?);
    let pin = text.trim_end_matches(['\r', '\n']);
    if pin.is_empty() || pin.len() > MAX_PIN_BYTES {
        return Err(SignerError::new(format!("{what} holds no PIN")));
    }
    Ok(Some(Zeroizing::new(pin.to_owned())))
}

fn read_pin(path: &Path) -> Result<Option<String>, SignerError> {
    let bytes = durable::read_bounded(path, MAX_PIN_BYTES + 3);
    let bytes = bytes.map_err(|error| SignerError::new(format!("{}: {error}", path.display())))?;
    Ok(bytes.and_then(|bytes| String::from_utf8(bytes).ok()))
}

/// A session, logged in if the URI names a PIN.
fn session(module: &Pkcs11, uri: &Pkcs11Uri) -> Result<Session, SignerError> {
    let session = module.open_ro_session(slot(module, uri)?).map_err(failed("the token"))?;
    if let Some(pin) = pin(uri)? {
        match session.login(UserType::User, Some(&AuthPin::new(pin.as_str().into()))) {
            // Sessions of one process share their login.
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {}
            Err(error) => return Err(failed("the token refused the PIN")(error)),
        }
    }
    Ok(session)
}

/// A kind of key, and how it is called.
struct KeyKind {
    class: ObjectClass,
    key_type: KeyType,
    name: &'static str,
}

const PUBLIC: KeyKind =
    KeyKind { class: ObjectClass::PUBLIC_KEY, key_type: KeyType::EC_EDWARDS, name: "Ed25519" };
const PRIVATE: KeyKind =
    KeyKind { class: ObjectClass::PRIVATE_KEY, key_type: KeyType::EC_EDWARDS, name: "Ed25519" };
const AES: KeyKind = KeyKind { class: ObjectClass::SECRET_KEY, key_type: KeyType::AES, name: "AES" };

fn find(session: &Session, uri: &Pkcs11Uri, kind: &KeyKind) -> Result<ObjectHandle, SignerError> {
    let KeyKind { class, key_type, name } = *kind;
    if uri.is_secret.is_some_and(|is_secret| is_secret != (class == ObjectClass::SECRET_KEY)) {
        return Err(SignerError::new(format!("an {name} key is needed, and the URI names another type")));
    }
    let mut wanted = vec![Attribute::Class(class), Attribute::KeyType(key_type)];
    wanted.extend(uri.object.iter().map(|label| Attribute::Label(label.as_bytes().to_vec())));
    wanted.extend(uri.id.iter().map(|id| Attribute::Id(id.clone())));
    let found = session.find_objects(&wanted).map_err(failed("the token's keys cannot be listed"))?;
    match found[..] {
        [key] => Ok(key),
        [] => Err(SignerError::new(format!(
            "the token has no such {name} key; a private one shows only after a login: give pin-source=…"
        ))),
        _ => Err(SignerError::new("several keys fit the URI: name one with object= and id=")),
    }
}

/// The public key, which the token has beside the private one.
pub(crate) fn public_key(uri: &Pkcs11Uri) -> Result<[u8; 32], SignerError> {
    let module = module(uri)?;
    let session = session(&module, uri)?;
    let key = find(&session, uri, &PUBLIC)?;
    let read = session.get_attributes(key, &[AttributeType::EcPoint]).map_err(failed("the public key"))?;
    let point = read.into_iter().find_map(|attribute| match attribute {
        Attribute::EcPoint(point) => Some(point),
        _ => None,
    });
    // An OCTET STRING in DER; some modules leave that out.
    let point = point.as_deref().map(|point| point.strip_prefix(&[0x04, 0x20]).unwrap_or(point));
    point
        .and_then(|point| point.try_into().ok())
        .ok_or_else(|| SignerError::new("the token's key is not an Ed25519 key"))
}

/// A key of a token. The session is kept for signatures; after a failure a new one is opened for the next one.
pub(crate) struct Token {
    uri: Pkcs11Uri,
    module: Arc<Pkcs11>,
    open: Option<(Session, ObjectHandle)>,
}

impl Token {
    /// Loads the module. The token may be away; it is asked when something is to be signed or wrapped.
    pub(crate) fn new(uri: &Pkcs11Uri) -> Result<Self, SignerError> {
        Ok(Self { uri: uri.clone(), module: module(uri)?, open: None })
    }
}

impl ThreadSigner for Token {
    fn sign(&mut self, message: &[u8]) -> Result<[u8; 64], SignerError> {
        let (session, key) = match self.open.take() {
            Some(open) => open,
            None => {
                let session = session(&self.module, &self.uri)?;
                let key = find(&session, &self.uri, &PRIVATE)?;
                (session, key)
            }
        };
        let mechanism = Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Ed25519));
        let signature = session.sign(&mechanism, key, message).map_err(failed("the token did not sign"))?;
        self.open = Some((session, key));
        signature.try_into().map_err(|_| SignerError::new("the token's signature is not of 64 bytes"))
    }
}

impl Token {
    fn aes(&self) -> Result<(Session, ObjectHandle), SignerError> {
        let session = session(&self.module, &self.uri)?;
        let key = find(&session, &self.uri, &AES)?;
        Ok((session, key))
    }
}

impl KeyWrapper for Token {
    fn wrap(&mut self, key: &[u8; 32], context: &str) -> Result<Vec<u8>, SignerError> {
        let (session, wrapping) = self.aes()?;
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|error| SignerError::new(format!("no random bytes: {error}")))?;
        let sealed = {
            let mechanism = gcm(&mut nonce, context)?;
            session.encrypt(&mechanism, wrapping, key).map_err(failed("the token did not encrypt the key"))?
        };
        // After the call: some tokens choose the nonce themselves, and have written it there.
        Ok([&nonce[..], &sealed].concat())
    }

    fn unwrap(&mut self, wrapped: &[u8], context: &str) -> Result<Zeroizing<Vec<u8>>, SignerError> {
        let (session, wrapping) = self.aes()?;
        let (nonce, sealed) = wrapped
            .split_first_chunk::<NONCE_BYTES>()
            .ok_or_else(|| SignerError::new("the wrapped key is too short"))?;
        let mut nonce = *nonce;
        let mechanism = gcm(&mut nonce, context)?;
        let opened = session.decrypt(&mechanism, wrapping, sealed);
        opened.map(Zeroizing::new).map_err(failed(
            "the token did not decrypt the key: it was wrapped with another key of the token, or for another vault",
        ))
    }
}

fn gcm<'a>(nonce: &'a mut [u8; NONCE_BYTES], context: &'a str) -> Result<Mechanism<'a>, SignerError> {
    let parameters = GcmParams::new(nonce, context.as_bytes(), TAG_BITS.into());
    Ok(Mechanism::AesGcm(parameters.map_err(failed("AES-GCM"))?))
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({})", self.uri)
    }
}

#[cfg(test)]
mod tests;
