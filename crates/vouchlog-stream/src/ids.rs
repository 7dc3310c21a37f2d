//! The numbers an entry carries, each with the width it has on the wire.

use std::fmt;

use vouchlog_merkle::LeafIndex;

/// Declares an unsigned number that must fit a fixed count of bytes on the wire.
macro_rules! bounded_number {
    ($(#[$doc:meta])* $name:ident, $bytes:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(u64);

        impl $name {
            /// How many bytes the number takes in an entry, big-endian.
            pub const BYTES: usize = $bytes;
            /// The largest number that fits.
            pub const MAX: $name = $name((1 << (8 * $bytes)) - 1);

            /// The number, or `None` when it does not fit its field.
            pub const fn new(value: u64) -> Option<Self> {
                if value <= Self::MAX.0 { Some(Self(value)) } else { None }
            }

            /// The plain number.
            pub const fn get(self) -> u64 {
                self.0
            }

            /// The big-endian bytes of the field.
            pub(crate) fn field(self) -> [u8; $bytes] {
                let mut out = [0; $bytes];
                out.copy_from_slice(&self.0.to_be_bytes()[8 - $bytes..]);
                out
            }

            /// Reads the field back; every value of the field is a number.
            pub(crate) fn from_field(field: &[u8; $bytes]) -> Self {
                let mut wide = [0; 8];
                wide[8 - $bytes..].copy_from_slice(field);
                Self(u64::from_be_bytes(wide))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

bounded_number!(
    /// Names a stream: the leaf index of the entry that opened it. 40 bits.
    StreamId,
    5
);
bounded_number!(
    /// A statement's place in its stream, from 0, without gaps. 48 bits.
    SequenceNumber,
    6
);
bounded_number!(
    /// When the log took an entry: milliseconds since 1970-01-01 UTC, set by the log, never decreasing along it. 48 bits
    /// (to the year 10889).
    LoggedAt,
    6
);

impl StreamId {
    /// The stream opened by the entry at `index`, or `None` past 2^40 entries.
    pub const fn from_index(index: LeafIndex) -> Option<Self> {
        Self::new(index.get())
    }

    /// The index of the entry that opened the stream.
    pub const fn index(self) -> LeafIndex {
        LeafIndex::new(self.0)
    }
}

impl LoggedAt {
    /// The time, or `None` when it does not fit 48 bits.
    pub const fn from_millis(millis: u64) -> Option<Self> {
        Self::new(millis)
    }

    /// Milliseconds since 1970-01-01 UTC.
    pub const fn millis(self) -> u64 {
        self.0
    }
}
