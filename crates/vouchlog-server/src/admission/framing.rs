//! Where the messages of an RPC begin and end in its bytes.
//!
//! SPEC: gRPC over HTTP/2 (PROTOCOL-HTTP2): a message is a byte that says whether it is zipped, its length in four bytes, itself.

const HEAD: usize = 5;

/// Follows the messages of a call.
#[derive(Debug, Default)]
pub(crate) struct Framing {
    head: [u8; HEAD],
    /// Bytes of the head that have come.
    headed: usize,
    /// Bytes of the message that have come, and that it has.
    come: usize,
    length: usize,
}

impl Framing {
    /// Takes the next bytes. Whether they complete a message.
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) -> bool {
        let mut has_completed = false;
        while !bytes.is_empty() {
            if self.headed < HEAD {
                let taken = bytes.len().min(HEAD - self.headed);
                self.head[self.headed..self.headed + taken].copy_from_slice(&bytes[..taken]);
                self.headed += taken;
                bytes = &bytes[taken..];
                let [_, length @ ..] = self.head;
                self.length = u32::from_be_bytes(length) as usize;
            }
            if self.headed == HEAD {
                let taken = bytes.len().min(self.length - self.come);
                self.come += taken;
                bytes = &bytes[taken..];
                if self.come == self.length {
                    *self = Self::default();
                    has_completed = true;
                }
            }
        }
        has_completed
    }

    /// Bytes of the message that is incomplete.
    pub(crate) fn incomplete(&self) -> usize {
        self.headed + self.come
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bytes_may_come_in_any_pieces(
            messages in prop::collection::vec(0..600_usize, 0..8),
            rest in 0..300_usize,
            piece in 1..400_usize,
        ) {
            let mut bytes = Vec::new();
            for length in &messages {
                bytes.push(0);
                bytes.extend(u32::try_from(*length).unwrap().to_be_bytes());
                bytes.resize(bytes.len() + length, 7);
            }
            let whole = bytes.len();
            bytes.extend([0, 0, 0, 255, 255]);
            bytes.resize(whole + 5 + rest, 7);
            let mut framing = Framing::default();
            for piece in bytes.chunks(piece) {
                framing.feed(piece);
            }
            prop_assert_eq!(framing.incomplete(), 5 + rest);
        }

        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
            let mut framing = Framing::default();
            for piece in bytes.chunks(7) {
                framing.feed(piece);
                prop_assert!(framing.incomplete() <= bytes.len());
            }
        }
    }
}
