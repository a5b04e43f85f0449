use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Text that is not an id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a valid id")]
pub struct InvalidId(pub String);

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        #[cfg(feature = "uniffi")]
        uniffi::custom_type!($name, String, {
            lower: |id| id.to_string(),
            try_lift: |text| Ok(text.parse()?),
        });

        impl $name {
            /// The id with these 16 bytes.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }
            /// The 16 bytes of the id.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
            /// A fresh random id from `rng`.
            pub fn random(rng: &mut impl rand::Rng) -> Self {
                let mut bytes = [0u8; 16];
                rng.fill_bytes(&mut bytes);
                Self(uuid::Builder::from_random_bytes(bytes).into_uuid())
            }
            /// The id that `key` always gets within `organisation`; two imports of one row give one id.
            pub fn derived(organisation: OrganisationId, key: &str) -> Self {
                let name = format!(concat!(stringify!($name), ":{}"), key);
                Self(Uuid::new_v5(&organisation.0, name.as_bytes()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Uuid::parse_str(text).map(Self).map_err(|_| InvalidId(text.to_owned()))
            }
        }
        impl<C> minicbor::Encode<C> for $name {
            fn encode<W: minicbor::encode::Write>(
                &self,
                e: &mut minicbor::Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.bytes(self.as_bytes())?.ok()
            }
        }
        impl<'b, C> minicbor::Decode<'b, C> for $name {
            fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                let bytes: [u8; 16] = d
                    .bytes()?
                    .try_into()
                    .map_err(|_| minicbor::decode::Error::message(concat!(stringify!($name), " is not 16 bytes")))?;
                Ok(Self::from_bytes(bytes))
            }
        }
    };
}

id!(
    /// One company, one tenant.
    OrganisationId
);
id!(
    /// A set of customers that a team works on; the unit of access.
    TerritoryId
);
id!(
    /// A person with an account.
    UserId
);
id!(
    /// One enrolled installation of the app.
    DeviceId
);
id!(
    /// A visit, delivery, collection note, order, review or statement confirmation. Equal to the Automerge actor that created the document.
    DocumentId
);
id!(
    /// A customer.
    CustomerId
);
id!(
    /// A product.
    ProductId
);
id!(
    /// Credit reserved for one device: a grant of an offline allowance.
    GrantId
);
id!(
    /// A statement of account.
    StatementId
);
id!(
    /// A line of a delivery or an order, or a reply in a review.
    LineId
);

impl UserId {
    /// Who a change names as its author that a customer's contact made through a link. Nobody has an account of this id.
    pub const CUSTOMER_CONTACT: Self = Self::from_bytes([0; 16]);
}

macro_rules! hash {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub [u8; 32]);

        #[cfg(feature = "uniffi")]
        uniffi::custom_type!($name, String, {
            lower: |hash| hash.to_string(),
            try_lift: |text| Ok(text.parse()?),
        });

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let invalid = || InvalidId(text.to_owned());
                if text.len() != 64 || !text.is_ascii() {
                    return Err(invalid());
                }
                let mut bytes = [0u8; 32];
                for (i, byte) in bytes.iter_mut().enumerate() {
                    *byte = u8::from_str_radix(&text[i * 2..i * 2 + 2], 16).map_err(|_| invalid())?;
                }
                Ok(Self(bytes))
            }
        }
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
        impl<C> minicbor::Encode<C> for $name {
            fn encode<W: minicbor::encode::Write>(
                &self,
                e: &mut minicbor::Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.bytes(&self.0)?.ok()
            }
        }
        impl<'b, C> minicbor::Decode<'b, C> for $name {
            fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                d.bytes()?
                    .try_into()
                    .map(Self)
                    .map_err(|_| minicbor::decode::Error::message(concat!(stringify!($name), " is not 32 bytes")))
            }
        }
    };
}

hash!(
    /// SHA-256 of one Automerge change: its name everywhere.
    ChangeHash
);
hash!(
    /// SHA-256 of the bytes of a photo, signature, stamp, slip or video.
    EvidenceHash
);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn ids_and_hashes_survive_text() {
        let id = CustomerId::from_bytes([7; 16]);
        assert_eq!(id.to_string().parse::<CustomerId>().unwrap(), id);
        let hash = ChangeHash([0xa5; 32]);
        assert_eq!(hash.to_string().parse::<ChangeHash>().unwrap(), hash);
        assert!("zz".repeat(32).parse::<ChangeHash>().is_err());
        assert!("é".repeat(32).parse::<ChangeHash>().is_err());
    }

    #[test]
    fn a_derived_id_is_stable_and_differs_between_kinds_and_organisations() {
        let (one, two) = (OrganisationId::from_bytes([1; 16]), OrganisationId::from_bytes([2; 16]));
        assert_eq!(CustomerId::derived(one, "103"), CustomerId::derived(one, "103"));
        assert_ne!(CustomerId::derived(one, "103").0, CustomerId::derived(two, "103").0);
        assert_ne!(CustomerId::derived(one, "103").0, ProductId::derived(one, "103").0);
    }
}
