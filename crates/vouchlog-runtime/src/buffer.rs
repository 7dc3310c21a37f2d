//! Buffers that grow with what arrives, within a bound.

/// Appends `piece` to a buffer of at most `most` bytes, which the caller has checked to suffice. The buffer doubles, but never beyond
/// `most`: of several large bodies at once, the unused halves would take as much memory as the bodies.
pub fn append(buffer: &mut Vec<u8>, piece: &[u8], most: usize) {
    let needed = buffer.len() + piece.len();
    if needed > buffer.capacity() {
        let capacity = (2 * buffer.capacity()).min(most).max(needed);
        buffer.reserve_exact(capacity - buffer.len());
    }
    buffer.extend_from_slice(piece);
}

#[cfg(test)]
mod tests {
    use super::append;

    #[test]
    fn a_buffer_doubles_up_to_its_bound() {
        let mut buffer = Vec::new();
        let mut capacities = Vec::new();
        for _ in 0..10 {
            append(&mut buffer, &[7; 100], 1_000);
            if capacities.last() != Some(&buffer.capacity()) {
                capacities.push(buffer.capacity());
            }
        }
        assert_eq!(buffer, [7; 1_000]);
        assert_eq!(capacities, [100, 200, 400, 800, 1_000]);
    }
}
