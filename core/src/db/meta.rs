//! Small facts that the phone keeps about itself.

use rusqlite::{Connection, OptionalExtension as _, Transaction};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    error::FieldError,
    model::{DeviceId, OrganisationId, Role, Timestamp, UserId},
};

/// Whose phone this is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Identity {
    /// The company.
    pub organisation: OrganisationId,
    /// Its name.
    pub organisation_name: String,
    /// The person.
    pub user: UserId,
    /// Their name.
    pub user_name: String,
    /// What they may do.
    pub roles: Vec<Role>,
    /// The device.
    pub device: DeviceId,
    /// Where the server is.
    pub server_url: String,
}

/// Whether the server still accepts this device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
#[serde(rename_all = "snake_case")]
pub enum DeviceState {
    /// As far as is known.
    #[default]
    Active,
    /// An administrator revoked it.
    Revoked,
    /// The token is no longer accepted: a new enrolment code is needed.
    SignInAgain,
    /// The data came from another phone, by a restored backup or a copy, and the device belongs to that one: a new
    /// enrolment code is needed. What waits here is sent once this phone is enrolled.
    AnotherPhone,
}

/// When the server was last heard, by its clock and by this phone's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastContact {
    /// The server's clock.
    pub server_time: Timestamp,
    /// This phone's clock at that moment.
    pub phone_time: Timestamp,
    /// This phone's monotonic clock at that moment; only means something until the phone restarts.
    pub monotonic_millis: u64,
}

/// Key of the [`Identity`].
pub const IDENTITY: &str = "identity";
/// Key of the device token, text.
pub const TOKEN: &str = "token";
/// Key of the [`DeviceState`].
pub const DEVICE_STATE: &str = "device_state";
/// Key of the [`LastContact`].
pub const LAST_CONTACT: &str = "last_contact";
/// Key of the server's time ([`Timestamp`]) when this phone last had everything that the server had for it.
pub const CAUGHT_UP: &str = "caught_up";
/// Key of the phone's reckoning of the server's time ([`crate::rules::allowance::DeviceClock`]).
pub const ALLOWANCE_CLOCK: &str = "allowance_clock";
/// Key of the installation's name, 16 numbers.
pub const INSTALLATION: &str = "installation";

/// Reads a fact.
///
/// # Errors
/// [`FieldError`] of the database.
pub fn get<T: DeserializeOwned>(connection: &Connection, key: &str) -> Result<Option<T>, FieldError> {
    let stored: Option<Vec<u8>> = connection
        .prepare_cached("SELECT value FROM meta WHERE key = ?1")?
        .query_row([key], |row| row.get(0))
        .optional()?;
    stored
        .map(|json| serde_json::from_slice(&json).map_err(|error| FieldError::Damaged(format!("{key}: {error}"))))
        .transpose()
}

/// Writes a fact.
///
/// # Errors
/// [`FieldError`] of the database.
pub fn set<T: Serialize>(transaction: &Transaction<'_>, key: &str, value: &T) -> Result<(), FieldError> {
    let json = serde_json::to_vec(value)?;
    transaction
        .prepare_cached("INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2")?
        .execute((key, json))?;
    Ok(())
}
