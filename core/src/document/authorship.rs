//! Who made a change, on which device, and by which clocks.
//!
//! It travels in the change's own message, covered by its hash, so that a history can be read without a network and no
//! relay can alter it. The server checks it against the device that pushed the change.

use std::fmt::Write as _;

use uuid::Uuid;

use crate::model::{DeviceId, Timestamp, UserId};

/// Who made a change, where and when. Event time is an interval, not one trusted stamp: the phone's clock, its zone and
/// the time that had passed since the phone last heard the server's clock are kept beside each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Authorship {
    /// The person.
    pub user: UserId,
    /// The installation; all zeros for the server's own pages.
    pub device: DeviceId,
    /// When, by the device's clock.
    pub at: Timestamp,
    /// Minutes by which the device's zone was ahead of UTC.
    pub zone_minutes: i16,
    /// Milliseconds on the device's monotonic clock since it last heard from the server; `None` when it restarted since.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub since_contact_millis: Option<u64>,
}

impl Authorship {
    /// The message to commit a change with. The time travels in the change's own time field.
    pub fn to_message(&self) -> String {
        let mut message = format!(
            "1|{}|{}|{}|",
            self.user.0.simple(),
            self.device.0.simple(),
            self.zone_minutes
        );
        if let Some(elapsed) = self.since_contact_millis {
            let _ = write!(message, "{elapsed}");
        }
        message
    }

    /// Reads a change's message and time; `None` when it was not made by Fieldledger.
    pub fn from_message(message: &str, time_millis: i64) -> Option<Self> {
        let mut parts = message.split('|');
        if parts.next()? != "1" {
            return None;
        }
        let user = UserId(Uuid::parse_str(parts.next()?).ok()?);
        let device = DeviceId(Uuid::parse_str(parts.next()?).ok()?);
        let zone_minutes = parts.next()?.parse().ok()?;
        let elapsed = parts.next()?;
        let since_contact_millis = if elapsed.is_empty() {
            None
        } else {
            Some(elapsed.parse().ok()?)
        };
        let at = Timestamp::from_millis(time_millis);
        Some(Self {
            user,
            device,
            at,
            zone_minutes,
            since_contact_millis,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorship_survives_the_message_it_travels_in() {
        for since_contact_millis in [None, Some(0), Some(u64::MAX)] {
            let authorship = Authorship {
                user: UserId::from_bytes([1; 16]),
                device: DeviceId::from_bytes([2; 16]),
                at: Timestamp::from_millis(-5),
                zone_minutes: -570,
                since_contact_millis,
            };
            assert_eq!(Authorship::from_message(&authorship.to_message(), -5), Some(authorship));
        }
        for strange in ["", "hello", "1|x|y|0|", "2|a|b|c|d", "1|"] {
            assert_eq!(Authorship::from_message(strange, 0), None);
        }
    }
}
