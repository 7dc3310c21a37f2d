//! How messages become bytes and back: as prost does it, within a bound on what a message of few bytes takes in memory.

use std::marker::PhantomData;

use bytes::Buf as _;
use prost::Message;
use prost::encoding::{DecodeContext, decode_key, skip_field};
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder};
use tonic_prost::ProstEncoder;

use crate::limits::MAX_FIELDS;

/// The codec of the services in [`v1`](crate::v1): a message with more than [`MAX_FIELDS`] fields is `INVALID_ARGUMENT`, before any of
/// them is decoded. The smallest statement has 2 bytes, and 48 in memory.
#[derive(Debug)]
pub struct BoundedCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for BoundedCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for BoundedCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = BoundedDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::default()
    }

    fn decoder(&mut self) -> Self::Decoder {
        BoundedDecoder(PhantomData)
    }
}

/// Decodes what a [`BoundedCodec`] receives.
#[derive(Debug)]
pub struct BoundedDecoder<U>(PhantomData<U>);

impl<U: Message + Default> Decoder for BoundedDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buf: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        let message = buf.copy_to_bytes(buf.remaining());
        if has_more_fields(&message, MAX_FIELDS) {
            return Err(Status::invalid_argument(format!("the message has more than {MAX_FIELDS} fields")));
        }
        // As prost's own codec has it.
        U::decode(message).map(Some).map_err(|error| Status::internal(error.to_string()))
    }
}

/// Whether a message has more fields than that, each element of a list counted. Of what is malformed decoding finds out more.
fn has_more_fields(mut message: &[u8], most: usize) -> bool {
    for _ in 0..most {
        if message.is_empty() {
            return false;
        }
        let Ok((tag, wire_type)) = decode_key(&mut message) else { return false };
        if skip_field(wire_type, tag, &mut message, DecodeContext::default()).is_err() {
            return false;
        }
    }
    !message.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1;

    #[test]
    fn each_element_of_a_list_is_a_field() {
        let request = |count| v1::AppendRequest {
            statements: vec![v1::Statement::default(); count],
            ..Default::default()
        };
        for (count, most, exceeds) in [(0, 0, false), (3, 3, false), (4, 3, true), (100, 3, true)] {
            assert_eq!(has_more_fields(&request(count).encode_to_vec(), most), exceeds, "{count} of {most}");
        }
    }

    #[test]
    fn malformed_messages_are_left_to_the_decoder() {
        for malformed in [&[0xff_u8][..], &[0x0a, 0x05, 0x00], &[0x07; 40], &[0x0b; 40]] {
            assert!(!has_more_fields(malformed, 30), "{malformed:?}");
        }
    }

    #[test]
    fn the_largest_request_there_is_passes() {
        let statement = v1::Statement { kind: u32::MAX, evidence: u32::MAX, digest: vec![7; 32].into() };
        let request = v1::AppendRequest {
            statements: vec![statement; vouchlog_api::limits::MAX_STATEMENTS],
            ..Default::default()
        };
        assert!(!has_more_fields(&request.encode_to_vec(), MAX_FIELDS));
    }
}
