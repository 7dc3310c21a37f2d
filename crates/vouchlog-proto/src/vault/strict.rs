//! How a vault's server reads a request: as prost does it, and every field must be one that it knows.
//!
//! A reader of protobuf passes over unknown fields, so that old and new programs understand each other. Here that would widen what is asked
//! for: a newer client's filter that an older server passes over makes an erasure larger.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::LazyLock;

use bytes::{Buf as _, Bytes};
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use prost::{Message, Name};
use prost_types::field_descriptor_proto::Type;
use prost_types::{DescriptorProto, FileDescriptorSet};
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder};
use tonic_prost::ProstEncoder;

use super::v1::FILE_DESCRIPTOR_SET;
use crate::limits::MAX_VAULT_FIELDS;

/// The codec of a vault's server. A message with an unknown field, or with more fields than [`MAX_VAULT_FIELDS`], is `INVALID_ARGUMENT`
/// before anything of it is decoded.
#[derive(Debug)]
pub struct StrictCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for StrictCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for StrictCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Name + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = StrictDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::default()
    }

    fn decoder(&mut self) -> Self::Decoder {
        StrictDecoder(PhantomData)
    }
}

/// Decodes what a [`StrictCodec`] receives.
#[derive(Debug)]
pub struct StrictDecoder<U>(PhantomData<U>);

impl<U: Message + Name + Default> Decoder for StrictDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buf: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        read_strictly(buf.copy_to_bytes(buf.remaining())).map(Some)
    }
}

/// Reads a request.
///
/// # Errors
/// `INVALID_ARGUMENT`: a field is unknown, or there are too many. `INTERNAL`, as prost's own codec has it: the message is malformed.
pub fn read_strictly<U: Message + Name + Default>(message: Bytes) -> Result<U, Status> {
    if let Err(misfit) = check(&U::full_name(), &message) {
        return Err(Status::invalid_argument(misfit.to_string()));
    }
    U::decode(message).map_err(|error| Status::internal(error.to_string()))
}

/// Why a message is not decoded.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum Misfit {
    #[error("the server knows no field {number} of {message}: it may be older than its client")]
    UnknownField { message: String, number: u32 },
    #[error("the message has more than {MAX_VAULT_FIELDS} fields")]
    TooManyFields,
}

/// The fields of a message by their numbers, each with the message that it holds, if it holds one.
type Fields = HashMap<u32, Option<String>>;

/// Every message of the package by its full name.
static MESSAGES: LazyLock<HashMap<String, Fields>> = LazyLock::new(|| {
    let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).expect("descriptors are compiled in");
    let mut messages = HashMap::new();
    for file in &set.file {
        file.message_type.iter().for_each(|message| add(&mut messages, file.package(), message));
    }
    messages
});

/// Adds a message and those that are declared in it, such as the entries of a map.
fn add(messages: &mut HashMap<String, Fields>, scope: &str, message: &DescriptorProto) {
    let name = format!("{scope}.{}", message.name());
    message.nested_type.iter().for_each(|nested| add(messages, &name, nested));
    let field = |field: &prost_types::FieldDescriptorProto| {
        let inner =
            (field.r#type() == Type::Message).then(|| field.type_name().trim_start_matches('.').to_owned());
        Some((u32::try_from(field.number()).ok()?, inner))
    };
    messages.insert(name, message.field.iter().filter_map(field).collect());
}

/// Whether every field of a message is known, and there are few enough. What is malformed is left to the decoder.
fn check(name: &str, message: &[u8]) -> Result<(), Misfit> {
    let mut left = MAX_VAULT_FIELDS;
    check_fields(name, message, &mut left)
}

/// As deep as the messages of the package are: none holds itself.
fn check_fields(name: &str, mut message: &[u8], left: &mut usize) -> Result<(), Misfit> {
    let Some(fields) = MESSAGES.get(name) else { return Ok(()) };
    while !message.is_empty() {
        *left = left.checked_sub(1).ok_or(Misfit::TooManyFields)?;
        let Ok((number, wire_type)) = decode_key(&mut message) else { return Ok(()) };
        let Some(inner) = fields.get(&number) else {
            return Err(Misfit::UnknownField { message: name.to_owned(), number });
        };
        match (inner, wire_type) {
            (Some(inner), WireType::LengthDelimited) => {
                let length = decode_varint(&mut message).ok().and_then(|length| usize::try_from(length).ok());
                let Some((held, rest)) = length.and_then(|length| message.split_at_checked(length)) else {
                    return Ok(());
                };
                check_fields(inner, held, left)?;
                message = rest;
            }
            _ => {
                if skip_field(wire_type, number, &mut message, DecodeContext::default()).is_err() {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::encoding::encode_key;

    use super::*;
    use crate::vault::v1;

    fn find() -> v1::FindRecordsRequest {
        let facet = v1::FacetValue { facet: "session".to_owned(), value: "s".to_owned() };
        v1::FindRecordsRequest { tenant: Some("t".to_owned()), facets: vec![facet], ..Default::default() }
    }

    /// A field with this number and no text.
    fn field(number: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode_key(number, WireType::LengthDelimited, &mut bytes);
        bytes.push(0);
        bytes
    }

    fn checked<M: Message + Name>(bytes: &[u8]) -> Result<(), Misfit> {
        check(&M::full_name(), bytes)
    }

    #[test]
    fn fields_that_are_known_pass() {
        assert_eq!(checked::<v1::FindRecordsRequest>(&find().encode_to_vec()), Ok(()));
        let target = Some(v1::target::Target::Due(v1::Due {}));
        let erase = v1::EraseRequest { target: Some(v1::Target { target }), ..Default::default() };
        assert_eq!(checked::<v1::EraseRequest>(&erase.encode_to_vec()), Ok(()));
        assert_eq!(checked::<v1::ListRetentionRequest>(&[]), Ok(()));
    }

    #[test]
    fn an_unknown_field_is_found_at_every_depth() {
        let unknown = |message: &str, number| {
            Err(Misfit::UnknownField { message: format!("vouchlog.vault.v1.{message}"), number })
        };
        let mut bytes = find().encode_to_vec();
        bytes.extend(field(99));
        assert_eq!(checked::<v1::FindRecordsRequest>(&bytes), unknown("FindRecordsRequest", 99));
        assert_eq!(checked::<v1::ListRetentionRequest>(&field(1)), unknown("ListRetentionRequest", 1));
        // Field 2 of an erasure is its target: one with a field of a later version is no target for this server.
        let newer = [&field(2)[..1], &[3], &field(90)].concat();
        assert_eq!(checked::<v1::EraseRequest>(&newer), unknown("Target", 90));
    }

    #[test]
    fn fields_are_counted_at_every_depth() {
        let facet = v1::FacetValue { facet: "a".to_owned(), value: "b".to_owned() };
        let request =
            |facets| v1::FindRecordsRequest { facets: vec![facet.clone(); facets], ..Default::default() };
        let most = MAX_VAULT_FIELDS / 3;
        assert_eq!(checked::<v1::FindRecordsRequest>(&request(most).encode_to_vec()), Ok(()));
        let more = checked::<v1::FindRecordsRequest>(&request(most + 1).encode_to_vec());
        assert_eq!(more, Err(Misfit::TooManyFields));
    }

    #[test]
    fn no_message_holds_itself() {
        fn depth(name: &str, above: &mut Vec<String>) {
            assert!(!above.iter().any(|one| one == name), "{name} holds itself");
            above.push(name.to_owned());
            MESSAGES[name].values().flatten().for_each(|inner| depth(inner, above));
            above.pop();
        }
        MESSAGES.keys().for_each(|name| depth(name, &mut Vec::new()));
    }

    proptest! {
        /// What passes is read by prost without a loss: encoded again and read again it is the same.
        #[test]
        fn random_bytes_never_panic_and_lose_nothing(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let passes = checked::<v1::EraseRequest>(&bytes).is_ok();
            if let (true, Ok(read)) = (passes, v1::EraseRequest::decode(&bytes[..])) {
                prop_assert_eq!(v1::EraseRequest::decode(&read.encode_to_vec()[..]), Ok(read));
            }
        }
    }
}
