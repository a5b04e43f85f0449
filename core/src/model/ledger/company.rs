//! The company, its people, products and customers.

use serde::{Deserialize, Serialize};

use crate::model::{Currency, CustomerId, Money, Position, ProductId, Role, TerritoryId, UserId};

/// What every phone knows of its company.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct OrganisationProfile {
    /// Its name.
    pub name: String,
    /// IANA name of the time zone in which its calendar dates live.
    pub time_zone: chrono_tz::Tz,
    /// The currency of its books.
    pub currency: Currency,
    /// Radius in metres of the geofence around a customer.
    pub geofence_metres: u32,
}

/// A set of customers that a team works on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Territory {
    /// Its id.
    pub id: TerritoryId,
    /// Its name.
    pub name: String,
}

/// A person, as everybody in the company may know them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Person {
    /// Their id.
    pub id: UserId,
    /// Their name.
    pub name: String,
    /// What they may do.
    pub roles: Vec<Role>,
    /// Whom they report to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub supervisor: Option<UserId>,
}

/// A product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Product {
    /// Its id.
    pub id: ProductId,
    /// The company's own number for it.
    pub code: String,
    /// Its name.
    pub name: String,
    /// What one of it is called: box, kg, ….
    #[serde(default)]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub unit: String,
    /// List price of one unit, gross of tax.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub price: Option<Money>,
    /// Group it belongs to.
    #[serde(default)]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub group: String,
    /// No longer sold.
    #[serde(default)]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub discontinued: bool,
}

/// A customer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Customer {
    /// Its id.
    pub id: CustomerId,
    /// The company's own number for it.
    pub code: String,
    /// Its name.
    pub name: String,
    /// The territory it belongs to; decides who may see it.
    pub territory: TerritoryId,
    /// The rep in charge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub rep: Option<UserId>,
    /// Whom to ask for.
    #[serde(default)]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub contact: String,
    /// Telephone number.
    #[serde(default)]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub phone: String,
    /// Postal address on one line.
    #[serde(default)]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub address: String,
    /// Where it is; `None` when nobody has been told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub position: Option<Position>,
}
