//! How large the parts are in which files go up: larger while the network is quick, smaller when it is slow or breaks.

/// The smallest, the first and the largest part in bytes.
pub(super) const LEAST_PART: usize = 64 << 10;
pub(super) const FIRST_PART: usize = 512 << 10;
const MOST_PART: usize = 4 << 20;
/// A part that took less milliseconds than this is followed by a larger one; one that took more than that by a smaller.
const QUICK: u64 = 2_000;
const SLOW: u64 = 10_000;

/// How large parts are, for as long as the driver lives.
#[derive(Debug)]
pub(in crate::sync::driver) struct Pace {
    pub(super) part: usize,
    most: usize,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            part: FIRST_PART,
            most: MOST_PART,
        }
    }
}

impl Pace {
    pub(super) fn took(&mut self, millis: u64) {
        if millis < QUICK {
            self.part = (self.part * 2).min(self.most);
        } else if millis > SLOW {
            self.halve();
        }
    }

    /// Whether it could be made smaller.
    pub(super) fn halve(&mut self) -> bool {
        let before = self.part;
        self.part = (before / 2).max(LEAST_PART);
        self.part < before
    }

    /// A part was larger than something on the way takes.
    pub(super) fn was_too_large(&mut self) -> bool {
        let halved = self.halve();
        self.most = self.part;
        halved
    }
}
