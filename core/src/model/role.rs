use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::InvalidField;

/// What a person may do. A role is given to an account; territories say where it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sells, visits and collects (业务员).
    Rep,
    /// Delivers and takes the sign-off; also the warehouse (司机/仓库).
    Driver,
    /// Reviews activity and releases held orders (主管).
    Supervisor,
    /// Keeps credit files, invoices and receipts (财务).
    Finance,
    /// Keeps users, devices, territories and policies.
    Administrator,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 5] = [
        Self::Rep,
        Self::Driver,
        Self::Supervisor,
        Self::Finance,
        Self::Administrator,
    ];

    /// The stored name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rep => "rep",
            Self::Driver => "driver",
            Self::Supervisor => "supervisor",
            Self::Finance => "finance",
            Self::Administrator => "administrator",
        }
    }

    /// Whether the role works in the field, with a phone.
    pub const fn works_in_the_field(self) -> bool {
        matches!(self, Self::Rep | Self::Driver)
    }

    /// Whether the role sees every territory of its organisation.
    pub const fn sees_every_territory(self) -> bool {
        matches!(self, Self::Finance | Self::Administrator)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = InvalidField;
    fn from_str(text: &str) -> Result<Self, InvalidField> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or_else(|| {
            InvalidField::new(
                "role",
                format!("{text:?} is none of rep, driver, supervisor, finance, administrator"),
            )
        })
    }
}
