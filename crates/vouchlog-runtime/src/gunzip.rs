//! Unzipping of foreign bytes (RFC 1952) in steps of bounded work.
//!
//! A few bytes of gzip can keep a decoder busy without producing any output: empty members, empty blocks. A decoder that returns
//! only when it has output would hold its thread for seconds. This one also returns when it has read enough.

use std::io::{self, BufRead, ErrorKind, Read};

use flate2::bufread::GzDecoder;

/// Members of one body. Compressors that split their input (bgzip: 64 KiB each) need 256 for 16 MiB.
pub const MAX_MEMBERS: usize = 1_024;

/// Most compressed bytes that one step reads. The slowest input known takes some 15 ms for these.
pub const STEP_INPUT: usize = 64 * 1_024;

/// Most bytes that one step returns.
pub const STEP_OUTPUT: usize = 256 * 1_024;

/// A gzip stream that is being unzipped.
#[derive(Debug)]
pub struct Gunzip<T> {
    /// None once the stream has ended or failed.
    decoder: Option<GzDecoder<Portion<T>>>,
    members: usize,
}

/// What one step produced.
#[derive(Debug, PartialEq, Eq)]
pub struct Step {
    /// Unzipped bytes; a step may produce none.
    pub bytes: Vec<u8>,
    /// Whether the stream has ended.
    pub is_last: bool,
}

impl<T: AsRef<[u8]>> Gunzip<T> {
    /// Begins with the whole stream in memory. No bytes unzip to no bytes.
    pub fn new(zipped: T) -> Self {
        let is_empty = zipped.as_ref().is_empty();
        let portion = Portion { bytes: zipped, at: 0, end: 0 };
        Self { decoder: (!is_empty).then(|| GzDecoder::new(portion)), members: 1 }
    }

    /// Reads up to [`STEP_INPUT`] bytes and returns up to [`STEP_OUTPUT`].
    ///
    /// # Errors
    /// For bytes that are not gzip, end early, or have more than [`MAX_MEMBERS`] members. The stream is over then.
    pub fn step(&mut self) -> io::Result<Step> {
        let Some(mut decoder) = self.decoder.take() else {
            return Ok(Step { bytes: Vec::new(), is_last: true });
        };
        decoder.get_mut().extend(STEP_INPUT);
        let (mut bytes, mut filled) = (vec![0; STEP_OUTPUT], 0);
        while filled < bytes.len() {
            match decoder.read(&mut bytes[filled..]) {
                Ok(0) => {
                    let portion = decoder.into_inner();
                    if portion.is_used_up() {
                        bytes.truncate(filled);
                        return Ok(Step { bytes, is_last: true });
                    }
                    self.members += 1;
                    if self.members > MAX_MEMBERS {
                        let why = format!("it has more than {MAX_MEMBERS} members");
                        return Err(io::Error::new(ErrorKind::InvalidData, why));
                    }
                    decoder = GzDecoder::new(portion);
                }
                Ok(length) => filled += length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        bytes.truncate(filled);
        self.decoder = Some(decoder);
        Ok(Step { bytes, is_last: false })
    }
}

/// Bytes of which a decoder may read up to `end` for now; there it is told to come back.
#[derive(Debug)]
struct Portion<T> {
    bytes: T,
    at: usize,
    end: usize,
}

impl<T: AsRef<[u8]>> Portion<T> {
    fn extend(&mut self, by: usize) {
        self.end = self.at.saturating_add(by).min(self.bytes.as_ref().len());
    }

    fn is_used_up(&self) -> bool {
        self.at == self.bytes.as_ref().len()
    }
}

impl<T: AsRef<[u8]>> BufRead for Portion<T> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at == self.end && !self.is_used_up() {
            return Err(ErrorKind::WouldBlock.into());
        }
        Ok(&self.bytes.as_ref()[self.at..self.end])
    }

    fn consume(&mut self, amount: usize) {
        self.at = (self.at + amount).min(self.end);
    }
}

impl<T: AsRef<[u8]>> Read for Portion<T> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut ready = self.fill_buf()?;
        let length = ready.read(into)?;
        self.consume(length);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::write::GzEncoder;
    use flate2::{Compression, Crc};

    use super::*;

    fn gzip(bytes: &[u8], level: Compression) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), level);
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// Everything, and the number of steps.
    fn unzip(zipped: &[u8]) -> io::Result<(Vec<u8>, usize)> {
        let (mut all, mut unzipping) = (Vec::new(), Gunzip::new(zipped));
        for steps in 1.. {
            let step = unzipping.step()?;
            assert!(step.bytes.len() <= STEP_OUTPUT);
            all.extend(step.bytes);
            if step.is_last {
                return Ok((all, steps));
            }
        }
        unreachable!("a stream has an end")
    }

    /// Bytes that do not compress (xorshift).
    fn noise(length: usize) -> Vec<u8> {
        let mut state = 0x9e37_79b9_u32;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state.to_le_bytes()[1]
        };
        (0..length).map(|_| next()).collect()
    }

    #[test]
    fn what_was_zipped_comes_back_in_steps() {
        for bytes in [Vec::new(), b"a".to_vec(), vec![0; 3 << 20], noise(300_000)] {
            for level in [Compression::none(), Compression::fast(), Compression::best()] {
                let (back, steps) = unzip(&gzip(&bytes, level)).unwrap();
                assert_eq!(back, bytes);
                assert!(steps > bytes.len() / STEP_OUTPUT);
            }
        }
        assert_eq!(unzip(b"").unwrap(), (Vec::new(), 1));
    }

    #[test]
    fn members_follow_one_another_up_to_a_bound() {
        let one = gzip(b"some text", Compression::fast());
        assert_eq!(unzip(&one.repeat(MAX_MEMBERS)).unwrap().0, b"some text".repeat(MAX_MEMBERS));
        assert_eq!(unzip(&one.repeat(MAX_MEMBERS + 1)).unwrap_err().kind(), ErrorKind::InvalidData);
        let empty = gzip(b"", Compression::fast());
        assert_eq!(unzip(&empty.repeat(800_000)).unwrap_err().kind(), ErrorKind::InvalidData);
        let followed = [&one[..], b"and more"].concat();
        unzip(&followed).unwrap_err();
    }

    /// Stored blocks without content take five bytes each and produce nothing.
    #[test]
    fn blocks_without_content_take_many_steps() {
        let head = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
        let blocks = [0, 0, 0, 0xff, 0xff].repeat(200_000);
        let end = [&[1, 0, 0, 0xff, 0xff][..], &Crc::new().sum().to_le_bytes(), &[0; 4]].concat();
        let zipped = [&head[..], &blocks, &end].concat();
        let (nothing, steps) = unzip(&zipped).unwrap();
        assert!(nothing.is_empty() && steps >= zipped.len() / STEP_INPUT, "{steps}");
    }

    #[test]
    fn broken_streams_fail_wherever_they_break() {
        let good = [gzip(&noise(100), Compression::fast()), gzip(b"", Compression::fast())].concat();
        for length in 1..good.len() {
            let is_first = length == good.len() - gzip(b"", Compression::fast()).len();
            assert_eq!(unzip(&good[..length]).is_ok(), is_first, "{length}");
        }
        let mut wrong = gzip(b"some text", Compression::fast());
        let sum = wrong.len() - 8;
        wrong[sum] ^= 1;
        unzip(&wrong).unwrap_err();
    }
}
