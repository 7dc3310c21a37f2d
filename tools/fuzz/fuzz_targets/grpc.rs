//! Messages of the gRPC interface: decoding and converting is total, and a converted message converts back to the same
//! value.

#![no_main]

use std::fmt::Debug;

use libfuzzer_sys::fuzz_target;
use prost::Message;
use vouchlog_api::{Append, Appended, HouseAppend, HouseAppended, Opened, RangeReceipt, StreamInfo};
use vouchlog_merkle::{ConsistencyProof, InclusionProof};
use vouchlog_note::{AddCheckpoint, SignSubtree};
use vouchlog_proto::{ConvertError, EntryName, v1};

/// Decodes `M`, converts it to `T`, and there and back again.
fn check<M, T>(bytes: &[u8], read: impl Fn(M) -> Result<T, ConvertError>, write: impl Fn(&T) -> M)
where
    M: Message + Default,
    T: PartialEq + Debug,
{
    let Ok(message) = M::decode(bytes) else { return };
    let Ok(value) = read(message) else { return };
    let again = M::decode(write(&value).encode_to_vec().as_slice()).expect("a message of ours decodes");
    assert_eq!(read(again).as_ref(), Ok(&value));
}

fuzz_target!(|input: &[u8]| {
    let Some((&which, bytes)) = input.split_first() else { return };
    match which % 12 {
        0 => check(bytes, Append::try_from, |append| v1::AppendRequest::from(append)),
        1 => check(bytes, HouseAppend::try_from, |append| v1::AppendHouseRequest::from(append)),
        2 => check(bytes, Appended::try_from, |appended| v1::AppendResponse::from(appended.clone())),
        3 => check(bytes, Opened::try_from, |opened| v1::OpenStreamResponse::from(opened.clone())),
        4 => check(bytes, StreamInfo::try_from, |info| v1::GetStreamResponse::from(info.clone())),
        5 => check(bytes, RangeReceipt::try_from, |receipt| v1::RangeReceipt::from(receipt.clone())),
        6 => check(bytes, |message: v1::EntryRef| EntryName::try_from(Some(message)), |name| (*name).into()),
        7 => {
            let _ = v1::GetInclusionProofResponse::decode(bytes)
                .map(|message| InclusionProof::try_from(&message));
        }
        8 => {
            check(bytes, HouseAppended::try_from, |appended| v1::AppendHouseResponse::from(appended.clone()))
        }
        // What a witness is asked over gRPC can be written as what it is asked over HTTP, and read again.
        9 => check(
            bytes,
            |message: v1::AddCheckpointRequest| {
                AddCheckpoint::try_from(message).map(|request| request.to_text())
            },
            |text| (&AddCheckpoint::parse(text.as_bytes()).expect("it was put together")).into(),
        ),
        10 => check(
            bytes,
            |message: v1::SignSubtreeRequest| {
                SignSubtree::try_from(message).map(|request| request.to_string())
            },
            |text| (&SignSubtree::parse(text.as_bytes()).expect("it was put together")).into(),
        ),
        _ => {
            let _ = v1::GetConsistencyProofResponse::decode(bytes)
                .map(|message| ConsistencyProof::try_from(&message));
        }
    }
});
