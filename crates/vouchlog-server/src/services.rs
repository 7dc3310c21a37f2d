//! The gRPC services that may be served here, as their protocols describe them.

use vouchlog_proto::v1::FILE_DESCRIPTOR_SET;

/// For reflection, and for the names of metrics.
pub(crate) const DESCRIPTORS: [&[u8]; 5] = [
    FILE_DESCRIPTOR_SET,
    tonic_health::pb::FILE_DESCRIPTOR_SET,
    // The details of errors: `google.rpc.ErrorInfo` and its like.
    tonic_types::pb::FILE_DESCRIPTOR_SET,
    tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
    tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
];

/// The gRPC services that a server names: for health and reflection.
#[derive(Clone, Default)]
pub(crate) struct Described {
    /// Their full names.
    pub(crate) names: Vec<&'static str>,
    /// Encoded descriptor sets of those that a program brings.
    pub(crate) descriptors: Vec<&'static [u8]>,
}

impl Described {
    /// Services of this crate.
    pub(crate) fn own(names: &[&'static str]) -> Self {
        Self { names: names.to_vec(), descriptors: Vec::new() }
    }
}
