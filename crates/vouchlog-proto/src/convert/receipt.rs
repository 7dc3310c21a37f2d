//! Range receipts, which every append is answered with.

use vouchlog_api::RangeReceipt;
use vouchlog_merkle::{LeafIndex, RangeProof};

use super::{ConvertError, hash_messages, hashes_from_messages, logged_at, sequence, stream_id};
use crate::v1;

impl From<RangeReceipt> for v1::RangeReceipt {
    fn from(receipt: RangeReceipt) -> Self {
        Self {
            stream: receipt.stream.get(),
            sequence: receipt.sequence.get(),
            first_index: receipt.first.get(),
            count: receipt.count,
            logged_at: receipt.logged_at.millis(),
            left: hash_messages(receipt.proof.left()),
            right: hash_messages(receipt.proof.right()),
            checkpoint: receipt.checkpoint,
        }
    }
}

impl TryFrom<v1::RangeReceipt> for RangeReceipt {
    type Error = ConvertError;

    fn try_from(message: v1::RangeReceipt) -> Result<Self, ConvertError> {
        let left = hashes_from_messages("left", &message.left, RangeProof::MAX_LEN)?;
        let right = hashes_from_messages("right", &message.right, RangeProof::MAX_LEN)?;
        Ok(Self {
            stream: stream_id("receipt.stream", message.stream)?,
            sequence: sequence("receipt.sequence", message.sequence)?,
            first: LeafIndex::new(message.first_index),
            count: message.count,
            logged_at: logged_at(message.logged_at)?,
            proof: RangeProof::from_parts(left, right)?,
            checkpoint: message.checkpoint,
        })
    }
}
