//! What the log holds in memory, listed for people.

use std::collections::HashMap;
use std::ops::Bound;

use vouchlog_api::limits::{MAX_LISTED_GATEWAYS, MAX_LISTED_STREAMS, MAX_LISTED_STREAMS_OF_ONE};
use vouchlog_api::{
    GatewayList, GatewayOverview, ListPlace, Overview, QuotaOverview, StreamOverview, WitnessOverview,
};
use vouchlog_merkle::LeafIndex;
use vouchlog_storage::Store;
use vouchlog_stream::{Counted, Day, GatewayState, StreamId};

use super::Engine;
use crate::state::Directory;

impl<S: Store> Overview for Engine<S> {
    fn gateways(&self, place: ListPlace) -> GatewayList {
        let today = Day::of(self.inner.shared.time.now());
        self.inner.shared.directory.read().list(place, today)
    }

    fn witnesses(&self) -> Vec<WitnessOverview> {
        // What is wrong with a witness may name its address: that is for operators.
        let states = self.witnesses().into_iter();
        states
            .map(|state| WitnessOverview { name: state.name, size: state.size, timestamp: state.timestamp })
            .collect()
    }
}

impl Directory {
    /// Gateways and their streams, without a look at those that are not listed.
    fn list(&self, place: ListPlace, today: Day) -> GatewayList {
        let mut enrolled = self.enrolled.range(place.enrolled..);
        let count = if place.older_than.is_some() { 1 } else { MAX_LISTED_GATEWAYS };
        let known = enrolled.by_ref().take(count).filter_map(|(_, key)| self.gateways.get(key));
        let gateways = known
            .filter(|gateway| place.older_than.is_none() || gateway.enrolled == place.enrolled)
            .map(|gateway| self.overview(gateway, place.older_than, today))
            .collect();
        let after = |(index, _): (&LeafIndex, _)| ListPlace { enrolled: *index, older_than: None };
        GatewayList { gateways, next: enrolled.next().map(after), has_evicted: self.evicted_below > 0 }
    }

    fn overview(&self, gateway: &GatewayState, older_than: Option<StreamId>, today: Day) -> GatewayOverview {
        let most = if older_than.is_some() { MAX_LISTED_STREAMS_OF_ONE } else { MAX_LISTED_STREAMS };
        let end = older_than.map_or(Bound::Unbounded, Bound::Excluded);
        let streams = self.by_gateway.get(&gateway.key).into_iter();
        let mut older = streams.flat_map(|streams| streams.range((Bound::Unbounded, end)).rev());
        let listed = older.by_ref().take(most).filter_map(|id| self.streams.get(id));
        let streams: Vec<StreamOverview> = listed
            .map(|stream| StreamOverview {
                stream: stream.id(),
                size: stream.size(),
                status: stream.status(),
                has_fork: stream.fork().is_some(),
            })
            .collect();
        let last = streams.last().map(|last| last.stream).filter(|_| older.next().is_some());
        let name = gateway.key.name();
        let (bounds, used) = (self.quotas.bounds(name, &HashMap::new()), self.quotas.used(name, today));
        let quota =
            |counted| Some(QuotaOverview { counted, used: used.of(counted), most: bounds.of(counted)? });
        GatewayOverview {
            name: name.to_string(),
            key_id: gateway.key.id().to_string(),
            enrolled: gateway.enrolled,
            revoked: gateway.revoked.as_ref().map(|revoked| revoked.index),
            replaced: gateway.replaced,
            quotas: Counted::ALL.into_iter().filter_map(quota).collect(),
            streams,
            older: last.map(|last| ListPlace { enrolled: gateway.enrolled, older_than: Some(last) }),
        }
    }
}
