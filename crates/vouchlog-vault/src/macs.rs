//! Pseudonyms of the values that a group of records is found by, each computed once: most records of a gateway share most of their values.

use std::collections::HashMap;

use vouchlog_record::Facet;

use crate::keys::Tenant;
use crate::lists::Mac;

/// The pseudonyms of one value.
#[derive(Clone, Copy)]
pub(crate) struct OfValue {
    pub(crate) mac: Mac,
    /// The value as it was written has another one if it is not canonical.
    pub(crate) as_written: Option<Mac>,
}

/// What was computed so far.
#[derive(Default)]
pub(crate) struct Macs<'a>(HashMap<(i64, Facet, &'a str), OfValue>);

impl<'a> Macs<'a> {
    pub(crate) fn of(&mut self, tenant: &Tenant, facet: Facet, value: &'a str) -> OfValue {
        *self.0.entry((tenant.id, facet, value)).or_insert_with(|| {
            let is_canonical = facet.canonical(value) == value;
            let as_written = (!is_canonical).then(|| tenant.facet_as_written(facet, value));
            OfValue { mac: tenant.facet(facet, value), as_written }
        })
    }
}
