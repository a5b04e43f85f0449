//! Offline allowances (离线授信额度): credit that the server reserves for one phone before it is spent.

use serde::{Deserialize, Serialize};

use crate::model::{CustomerId, DeviceId, DocumentId, GrantId, Money, Timestamp, UserId};

/// The immutable part of a grant, signed by the server that issued it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct GrantTerms {
    /// Its id.
    pub id: GrantId,
    /// The only device that may spend it.
    pub device: DeviceId,
    /// The person who had the device when it was issued.
    pub user: UserId,
    /// The only customer it counts for.
    pub customer: CustomerId,
    /// How much may be spent in all, in the limit's currency.
    pub amount: Money,
    /// The version of the policy it was sized by.
    pub policy_version: u64,
    /// The server's time of issue.
    pub issued_at: Timestamp,
    /// Moment from which it may not be spent any more, by the server's clock.
    pub not_after: Timestamp,
    /// What happens to it then.
    pub mode: GrantMode,
}

/// What an expired grant becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
#[serde(rename_all = "snake_case")]
pub enum GrantMode {
    /// For goods handed over at once: stays reserved until the phone closes it, or two people write it off.
    Strict,
    /// For orders only: freed a grace after its end by the server's clock; a spend that arrives later goes to review.
    Lease,
}

/// How far a grant has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantState {
    /// May be spent.
    Open,
    /// The phone has been asked to close it; it may spend no more once it knows.
    Recalled,
    /// Closed by the phone, everything settled, the rest freed.
    Closed,
    /// A lease freed by the server after its grace.
    Expired,
    /// Freed by two people without the phone's word.
    WrittenOff,
}

/// Credit reserved for one device (a grant of an allowance).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// What was promised.
    pub terms: GrantTerms,
    /// HMAC-SHA-256 over the terms with the server's key, in hexadecimal digits: a server that was restored from a backup
    /// older than the grant recognises its own promise when a phone shows it.
    pub signature: String,
    /// How far it has got.
    pub state: GrantState,
    /// What has been settled of it, by ascending seq.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settled: Vec<SettledSpend>,
    /// What the phone said when it closed it; the rest is freed only once every spend has arrived and matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub close: Option<GrantClose>,
    /// Why it was recalled or written off.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The two people who wrote it off; the first alone has only proposed it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub written_off_by: Vec<UserId>,
    /// When a server that had been restored from an older backup took it back from the phone that showed it; `None` for
    /// one that was never lost. A lease has its grace from then on, since nobody can tell any more which spends had come
    /// in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_back_at: Option<Timestamp>,
}

/// A grant that a phone shows to a server that seems to have lost it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownGrant {
    /// What was promised.
    pub terms: GrantTerms,
    /// The server's signature under the terms, as in [`Grant::signature`].
    pub signature: String,
}

/// A spend that has arrived at the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettledSpend {
    /// Its place among the spends of the grant, from 1 without gaps.
    pub seq: u32,
    /// The order it was spent on.
    pub order: DocumentId,
    /// How much, in the grant's currency.
    pub amount: Money,
    /// How much was left after it.
    pub remaining: Money,
    /// When the phone made it, by the phone's clock.
    pub at: Timestamp,
    /// When it came in.
    pub received_at: Timestamp,
    /// What became of it.
    pub standing: SpendStanding,
}

/// What became of a spend at the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpendStanding {
    /// Moved from the reserve to the exposure: the order is approved.
    Settled,
    /// Came after the grant had been freed, or from a phone that is reported lost: kept, its order goes to review.
    Late,
    /// Another spend with the same seq says something else (a cloned or rolled-back phone): both are held, and so is
    /// what comes after them.
    Conflict,
    /// More than was left, or not what the grant was for: its order goes to review.
    Refused,
}

/// A spend as a phone writes it down, in one transaction with the order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Spend {
    /// The grant.
    pub grant: GrantId,
    /// The place among its spends, from 1 without gaps.
    pub seq: u32,
    /// The device that spent.
    pub device: DeviceId,
    /// For whom.
    pub customer: CustomerId,
    /// The order it was spent on.
    pub order: DocumentId,
    /// How much, in the grant's currency.
    pub amount: Money,
    /// How much is left after it.
    pub remaining: Money,
    /// When, by the phone's reckoning of the server's time.
    pub at: Timestamp,
}

/// What a phone says once it has closed a grant for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantClosing {
    /// The grant.
    pub grant: GrantId,
    /// The device that closed it.
    pub device: DeviceId,
    /// Seq of the last spend; 0 when there was none.
    pub final_seq: u32,
    /// Sum of all spends.
    pub total: Money,
}

/// A phone's word that it will spend no more, as the server keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantClose {
    /// Seq of the last spend; 0 when there was none.
    pub final_seq: u32,
    /// Sum of all spends.
    pub total: Money,
    /// When it came in.
    pub received_at: Timestamp,
}
