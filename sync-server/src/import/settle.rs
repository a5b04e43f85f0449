//! What the rows say of a customer's money, together with what is stored of the customer already: receipts are set
//! against what is open, what was decided about credit becomes the credit account, and both give the credit file.
//!
//! What the server has added to a record stays when its row comes again: allocations, the day a record counts from,
//! extensions, disputes, reminders. A row never rewrites books that were closed: what is new in them counts from the day
//! after.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::NaiveDate;
use fieldledger_core::{
    model::{
        Assessment, CreditAccount, CreditGrade, CreditHold, CreditLimit, CreditNote, CreditTerms, CustomerId, Invoice,
        LedgerOrder, LedgerRecord, Money, OrganisationProfile, Policy, Receipt, SpecialLiability, Timestamp,
    },
    rules::{
        allocation::{self, AllocationError},
        books::{CustomerBooks, open_items, unallocated},
        exposure::{FileSources, credit_file},
    },
};
use rust_decimal::Decimal;

use super::{Books, RowError, Sourced, midnight};
use crate::store::CustomerLedger;

/// The word by which what an import decided is known.
pub(crate) const IMPORTED: &str = "imported";

/// Where a record comes from: file and line.
type Row = Option<(String, u64)>;

/// What a row says of a customer's credit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreditRow {
    /// Whose.
    pub customer: CustomerId,
    /// The file and line it came from.
    pub source: Option<(String, u64)>,
    /// The grade, where there is one.
    pub grade: Option<CreditGrade>,
    /// How much may be owed.
    pub limit: CreditLimit,
    /// Days of credit.
    pub terms_days: u32,
    /// Why the account is on hold; `None` when it is not.
    pub hold: Option<String>,
    /// Special liabilities; zero is none.
    pub special_liabilities: Money,
    /// The assessment behind it, where the source knows one.
    pub assessment: Option<Assessment>,
}

/// What holds for every customer of an import.
pub(super) struct Frame<'f> {
    profile: &'f OrganisationProfile,
    policy: &'f Policy,
    /// The first day that anything is dated.
    first_day: NaiveDate,
    as_of: NaiveDate,
    now: Timestamp,
    has_invoices: bool,
}

impl Frame<'_> {
    /// The first day of the books that is open; nothing new counts from before it.
    fn opens(&self) -> Option<NaiveDate> {
        self.policy.books_closed_until.and_then(|day| day.succ_opt())
    }

    /// The day something dated `day` counts from, where that is another one.
    fn posted(&self, day: NaiveDate) -> Option<NaiveDate> {
        self.opens().filter(|opens| day < *opens)
    }
}

/// The rows about one customer.
#[derive(Default)]
pub(super) struct Facts {
    invoices: Vec<(Invoice, Row)>,
    receipts: Vec<(Receipt, Row)>,
    orders: Vec<LedgerOrder>,
    credit: Option<CreditRow>,
    /// A row about the customer was left out, so nothing can be said of what is open.
    incomplete: bool,
}

/// The records that follow from the rows, in the order in which they are written.
#[derive(Default)]
pub(super) struct Settled {
    invoices: Vec<Sourced>,
    receipts: Vec<Sourced>,
    accounts: Vec<Sourced>,
    files: Vec<Sourced>,
    /// Rows that cannot be taken in beside what is stored.
    pub(super) errors: Vec<RowError>,
}

impl Settled {
    /// Hands the records to the books they were taken from.
    pub(super) fn put_back(self, books: &mut Books) {
        for records in [self.invoices, self.receipts, self.accounts, self.files] {
            books.records.extend(records);
        }
    }

    fn leave_out(&mut self, row: &Row, reason: String) {
        let (file, line) = row.clone().unwrap_or_default();
        self.errors.push(RowError {
            file,
            line,
            column: None,
            reason,
        });
    }
}

impl Books {
    /// The frame of these books for a company with this policy.
    pub(super) fn frame<'f>(
        &self,
        profile: &'f OrganisationProfile,
        policy: &'f Policy,
        facts: &BTreeMap<CustomerId, Facts>,
        now: Timestamp,
    ) -> Frame<'f> {
        let dated = self.records.iter().filter_map(|it| match &it.record {
            LedgerRecord::Order(it) => Some(it.ordered_on),
            LedgerRecord::Delivery(it) => Some(it.shipped_on),
            _ => None,
        });
        let owed = facts.values().flat_map(|it| {
            let invoices = it.invoices.iter().map(|(it, _)| it.invoiced_on);
            invoices.chain(it.receipts.iter().map(|(it, _)| it.valued_on))
        });
        Frame {
            profile,
            policy,
            first_day: dated.chain(owed).min().unwrap_or(self.as_of).min(self.as_of),
            as_of: self.as_of,
            now,
            has_invoices: self.has_invoices,
        }
    }

    /// Takes out of the books what [`settle`] gives back.
    pub(super) fn take_facts(&mut self) -> BTreeMap<CustomerId, Facts> {
        let mut facts: BTreeMap<CustomerId, Facts> = BTreeMap::new();
        for it in std::mem::take(&mut self.records) {
            match it.record {
                LedgerRecord::Invoice(invoice) => {
                    let of = facts.entry(invoice.customer).or_default();
                    of.invoices.push((invoice, it.source));
                }
                LedgerRecord::Receipt(mut receipt) => {
                    // What was settled without the store is settled anew with it.
                    receipt.allocations.clear();
                    receipt.posted_on = None;
                    let of = facts.entry(receipt.customer).or_default();
                    of.receipts.push((receipt, it.source));
                }
                LedgerRecord::CreditAccount(_) | LedgerRecord::CreditFile(_) => {}
                record => {
                    if let LedgerRecord::Order(order) = &record {
                        facts.entry(order.customer).or_default().orders.push(order.clone());
                    }
                    self.records.push(Sourced {
                        record,
                        source: it.source,
                    });
                }
            }
        }
        for row in &self.credit {
            facts.entry(row.customer).or_default().credit = Some(row.clone());
        }
        for customer in &self.incomplete {
            facts.entry(*customer).or_default().incomplete = true;
        }
        facts
    }

    /// The books as they are for a company that is not there yet.
    pub(crate) fn settled_alone(mut self) -> Self {
        let facts = self.take_facts();
        let (profile, policy) = (self.profile.clone(), Policy::default());
        let now = midnight(self.as_of, profile.time_zone);
        let frame = self.frame(&profile, &policy, &facts, now);
        let mut settled = Settled::default();
        for (customer, facts) in facts {
            settle(customer, facts, None, &frame, &mut settled);
        }
        // What is wrong is told when the books are written, once.
        settled.put_back(&mut self);
        self
    }
}

/// Adds the records of one customer to `settled`.
pub(super) fn settle(
    customer: CustomerId,
    facts: Facts,
    known: Option<&CustomerLedger>,
    frame: &Frame<'_>,
    settled: &mut Settled,
) {
    let mut held = Held::of(known);
    let (mut new_invoices, mut new_receipts) = (Vec::new(), Vec::new());
    for (invoice, row) in facts.invoices {
        match held.invoice(invoice, frame) {
            Ok(number) => new_invoices.push((number, row)),
            Err(reason) => settled.leave_out(&row, reason),
        }
    }
    for (receipt, row) in facts.receipts {
        match held.receipt(receipt, frame) {
            Ok(reference) => new_receipts.push((reference, row)),
            Err(reason) => settled.leave_out(&row, reason),
        }
    }
    let invoices: Vec<Invoice> = held.invoices.into_values().collect();
    let mut receipts: Vec<Receipt> = held.receipts.into_values().collect();
    let named: HashMap<&str, &Row> = new_receipts.iter().map(|(name, row)| (name.as_str(), row)).collect();
    let mut consistent = Ok(());
    if !facts.incomplete {
        let untouched = |it: &Receipt| {
            let by_the_rules = |it: &fieldledger_core::model::Allocation| it.by.is_none() && it.reversed_on.is_none();
            named.contains_key(it.reference.as_str()) && it.allocations.iter().all(by_the_rules)
        };
        let open: Vec<bool> = receipts.iter().map(untouched).collect();
        consistent = allocate(&invoices, &mut receipts, &held.credit_notes, &open, frame);
    }
    if let Err(error) = &consistent {
        let row = facts.credit.as_ref().and_then(|it| it.source.clone());
        let row = row.or_else(|| new_receipts.first().and_then(|(_, row)| row.clone()));
        settled.leave_out(&row, format!("what is owed cannot be told: {error}"));
    }
    let sourced = |record, source: &Row| Sourced {
        record,
        source: source.clone(),
    };
    let rows: HashMap<&str, &Row> = new_invoices.iter().map(|(name, row)| (name.as_str(), row)).collect();
    for it in &invoices {
        if let Some(row) = rows.get(it.number.as_str()) {
            settled.invoices.push(sourced(it.clone().into(), row));
        }
    }
    for it in &receipts {
        if let Some(row) = named.get(it.reference.as_str()) {
            settled.receipts.push(sourced(it.clone().into(), row));
        }
    }
    let Some(credit) = &facts.credit else { return };
    let before = known.map(|it| &it.account);
    let account = account(credit, before, frame);
    if consistent.is_ok() {
        let books = CustomerBooks {
            invoices: &invoices,
            receipts: &receipts,
            credit_notes: &held.credit_notes,
        };
        let file = file(&account, &books, &facts.orders, known, frame);
        match file {
            Ok(file) => settled.files.push(sourced(file, &credit.source)),
            Err(reason) => settled.leave_out(&credit.source, format!("the exposure cannot be computed: {reason}")),
        }
    }
    debug_assert_eq!(account.customer, customer);
    settled.accounts.push(sourced(account.into(), &credit.source));
}

/// What the books of a customer hold, rows and stored records together, by number and reference.
struct Held {
    invoices: BTreeMap<String, Invoice>,
    receipts: BTreeMap<String, Receipt>,
    credit_notes: Vec<CreditNote>,
}

impl Held {
    fn of(known: Option<&CustomerLedger>) -> Self {
        let Some(known) = known else {
            return Self {
                invoices: BTreeMap::new(),
                receipts: BTreeMap::new(),
                credit_notes: Vec::new(),
            };
        };
        let invoices = known.invoices.iter().map(|it| (it.number.clone(), it.clone()));
        let receipts = known.receipts.iter().map(|it| (it.reference.clone(), it.clone()));
        Self {
            invoices: invoices.collect(),
            receipts: receipts.collect(),
            credit_notes: known.credit_notes.clone(),
        }
    }

    /// How much of an invoice's principal is paid, by allocations that nobody has reversed.
    fn paid_on(&self, number: &str) -> Decimal {
        let cash = self.receipts.values().flat_map(|it| &it.allocations);
        let all = cash.chain(self.credit_notes.iter().flat_map(|it| &it.allocations));
        let counting = all.filter(|it| {
            it.invoice_number == number
                && it.reversed_on.is_none()
                && it.part == fieldledger_core::model::AllocationPart::Principal
        });
        counting.fold(Decimal::ZERO, |sum, it| sum.saturating_add(it.amount))
    }

    /// Takes in the row of an invoice; tells its number, or why it cannot be.
    fn invoice(&mut self, row: Invoice, frame: &Frame<'_>) -> Result<String, String> {
        let number = row.number.clone();
        let Some(stored) = self.invoices.get(&number) else {
            let posted_on = frame.posted(row.invoiced_on);
            self.invoices.insert(number.clone(), Invoice { posted_on, ..row });
            return Ok(number);
        };
        let mut invoice = Invoice {
            customer: row.customer,
            order_number: row.order_number,
            invoiced_on: row.invoiced_on,
            due_on: row.due_on,
            amount: row.amount,
            ..stored.clone()
        };
        let (amount, due) = (invoice.amount != stored.amount, invoice.due_on != stored.due_on);
        match invoice.instalments.as_mut_slice() {
            [] => {}
            [only] => {
                if amount {
                    only.amount = invoice.amount.amount;
                }
                if due {
                    only.due_on = Some(invoice.due_on);
                }
            }
            _ if amount || due => {
                return Err(format!(
                    "invoice {number} has instalments here; correct it by a credit note and another invoice"
                ));
            }
            _ => {}
        }
        if amount {
            let paid = self.paid_on(&number);
            if paid > invoice.amount.amount
                || (paid > Decimal::ZERO && invoice.amount.currency != stored.amount.currency)
            {
                return Err(format!(
                    "{paid} of invoice {number} is paid, which is {} here; enter a credit note, or reverse the allocation",
                    stored.amount
                ));
            }
        }
        self.invoices.insert(number.clone(), invoice);
        Ok(number)
    }

    /// Takes in the row of a receipt; tells its reference, or why it cannot be.
    fn receipt(&mut self, row: Receipt, frame: &Frame<'_>) -> Result<String, String> {
        let reference = row.reference.clone();
        let Some(stored) = self.receipts.get(&reference) else {
            let posted_on = frame.posted(row.valued_on);
            self.receipts.insert(reference.clone(), Receipt { posted_on, ..row });
            return Ok(reference);
        };
        // Where finance said when the money became certain, that stays.
        let as_valued = stored.cleared_on == Some(stored.valued_on);
        let receipt = Receipt {
            valued_on: row.valued_on,
            cleared_on: if as_valued { row.cleared_on } else { stored.cleared_on },
            amount: row.amount,
            pays: row.pays,
            ..stored.clone()
        };
        let counting = stored.allocations.iter().filter(|it| it.reversed_on.is_none());
        let taken = counting.fold(Decimal::ZERO, |sum, it| sum.saturating_add(it.taken()));
        let moved = receipt.amount.currency != stored.amount.currency;
        if taken > receipt.amount.amount || (moved && taken > Decimal::ZERO) {
            return Err(format!(
                "receipt {reference} is set against items for {taken}, more than it comes to now; reverse an allocation first"
            ));
        }
        self.receipts.insert(reference.clone(), receipt);
        Ok(reference)
    }
}

/// Sets receipts against what is open, each on its own day and what is left of it again on the day of every later
/// invoice, in the order of value dates. `open` tells which receipts may be.
fn allocate(
    invoices: &[Invoice],
    receipts: &mut [Receipt],
    credit_notes: &[CreditNote],
    open: &[bool],
    frame: &Frame<'_>,
) -> Result<(), AllocationError> {
    let opens = frame.opens().unwrap_or(NaiveDate::MIN);
    let mut waiting: Vec<(NaiveDate, usize)> = Vec::new();
    for (index, it) in receipts.iter().enumerate() {
        if let (Some(cleared), true, None) = (it.cleared_on, open.get(index) == Some(&true), it.bounced_on) {
            waiting.push((cleared.max(it.counts_from()).max(opens), index));
        }
    }
    waiting.sort_by(|(day, a), (other_day, b)| {
        let key = |index: &usize| receipts.get(*index).map(|it| (it.valued_on, &it.reference));
        (day, key(a)).cmp(&(other_day, key(b)))
    });
    let mut days: BTreeSet<NaiveDate> = waiting.iter().map(|(day, _)| *day).collect();
    days.extend(invoices.iter().map(|it| it.counts_from().max(opens)));
    let mut spent: BTreeSet<usize> = BTreeSet::new();
    for day in days {
        for (_, index) in waiting.iter().take_while(|(from, _)| *from <= day) {
            if spent.contains(index) {
                continue;
            }
            let proposal = {
                let books = CustomerBooks {
                    invoices,
                    receipts,
                    credit_notes,
                };
                let Some(receipt) = receipts.get(*index) else { continue };
                allocation::propose_receipt(&books, receipt, day, frame.policy)?
            };
            if proposal.left.is_zero() {
                spent.insert(*index);
            }
            if let Some(receipt) = receipts.get_mut(*index) {
                receipt.allocations.extend(proposal.allocations);
            }
        }
    }
    Ok(())
}

/// The credit account with what the row says. What was decided before stays; another limit, grade or term is a new entry.
fn account(row: &CreditRow, before: Option<&CreditAccount>, frame: &Frame<'_>) -> CreditAccount {
    let mut account = before.cloned().unwrap_or_else(|| CreditAccount::new(row.customer));
    // What a person decided meanwhile is none of the files' business: only another word of the files is news.
    let last = account.terms.iter().rev().find(|it| it.by.is_none());
    if !last.is_some_and(|it| (it.grade, it.limit, it.terms_days) == (row.grade, row.limit, row.terms_days)) {
        let effective_from = if account.terms.is_empty() {
            frame.first_day
        } else {
            last.map_or(frame.as_of, |it| it.effective_from.max(frame.as_of))
        };
        account.terms.push(CreditTerms {
            effective_from,
            grade: row.grade,
            limit: row.limit,
            terms_days: row.terms_days,
            reason: IMPORTED.to_owned(),
            by: None,
            recorded_at: frame.now,
        });
    }
    if let Some(assessment) = &row.assessment
        && !account.assessments.contains(assessment)
    {
        account.assessments.push(assessment.clone());
    }
    let running = account
        .holds
        .iter_mut()
        .rev()
        .find(|it| it.by.is_none() && it.until.is_none());
    match (running, &row.hold) {
        (Some(hold), None) => hold.until = Some(frame.as_of.max(hold.from)),
        (None, Some(reason)) => account.holds.push(CreditHold {
            from: frame.as_of,
            until: None,
            reason: reason.clone(),
            by: None,
        }),
        _ => {}
    }
    let mut running = account.liabilities.iter_mut();
    let running = running.find(|it| it.name == IMPORTED && it.until.is_none());
    let now = (!row.special_liabilities.amount.is_zero()).then_some(row.special_liabilities);
    if running.as_ref().map(|it| it.amount) != now {
        let from = if account_is_new(before) {
            frame.first_day
        } else {
            frame.as_of
        };
        if let Some(old) = running {
            old.until = Some(frame.as_of.max(old.from));
        }
        account.liabilities.extend(now.map(|amount| SpecialLiability {
            name: IMPORTED.to_owned(),
            amount,
            from,
            until: None,
        }));
    }
    account
}

fn account_is_new(before: Option<&CreditAccount>) -> bool {
    before.is_none_or(|it| it.terms.is_empty())
}

/// The credit file as of the day of the import.
fn file(
    account: &CreditAccount,
    books: &CustomerBooks<'_>,
    orders: &[LedgerOrder],
    known: Option<&CustomerLedger>,
    frame: &Frame<'_>,
) -> Result<LedgerRecord, String> {
    let charged = books.invoices.iter().filter(|it| it.counts_from() <= frame.as_of);
    let invoiced_orders: BTreeSet<String> = charged.filter_map(|it| it.order_number.clone()).collect();
    let items = open_items(books, frame.as_of).map_err(|error| error.to_string())?;
    let unallocated = unallocated(books, frame.as_of).map_err(|error| error.to_string())?;
    let sources = FileSources {
        account,
        policy: frame.policy,
        items: &items,
        unallocated: &unallocated,
        decisions: known.map_or(&[], |it| &it.decisions),
        orders,
        invoiced_orders: &invoiced_orders,
        books_have_invoices: frame.has_invoices,
        grants: known.map_or(&[], |it| &it.grants),
        currency: frame.profile.currency,
    };
    let zone = frame.profile.time_zone;
    let file = credit_file(&sources, midnight(frame.as_of, zone), zone).map_err(|error| error.to_string())?;
    Ok(file.into())
}
