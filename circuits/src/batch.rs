//! Several inferences of one model in one proof.

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

/// The largest log of the number of inferences in a proof.
pub const MAX_LOG_BATCH: u32 = 12;

/// How many inferences a proof attests, and who commits to their inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    log_len: u32,
    separate: bool,
}

impl Batch {
    /// One inference.
    pub const ONE: Self = Self { log_len: 0, separate: false };

    /// As files and command lines name it. `None` where the number is no power of two, or too large. The input of one
    /// inference is never separate.
    pub fn of(inferences: usize, separate: bool) -> Option<Self> {
        let log = inferences.trailing_zeros();
        let fits = inferences.is_power_of_two() && log <= MAX_LOG_BATCH;
        fits.then(|| if separate { Self::separate(log) } else { Self::joint(log) })
    }

    /// `2^log_len` inferences of one buyer, whose inputs share their chunks.
    pub fn joint(log_len: u32) -> Self {
        Self { log_len, separate: false }
    }

    /// `2^log_len` inferences, each with an input in chunks of its own: those of different buyers.
    pub fn separate(log_len: u32) -> Self {
        Self { log_len, separate: log_len > 0 }
    }

    /// Log of the number of inferences.
    pub fn log_len(self) -> u32 {
        self.log_len
    }

    /// Number of inferences; [`MAX_LOG_BATCH`] bounds its log in a shape.
    pub fn inferences(self) -> usize {
        1 << self.log_len
    }

    /// As keys and digests have it: the log, plus 256 where inputs are separate, as a big-endian word.
    pub fn word(self) -> [u8; 32] {
        let mut word = [0; 32];
        (word[30], word[31]) = (u8::from(self.separate), self.log_len as u8);
        word
    }

    /// Whether every input has chunks of its own.
    pub fn is_separate(self) -> bool {
        self.separate
    }
}

impl std::fmt::Display for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.inferences(), self.separate) {
            (1, _) => f.write_str("one inference"),
            (n, false) => write!(f, "{n} inferences of one buyer"),
            (n, true) => write!(f, "{n} inferences with separate inputs"),
        }
    }
}
