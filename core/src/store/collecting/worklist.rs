use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{Days, NaiveDate};
use rusqlite::Connection;

use super::{
    AsOf, Ground, PhoneBooks,
    promises::{self, PromiseState, notes},
};
use crate::{
    db::{
        documents::{day_number, interned, kind_number},
        lists, records,
        records::CustomerLine,
    },
    error::FieldError,
    model::{
        CreditFile, Currency, CustomerId, DocumentId, DocumentKind, InvalidMoney, LedgerRecord, Money, RecordKind,
        Timestamp, UserId, Warning,
    },
    rules::{
        books::{self, OpenItem},
        dunning,
        promises::{PromiseResult, PromiseStanding},
        worklist::{
            Overdue, UnreviewedDispute, WorklistCustomer, WorklistLine, dunning_of_today, items_of_file,
            promises_that_matter, rank,
        },
    },
    store::FieldStore,
};

/// How far back a contact is looked for that a dunning step has waited for, and a dispute that a rep took down.
const DAYS_BACK: u64 = 60;

/// Which worklist.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct WorklistQuery {
    /// Customers of colleagues as well.
    #[cfg_attr(feature = "uniffi", uniffi(default = false))]
    pub everyone: bool,
    /// The day; today when left out.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub day: Option<NaiveDate>,
    /// At most so many customers.
    #[cfg_attr(feature = "uniffi", uniffi(default = 50))]
    pub limit: usize,
}

impl Default for WorklistQuery {
    fn default() -> Self {
        Self {
            everyone: false,
            day: None,
            limit: 50,
        }
    }
}

/// Whom to see today about money (今日催收).
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Worklist {
    /// As of when.
    pub as_of: AsOf,
    /// The currency by which customers are ranked: that of the company's books.
    pub currency: Currency,
    /// The customers, the most pressing first.
    pub entries: Vec<WorklistEntry>,
    /// How many more there are beyond the limit.
    pub more: usize,
    /// Customers of whom it cannot be told how pressing they are.
    pub unranked: Vec<Unranked>,
}

/// A customer on the worklist.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct WorklistEntry {
    /// Rank, reasons and the next step.
    pub line: WorklistLine,
    /// The company's number for the customer.
    pub code: String,
    /// The customer's name.
    pub name: String,
    /// As of when the customer's credit file is; `None` without one.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub file_as_of: Option<Timestamp>,
    /// Highest dunning level of what is open; 0 is none.
    pub dunning_level: u8,
    /// Whether nothing may be sold on credit just now.
    pub on_hold: bool,
    /// A visit of one's own that is planned for the day.
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub planned_visit: Option<DocumentId>,
    /// Early warnings whose cause has not gone.
    pub warnings: Vec<Warning>,
}

/// A customer of whom it cannot be told how pressing they are.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Unranked {
    /// Who.
    pub customer: CustomerId,
    /// Their name.
    pub name: String,
    /// Why, in a sentence.
    pub reason: String,
}

impl FieldStore {
    /// Whom to see today about money, ranked, with the reasons: broken promises first, then by overdue amount × age.
    ///
    /// # Errors
    /// [`FieldError::NotEnrolled`]; as [`Self::organisation`].
    pub fn worklist(&self, query: &WorklistQuery) -> Result<Worklist, FieldError> {
        let me = self.require_identity()?.user;
        self.read(|connection| {
            let ground = self.ground(connection, query.day)?;
            let mut gathering = Gathering::new(connection, &ground)?;
            records::customers_with_files(connection, |customer, file| {
                if query.everyone || customer.rep.is_none_or(|rep| rep == me) {
                    gathering.add(customer, file()?)?;
                }
                Ok(())
            })?;
            gathering.finish(me, query.limit)
        })
    }
}

/// What is known of a customer beside what ranks them.
struct Known {
    line: CustomerLine,
    file_as_of: Option<Timestamp>,
    dunning_level: u8,
    on_hold: bool,
}

/// The list while customer after customer is added.
struct Gathering<'g> {
    connection: &'g Connection,
    ground: &'g Ground,
    promising: BTreeSet<CustomerId>,
    /// The day on which anybody last spoke to a customer about money, of the last weeks.
    spoken_on: HashMap<CustomerId, NaiveDate>,
    /// Customers with a dispute that a rep took down and nobody has looked at.
    disputing: BTreeSet<CustomerId>,
    ranked: Vec<WorklistCustomer>,
    known: BTreeMap<CustomerId, Known>,
    unranked: Vec<Unranked>,
}

impl<'g> Gathering<'g> {
    fn new(connection: &'g Connection, ground: &'g Ground) -> Result<Self, FieldError> {
        let oldest = promises::first_day(ground.as_of.day);
        Ok(Self {
            connection,
            ground,
            promising: promises::recently_promising(connection, oldest)?.into_iter().collect(),
            spoken_on: spoken_on(connection, ground)?,
            disputing: disputing(connection, ground)?,
            ranked: Vec::new(),
            known: BTreeMap::new(),
            unranked: Vec::new(),
        })
    }

    fn add(&mut self, line: CustomerLine, file: Option<CreditFile>) -> Result<(), FieldError> {
        let promises = self.promises_of(line.id)?;
        let items = self.items(line.id, file.as_ref(), &promises)?;
        let countable = items.and_then(|it| self.ground.has_rates(&it.open, file.as_ref()).map(|()| it));
        let items = match countable {
            Ok(items) => items,
            Err(reason) => {
                self.unranked.push(Unranked {
                    customer: line.id,
                    name: line.name,
                    reason,
                });
                return Ok(());
            }
        };
        let level = dunning::customer_level(&items.open);
        let customer = self.ranked_customer(line.id, file.as_ref(), items, &promises)?;
        self.ranked.push(customer);
        self.known.insert(
            line.id,
            Known {
                file_as_of: file.as_ref().map(|it| it.as_of),
                dunning_level: file.as_ref().map_or(level, |it| it.dunning_level.max(level)),
                on_hold: file.as_ref().is_some_and(|it| it.on_hold),
                line,
            },
        );
        Ok(())
    }

    /// The promises, with those of which this phone cannot know counted as running: asked for, not held against anybody.
    fn promises_of(&self, customer: CustomerId) -> Result<Vec<PromiseResult>, FieldError> {
        if !self.promising.contains(&customer) {
            return Ok(Vec::new());
        }
        let views = promises::of_customer(self.connection, self.ground, customer)?;
        let result = |it: promises::PromiseView| PromiseResult {
            standing: match it.state {
                PromiseState::Judged(standing) => standing,
                PromiseState::NotHeardSince | PromiseState::NoBooks => PromiseStanding::Running,
            },
            ..it.result
        };
        Ok(views.into_iter().map(result).collect())
    }

    /// What is open: the sums of the credit file where they say enough, else every item of the books.
    fn items(
        &self,
        customer: CustomerId,
        file: Option<&CreditFile>,
        promises: &[PromiseResult],
    ) -> Result<Result<Items, String>, FieldError> {
        // Only the books tell which invoice a running promise is about, and what exactly is in dispute.
        let by_invoice = promises
            .iter()
            .any(|it| it.standing == PromiseStanding::Running && it.promise.invoice_number.is_some());
        let disputed = file.is_some_and(|it| it.dues.iter().any(|due| due.disputed));
        if !by_invoice
            && !disputed
            && let Some(open) = file.and_then(items_of_file)
        {
            return Ok(Ok(Items {
                open,
                ..Items::default()
            }));
        }
        // Asked first: most customers without a file have nothing else either.
        if !records::has_books(self.connection, customer)? {
            return Ok(Ok(Items {
                open: file.and_then(items_of_file).unwrap_or_default(),
                ..Items::default()
            }));
        }
        let books = PhoneBooks::of(self.connection, customer)?;
        let day = self.ground.as_of.day;
        let mut disputes = Vec::new();
        for invoice in &books.invoices {
            let open = invoice.instalments.iter().flat_map(|it| &it.disputes);
            let since = open.filter(|it| it.opened_on <= day && it.settled_on.is_none_or(|end| day < end));
            disputes.extend(since.map(|it| it.opened_on).min().map(|since| UnreviewedDispute {
                number: invoice.number.clone(),
                since,
            }));
        }
        Ok(match books::open_items(&books.view(), day) {
            Ok(open) => Ok(Items { open, disputes }),
            Err(error) => Err(format!("the books contradict themselves: {error}; tell finance")),
        })
    }

    fn ranked_customer(
        &self,
        customer: CustomerId,
        file: Option<&CreditFile>,
        items: Items,
        promises: &[PromiseResult],
    ) -> Result<WorklistCustomer, FieldError> {
        let ground = self.ground;
        let (currency, day) = (ground.currency, ground.as_of.day);
        let mut overdue = Overdue::of(&items.open, currency, day, |money| ground.converted(money))?;
        if items.open.is_empty()
            && let Some(file) = file
        {
            overdue = self.overdue_of_figures(file)?;
        }
        let mut disputes = items.disputes;
        if self.disputing.contains(&customer) {
            let taken_down = unreviewed(self.connection, ground, customer)?;
            let new = |it: &UnreviewedDispute| disputes.iter().all(|known| known.number != it.number);
            let new: Vec<_> = taken_down.into_iter().filter(new).collect();
            disputes.extend(new);
        }
        let dunning = dunning_of_today(
            &items.open,
            promises,
            &ground.policy.dunning,
            day,
            self.spoken_on.get(&customer).copied(),
            currency,
            |money| ground.converted(money),
        )?;
        Ok(WorklistCustomer {
            customer,
            promises: promises_that_matter(promises, &overdue, day),
            overdue,
            dunning,
            disputes,
        })
    }

    /// A file that tells no items: all that is overdue counts as old as the oldest of it.
    fn overdue_of_figures(&self, file: &CreditFile) -> Result<Overdue, FieldError> {
        let amount = self.ground.converted(file.overdue)?;
        let days = file.oldest_due.map_or(0, |due| {
            self.ground.as_of.day.signed_duration_since(due).num_days().max(0)
        });
        let amount_days = amount.amount.checked_mul(days.into()).ok_or(InvalidMoney::Overflow)?;
        Ok(Overdue {
            amount,
            amount_days,
            oldest_days: days,
        })
    }

    fn finish(mut self, me: UserId, limit: usize) -> Result<Worklist, FieldError> {
        let mut lines = rank(self.ranked);
        let more = lines.len().saturating_sub(limit);
        lines.truncate(limit);
        let planned = planned_visits(self.connection, me, self.ground.as_of.day)?;
        let mut entries = Vec::with_capacity(lines.len());
        for line in lines {
            let Some(known) = self.known.remove(&line.customer) else {
                continue;
            };
            entries.push(WorklistEntry {
                code: known.line.code,
                name: known.line.name,
                file_as_of: known.file_as_of,
                dunning_level: known.dunning_level,
                on_hold: known.on_hold,
                planned_visit: planned.get(&line.customer).copied(),
                warnings: warnings(self.connection, line.customer)?,
                line,
            });
        }
        Ok(Worklist {
            as_of: self.ground.as_of,
            currency: self.ground.currency,
            entries,
            more,
            unranked: self.unranked,
        })
    }
}

/// What is open of a customer, and what of it is in dispute.
#[derive(Default)]
struct Items {
    open: Vec<OpenItem>,
    disputes: Vec<UnreviewedDispute>,
}

impl Ground {
    /// Whether everything that counts can be told in the currency of the list; else why not, in a sentence.
    fn has_rates(&self, items: &[OpenItem], file: Option<&CreditFile>) -> Result<(), String> {
        let of_items = items.iter().map(|it| it.currency);
        let currencies = of_items.chain(file.map(|it| it.overdue.currency));
        let other: BTreeSet<Currency> = currencies.filter(|it| *it != self.currency).collect();
        other
            .into_iter()
            .try_for_each(|it| self.in_books(Money::zero(it)).map(drop))
            .map_err(|error| error.to_string())
    }
}

/// Early warnings about a customer whose cause has not gone, the worst first.
pub(super) fn warnings(connection: &Connection, customer: CustomerId) -> Result<Vec<Warning>, FieldError> {
    let records = records::of_customer(connection, &RecordKind::Warning, customer)?;
    let mut warnings: Vec<Warning> = records
        .into_iter()
        .filter_map(|record| match record {
            LedgerRecord::Warning(it) if it.cleared_at.is_none() => Some(it),
            _ => None,
        })
        .collect();
    warnings.sort_by_key(|it| (std::cmp::Reverse(it.level), it.raised_at));
    Ok(warnings)
}

/// The first moment that is looked back to.
fn looked_back_to(ground: &Ground) -> i64 {
    let day = ground.as_of.day.checked_sub_days(Days::new(DAYS_BACK));
    let midnight = day
        .unwrap_or(ground.as_of.day)
        .and_time(chrono::NaiveTime::MIN)
        .and_utc();
    Timestamp::from(midnight).as_millis()
}

/// The day on which anybody last spoke to each customer about what is owed. To tell them of their money, or to look back
/// when it is all there, reminds nobody.
fn spoken_on(connection: &Connection, ground: &Ground) -> Result<HashMap<CustomerId, NaiveDate>, FieldError> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT i.id, max(d.moment) FROM document d JOIN interned i ON i.ref = d.customer
         WHERE d.kind = ?1 AND d.moment >= ?2 AND d.flags & {} = 0
         AND d.state NOT IN ('not_reached', 'receipt_confirmed', 'collection_closed') GROUP BY d.customer",
        lists::HIDDEN
    ))?;
    let kind = kind_number(&DocumentKind::CollectionNote);
    let rows = statement.query_map((kind, looked_back_to(ground)), |row| {
        Ok((row.get::<_, [u8; 16]>(0)?, row.get::<_, i64>(1)?))
    })?;
    let mut spoken = HashMap::new();
    for row in rows {
        let (id, moment) = row?;
        let day = Timestamp::from_millis(moment).date_in(ground.zone);
        spoken.insert(CustomerId::from_bytes(id), day);
    }
    Ok(spoken)
}

/// A collection note that says that the customer disputes something, and that no supervisor has reviewed.
const UNREVIEWED: &str = "d.state = 'disputed' AND NOT EXISTS (SELECT 1 FROM document r WHERE r.about = d.id)";

/// Customers with such notes in the last weeks.
fn disputing(connection: &Connection, ground: &Ground) -> Result<BTreeSet<CustomerId>, FieldError> {
    // The second condition is word for word that of the index of what is open.
    let mut statement = connection.prepare_cached(&format!(
        "SELECT DISTINCT i.id FROM document d JOIN interned i ON i.ref = d.customer
         WHERE d.kind = ?1 AND {UNREVIEWED} AND d.state NOT IN ('done', 'confirmed', 'approved')
         AND d.moment >= ?2 AND d.flags & {} = 0",
        lists::HIDDEN
    ))?;
    let kind = kind_number(&DocumentKind::CollectionNote);
    let rows = statement.query_map((kind, looked_back_to(ground)), |row| row.get::<_, [u8; 16]>(0))?;
    Ok(rows
        .map(|id| id.map(CustomerId::from_bytes))
        .collect::<Result<_, _>>()?)
}

/// What such notes about a customer say is in dispute. One that names no invoice is about the whole account.
fn unreviewed(
    connection: &Connection,
    ground: &Ground,
    customer: CustomerId,
) -> Result<Vec<UnreviewedDispute>, FieldError> {
    let since = looked_back_to(ground);
    let found = notes(connection, customer, &format!("{UNREVIEWED} AND d.moment >= {since}"))?;
    let mut disputes: Vec<UnreviewedDispute> = Vec::new();
    // The newest comes first; the oldest of each invoice is what counts.
    for (_, note) in found.into_iter().rev() {
        let number = note.invoice_number.unwrap_or_else(|| "the account".to_owned());
        if disputes.iter().all(|it| it.number != number) {
            disputes.push(UnreviewedDispute {
                number,
                since: note.at.date_in(ground.zone),
            });
        }
    }
    Ok(disputes)
}

/// Visits of one's own that are planned for a day and have not begun.
fn planned_visits(
    connection: &Connection,
    me: UserId,
    day: NaiveDate,
) -> Result<HashMap<CustomerId, DocumentId>, FieldError> {
    let Some(me) = interned(connection, me.as_bytes())? else {
        return Ok(HashMap::new());
    };
    let kind = kind_number(&DocumentKind::Visit);
    let rows = lists::select(
        connection,
        "d.day = ?1 AND d.kind = ?2 AND +d.owner = ?3 AND d.state = 'planned'",
        "d.moment DESC, d.row DESC",
        &[day_number(day).into(), kind.into(), me.into()],
        usize::MAX,
    )?;
    Ok(rows
        .into_iter()
        .filter_map(|row| Some((row.customer?, row.id)))
        .collect())
}
