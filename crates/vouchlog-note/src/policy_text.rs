//! The text of a policy file (tlog-policy).

use std::collections::{HashMap, HashSet};

use crate::checkpoint::Origin;
use crate::key::{SignatureType, VerifyingKey};
use crate::limits::{MAX_POLICY_BYTES, MAX_POLICY_ITEMS};
use crate::policy::{Group, Member, Policy, PolicyLog, PolicyName, PolicyWitness};
use crate::policy_error::{PolicyError, PolicyLineError};
use crate::text::parse_decimal;

// policy  = lines of tokens parted by spaces and tabs; blank lines and lines opening with # are skipped
// log     = "log" <vkey> [<url>]
// witness = "witness" <name> <vkey> [<url>]
// group   = "group" <name> ( "all" | "any" | <k> ) <member> [<member> ...]
// quorum  = "quorum" ( <name> | "none" )

impl Policy {
    /// Reads a policy file of at most [`MAX_POLICY_BYTES`].
    pub fn parse(bytes: &[u8]) -> Result<Self, PolicyError> {
        if bytes.len() > MAX_POLICY_BYTES {
            return Err(PolicyError::TooLarge { bytes: bytes.len(), limit: MAX_POLICY_BYTES });
        }
        let body = match bytes {
            [] => return Err(PolicyError::NoQuorum),
            [body @ .., b'\n'] => body,
            _ => return Err(PolicyError::NoFinalNewline),
        };
        let mut parser = Parser::default();
        for (place, octets) in body.split(|&octet| octet == b'\n').enumerate() {
            let line = place + 1;
            // SPEC: tab, 0x20 to 0x7E, and 0x80 to 0xFF, which mean nothing here.
            let forbidden = |octet: &&u8| (**octet < 0x20 && **octet != b'\t') || **octet == 0x7f;
            if let Some(&octet) = octets.iter().find(forbidden) {
                return Err(PolicyError::Octet { line, octet });
            }
            parser.take(octets).map_err(|source| PolicyError::Line { line, source })?;
        }
        let quorum = parser.quorum.ok_or(PolicyError::NoQuorum)?;
        Ok(Self { logs: parser.logs, witnesses: parser.witnesses, groups: parser.groups, quorum })
    }
}

/// What the lines so far have defined.
#[derive(Default)]
struct Parser {
    logs: Vec<PolicyLog>,
    witnesses: Vec<PolicyWitness>,
    groups: Vec<Group>,
    quorum: Option<Option<Member>>,
    names: HashMap<PolicyName, Definition>,
    log_keys: HashSet<Vec<u8>>,
    witness_keys: HashSet<Vec<u8>>,
}

struct Definition {
    member: Member,
    in_group: bool,
}

impl Parser {
    fn take(&mut self, line: &[u8]) -> Result<(), PolicyLineError> {
        let is_blank = |octet: &u8| matches!(octet, b' ' | b'\t');
        let tokens: Vec<&[u8]> = line.split(is_blank).filter(|token| !token.is_empty()).collect();
        match tokens.as_slice() {
            [] => Ok(()),
            [first, ..] if first.starts_with(b"#") => Ok(()),
            [b"log", vkey] => self.log(vkey, None),
            [b"log", vkey, url] => self.log(vkey, Some(url)),
            [b"witness", name, vkey] => self.witness(name, vkey, None),
            [b"witness", name, vkey, url] => self.witness(name, vkey, Some(url)),
            [b"group", name, threshold, members @ ..] if !members.is_empty() => {
                self.group(name, threshold, members)
            }
            [b"quorum", name] => self.quorum(name),
            [keyword @ (b"log" | b"witness" | b"group" | b"quorum"), rest @ ..] => {
                Err(PolicyLineError::TokenCount { keyword: text_of(keyword), tokens: rest.len() })
            }
            [keyword, ..] => Err(PolicyLineError::Keyword { keyword: text_of(keyword) }),
        }
    }

    fn log(&mut self, vkey: &[u8], url: Option<&&[u8]>) -> Result<(), PolicyLineError> {
        let key = parse_vkey(vkey)?;
        let signature_type = key.signature_type();
        // SPEC: a log's key is of a type that signs checkpoints for the log; 0x04 only says when one was seen.
        if signature_type == SignatureType::CosignatureEd25519 {
            return Err(PolicyLineError::LogKeyType { signature_type });
        }
        let origin = Origin::new(key.name().as_str())?;
        if !self.log_keys.insert(key.public_key().to_vec()) {
            return Err(PolicyLineError::DuplicateLog { vkey: key.to_string() });
        }
        check_room(self.logs.len())?;
        self.logs.push(PolicyLog { key, origin, url: parse_url(url)? });
        Ok(())
    }

    fn witness(&mut self, name: &[u8], vkey: &[u8], url: Option<&&[u8]>) -> Result<(), PolicyLineError> {
        let key = parse_vkey(vkey)?;
        let signature_type = key.signature_type();
        // SPEC: a witness's key is of a cosignature type.
        if signature_type == SignatureType::Ed25519 {
            return Err(PolicyLineError::WitnessKeyType { signature_type });
        }
        // SPEC: one public key is one witness, under whatever names, or it would count twice.
        if !self.witness_keys.insert(key.public_key().to_vec()) {
            return Err(PolicyLineError::DuplicateWitness { vkey: key.to_string() });
        }
        check_room(self.witnesses.len())?;
        let name = self.define(name, Member::Witness(self.witnesses.len()))?;
        self.witnesses.push(PolicyWitness { name, key, url: parse_url(url)? });
        Ok(())
    }

    fn group(&mut self, name: &[u8], threshold: &[u8], members: &[&[u8]]) -> Result<(), PolicyLineError> {
        check_room(self.groups.len())?;
        let count = members.len();
        let threshold = match threshold {
            b"any" => 1,
            b"all" => count,
            digits => str::from_utf8(digits)
                .ok()
                .and_then(parse_decimal)
                .and_then(|k| usize::try_from(k).ok())
                .filter(|k| (1..=count).contains(k))
                .ok_or_else(|| PolicyLineError::Threshold { threshold: text_of(digits), members: count })?,
        };
        // Before the group's own name is defined: a group that lists itself refers to nothing.
        let members = members.iter().map(|member| self.group_member(member)).collect::<Result<_, _>>()?;
        self.define(name, Member::Group(self.groups.len()))?;
        self.groups.push(Group { threshold, members });
        Ok(())
    }

    fn group_member(&mut self, name: &[u8]) -> Result<Member, PolicyLineError> {
        let undefined = || PolicyLineError::Undefined { name: text_of(name) };
        let definition = self.names.get_mut(&PolicyName(name.into())).ok_or_else(undefined)?;
        // SPEC: a name is a member once in the whole file, so that a witness counts along one path only.
        if std::mem::replace(&mut definition.in_group, true) {
            return Err(PolicyLineError::MemberTwice { name: text_of(name) });
        }
        Ok(definition.member)
    }

    fn quorum(&mut self, name: &[u8]) -> Result<(), PolicyLineError> {
        if self.quorum.is_some() {
            return Err(PolicyLineError::SecondQuorum);
        }
        let defined = || self.names.get(&PolicyName(name.into())).map(|definition| definition.member);
        self.quorum = Some(match name {
            b"none" => None,
            _ => Some(defined().ok_or_else(|| PolicyLineError::Undefined { name: text_of(name) })?),
        });
        Ok(())
    }

    fn define(&mut self, name: &[u8], member: Member) -> Result<PolicyName, PolicyLineError> {
        // SPEC: `none` is predefined. The other keywords are legal names, but a reader would mistake them for keywords.
        if matches!(name, b"none" | b"any" | b"all" | b"log" | b"witness" | b"group" | b"quorum") {
            return Err(PolicyLineError::ReservedName { name: text_of(name) });
        }
        let name = PolicyName(name.into());
        if self.names.insert(name.clone(), Definition { member, in_group: false }).is_some() {
            return Err(PolicyLineError::NameTaken { name: name.to_string() });
        }
        Ok(name)
    }
}

fn check_room(items: usize) -> Result<(), PolicyLineError> {
    if items < MAX_POLICY_ITEMS { Ok(()) } else { Err(PolicyLineError::TooMany { limit: MAX_POLICY_ITEMS }) }
}

fn parse_vkey(token: &[u8]) -> Result<VerifyingKey, PolicyLineError> {
    let vkey = str::from_utf8(token).map_err(|_| PolicyLineError::NotUtf8)?;
    Ok(vkey.parse()?)
}

fn parse_url(token: Option<&&[u8]>) -> Result<Option<String>, PolicyLineError> {
    let url = token.map(|token| str::from_utf8(token).map(str::to_owned)).transpose();
    url.map_err(|_| PolicyLineError::NotUtf8)
}

fn text_of(token: &[u8]) -> String {
    String::from_utf8_lossy(token).into_owned()
}
