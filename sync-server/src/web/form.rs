//! Forms that change something: what was typed is kept when it is refused, the problem stands at its field, and a form
//! that is sent twice has the effect of one.

use axum::{
    Form,
    extract::{FromRequest, FromRequestParts as _, Request},
    response::{IntoResponse, Redirect, Response},
};
use chrono::NaiveDate;
use fieldledger_core::model::{Currency, CustomerId, InvalidField, Money};
use rust_decimal::Decimal;
use sha2::{Digest as _, Sha256};

use super::{
    error::PageError,
    messages::Text,
    page::{Viewer, encoded},
    refusal,
};
use crate::{
    state::AppState,
    store::{CustomerLedger, Decide, Decided, LedgerChange, OnceOnly},
};

/// Most fields of a form.
const MAX_FIELDS: usize = 2_000;

/// What somebody sent with a form, and who they are. The session's secret has been looked at.
pub(crate) struct Posted {
    pub(crate) viewer: Viewer,
    pub(crate) typed: Typed,
    once: OnceOnly,
}

impl FromRequest<AppState> for Posted {
    type Rejection = Response;

    async fn from_request(request: Request, app: &AppState) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let viewer = Viewer::from_request_parts(&mut parts, app).await?;
        let path = parts.uri.path().to_owned();
        let request = Request::from_parts(parts, body);
        let Form(fields) = Form::<Vec<(String, String)>>::from_request(request, app)
            .await
            .map_err(|_| PageError::BadField("form.itself").into_response())?;
        Self::of(viewer, &path, fields).map_err(IntoResponse::into_response)
    }
}

impl Posted {
    fn of(viewer: Viewer, path: &str, fields: Vec<(String, String)>) -> Result<Self, PageError> {
        if fields.len() > MAX_FIELDS {
            return Err(PageError::BadField("form.itself"));
        }
        let mut typed = Typed { fields };
        viewer.check_csrf(&typed.take("csrf"))?;
        let key = typed.take("once");
        // Made by this server; anything else is not worth keeping.
        let fits = (1..=100).contains(&key.len()) && key.bytes().all(|it| it.is_ascii_graphic());
        if !fits {
            return Err(PageError::BadField("form.itself"));
        }
        let mut digest = Sha256::new();
        digest.update(path.as_bytes());
        for (name, value) in &typed.fields {
            for part in [name, value] {
                digest.update((part.len() as u64).to_be_bytes());
                digest.update(part.as_bytes());
            }
        }
        let once = OnceOnly {
            key: format!("web:{}:{key}", viewer.account.user),
            digest: digest.finalize().into(),
        };
        Ok(Self { viewer, typed, once })
    }

    /// The form's own secret, as long as this server makes them; `None` for a shorter one that somebody made up.
    pub(crate) fn secret(&self) -> Option<&str> {
        let secret = self.once.key.rsplit(':').next()?;
        (secret.len() >= 32).then_some(secret)
    }

    /// Carries out a decision about a customer that the reader may know of, once.
    pub(crate) async fn decide(
        &self,
        app: &AppState,
        customer: CustomerId,
        decide: impl FnOnce(&CustomerLedger) -> Result<LedgerChange, InvalidField> + Send + 'static,
    ) -> Result<Outcome, PageError> {
        let (org, account) = (self.viewer.account.organisation, self.viewer.account.clone());
        let decide: Decide = Box::new(move |ledger| {
            // Looked at again under the customer's lock: they may have moved to another territory.
            if account.may_read(ledger.customer.territory) {
                decide(ledger)
            } else {
                Err(InvalidField::new("customer", "belongs to another territory now"))
            }
        });
        let once = Some(self.once.clone());
        let decided = app.store.decide(org, customer, once, decide, app.clock.now()).await?;
        self.outcome(app, decided)
    }

    /// Carries out a change that is about no customer in particular, once.
    pub(crate) async fn write(
        &self,
        app: &AppState,
        change: Result<LedgerChange, InvalidField>,
    ) -> Result<Outcome, PageError> {
        let org = self.viewer.account.organisation;
        let once = Some(self.once.clone());
        let decided = app.store.write_change(org, once, change, app.clock.now()).await?;
        self.outcome(app, decided)
    }

    fn outcome(&self, app: &AppState, decided: Decided) -> Result<Outcome, PageError> {
        match decided {
            Decided::Done { answer, marks } => {
                for mark in marks {
                    app.sync.live().publish(self.viewer.account.organisation, mark);
                }
                Ok(Outcome::Done(answer))
            }
            Decided::Repeated { answer } => Ok(Outcome::Done(answer)),
            Decided::Refused(why) => Ok(Outcome::Refused(why)),
            Decided::KeyReused => Err(PageError::SentBefore),
            Decided::UnknownCustomer => Err(PageError::NotFound),
        }
    }
}

/// What became of a form.
pub(crate) enum Outcome {
    /// Done, now or when it was sent before; the answer of the decision.
    Done(String),
    /// Not allowed by the rules; nothing was written.
    Refused(InvalidField),
}

/// Goes to `path` and says there what was done: `done` is a word of the section `done` of the catalogue.
pub(crate) fn done(path: &str, done: &'static str, place: &str) -> Response {
    let separator = if path.contains('?') { '&' } else { '?' };
    let place = if place.is_empty() {
        String::new()
    } else {
        format!("#{}", encoded(place))
    };
    Redirect::to(&format!("{path}{separator}done={done}{place}")).into_response()
}

/// What was typed into a form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Typed {
    fields: Vec<(String, String)>,
}

impl Typed {
    fn take(&mut self, name: &str) -> String {
        let mut taken = self.fields.extract_if(.., |(known, _)| known == name);
        taken.next().map(|(_, value)| value).unwrap_or_default()
    }

    /// The value of a field without blanks around it; empty when it was not sent.
    pub(crate) fn get(&self, name: &str) -> &str {
        let mut fields = self.fields.iter();
        fields
            .find(|(known, _)| known == name)
            .map_or("", |(_, value)| value.trim())
    }

    /// The values of every field of this name.
    pub(crate) fn all<'t>(&'t self, name: &'t str) -> impl Iterator<Item = &'t str> {
        let named = self.fields.iter().filter(move |(known, _)| known == name);
        named.map(|(_, value)| value.trim())
    }

    /// The value, unless it is empty.
    pub(crate) fn some(&self, name: &str) -> Option<&str> {
        Some(self.get(name)).filter(|it| !it.is_empty())
    }

    /// A date.
    pub(crate) fn day(&self, name: &str) -> Result<Option<NaiveDate>, InvalidField> {
        self.some(name).map(|text| day(name, text)).transpose()
    }

    /// A date that has to be there.
    pub(crate) fn needed_day(&self, name: &str) -> Result<NaiveDate, InvalidField> {
        self.day(name)?.ok_or_else(|| missing(name))
    }

    /// An amount.
    pub(crate) fn amount(&self, name: &str) -> Result<Option<Decimal>, InvalidField> {
        self.some(name).map(|text| number(name, text)).transpose()
    }

    /// An amount of a currency that has to be there.
    pub(crate) fn money(&self, name: &str, currency: Currency) -> Result<Money, InvalidField> {
        let amount = self.amount(name)?.ok_or_else(|| missing(name))?;
        Ok(Money::new(amount, currency))
    }

    /// A whole number that is not negative.
    pub(crate) fn count(&self, name: &str) -> Result<Option<u32>, InvalidField> {
        let read = |text: &str| {
            let plain = text.bytes().all(|it| it.is_ascii_digit());
            let read = text.parse().ok().filter(|_| plain);
            read.ok_or_else(|| InvalidField::new(name, "must be a whole number"))
        };
        self.some(name).map(read).transpose()
    }
}

fn missing(name: &str) -> InvalidField {
    InvalidField::new(name, "must not be empty")
}

fn day(name: &str, text: &str) -> Result<NaiveDate, InvalidField> {
    // As a browser writes it: chrono takes years of six digits too.
    let shape = text.len() == 10 && text.is_ascii();
    let day = text.parse().ok().filter(|_| shape);
    day.ok_or_else(|| InvalidField::new(name, "must be a date such as 2026-03-02"))
}

/// A number as people type it: the thousands may be set apart by commas or blanks.
fn number(name: &str, text: &str) -> Result<Decimal, InvalidField> {
    let wrong = || InvalidField::new(name, "must be an amount such as 5700.00");
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let groups: Vec<&str> = whole.split([',', ' ', '\u{a0}', '\u{202f}']).collect();
    let are_groups = groups.len() == 1
        || (groups.iter().skip(1).all(|it| it.len() == 3)
            && groups.first().is_some_and(|it| (1..=3).contains(&it.len())));
    let joined = groups.concat();
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    if !are_groups || !is_digits(&joined) || !is_digits(fraction) {
        return Err(wrong());
    }
    let sign = if digits.len() < text.len() { "-" } else { "" };
    Decimal::from_str_exact(&format!("{sign}{joined}.{fraction}")).map_err(|_| wrong())
}

/// A form as it is shown: fresh, or with what was typed and what is wrong with it.
#[derive(Clone, Debug, Default)]
pub(crate) struct FormView {
    /// Lets this form have its effect once.
    pub(crate) once: String,
    typed: Typed,
    problem: Option<(String, String)>,
}

impl FormView {
    /// An empty form.
    pub(crate) fn fresh(app: &AppState) -> Self {
        Self {
            once: app.secrets.token(),
            ..Self::default()
        }
    }

    /// A form with something in it already.
    pub(crate) fn filled(app: &AppState, fields: &[(&str, String)]) -> Self {
        let own = |(name, value): &(&str, String)| ((*name).to_owned(), value.clone());
        Self {
            typed: Typed {
                fields: fields.iter().map(own).collect(),
            },
            ..Self::fresh(app)
        }
    }

    /// The form again, with what was typed and what is wrong with it.
    pub(crate) fn refused(app: &AppState, text: Text, typed: &Typed, why: &InvalidField) -> Self {
        Self {
            typed: typed.clone(),
            problem: Some((why.field.clone(), problem(text, why))),
            ..Self::fresh(app)
        }
    }

    /// What stands in a field.
    pub(crate) fn value(&self, name: impl AsRef<str>) -> &str {
        self.typed.get(name.as_ref())
    }

    /// Whether this is chosen in a field.
    pub(crate) fn is(&self, name: impl AsRef<str>, value: impl AsRef<str>) -> bool {
        self.typed.all(name.as_ref()).any(|it| it == value.as_ref())
    }

    /// What is wrong with a field.
    pub(crate) fn problem(&self, name: impl AsRef<str>) -> Option<&str> {
        let name = name.as_ref();
        let (field, problem) = self.problem.as_ref()?;
        let same = field == name || field.rsplit('.').next() == Some(name) || field.split('.').next() == Some(name);
        same.then_some(problem.as_str())
    }

    /// What is wrong with none of these fields: it stands above the form.
    pub(crate) fn other<'n>(&self, names: impl AsRef<[&'n str]>) -> Option<&str> {
        let (_, problem) = self.problem.as_ref()?;
        let at_a_field = names.as_ref().iter().any(|it| self.problem(it).is_some());
        (!at_a_field).then_some(problem)
    }

    /// Whether it was refused.
    pub(crate) fn is_refused(&self) -> bool {
        self.problem.is_some()
    }
}

/// What is wrong, in the reader's language where the catalogue knows the sentence.
pub(crate) fn problem(text: Text, why: &InvalidField) -> String {
    let key = match why.message.as_str() {
        "must not be empty" => "refused.empty",
        "say why"
        | "say why: a reason is needed"
        | "a change of grade or limit needs a reason"
        | "lifting a hold needs a reason"
        | "a write-off needs a reason"
        | "say why supply goes on"
        | "say why supply stops, or why it goes on" => "refused.reason",
        "must be a date such as 2026-03-02" => "refused.date",
        "must be an amount such as 5700.00" => "refused.amount",
        "must be a whole number" => "refused.whole",
        "must be more than zero" => "refused.more_than_zero",
        "must not be negative" => "refused.negative",
        "a held order may only be decided on by supervisor or administrator" => "refused.supervisor",
        "a second person has to agree to the write-off" => "refused.second_person",
        "this grant is freed already" => "refused.freed",
        "is not open any more" => "refused.not_open",
        "say what changes: grade, limit or terms_days" => "refused.what_changes",
        "the account is not on hold" => "refused.no_hold",
        "say what you will do" => "refused.say_what",
        "the warning is acknowledged already" => "refused.acknowledged",
        "no such warning is standing for this customer" => "refused.no_warning",
        "belongs to another territory now" => "refused.moved",
        "no interest has accrued on it beyond what was charged" => "refused.no_interest",
        "its document went out before" => "refused.sent_before",
        "supply is not stopped" => "refused.not_stopped",
        "no stop of supply is proposed for this customer" => "refused.no_proposal",
        "a statement that says the same has been issued already" => "refused.same_statement",
        "the period has not ended: what happens today may still change it" => "refused.not_ended",
        "is not cleared; record that it is first" => "refused.not_cleared",
        "say what is to be paid" => "refused.nothing_named",
        "say which, by their numbers from 1" => "refused.which",
        "lies before the first day of the period" => "refused.before_first",
        "lies before the assessment" => "refused.before_assessment",
        "the account is on hold; lift the hold first" => "refused.on_hold",
        "the customer has no limit and needs no allowance" => "refused.not_needed",
        "the customer's grade gets no offline allowance; it pays first, or the policy names no size for it" => {
            "refused.grade"
        }
        other => return refused(text, other),
    };
    text.t(key).to_owned()
}

/// What the rules say, in the reader's language where there is a sentence for it.
pub(crate) fn refused(text: Text, why: impl std::fmt::Display) -> String {
    let why = why.to_string();
    refusal::in_words(text, &why).unwrap_or_else(|| text.fill("refused.other", "reason", why))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn amounts_are_read_as_people_type_them_and_nothing_is_guessed() {
        for (text, value) in [
            ("5700.00", "5700.00"),
            ("1,234,567.5", "1234567.5"),
            ("1 234", "1234.0"),
            ("-3", "-3.0"),
            ("0007", "7.0"),
        ] {
            assert_eq!(number("amount", text).unwrap(), value.parse().unwrap(), "{text}");
        }
        for text in [
            "", "1,5", "12,34", "1.", ".5", "1e3", "１", "1,234,56", ",123", "NaN", "1.2.3", "--1", "1 2",
        ] {
            assert_eq!(number("amount", text).unwrap_err().field, "amount", "{text}");
        }
    }

    #[test]
    fn a_problem_stands_at_its_field_or_above_the_form() {
        let view = |field: &str| FormView {
            problem: Some((field.to_owned(), "wrong".to_owned())),
            ..FormView::default()
        };
        assert_eq!(view("reason").problem("reason"), Some("wrong"));
        assert_eq!(view("amount.currency").problem("amount"), Some("wrong"));
        assert_eq!(
            view("allocations.invoice_number").problem("invoice_number"),
            Some("wrong")
        );
        assert_eq!(view("books").problem("reason"), None);
        assert_eq!(view("books").other(["reason"]), Some("wrong"));
        assert_eq!(view("reason").other(["reason"]), None);
    }
}
