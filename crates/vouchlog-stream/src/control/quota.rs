//! The operator's note that bounds what gateways may log in a day.
//!
//! ```text
//! vouchlog/v1 quota
//! log <log origin>
//! for all | gateway <name of the gateway's key>
//! issued <milliseconds>
//! statements <number> | unlimited | default
//! bytes <number> | unlimited | default
//! streams <number> | unlimited | default
//! signed by the operator
//! ```
//!
//! `default` is what the note `for all` says, and `unlimited` without one; in the note `for all` itself it does not stand. Of the notes
//! for one scope the one with the latest `issued` holds: notes are public, and an older one that is sent again must not come back.

use vouchlog_note::{KeyName, Origin, SigningKey, VerifyingKey};

use super::{Lines, TextError, decimal, open, sign};
use crate::LoggedAt;

/// Whom a quota is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QuotaScope {
    /// Every gateway that has none of its own, each for itself.
    All,
    /// The gateway whose keys have this name.
    Gateway(KeyName),
}

/// One limit of a quota, for a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Limit {
    /// What the quota for all gateways says.
    #[default]
    Default,
    /// Any number.
    Unlimited,
    /// At most so many.
    AtMost(u64),
}

/// What a gateway may log in a day, which begins at midnight UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DailyLimits {
    /// Statements.
    pub statements: Limit,
    /// Bytes of its entries, as they are in bundles: a statement has 56.
    pub bytes: Limit,
    /// Streams that are opened.
    pub streams: Limit,
}

/// The operator bounds what gateways may log in a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    /// The log it is for.
    pub log: Origin,
    /// Whom it is for.
    pub scope: QuotaScope,
    /// When the operator signed it.
    pub issued: LoggedAt,
    /// The limits.
    pub limits: DailyLimits,
}

impl Quota {
    const TITLE: &'static str = "vouchlog/v1 quota";

    /// The note, signed by the operator.
    pub fn sign(&self, operator: &SigningKey) -> Result<String, TextError> {
        let scope = match &self.scope {
            QuotaScope::All => "all".to_owned(),
            QuotaScope::Gateway(name) => format!("gateway {name}"),
        };
        let DailyLimits { statements, bytes, streams } = &self.limits;
        let text = format!(
            "{}\nlog {}\nfor {scope}\nissued {}\nstatements {}\nbytes {}\nstreams {}\n",
            Self::TITLE,
            self.log,
            self.issued,
            statements.to_word(),
            bytes.to_word(),
            streams.to_word()
        );
        sign(&text, operator)
    }

    /// Verifies the operator's signature and reads the note.
    pub fn open(note: &str, log: &Origin, operator: &VerifyingKey) -> Result<Self, TextError> {
        let text = open(note, operator)?;
        let mut lines = Lines::new(Self::TITLE, &text)?;
        lines.log(log)?;
        let scope = match lines.value("for")? {
            "all" => QuotaScope::All,
            value if value.starts_with("gateway ") => QuotaScope::Gateway(KeyName::new(&value[8..])?),
            _ => return Err(lines.malformed("`for` is `all` or `gateway` and a name")),
        };
        let issued = decimal(lines.value("issued")?)
            .and_then(LoggedAt::from_millis)
            .ok_or(lines.malformed("`issued` is not a time in milliseconds"))?;
        let mut limit = |word: &str| {
            let limit = Limit::from_word(lines.value(word)?);
            let fits = limit.filter(|limit| scope != QuotaScope::All || *limit != Limit::Default);
            fits.ok_or(lines.malformed("a limit is a number, `unlimited`, or for one gateway `default`"))
        };
        let limits = DailyLimits {
            statements: limit("statements")?,
            bytes: limit("bytes")?,
            streams: limit("streams")?,
        };
        lines.end()?;
        Ok(Self { log: log.clone(), scope, issued, limits })
    }
}

impl Limit {
    /// The number, if there is a bound; `default` is what stands for [`Limit::Default`].
    pub fn bound(self, default: Limit) -> Option<u64> {
        match (self, default) {
            (Self::AtMost(most), _) | (Self::Default, Self::AtMost(most)) => Some(most),
            _ => None,
        }
    }

    /// The limit in a word: `unlimited`, `default` or the number.
    pub fn to_word(self) -> String {
        match self {
            Self::Default => "default".to_owned(),
            Self::Unlimited => "unlimited".to_owned(),
            Self::AtMost(most) => most.to_string(),
        }
    }

    /// The limit of a [word](Self::to_word).
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "default" => Some(Self::Default),
            "unlimited" => Some(Self::Unlimited),
            number => decimal(number).map(Self::AtMost),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use vouchlog_note::SignatureType;

    use super::*;

    fn origin() -> Origin {
        Origin::new("log.example.com/a").unwrap()
    }

    fn operator() -> SigningKey {
        let name = KeyName::new("log.example.com/a/operator").unwrap();
        SigningKey::generate(name, SignatureType::Ed25519, [1; 32]).unwrap()
    }

    fn limits() -> impl Strategy<Value = DailyLimits> {
        let limit = || {
            prop_oneof![Just(Limit::Default), Just(Limit::Unlimited), any::<u64>().prop_map(Limit::AtMost)]
        };
        (limit(), limit(), limit()).prop_map(|(statements, bytes, streams)| DailyLimits {
            statements,
            bytes,
            streams,
        })
    }

    proptest! {
        #[test]
        fn what_is_signed_is_read(limits in limits(), issued in 0..1_u64 << 48, name in "[a-z./]{1,20}") {
            let issued = LoggedAt::from_millis(issued).unwrap();
            let scope = QuotaScope::Gateway(KeyName::new(&name).unwrap());
            let quota = Quota { log: origin(), scope, issued, limits };
            let note = quota.sign(&operator()).unwrap();
            prop_assert_eq!(Quota::open(&note, &origin(), operator().verifying_key()), Ok(quota.clone()));
            let all = Quota { scope: QuotaScope::All, ..quota };
            let read = Quota::open(&all.sign(&operator()).unwrap(), &origin(), operator().verifying_key());
            let has_default = [limits.statements, limits.bytes, limits.streams].contains(&Limit::Default);
            prop_assert_eq!(read.is_ok(), !has_default);
        }

        #[test]
        fn any_text_is_taken(text in "(vouchlog/v1 quota\n)?(log log.example.com/a\n)?(for (all|gateway [a-z ]{0,5})\n)?(issued [0-9]{0,20}\n)?.{0,60}\n") {
            let note = sign(&text, &operator());
            let _ = note.map(|note| Quota::open(&note, &origin(), operator().verifying_key()));
        }
    }

    #[test]
    fn only_the_operator_of_this_log_sets_a_quota() {
        let quota = Quota {
            log: origin(),
            scope: QuotaScope::All,
            issued: LoggedAt::from_millis(7).unwrap(),
            limits: DailyLimits {
                statements: Limit::AtMost(1_000),
                bytes: Limit::Unlimited,
                streams: Limit::AtMost(8),
            },
        };
        let note = quota.sign(&operator()).unwrap();
        assert!(note.starts_with(
            "vouchlog/v1 quota\nlog log.example.com/a\nfor all\nissued 7\nstatements 1000\nbytes unlimited\nstreams 8\n\n"
        ));
        let other =
            SigningKey::generate(operator().verifying_key().name().clone(), SignatureType::Ed25519, [2; 32])
                .unwrap();
        assert!(Quota::open(&note, &origin(), other.verifying_key()).is_err());
        let elsewhere = Origin::new("log.example.com/b").unwrap();
        let error = Quota::open(&note, &elsewhere, operator().verifying_key()).unwrap_err();
        assert_eq!(error, TextError::OtherLog("log.example.com/a".into()));
        for (old, new) in [
            ("for all", "for  all"),
            ("for all", "for gateway"),
            ("for all", "for gateway a b"),
            ("statements 1000", "statements 01000"),
            ("statements 1000", "statements -1"),
            ("streams 8\n", "streams 8\nmore 1\n"),
            ("streams 8\n", ""),
        ] {
            let text = note.split("\n\n").next().unwrap().to_owned() + "\n";
            let changed = sign(&text.replace(old, new), &operator()).unwrap();
            assert!(Quota::open(&changed, &origin(), operator().verifying_key()).is_err(), "{new}");
        }
    }
}
