use std::collections::BTreeMap;

use rusqlite::Connection;

use crate::{
    db::{documents, lists, outbox, records},
    error::FieldError,
    model::{
        CustomerId, DocumentId, DocumentKind, InvalidField, LedgerRecord, RecordKind, Statement, StatementConfirmation,
        StatementId, StatementLine, StatementLineAnswer, StatementVerdict, Timestamp,
    },
    store::{Document, FieldStore},
};

/// A statement in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct StatementRow {
    /// The statement.
    pub statement: Statement,
    /// Whose account.
    pub customer_name: String,
    /// The statement that takes its place; then there is nothing to be answered here.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub corrected_by: Option<StatementId>,
    /// Lines that the customer has confirmed.
    pub confirmed: usize,
    /// Lines that the customer disputes.
    pub disputed: usize,
    /// Lines that the customer has not answered.
    pub unanswered: usize,
}

/// A statement with its lines and what the customer said of each.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct StatementView {
    /// The statement as it was issued.
    pub statement: Statement,
    /// Its version; a new one brings answers only.
    pub version: u64,
    /// Whose account.
    pub customer_name: String,
    /// The statement that takes its place.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub corrected_by: Option<StatementId>,
    /// The lines in their order.
    pub lines: Vec<LineView>,
    /// Answers that reps took down, the newest first.
    pub taken_down: Vec<DocumentId>,
}

/// A line of a statement with the customer's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct LineView {
    /// The line.
    pub line: StatementLine,
    /// The answer that holds; `None` while there is none.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub answer: Option<AnsweredBy>,
}

/// An answer to a line, and how it came here.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct AnsweredBy {
    /// Yes or no, with what is wrong.
    pub answer: StatementLineAnswer,
    /// Who said so for the customer.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// The document in which a rep took it down and that the server has not counted yet; `None` when the server has.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub document: Option<DocumentId>,
}

/// What a customer answers to a statement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct StatementReply {
    /// Who answers for the customer.
    pub person: String,
    /// Lines that are right.
    pub confirmed: Vec<u32>,
    /// Every line that has no answer yet is right, disputed ones apart.
    pub confirm_the_rest: bool,
    /// Lines that are not right, with what is wrong.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub disputed: BTreeMap<u32, String>,
    /// What the rep wrote.
    pub note: String,
}

impl FieldStore {
    /// The statements of a customer, or of every customer of this rep (of `everyone`), the newest first.
    ///
    /// # Errors
    /// [`FieldError::NotEnrolled`]; as [`Self::organisation`].
    pub fn statements(&self, customer: Option<CustomerId>, everyone: bool) -> Result<Vec<StatementRow>, FieldError> {
        let me = self.require_identity()?.user;
        self.read(|connection| {
            let mut rows = Vec::new();
            records::customers_with_files(connection, |known, _| {
                let wanted = match customer {
                    Some(customer) => known.id == customer,
                    None => everyone || known.rep.is_none_or(|rep| rep == me),
                };
                if wanted {
                    let all = statements_of(connection, known.id)?;
                    for statement in &all {
                        rows.push(row(connection, statement, &all, &known.name)?);
                    }
                }
                Ok(())
            })?;
            rows.sort_by_key(|it| std::cmp::Reverse((it.statement.to, it.statement.issued_at)));
            Ok(rows)
        })
    }

    /// A statement; `None` when it has not reached this phone.
    ///
    /// # Errors
    /// As [`Self::organisation`].
    pub fn statement(&self, id: StatementId) -> Result<Option<StatementView>, FieldError> {
        self.read(|connection| {
            let Some((LedgerRecord::Statement(statement), version)) =
                records::get(connection, &RecordKind::Statement, &id.to_string())?
            else {
                return Ok(None);
            };
            let taken_down = answers_to(connection, &statement)?;
            let all = statements_of(connection, statement.customer)?;
            Ok(Some(StatementView {
                customer_name: records::name_of_customer(connection, statement.customer)?,
                version,
                corrected_by: corrected_by(&statement, &all),
                lines: lines(&statement, &taken_down),
                taken_down: taken_down.into_iter().map(|it| it.id).collect(),
                statement,
            }))
        })
    }

    /// Records what a customer answered to a statement, line by line. A photo of the stamped copy is attached to it
    /// afterwards with [`Self::add_evidence`]. What a customer said before of a line is taken back by a new answer to it.
    ///
    /// # Errors
    /// [`FieldError::NotFound`] when this phone does not hold the statement; [`FieldError::Invalid`] naming `statement`
    /// when another one has taken its place, and `answers` for a line that is not in it, that is both confirmed and
    /// disputed, or when nothing is answered; as [`Self::create`].
    pub fn answer_statement(
        &self,
        id: StatementId,
        reply: StatementReply,
    ) -> Result<Document<StatementConfirmation>, FieldError> {
        let rep = self.require_identity()?.user;
        let view = self.statement(id)?.ok_or(FieldError::NotFound)?;
        if let Some(newer) = view.corrected_by {
            let message = format!("it was corrected; answer the statement {newer} that takes its place");
            return Err(InvalidField::new("statement", message).into());
        }
        let customer = view.statement.customer;
        let mut answer = StatementConfirmation::new(customer, rep, id, self.now(), reply.person);
        answer.note = reply.note;
        let known = |no: u32| -> Result<u32, FieldError> {
            if view.lines.iter().any(|it| it.line.no == no) {
                return Ok(no);
            }
            let message = format!("the statement has no line {no}; it has {}", view.lines.len());
            Err(InvalidField::new("answers", message).into())
        };
        for (no, remark) in reply.disputed {
            let verdict = StatementVerdict::Disputed;
            answer
                .answers
                .insert(known(no)?, StatementLineAnswer { verdict, remark });
        }
        let right = || StatementLineAnswer {
            verdict: StatementVerdict::Confirmed,
            remark: String::new(),
        };
        for no in reply.confirmed {
            if answer
                .answers
                .get(&no)
                .is_some_and(|it| it.verdict == StatementVerdict::Disputed)
            {
                let message = format!("line {no} is both confirmed and disputed; say one of them");
                return Err(InvalidField::new("answers", message).into());
            }
            answer.answers.insert(known(no)?, right());
        }
        if reply.confirm_the_rest {
            for it in view.lines.iter().filter(|it| it.answer.is_none()) {
                answer.answers.entry(it.line.no).or_insert_with(right);
            }
        }
        self.create(answer)
    }
}

/// An answer that a rep took down.
struct TakenDown {
    id: DocumentId,
    answer: StatementConfirmation,
    /// Whether the server has not acknowledged all of it.
    waiting: bool,
}

fn statements_of(connection: &Connection, customer: CustomerId) -> Result<Vec<Statement>, FieldError> {
    let records = records::of_customer(connection, &RecordKind::Statement, customer)?;
    Ok(records
        .into_iter()
        .filter_map(|record| match record {
            LedgerRecord::Statement(it) => Some(it),
            _ => None,
        })
        .collect())
}

/// The statement that takes the place of this one, or of the one that does: the last of the chain.
fn corrected_by(statement: &Statement, all: &[Statement]) -> Option<StatementId> {
    let mut last = statement.id;
    // A chain is no longer than there are statements, whatever the records say.
    for _ in all {
        match all.iter().find(|it| it.corrects == Some(last)) {
            Some(next) => last = next.id,
            None => break,
        }
    }
    (last != statement.id).then_some(last)
}

/// The answers to a statement that reps took down and that are here, the newest first.
fn answers_to(connection: &Connection, statement: &Statement) -> Result<Vec<TakenDown>, FieldError> {
    let kind = DocumentKind::StatementConfirmation;
    let mut found = Vec::new();
    for (id, tree) in lists::trees_of_customer(connection, statement.customer, &kind, "TRUE")? {
        // One that only a newer version can read says nothing here.
        let Ok(answer) = serde_json::from_value::<StatementConfirmation>(tree) else {
            continue;
        };
        if answer.statement == statement.id {
            let waiting = match documents::find(connection, id)? {
                Some(document) => outbox::holds_document(connection, document.row)?,
                None => false,
            };
            found.push(TakenDown { id, answer, waiting });
        }
    }
    found.sort_by_key(|it| std::cmp::Reverse((it.answer.at, it.id)));
    Ok(found)
}

/// The lines with the answers that hold: what the server has counted, unless a rep has taken down something since that
/// the server does not have, or that it has not counted.
fn lines(statement: &Statement, taken_down: &[TakenDown]) -> Vec<LineView> {
    let answer = |no: u32| {
        let counted = statement.answers.get(&no);
        let noted = taken_down
            .iter()
            .filter(|it| it.waiting || counted.is_none())
            .find_map(|it| Some((it, it.answer.answers.get(&no)?)));
        match (noted, counted) {
            (Some((document, answer)), _) => Some(AnsweredBy {
                answer: answer.clone(),
                by: document.answer.person.clone(),
                at: document.answer.at,
                document: Some(document.id),
            }),
            (None, Some(counted)) => Some(AnsweredBy {
                answer: StatementLineAnswer {
                    verdict: counted.verdict,
                    remark: counted.remark.clone(),
                },
                by: counted.by.clone(),
                at: counted.at,
                document: None,
            }),
            (None, None) => None,
        }
    };
    let view = |line: &StatementLine| LineView {
        answer: answer(line.no),
        line: line.clone(),
    };
    statement.lines.iter().map(view).collect()
}

fn row(
    connection: &Connection,
    statement: &Statement,
    all: &[Statement],
    name: &str,
) -> Result<StatementRow, FieldError> {
    let lines = lines(statement, &answers_to(connection, statement)?);
    let count = |wanted: Option<StatementVerdict>| {
        let verdict = |it: &&LineView| it.answer.as_ref().map(|it| it.answer.verdict) == wanted;
        lines.iter().filter(verdict).count()
    };
    Ok(StatementRow {
        customer_name: name.to_owned(),
        corrected_by: corrected_by(statement, all),
        confirmed: count(Some(StatementVerdict::Confirmed)),
        disputed: count(Some(StatementVerdict::Disputed)),
        unanswered: count(None),
        statement: statement.clone(),
    })
}
