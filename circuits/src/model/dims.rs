//! Dimensions of a tensor and of the power-of-two block that holds it.

use serde::{Deserialize, Serialize};

/// Channels × height × width. A vector is `channels × 1 × 1`.
///
/// In a committed column each dimension is padded to a power of two; cell `(c, h, w)` is at
/// `((c << log_height | h) << log_width) | w`, so that the width's bits are the lowest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Dims {
    /// Number of channels, at least 1.
    pub channels: u32,
    /// Height, at least 1.
    pub height: u32,
    /// Width, at least 1.
    pub width: u32,
}

/// The smallest `k` with `2^k >= n` (0 for `n <= 1`).
pub(crate) fn log2_ceil(n: u32) -> u32 {
    n.max(1).next_power_of_two().trailing_zeros()
}

impl Dims {
    /// A tensor's dimensions.
    pub const fn new(channels: u32, height: u32, width: u32) -> Self {
        Self { channels, height, width }
    }

    /// A vector of `len` channels.
    pub const fn vector(len: u32) -> Self {
        Self::new(len, 1, 1)
    }

    /// Number of elements, padding not counted.
    pub const fn len(&self) -> usize {
        self.channels as usize * self.height as usize * self.width as usize
    }

    /// Whether there is no element.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Log of the padded number of channels.
    pub fn log_channels(&self) -> u32 {
        log2_ceil(self.channels)
    }

    /// Log of the padded height.
    pub fn log_height(&self) -> u32 {
        log2_ceil(self.height)
    }

    /// Log of the padded width.
    pub fn log_width(&self) -> u32 {
        log2_ceil(self.width)
    }

    /// Log of the padded height × width.
    pub fn log_positions(&self) -> u32 {
        self.log_height() + self.log_width()
    }

    /// Log of the block's size.
    pub fn log_size(&self) -> u32 {
        self.log_channels() + self.log_positions()
    }

    /// Number of cells of the block, padding included.
    pub fn block_len(&self) -> usize {
        1 << self.log_size()
    }

    /// The cell of element `(c, h, w)`.
    pub fn cell(&self, c: u32, h: u32, w: u32) -> usize {
        ((((c as usize) << self.log_height()) | h as usize) << self.log_width()) | w as usize
    }
}
