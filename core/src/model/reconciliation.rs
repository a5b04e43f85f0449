use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    CustomerId, DocumentKind, DocumentModel, Evidence, EvidenceHash, InvalidField, StatementId, StatementVerdict,
    Timestamp, UserId, check_count, check_text,
};

/// A customer's answer to a statement of account (对账), taken down by a rep, with a photo of the stamped copy. What was
/// stated stays in the statement; the server adds these answers to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct StatementConfirmation {
    /// Whose account.
    pub customer: CustomerId,
    /// The rep who took it down.
    pub rep: UserId,
    /// What is answered.
    pub statement: StatementId,
    /// When, by the phone's clock.
    pub at: Timestamp,
    /// Who answered for the customer.
    pub person: String,
    /// The answers by the number of the statement's line. A line that is not here was not answered.
    #[serde(default)]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub answers: BTreeMap<u32, StatementLineAnswer>,
    /// Photos of the stamped copy, keyed by the hash of their bytes.
    #[serde(default)]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub evidence: BTreeMap<EvidenceHash, Evidence>,
    /// What the rep wrote.
    #[serde(default)]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub note: String,
}

/// What the customer says of one line of a statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct StatementLineAnswer {
    /// Yes or no.
    pub verdict: StatementVerdict,
    /// Remark, required for a dispute.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub remark: String,
}

impl StatementConfirmation {
    /// An answer of `person` with nothing in it yet.
    pub fn new(
        customer: CustomerId,
        rep: UserId,
        statement: StatementId,
        at: Timestamp,
        person: impl Into<String>,
    ) -> Self {
        Self {
            customer,
            rep,
            statement,
            at,
            person: person.into(),
            answers: BTreeMap::new(),
            evidence: BTreeMap::new(),
            note: String::new(),
        }
    }
}

impl DocumentModel for StatementConfirmation {
    const KIND: DocumentKind = DocumentKind::StatementConfirmation;

    fn customer(&self) -> CustomerId {
        self.customer
    }

    fn validate(&self) -> Result<(), InvalidField> {
        check_text("note", &self.note)?;
        check_text("person", &self.person)?;
        if self.person.trim().is_empty() {
            return Err(InvalidField::new("person", "who answered for the customer?"));
        }
        check_count("answers", self.answers.len())?;
        check_count("evidence", self.evidence.len())?;
        if self.answers.is_empty() {
            return Err(InvalidField::new("answers", "confirm or dispute at least one line"));
        }
        for (line, answer) in &self.answers {
            if *line == 0 {
                return Err(InvalidField::new("answers", "lines are counted from 1"));
            }
            check_text("answers.remark", &answer.remark)?;
            if answer.verdict == StatementVerdict::Disputed && answer.remark.trim().is_empty() {
                return Err(InvalidField::new("answers.remark", "a dispute needs a remark"));
            }
        }
        self.evidence.values().try_for_each(Evidence::validate)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_answer_names_who_gave_it_and_a_dispute_says_what_is_wrong() {
        let mut it = StatementConfirmation::new(
            CustomerId::from_bytes([1; 16]),
            UserId::from_bytes([2; 16]),
            StatementId::from_bytes([3; 16]),
            Timestamp::from_millis(4),
            " ",
        );
        let refused = |it: &StatementConfirmation| it.validate().unwrap_err().field;
        assert_eq!(refused(&it), "person");
        it.person = "Wang".to_owned();
        assert_eq!(refused(&it), "answers");
        let answer = |verdict, remark: &str| StatementLineAnswer {
            verdict,
            remark: remark.to_owned(),
        };
        it.answers.insert(1, answer(StatementVerdict::Confirmed, ""));
        it.answers.insert(12, answer(StatementVerdict::Disputed, ""));
        assert_eq!(refused(&it), "answers.remark");
        it.answers
            .insert(12, answer(StatementVerdict::Disputed, "never ordered"));
        assert_eq!(it.validate(), Ok(()));
        let tree = serde_json::to_value(&it).unwrap();
        assert_eq!(tree["answers"]["12"]["verdict"], "disputed");
        assert_eq!(serde_json::from_value::<StatementConfirmation>(tree).unwrap(), it);
        it.answers.insert(0, answer(StatementVerdict::Confirmed, ""));
        assert_eq!(refused(&it), "answers");
    }
}
