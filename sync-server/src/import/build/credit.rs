//! What was decided about customers' credit, today and before.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use fieldledger_core::model::{
    Assessment, CreditAccount, CreditGrade, CreditLimit, CreditTerms, Currency, CustomerId, InvalidField, LedgerRecord,
    Money, SpecialLiability, Timestamp,
};

use super::{
    Builder, RowResult,
    cells::{date, date_required, days_required, grade, invalid, money, optional, required, unique, yes},
};
use crate::import::{
    CreditRow, Sourced,
    mapping::{Credit, Field},
    settle::IMPORTED,
    table::RowView,
};

impl<'m> Builder<'m> {
    /// Decisions of former and later days: an account for each customer that holds nothing else.
    pub(super) fn credit_history(&mut self, as_of: NaiveDate) -> Vec<Sourced> {
        let Some(section) = &self.mapping.credit_history else {
            return Vec::new();
        };
        let recorded_at = Timestamp::midnight(as_of, self.mapping.organisation.time_zone);
        let made = self.each(section.source(), |this, row, seen| {
            let home = this.mapping.organisation.currency;
            let customer = this.customer(row, &section.customer)?.id;
            let made = (|| {
                let effective_from = date_required(row, &section.effective_from)?;
                if let Some(line) = seen.insert(format!("{customer}:{effective_from}"), row.line()) {
                    let columns = section.effective_from.columns();
                    return Err(row.error(&columns, format!("line {line} has this day of this customer already")));
                }
                let (grade, terms_days) = grade_and_days(row, &section.grade, &section.terms_days)?;
                let terms = CreditTerms {
                    effective_from,
                    grade,
                    limit: limit(row, &section.limit, &section.no_limit, home)?,
                    terms_days,
                    reason: required(row, &section.reason)?,
                    by: None,
                    recorded_at,
                };
                if terms.reason == IMPORTED {
                    let columns = section.reason.columns();
                    let reason =
                        format!("{IMPORTED:?} is what the decision of today is called; say why it was decided");
                    return Err(row.error(&columns, reason));
                }
                let fields = [
                    ("effective_from", Some(&section.effective_from)),
                    ("limit", section.limit.as_ref()),
                    ("terms_days", section.terms_days.as_ref()),
                    ("reason", Some(&section.reason)),
                ];
                terms.validate().map_err(|error| invalid(row, &error, &fields))?;
                Ok((customer, terms))
            })();
            this.about(customer, made)
        });
        let mut accounts: BTreeMap<CustomerId, Sourced> = BTreeMap::new();
        let mut by_customer: BTreeMap<CustomerId, (Vec<CreditTerms>, (String, u64))> = BTreeMap::new();
        for ((customer, terms), source) in made {
            by_customer
                .entry(customer)
                .or_insert_with(|| (Vec::new(), source))
                .0
                .push(terms);
        }
        for (customer, (mut terms, source)) in by_customer {
            terms.sort_by_key(|it| it.effective_from);
            let account = CreditAccount {
                terms,
                ..CreditAccount::new(customer)
            };
            accounts.insert(
                customer,
                Sourced {
                    record: LedgerRecord::CreditAccount(account),
                    source: Some(source),
                },
            );
        }
        accounts.into_values().collect()
    }

    /// What holds on the day `as_of`.
    pub(super) fn credit_rows(&mut self, as_of: NaiveDate) -> Vec<CreditRow> {
        let Some(section) = &self.mapping.credit else {
            return Vec::new();
        };
        let made = self.each(section.source(), |this, row, seen| {
            let home = this.mapping.organisation.currency;
            let key = unique(row, &section.customer, seen)?;
            let customer = this.customer(row, &section.customer)?.id;
            if let Some(bad) = this.incomplete.get(&customer) {
                return Err(row.error(
                    "",
                    format!(
                        "the credit file of {key} stays as it was: {} line {} was left out, so its figures are not known",
                        bad.file, bad.line
                    ),
                ));
            }
            let limit = limit(row, &section.limit, &section.no_limit, home)?;
            let currency = match limit {
                CreditLimit::Limited(limit) => limit.currency,
                CreditLimit::NoLimit => home,
            };
            let (grade, terms_days) = grade_and_days(row, &section.grade, &section.terms_days)?;
            let on_hold = yes(row, &section.on_hold)?;
            let special_liabilities = match &section.special_liabilities {
                None => Money::zero(currency),
                Some(field) => money(row, field, currency)?.unwrap_or(Money::zero(currency)),
            };
            let it = CreditRow {
                customer,
                source: Some((row.file().to_owned(), row.line())),
                grade,
                limit,
                terms_days,
                hold: on_hold.then(|| IMPORTED.to_owned()),
                special_liabilities,
                assessment: assessment(row, section)?,
            };
            let fields = [
                ("limit", section.limit.as_ref()),
                ("terms_days", section.terms_days.as_ref()),
                ("special_liabilities", section.special_liabilities.as_ref()),
                ("liabilities.amount", section.special_liabilities.as_ref()),
                ("on", section.assessed_on.as_ref()),
                ("valid_until", section.valid_until.as_ref()),
                ("assessor", section.assessor.as_ref()),
                ("evidence", section.evidence.as_ref()),
            ];
            check(&it, as_of).map_err(|error| invalid(row, &error, &fields))?;
            Ok(it)
        });
        made.into_iter().map(|(it, _)| it).collect()
    }
}

/// What the model says of a decision about credit.
fn check(row: &CreditRow, as_of: NaiveDate) -> Result<(), InvalidField> {
    let mut account = CreditAccount::new(row.customer);
    account.terms.push(CreditTerms {
        effective_from: as_of,
        grade: row.grade,
        limit: row.limit,
        terms_days: row.terms_days,
        reason: IMPORTED.to_owned(),
        by: None,
        recorded_at: Timestamp::midnight(as_of, chrono_tz::UTC),
    });
    account.liabilities.push(SpecialLiability {
        name: IMPORTED.to_owned(),
        amount: row.special_liabilities,
        from: as_of,
        until: None,
    });
    account.terms.iter().try_for_each(CreditTerms::validate)?;
    row.assessment.as_ref().map_or(Ok(()), Assessment::validate)?;
    account.validate()
}

/// The limit, or the word that there is none; neither is an error.
fn limit(row: &RowView<'_>, limit: &Option<Field>, no_limit: &Option<Field>, home: Currency) -> RowResult<CreditLimit> {
    let none = yes(row, no_limit)?;
    let amount = match limit {
        None => None,
        Some(field) => money(row, field, home)?,
    };
    match (none, amount) {
        (true, _) => Ok(CreditLimit::NoLimit),
        (false, Some(limit)) => Ok(CreditLimit::Limited(limit)),
        (false, None) => {
            let columns = limit.as_ref().map(Field::columns).unwrap_or_default();
            Err(row.error(&columns, "there is neither a limit nor the word that there is none"))
        }
    }
}

/// The grade, where there is one, and the days of credit: those of the grade where the mapping names none.
fn grade_and_days(
    row: &RowView<'_>,
    of_grade: &Option<Field>,
    days: &Option<Field>,
) -> RowResult<(Option<CreditGrade>, u32)> {
    let grade = match (of_grade, optional(row, of_grade)?) {
        (Some(field), Some(text)) => Some(
            grade(&text)
                .ok_or_else(|| row.error(&field.columns(), format!("{text:?} is none of the grades A, B, C, D")))?,
        ),
        _ => None,
    };
    let days = match (days, grade) {
        (Some(field), _) => days_required(row, field)?,
        (None, Some(grade)) => grade.default_terms_days(),
        (None, None) => return Err(row.error("", "the mapping names neither the days of credit nor a grade")),
    };
    Ok((grade, days))
}

/// The assessment that a row tells of. One that has a date must say who made it and until when it counts: neither is made
/// up.
fn assessment(row: &RowView<'_>, section: &Credit) -> RowResult<Option<Assessment>> {
    let Some(on) = date(row, section.assessed_on.as_ref())? else {
        return Ok(None);
    };
    let needed = |field: &Option<Field>, what: &str| match field {
        Some(field) => Ok(field.clone()),
        None => Err(row.error(
            "",
            format!("the mapping names the day of an assessment, but not {what}"),
        )),
    };
    let assessor = required(row, &needed(&section.assessor, "the assessor")?)?;
    let valid_until = date_required(row, &needed(&section.valid_until, "until when it counts")?)?;
    let evidence = optional(row, &section.evidence)?.unwrap_or_default();
    Ok(Some(Assessment {
        on,
        assessor,
        evidence,
        valid_until,
    }))
}
