use serde::{Deserialize, Serialize};

use super::InvalidField;

/// A position as a phone declared it. Doubt about it is shown, never hidden.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Position {
    /// Degrees north, stored in units of 10⁻⁷ degree (about a centimetre).
    #[serde(rename = "lat", with = "e7")]
    pub latitude: f64,
    /// Degrees east, stored in units of 10⁻⁷ degree.
    #[serde(rename = "lon", with = "e7")]
    pub longitude: f64,
    /// Radius in metres within which the phone believes itself to be; `None` when the phone did not say.
    #[serde(rename = "acc", default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub accuracy_metres: Option<u32>,
    /// Whether the operating system said that the fix came from a mock provider.
    #[serde(default)]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub mocked: bool,
}

impl Position {
    /// A position from degrees, rounded to what is stored.
    ///
    /// # Errors
    /// [`InvalidField`] when a coordinate is not a number or lies outside the globe.
    pub fn new(
        latitude: f64,
        longitude: f64,
        accuracy_metres: Option<u32>,
        mocked: bool,
    ) -> Result<Self, InvalidField> {
        let position = Self {
            latitude: e7::round(latitude),
            longitude: e7::round(longitude),
            accuracy_metres,
            mocked,
        };
        position.validate()?;
        Ok(position)
    }

    /// Checks that both coordinates lie on the globe.
    ///
    /// # Errors
    /// [`InvalidField`] naming the coordinate.
    pub fn validate(&self) -> Result<(), InvalidField> {
        if !self.latitude.is_finite() || self.latitude.abs() > 90.0 {
            return Err(InvalidField::new(
                "position.latitude",
                "must lie between -90 and 90 degrees",
            ));
        }
        if !self.longitude.is_finite() || self.longitude.abs() > 180.0 {
            return Err(InvalidField::new(
                "position.longitude",
                "must lie between -180 and 180 degrees",
            ));
        }
        Ok(())
    }
}

mod e7 {
    use serde::{Deserialize, Deserializer, Serializer};

    #[allow(clippy::cast_possible_truncation)]
    fn to_e7(degrees: f64) -> i64 {
        (degrees * 1e7).round() as i64
    }
    #[allow(clippy::cast_precision_loss)]
    fn from_e7(units: i64) -> f64 {
        units as f64 / 1e7
    }
    pub(super) fn round(degrees: f64) -> f64 {
        if degrees.is_finite() {
            from_e7(to_e7(degrees))
        } else {
            degrees
        }
    }
    pub(super) fn serialize<S: Serializer>(degrees: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(to_e7(*degrees))
    }
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        i64::deserialize(deserializer).map(from_e7)
    }
}

/// Where a check-in happened against where the customer is known to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Geofence {
    /// Inside, outside, or not to be told.
    pub verdict: GeofenceVerdict,
    /// Metres between the declared position and the customer's; `None` when either is unknown.
    #[serde(rename = "dist", default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub distance_metres: Option<u32>,
}

/// Whether a declared position lies within the customer's geofence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
#[serde(rename_all = "snake_case")]
pub enum GeofenceVerdict {
    /// Inside even if the fix is off by its whole accuracy.
    Inside,
    /// Outside even if the fix is off by its whole accuracy.
    Outside,
    /// A position is missing, or the accuracy is too poor to tell.
    Unknown,
}
