//! A collector in this process: telemetry and gateways' own callbacks in, records out, to a vault and its log.
//!
//! [`Collector::open`] opens its journal, [`routes`] makes the endpoints that telemetry is sent to, and
//! [`Collector::record_to`] names the recorder of a [`Custodian`](crate::custody::Custodian) as its [`Destination`].

pub use vouchlog_collector::receiver::{ReceiverConfig, Routes, routes};
pub use vouchlog_collector::{
    Acceptance, Collector, CollectorConfig, Destination, Forward, ForwardError, ForwardLimits, ForwardTarget,
    IntentReceipt, Mode, OpenError, Reach, ReachError, Rejection, Sender, Settings,
};
