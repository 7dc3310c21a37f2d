//! Compression with zstd and a dictionary of what records and statements have in common: names of fields, values that most have. It was
//! trained on synthetic records, is part of the program, and never changes: another one gets another file and another number.
//!
//! Each record is compressed by itself, before it is sealed. A frame names the dictionary that it takes; frames of earlier versions name
//! none.

use std::cell::RefCell;
use std::io::{self, Read};
use std::sync::LazyLock;

use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};
use zstd::zstd_safe::{get_dict_id_from_frame, get_frame_content_size};

/// Level of compression: the quickest. With a dictionary more effort finds little else in a few kilobytes.
const LEVEL: i32 = 1;
/// `examples/dictionary.rs` makes it.
const DICTIONARY: &[u8] = include_bytes!("../dictionaries/32769.zdict");

static TO_COMPRESS: LazyLock<EncoderDictionary<'static>> =
    LazyLock::new(|| EncoderDictionary::copy(DICTIONARY, LEVEL));
static TO_DECOMPRESS: LazyLock<DecoderDictionary<'static>> =
    LazyLock::new(|| DecoderDictionary::copy(DICTIONARY));

thread_local! {
    /// Its tables are too much to ask for with each record.
    static COMPRESSOR: RefCell<Compressor<'static>> =
        RefCell::new(Compressor::with_prepared_dictionary(&TO_COMPRESS).expect("it is a dictionary"));
    static DECOMPRESSOR: RefCell<Decompressor<'static>> =
        RefCell::new(Decompressor::with_prepared_dictionary(&TO_DECOMPRESS).expect("it is a dictionary"));
}

/// Compresses.
pub(crate) fn compress(bytes: &[u8]) -> io::Result<Vec<u8>> {
    COMPRESSOR.with_borrow_mut(|compressor| compressor.compress(bytes))
}

/// Decompresses what is no longer than `most`; of what is longer, one byte more than that.
pub(crate) fn decompress(bytes: &[u8], most: usize) -> io::Result<Vec<u8>> {
    let has_dictionary = get_dict_id_from_frame(bytes).is_some();
    let length = get_frame_content_size(bytes).ok().flatten().and_then(|length| usize::try_from(length).ok());
    // A frame of ours states its length: the buffers of a stream would take longer to make than it takes to read.
    if let Some(length) = length.filter(|length| has_dictionary && *length <= most) {
        return DECOMPRESSOR.with_borrow_mut(|decompressor| decompressor.decompress(bytes, length));
    }
    let mut out = Vec::new();
    let most = most as u64 + 1;
    if has_dictionary {
        let decoder = zstd::Decoder::with_prepared_dictionary(bytes, &TO_DECOMPRESS)?;
        decoder.take(most).read_to_end(&mut out)?;
    } else {
        zstd::Decoder::with_buffer(bytes)?.take(most).read_to_end(&mut out)?;
    }
    Ok(out)
}
