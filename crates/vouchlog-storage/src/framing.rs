//! Entries as they stand in bundles and commit records: each behind its 16-bit big-endian length (C2SP tlog-tiles).

use bytes::Bytes;

/// Framed entries without the first `count`; `None` when there are not so many.
pub fn skip(entries: &Bytes, count: u64) -> Option<Bytes> {
    let mut at = 0;
    for _ in 0..count {
        at += frame(&entries[at..])?;
    }
    Some(entries.slice(at..))
}

/// The first `count` framed entries; `None` when there are not so many.
pub fn take(entries: &Bytes, count: u64) -> Option<Bytes> {
    let rest = skip(entries, count)?;
    Some(entries.slice(..entries.len() - rest.len()))
}

/// Where each framed entry begins, its length included; `None` when the framing is broken.
pub fn starts(entries: &[u8]) -> Option<Vec<u32>> {
    let (mut at, mut starts) = (0, Vec::new());
    while at < entries.len() {
        starts.push(u32::try_from(at).ok()?);
        at += frame(&entries[at..])?;
    }
    Some(starts)
}

/// How many entries are framed; `None` when the framing is broken.
pub fn count(entries: &[u8]) -> Option<u64> {
    let (mut at, mut count) = (0, 0);
    while at < entries.len() {
        at += frame(&entries[at..])?;
        count += 1;
    }
    Some(count)
}

/// Cuts framed entries into pieces of whole entries, each of at most `limit` bytes unless one entry alone is longer; with
/// every piece comes its number of entries. `None` when the framing is broken.
pub fn cut(entries: &Bytes, limit: usize) -> Option<Vec<(u64, Bytes)>> {
    let mut pieces = Vec::new();
    let (mut start, mut at, mut count) = (0, 0, 0);
    while at < entries.len() {
        let length = frame(&entries[at..])?;
        if count > 0 && at + length - start > limit {
            pieces.push((count, entries.slice(start..at)));
            (start, count) = (at, 0);
        }
        at += length;
        count += 1;
    }
    if count > 0 {
        pieces.push((count, entries.slice(start..)));
    }
    Some(pieces)
}

/// Bytes of the first framed entry, its length included.
fn frame(entries: &[u8]) -> Option<usize> {
    let (length, rest) = entries.split_first_chunk::<2>()?;
    let length = usize::from(u16::from_be_bytes(*length));
    (length <= rest.len()).then_some(2 + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_whole_entries_and_lose_nothing() {
        let framed = Bytes::from_static(b"\0\x03one\0\0\0\x05three\0\x01x");
        assert_eq!(skip(&framed, 0).unwrap(), framed);
        assert_eq!(skip(&framed, 2).unwrap(), Bytes::from_static(b"\0\x05three\0\x01x"));
        assert_eq!(skip(&framed, 4).unwrap(), Bytes::new());
        assert_eq!(skip(&framed, 5), None);
        assert_eq!(take(&framed, 2).unwrap(), Bytes::from_static(b"\0\x03one\0\0"));
        assert_eq!(take(&framed, 4).unwrap(), framed);
        assert_eq!(take(&framed, 5), None);
        assert_eq!(starts(&framed), Some(vec![0, 5, 7, 14]));
        assert_eq!(starts(&framed[..6]), None);
        for limit in 1..20 {
            let pieces = cut(&framed, limit).unwrap();
            assert_eq!(pieces.iter().map(|(count, _)| count).sum::<u64>(), 4);
            assert_eq!(
                pieces.iter().flat_map(|(_, piece)| piece.to_vec()).collect::<Vec<_>>(),
                framed.to_vec()
            );
        }
        assert_eq!(cut(&framed, 7).unwrap().len(), 3);
        assert_eq!(count(&framed), Some(4));
        assert_eq!(count(b""), Some(0));
        assert_eq!(count(b"\0"), None);
        assert_eq!(count(b"\0\x02x"), None);
        assert_eq!(cut(&Bytes::from_static(b"\0\x09short"), 100), None);
    }
}
