//! Gateways in a batch: enrolled, rotated, replaced, revoked. A name belongs to one key; only that key's own signature or a
//! replacement that names its reason gives it to another.

use std::collections::HashMap;

use vouchlog_api::{Error, ErrorKind, Result};
use vouchlog_merkle::LeafIndex;
use vouchlog_note::{KeyName, VerifyingKey};
use vouchlog_stream::{Enrolment, Entry, GatewayState, Replaces, Revocation, Revoked};

use super::Draft;
use crate::limits::MAX_GATEWAYS;
use crate::queue::Done;

impl Draft<'_> {
    /// Enrols a key; one that is enrolled already stays so. A second key of a name takes the place of the first, or is refused.
    pub(crate) fn enrol(&mut self, note: String, enrolment: &Enrolment) -> Result<Done> {
        if let Some(gateway) = self.gateway(&enrolment.gateway) {
            return self.enrolled_before(gateway, enrolment);
        }
        let key = enrolment.gateway.clone();
        let old = self.check_new_gateway(enrolment)?;
        let index = self.push(&Entry::GatewayEnrolled { logged_at: self.now, note });
        if let Some(mut old) = old {
            old.replace(enrolment, index, self.now);
            self.gateways.insert(old.key.clone(), old);
        }
        self.enrolled.insert(key.name().clone());
        self.gateways.insert(key.clone(), GatewayState::enrolled(key, index));
        Ok(Done::Enrolled(index))
    }

    /// Whether a key that is not enrolled may be; and the key whose place it takes, if it does.
    pub(crate) fn check_new_gateway(&self, enrolment: &Enrolment) -> Result<Option<GatewayState>> {
        self.check_not_retired()?;
        let name = enrolment.gateway.name();
        KeyName::for_new_key(name.as_str())
            .map_err(|error| Error::invalid(format!("the key cannot be enrolled: {error}")))?;
        let old = match &enrolment.replaces {
            None => self.check_name_is_free(name).map(|()| None)?,
            Some(replaces) => Some(self.check_replaceable(replaces, enrolment)?.clone()),
        };
        if self.committed.gateways.len() + self.gateways.len() >= MAX_GATEWAYS {
            let message = format!("the log has {MAX_GATEWAYS} gateways, which is the limit");
            return Err(Error::new(ErrorKind::FailedPrecondition, message));
        }
        Ok(old)
    }

    /// The answer to an enrolment of a key that the log has: the same one again is answered as before.
    fn enrolled_before(&self, gateway: &GatewayState, enrolment: &Enrolment) -> Result<Done> {
        if let Some(revoked) = &gateway.revoked {
            return Err(revoked_key(gateway, revoked));
        }
        if let Some(by) = gateway.replaced {
            return Err(replaced_key(gateway, by));
        }
        let known = Ok(Done::Enrolled(gateway.enrolled));
        let Some(replaces) = &enrolment.replaces else { return known };
        let old = self.gateway(&replaces.key).filter(|old| old.replaced == Some(gateway.enrolled));
        // Who replaces a key without its consent wants it revoked, which a rotation did not do.
        match old {
            Some(old) if enrolment.is_rotation() || old.revoked.is_some() => known,
            _ => Err(Error::new(
                ErrorKind::FailedPrecondition,
                format!(
                    "the key {} is enrolled already, by entry {}: if the old key must not be trusted, revoke it",
                    described(&gateway.key),
                    gateway.enrolled
                ),
            )),
        }
    }

    /// Revokes a gateway; one that is revoked from the same time on, or an earlier one, stays so.
    pub(crate) fn revoke(&mut self, note: String, revocation: &Revocation) -> Result<Done> {
        let Some(gateway) = self.gateway(&revocation.gateway) else {
            return Err(Error::not_found(format!("the gateway `{}` is not enrolled", revocation.gateway)));
        };
        if let Some(revoked) = gateway.revoked_at(revocation.effective) {
            return Ok(Done::Revoked(revoked.index));
        }
        self.check_not_retired()?;
        let mut gateway = gateway.clone();
        let index = self.push(&Entry::GatewayRevoked { logged_at: self.now, note });
        let (effective, reason) = (revocation.effective, revocation.reason.clone());
        gateway.withdraw(Revoked { index, effective, reason });
        self.gateways.insert(gateway.key.clone(), gateway);
        Ok(Done::Revoked(index))
    }

    pub(super) fn gateway(&self, key: &VerifyingKey) -> Option<&GatewayState> {
        self.gateways.get(key).or_else(|| self.committed.gateways.get(key).map(std::sync::Arc::as_ref))
    }

    /// The gateway is enrolled and its key not revoked.
    pub(super) fn check_gateway(&self, key: &VerifyingKey) -> Result<()> {
        let Some(gateway) = self.gateway(key) else { return Err(unknown_gateway(key)) };
        match gateway.revoked_at(self.now) {
            None => Ok(()),
            Some(revoked) => Err(revoked_key(gateway, revoked)),
        }
    }

    /// The same, and no other key has taken its place: a stream that is open goes on after a rotation, but no new one is opened.
    pub(super) fn check_opens(&self, key: &VerifyingKey) -> Result<()> {
        self.check_gateway(key)?;
        match self.gateway(key).and_then(|gateway| Some((gateway, gateway.replaced?))) {
            None => Ok(()),
            Some((gateway, by)) => Err(replaced_key(gateway, by)),
        }
    }

    fn check_name_is_free(&self, name: &KeyName) -> Result<()> {
        let committed = self.committed.holders(name).iter().filter_map(|key| self.gateway(key));
        // Looked through only for a name that is there: a batch may enrol thousands.
        let drafted = Some(&self.gateways).filter(|_| self.enrolled.contains(name)).into_iter();
        let drafted = drafted.flat_map(HashMap::values).filter(|gateway| gateway.key.name() == name);
        let holder = committed.chain(drafted).find(|gateway| gateway.replaced.is_none());
        let Some(holder) = holder else { return Ok(()) };
        Err(Error::new(
            ErrorKind::FailedPrecondition,
            format!(
                "the name `{name}` belongs to the key {}, enrolled by entry {}: rotate that key with its own signature, or have the \
                 operator replace it and name the reason",
                holder.key.id(),
                holder.enrolled
            ),
        ))
    }

    /// The old key of a rotation or replacement, if it may be replaced.
    fn check_replaceable(&self, replaces: &Replaces, enrolment: &Enrolment) -> Result<&GatewayState> {
        let Some(old) = self.gateway(&replaces.key) else { return Err(unknown_gateway(&replaces.key)) };
        if let Some(by) = old.replaced {
            return Err(replaced_key(old, by));
        }
        // A thief must not hand the name on; the operator may still replace the key.
        match old.revoked.as_ref().filter(|_| enrolment.is_rotation()) {
            None => Ok(old),
            Some(revoked) => Err(revoked_key(old, revoked)),
        }
    }
}

/// A key for people: its name and id.
fn described(key: &VerifyingKey) -> String {
    format!("{} of `{}`", key.id(), key.name())
}

fn unknown_gateway(key: &VerifyingKey) -> Error {
    Error::new(
        ErrorKind::PermissionDenied,
        format!(
            "the gateway `{}` is not enrolled with this key; the log's operator must enrol it first: {key}",
            key.name()
        ),
    )
}

fn revoked_key(gateway: &GatewayState, revoked: &Revoked) -> Error {
    Error::new(
        ErrorKind::PermissionDenied,
        format!(
            "the key {} was revoked at index {} ({})",
            described(&gateway.key),
            revoked.index,
            revoked.reason
        ),
    )
}

fn replaced_key(gateway: &GatewayState, by: LeafIndex) -> Error {
    Error::new(
        ErrorKind::PermissionDenied,
        format!(
            "the key {} was replaced by the one that entry {by} enrols: it opens no streams any more",
            described(&gateway.key)
        ),
    )
}
