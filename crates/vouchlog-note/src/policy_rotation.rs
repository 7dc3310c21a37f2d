//! The text of a policy after a witness rotated its key: the new key stands in the old one's place, or for a while beside it.
//!
//! Two keys of one witness are one witness. Where both count, they are members of a group of which any one suffices, and that group has the
//! witness's name and its place in other groups and in the quorum:
//!
//! ```text
//! witness w1 <old vkey> <url>      witness w1-<old id> <old vkey> <url>
//!                             ->   witness w1-<new id> <new vkey> <url>
//!                                  group w1 any w1-<old id> w1-<new id>
//! ```

use thiserror::Error;

use crate::key::VerifyingKey;
use crate::policy::Policy;
use crate::policy_error::PolicyError;

/// What becomes of the old key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OldKey {
    /// It counts beside the new one, until the witness no longer cosigns with it.
    Counts,
    /// It no longer counts.
    Goes,
}

/// Why a policy does not follow a rotation. It stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PolicyRotationError {
    /// The text is not a valid policy, before the change or after it.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The policy does not name the old key.
    #[error("the policy does not name the witness key {0}")]
    NotListed(Box<VerifyingKey>),
    /// Both keys are listed, and not as one witness.
    #[error(
        "the policy names both keys of {0} as two witnesses, so that one witness could count twice: remove one of them"
    )]
    TwoWitnesses(String),
}

/// A witness line.
struct Listed<'t> {
    line: usize,
    name: &'t [u8],
    url: Option<&'t [u8]>,
}

impl Policy {
    /// The text of a policy in which `new` takes the place of `old`. That the witness signed this is for the caller to verify.
    pub fn rotate_text(
        text: &[u8],
        [old, new]: [&VerifyingKey; 2],
        old_key: OldKey,
    ) -> Result<Vec<u8>, PolicyRotationError> {
        Self::parse(text)?;
        let lines: Vec<&[u8]> = text.split(|octet| *octet == b'\n').collect();
        let listed_old =
            listed(&lines, old).ok_or_else(|| PolicyRotationError::NotListed(Box::new(old.clone())))?;
        let listed_new = listed(&lines, new);
        let mut out: Vec<Vec<u8>> = lines.iter().map(|line| line.to_vec()).collect();
        match (&listed_new, old_key) {
            (None, OldKey::Goes) => out[listed_old.line] = witness_line(listed_old.name, new, listed_old.url),
            (None, OldKey::Counts) => {
                let name =
                    |key: &VerifyingKey| [listed_old.name, b"-", key.id().to_string().as_bytes()].concat();
                let both = [name(old), name(new)];
                out[listed_old.line] = [
                    witness_line(&both[0], old, listed_old.url),
                    witness_line(&both[1], new, listed_old.url),
                    [b"group ", listed_old.name, b" any ", &both[0][..], b" ", &both[1][..]].concat(),
                ]
                .join(&b'\n');
            }
            (Some(listed_new), _) => {
                let names = [listed_old.name, listed_new.name];
                let (line, name) = any_of(&lines, names)
                    .ok_or_else(|| PolicyRotationError::TwoWitnesses(new.name().to_string()))?;
                if old_key == OldKey::Goes {
                    out[line] = witness_line(name, new, listed_new.url);
                    let mut gone = [listed_old.line, listed_new.line];
                    gone.sort_unstable();
                    gone.into_iter().rev().for_each(|line| drop(out.remove(line)));
                }
            }
        }
        let out = out.join(&b'\n');
        Self::parse(&out)?;
        Ok(out)
    }
}

fn tokens(line: &[u8]) -> Vec<&[u8]> {
    line.split(|octet| matches!(octet, b' ' | b'\t')).filter(|token| !token.is_empty()).collect()
}

/// The line of the witness with this public key.
fn listed<'t>(lines: &[&'t [u8]], key: &VerifyingKey) -> Option<Listed<'t>> {
    lines.iter().enumerate().find_map(|(line, text)| match tokens(text).as_slice() {
        [b"witness", name, vkey, rest @ ..] => {
            let found: VerifyingKey = str::from_utf8(vkey).ok()?.parse().ok()?;
            (found == *key).then_some(Listed { line, name, url: rest.first().copied() })
        }
        _ => None,
    })
}

/// The group that any one of exactly these two satisfies.
fn any_of<'t>(lines: &[&'t [u8]], names: [&[u8]; 2]) -> Option<(usize, &'t [u8])> {
    lines.iter().enumerate().find_map(|(line, text)| match tokens(text).as_slice() {
        [b"group", name, b"any" | b"1", one, other] if names == [*one, *other] || names == [*other, *one] => {
            Some((line, *name))
        }
        _ => None,
    })
}

fn witness_line(name: &[u8], key: &VerifyingKey, url: Option<&[u8]>) -> Vec<u8> {
    let mut line = [b"witness ", name, b" ", key.to_string().as_bytes()].concat();
    if let Some(url) = url {
        line.push(b' ');
        line.extend_from_slice(url);
    }
    line
}

#[cfg(test)]
mod tests;
