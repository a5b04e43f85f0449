use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    CustomerId, DocumentId, DocumentKind, DocumentModel, InvalidField, LineId, Timestamp, UserId, check_count,
    check_text,
};

/// What a supervisor says about a document (审阅). Kept beside it, so that the rep's own record stays the rep's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Review {
    /// The customer of the reviewed document.
    pub customer: CustomerId,
    /// What is reviewed.
    pub about: DocumentId,
    /// The rep whose work it is, who is told.
    pub rep: UserId,
    /// Who reviews.
    pub reviewer: UserId,
    /// When, by the server's clock.
    pub at: Timestamp,
    /// The verdict.
    pub verdict: ReviewVerdict,
    /// Words to the rep; required unless it is an approval.
    #[serde(default)]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub comment: String,
    /// What was answered.
    #[serde(default)]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub replies: BTreeMap<LineId, Reply>,
}

/// A supervisor's verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
#[serde(rename_all = "snake_case")]
pub enum ReviewVerdict {
    /// Seen, in order.
    Approved,
    /// Needs an answer.
    Questioned,
    /// Something is wrong.
    Flagged,
}

impl ReviewVerdict {
    /// The stored name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Questioned => "questioned",
            Self::Flagged => "flagged",
        }
    }
}

/// An answer to a review.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Reply {
    /// Who answers.
    pub by: UserId,
    /// When, by the clock of whoever answers.
    pub at: Timestamp,
    /// What.
    pub text: String,
}

impl DocumentModel for Review {
    const KIND: DocumentKind = DocumentKind::Review;

    fn customer(&self) -> CustomerId {
        self.customer
    }

    fn validate(&self) -> Result<(), InvalidField> {
        check_text("comment", &self.comment)?;
        check_count("replies", self.replies.len())?;
        if self.verdict != ReviewVerdict::Approved && self.comment.trim().is_empty() {
            return Err(InvalidField::new(
                "comment",
                "a question or a flag needs a comment for the rep",
            ));
        }
        self.replies
            .values()
            .try_for_each(|reply| check_text("replies.text", &reply.text))
    }
}
