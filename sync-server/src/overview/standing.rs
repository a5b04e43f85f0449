//! What one customer comes to on a day.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use chrono::{Days, NaiveDate};
use chrono_tz::Tz;
use fieldledger_core::{
    model::{
        CollectionOutcome, CreditAccount, CreditFile, CreditGrade, CreditLimit, Currency, Customer, Horizon,
        InvalidMoney, Invoice, Money, Policy, Timestamp, Warning,
    },
    rules::{
        ageing::Ageing,
        books::{BooksError, OpenItem, UnallocatedCredit, open_items, unallocated},
        dunning::{DunningProposal, propose},
        exposure::{self, DayRates},
        promises::{Promise, PromiseResult, evaluate},
        worklist::{
            DunningOfInterest, Overdue, UnreviewedDispute, WorklistCustomer, dunning_of_today, promises_that_matter,
        },
    },
};

use super::{
    Known,
    history::{self, Point, PointFigures},
};
use crate::store::{HeldBooks, NoteFacts};

/// How far back a contact is looked for that a reminder has waited for, and a dispute that a rep took down.
const DAYS_BACK: u64 = 60;

/// What is the same for all customers.
pub(super) struct Ground<'g> {
    pub(super) today: NaiveDate,
    pub(super) zone: Tz,
    pub(super) currency: Currency,
    pub(super) policy: &'g Policy,
    pub(super) points: &'g [Point],
}

/// What a customer comes to.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The customer.
    pub customer: Customer,
    /// Name, number, contact, telephone and address in lower case, for searching.
    pub searched: String,
    /// The credit file that phones have; `None` while nobody has decided anything.
    pub credit: Option<CreditFigures>,
    /// What is open, by bucket and currency.
    pub ageing: Ageing,
    /// What is overdue, in the currency of the company's books.
    pub overdue: Overdue,
    /// What is open of each item, for money that comes without a name.
    pub open: Box<[OpenAmount]>,
    /// Money and credit notes that nothing is paid with yet.
    pub unallocated: Vec<UnallocatedCredit>,
    /// What was promised, and what became of it.
    pub promises: Vec<PromiseResult>,
    /// What the ladder of reminders asks for today, in the currency of the company's books.
    pub reminders: Vec<DunningOfInterest>,
    /// How many items reach their next level today.
    pub to_remind: usize,
    /// What is in dispute and nobody has looked at.
    pub disputes: Vec<UnreviewedDispute>,
    /// Receivables and sales at each of [`Overview::points`](super::Overview::points), by currency.
    pub history: BTreeMap<Currency, Box<[PointFigures]>>,
    /// Whether a stop of supply is proposed or in force.
    pub stop: Option<Stop>,
    /// Critical warnings that stand and that nobody has acknowledged, the longest standing first.
    pub critical: Vec<Warning>,
    /// Why nothing can be said of what is owed: books that contradict themselves.
    pub problem: Option<String>,
    /// Why what is overdue cannot be told in the currency of the company's books: a rate that is missing.
    pub unconverted: Option<String>,
}

/// A stop of supply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Waits for a person.
    Proposed,
    /// In force.
    Stopped,
}

/// What is open of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenAmount {
    /// How much.
    pub amount: Money,
    /// When it is due.
    pub due_on: Option<NaiveDate>,
    /// See [`OpenAmount::key_of`].
    pub key: u64,
}

impl OpenAmount {
    /// Equal for equal amounts, and hardly ever for others: half a million amounts are looked through for some by comparing
    /// these.
    pub fn key_of(amount: Money) -> u64 {
        let mut hasher = DefaultHasher::new();
        (amount.currency, amount.amount).hash(&mut hasher);
        hasher.finish()
    }
}

/// The figures of a credit file that lists show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CreditFigures {
    /// As of when.
    pub as_of: Timestamp,
    /// The grade.
    pub grade: Option<CreditGrade>,
    /// The limit.
    pub limit: CreditLimit,
    /// What counts against it; `None` when it cannot be added up.
    pub exposure: Option<Money>,
    /// What is reserved for phones.
    pub reserved: Option<Money>,
    /// Whether the account is on hold.
    pub on_hold: bool,
}

impl CreditFigures {
    fn of(file: &CreditFile, today: NaiveDate) -> Self {
        Self {
            as_of: file.as_of,
            grade: file.grade,
            limit: file.limit,
            exposure: exposure::of_file(file, Horizon::Static, today).ok(),
            reserved: file.reserved,
            on_hold: file.on_hold,
        }
    }
}

impl Standing {
    /// For the ranking of the worklist.
    pub fn for_worklist(&self, today: NaiveDate) -> WorklistCustomer {
        WorklistCustomer {
            customer: self.customer.id,
            overdue: self.overdue,
            promises: promises_that_matter(&self.promises, &self.overdue, today),
            dunning: self.reminders.clone(),
            disputes: self.disputes.clone(),
        }
    }
}

/// What a customer comes to. Books that cannot be read are told as such: a wrong figure is worse than none.
pub(super) fn of(ground: &Ground<'_>, known: Known, books: &HeldBooks) -> Standing {
    let Known {
        customer,
        file,
        account,
        notes,
        mut critical,
    } = known;
    critical.sort_by_key(|it| (it.raised_at, it.rule));
    let mut standing = Standing {
        searched: [
            &customer.name,
            &customer.code,
            &customer.contact,
            &customer.phone,
            &customer.address,
        ]
        .map(|it| it.to_lowercase())
        .join("\n"),
        credit: file.as_ref().map(|it| CreditFigures::of(it, ground.today)),
        ageing: Ageing::new(ground.today),
        overdue: Overdue::nothing(ground.currency),
        open: Box::default(),
        unallocated: Vec::new(),
        promises: Vec::new(),
        reminders: Vec::new(),
        to_remind: 0,
        disputes: Vec::new(),
        history: BTreeMap::new(),
        stop: account.as_ref().and_then(|it| stop(it, ground.today)),
        critical,
        problem: None,
        unconverted: None,
        customer,
    };
    if let Err(why) = fill(ground, &mut standing, books, &notes) {
        tracing::warn!(customer = %standing.customer.id, %why, "what a customer owes cannot be told");
        standing.problem = Some(why);
    }
    standing
}

/// The stop of supply that waits or is in force.
fn stop(account: &CreditAccount, today: NaiveDate) -> Option<Stop> {
    let open = |it: &&fieldledger_core::model::Suspension| it.ended_on.is_none_or(|end| today < end);
    account
        .suspensions
        .iter()
        .rev()
        .filter(open)
        .find_map(|it| match &it.decision {
            None => Some(Stop::Proposed),
            Some(decision) if decision.suspend => Some(Stop::Stopped),
            Some(_) => None,
        })
}

fn fill(ground: &Ground<'_>, standing: &mut Standing, books: &HeldBooks, notes: &[NoteFacts]) -> Result<(), String> {
    let Ground {
        today,
        zone,
        currency,
        policy,
        points,
    } = *ground;
    let told = |error: BooksError| error.to_string();
    let view = books.view();
    let promised: Vec<Promise> = notes
        .iter()
        .filter_map(|it| Promise::of_note(it.id, &it.note, zone))
        .collect();
    standing.promises = evaluate(&promised, &books.receipts, &policy.promises, today);
    let items = open_items(&view, today).map_err(told)?;
    standing.unallocated = unallocated(&view, today).map_err(told)?;
    standing.ageing = Ageing::of(today, &items, &standing.unallocated).map_err(|error| error.to_string())?;
    standing.open = items
        .iter()
        .map(|it| {
            let amount = Money::new(it.open(), it.currency);
            OpenAmount {
                amount,
                due_on: it.due_on,
                key: OpenAmount::key_of(amount),
            }
        })
        .collect();
    standing.history = history::of(&view, points).map_err(told)?;
    standing.disputes = disputes(books, notes, ground);
    standing.to_remind = items
        .iter()
        .filter(|it| {
            matches!(
                propose(it, &standing.promises, &policy.dunning, today),
                DunningProposal::Raise(_)
            )
        })
        .count();
    let rates = DayRates {
        rates: &policy.rates,
        day: today,
    };
    let converted = |money: Money| {
        rates
            .convert(money, currency)
            .map_err(|_| InvalidMoney::MixedCurrencies(money.currency, currency))
    };
    match worked(&items, standing, notes, ground, converted) {
        Ok(worked) => (standing.overdue, standing.reminders) = worked,
        // What is owed in each currency is right all the same.
        Err(why) => standing.unconverted = Some(why.to_string()),
    }
    Ok(())
}

fn worked(
    items: &[OpenItem],
    standing: &Standing,
    notes: &[NoteFacts],
    ground: &Ground<'_>,
    converted: impl Fn(Money) -> Result<Money, InvalidMoney>,
) -> Result<(Overdue, Vec<DunningOfInterest>), InvalidMoney> {
    let (currency, today) = (ground.currency, ground.today);
    let overdue = Overdue::of(items, currency, today, &converted)?;
    let spoken_on = recent(notes, ground)
        .filter(|it| {
            // To tell them of their money, or to look back when it is all there, reminds nobody.
            !matches!(
                it.note.outcome,
                CollectionOutcome::NotReached | CollectionOutcome::ReceiptConfirmed | CollectionOutcome::Closed
            )
        })
        .map(|it| it.note.at.date_in(ground.zone))
        .max();
    let reminders = dunning_of_today(
        items,
        &standing.promises,
        &ground.policy.dunning,
        today,
        spoken_on,
        currency,
        converted,
    )?;
    Ok((overdue, reminders))
}

/// Notes of the last weeks.
fn recent<'n>(notes: &'n [NoteFacts], ground: &Ground<'_>) -> impl Iterator<Item = &'n NoteFacts> {
    let (since, zone) = (
        ground
            .today
            .checked_sub_days(Days::new(DAYS_BACK))
            .unwrap_or(ground.today),
        ground.zone,
    );
    notes.iter().filter(move |it| it.note.at.date_in(zone) >= since)
}

/// What the books and reps' notes say is in dispute, the oldest of each invoice.
fn disputes(books: &HeldBooks, notes: &[NoteFacts], ground: &Ground<'_>) -> Vec<UnreviewedDispute> {
    let today = ground.today;
    let mut found: Vec<UnreviewedDispute> = Vec::new();
    let since = |invoice: &Invoice| {
        let all = invoice.instalments.iter().flat_map(|it| &it.disputes);
        let open = all.filter(|it| it.opened_on <= today && it.settled_on.is_none_or(|end| today < end));
        open.map(|it| it.opened_on).min()
    };
    for invoice in &books.invoices {
        found.extend(since(invoice).map(|since| UnreviewedDispute {
            number: invoice.number.clone(),
            since,
        }));
    }
    let mut taken_down: Vec<&NoteFacts> = recent(notes, ground)
        .filter(|it| it.note.outcome == CollectionOutcome::Disputed && !it.reviewed)
        .collect();
    taken_down.sort_by_key(|it| it.note.at);
    for it in taken_down {
        // One that names no invoice is about the whole account.
        let number = it.note.invoice_number.clone().unwrap_or_default();
        if found.iter().all(|known| known.number != number) {
            found.push(UnreviewedDispute {
                number,
                since: it.note.at.date_in(ground.zone),
            });
        }
    }
    found
}
