//! BLAKE2b-512 (RFC 7693, section 3) whose state can be written down in the middle of a message. The files of
//! ceremonies keep such a state: that of a contribution's hash before the proofs of knowledge, so that a reader can end
//! the hash without the points. Whole messages are hashed by `blake2b_simd`.

const IV: [u64; 8] = [
    0x6a09_e667_f3bc_c908,
    0xbb67_ae85_84ca_a73b,
    0x3c6e_f372_fe94_f82b,
    0xa54f_f53a_5f1d_36f1,
    0x510e_527f_ade6_82d1,
    0x9b05_688c_2b3e_6c1f,
    0x1f83_d9ab_fb41_bd6b,
    0x5be0_cd19_137e_2179,
];
const SIGMA: [[usize; 16]; 10] = [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
    [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
    [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
    [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
    [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
    [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
    [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
    [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
    [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
];
/// Bytes of a block.
const BLOCK: usize = 128;
/// Bytes of a state: the block that is being filled, the chaining value, the bytes that were compressed, the bytes in
/// the block, 8 that mean nothing.
pub const STATE_BYTES: usize = BLOCK + 64 + 8 + 8 + 8;

/// A hash that is being computed.
#[derive(Clone)]
pub struct Blake2b {
    chain: [u64; 8],
    block: [u8; BLOCK],
    filled: usize,
    compressed: u64,
}

impl Default for Blake2b {
    fn default() -> Self {
        let mut chain = IV;
        // 64 bytes of output, no key, no tree
        chain[0] ^= 0x0101_0040;
        Self { chain, block: [0; BLOCK], filled: 0, compressed: 0 }
    }
}

impl Blake2b {
    /// Goes on with more of the message.
    pub fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            // the last block is compressed at the end only
            if self.filled == BLOCK {
                self.compressed += BLOCK as u64;
                self.compress(false);
                self.filled = 0;
            }
            let (head, rest) = bytes.split_at(bytes.len().min(BLOCK - self.filled));
            self.block[self.filled..self.filled + head.len()].copy_from_slice(head);
            self.filled += head.len();
            bytes = rest;
        }
    }

    /// The hash.
    pub fn finish(mut self) -> [u8; 64] {
        self.compressed += self.filled as u64;
        self.block[self.filled..].fill(0);
        self.compress(true);
        let mut out = [0; 64];
        out.chunks_exact_mut(8).zip(self.chain).for_each(|(out, word)| out.copy_from_slice(&word.to_le_bytes()));
        out
    }

    /// The state as files have it, numbers little-endian.
    pub fn state(&self) -> [u8; STATE_BYTES] {
        let mut out = [0; STATE_BYTES];
        out[..self.filled].copy_from_slice(&self.block[..self.filled]);
        let words = self.chain.into_iter().chain([self.compressed, self.filled as u64]);
        out[BLOCK..].chunks_exact_mut(8).zip(words).for_each(|(out, word)| out.copy_from_slice(&word.to_le_bytes()));
        out
    }

    /// Reads [`Self::state`]. `None` if no hash is ever in this state.
    pub fn from_state(bytes: &[u8; STATE_BYTES]) -> Option<Self> {
        let (head, tail) = bytes.split_at(BLOCK);
        let mut words = tail.chunks_exact(8).map(|word| word.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b)));
        let mut hash = Self { chain: [0; 8], ..Self::default() };
        hash.chain.iter_mut().zip(&mut words).for_each(|(chain, word)| *chain = word);
        hash.compressed = words.next()?;
        hash.filled = usize::try_from(words.next()?).ok().filter(|filled| *filled <= BLOCK)?;
        hash.block[..hash.filled].copy_from_slice(&head[..hash.filled]);
        (hash.compressed.is_multiple_of(BLOCK as u64) && hash.compressed < 1 << 60).then_some(hash)
    }

    fn compress(&mut self, last: bool) {
        let mut m = [0; 16];
        m.iter_mut()
            .zip(self.block.chunks_exact(8))
            .for_each(|(m, word)| *m = word.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b)));
        let mut v = [0; 16];
        v[..8].copy_from_slice(&self.chain);
        v[8..].copy_from_slice(&IV);
        v[12] ^= self.compressed;
        if last {
            v[14] = !v[14];
        }
        for round in 0..12 {
            let s = &SIGMA[round % 10];
            for i in 0..4 {
                mix(&mut v, [i, i + 4, i + 8, i + 12], m[s[2 * i]], m[s[2 * i + 1]]);
            }
            for i in 0..4 {
                mix(&mut v, [i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4], m[s[8 + 2 * i]], m[s[9 + 2 * i]]);
            }
        }
        for i in 0..8 {
            self.chain[i] ^= v[i] ^ v[i + 8];
        }
    }
}

fn mix(v: &mut [u64; 16], [a, b, c, d]: [usize; 4], x: u64, y: u64) {
    for (word, first, second) in [(x, 32, 24), (y, 16, 63)] {
        v[a] = v[a].wrapping_add(v[b]).wrapping_add(word);
        v[d] = (v[d] ^ v[a]).rotate_right(first);
        v[c] = v[c].wrapping_add(v[d]);
        v[b] = (v[b] ^ v[c]).rotate_right(second);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_the_library_wherever_they_are_interrupted() {
        let message: Vec<u8> = (0..1000u32).map(|i| (i * i % 251) as u8).collect();
        for len in [0, 1, 127, 128, 129, 255, 256, 257, 1000] {
            let expected = blake2b_simd::blake2b(&message[..len]);
            for cut in [0, len / 3, len / 2, len.min(128), len] {
                let mut first = Blake2b::default();
                first.update(&message[..cut]);
                let mut second = Blake2b::from_state(&first.state()).unwrap();
                second.update(&message[cut..len]);
                assert_eq!(&second.finish()[..], expected.as_bytes(), "{len} bytes, interrupted after {cut}");
            }
        }
        let state = |at: usize, byte: u8| {
            let mut state = Blake2b::default().state();
            state[at] = byte;
            Blake2b::from_state(&state).is_some()
        };
        assert!(state(200, 128), "a full block waits for more");
        assert!(!state(200, 129) && !state(192, 1) && !state(199, 0xff), "states that no hash is in");
    }
}
