//! What the rows say of a customer's money, together with what is stored of the customer already: receipts are set
//! against what is open, what was decided about credit becomes the credit account, and both give the credit file.
//!
//! What the server has added to a record stays when its row comes again: allocations, the day a record counts from,
//! extensions, disputes, reminders, decisions about credit. A row never rewrites books that were closed: what is new in them counts from the day
//! after.

mod account;
mod held;
mod parts;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::NaiveDate;
use fieldledger_core::{
    model::{
        Allocation, AllocationBasis, Assessment, Contract, CreditAccount, CreditGrade, CreditLimit, CreditNote,
        CreditTerms, CustomerId, Invoice, LedgerOrder, LedgerRecord, Money, OrganisationProfile, Policy, Receipt,
        Timestamp,
    },
    rules::{
        allocation::{self, AllocationError},
        books::{CustomerBooks, open_items, unallocated},
        exposure::{FileSources, credit_file},
    },
};

pub(super) use self::parts::written_out;
use self::{account::account, held::Held};
use super::{Books, RowError, Sourced};
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
    contracts: Vec<(Contract, Row)>,
    invoices: Vec<(Invoice, Row)>,
    receipts: Vec<(Receipt, Row)>,
    credit_notes: Vec<(CreditNote, Row)>,
    orders: Vec<LedgerOrder>,
    credit: Option<CreditRow>,
    /// Decisions of other days than today, with the first of their rows.
    history: Option<(Vec<CreditTerms>, Row)>,
    /// A row about the customer was left out, so nothing can be said of what is open.
    incomplete: bool,
}

/// The records that follow from the rows, in the order in which they are written.
#[derive(Default)]
pub(super) struct Settled {
    contracts: Vec<Sourced>,
    invoices: Vec<Sourced>,
    credit_notes: Vec<Sourced>,
    receipts: Vec<Sourced>,
    accounts: Vec<Sourced>,
    files: Vec<Sourced>,
    /// Rows that cannot be taken in beside what is stored.
    pub(super) errors: Vec<RowError>,
}

impl Settled {
    /// Hands the records to the books they were taken from.
    pub(super) fn put_back(self, books: &mut Books) {
        let owed = [self.contracts, self.invoices, self.credit_notes, self.receipts];
        let records = owed.into_iter().chain([self.accounts, self.files]);
        books.records.extend(records.flatten());
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
            let notes = it.credit_notes.iter().map(|(it, _)| it.credited_on);
            invoices
                .chain(it.receipts.iter().map(|(it, _)| it.valued_on))
                .chain(notes)
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
                LedgerRecord::CreditNote(mut note) => {
                    note.allocations.clear();
                    note.posted_on = None;
                    let of = facts.entry(note.customer).or_default();
                    of.credit_notes.push((note, it.source));
                }
                LedgerRecord::Contract(contract) => {
                    let of = facts.entry(contract.customer).or_default();
                    of.contracts.push((contract, it.source));
                }
                LedgerRecord::CreditAccount(account) => {
                    // What follows from the row of today is decided anew; rows of other days are kept.
                    let of_rows = |it: &CreditTerms| it.by.is_none() && it.reason != IMPORTED;
                    let history: Vec<CreditTerms> = account.terms.into_iter().filter(of_rows).collect();
                    if !history.is_empty() {
                        facts.entry(account.customer).or_default().history = Some((history, it.source));
                    }
                }
                LedgerRecord::CreditFile(_) => {}
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
        let now = Timestamp::midnight(self.as_of, profile.time_zone);
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
    for (contract, row) in facts.contracts {
        match held::contract(contract, known) {
            Ok(contract) => settled.contracts.push(sourced(contract.into(), &row)),
            Err(reason) => settled.leave_out(&row, reason),
        }
    }
    let mut rows = Rows::default();
    for (invoice, row) in facts.invoices {
        match held.invoice(invoice, frame) {
            Ok(number) => {
                rows.invoices.insert(number, row);
            }
            Err(reason) => settled.leave_out(&row, reason),
        }
    }
    for (note, row) in facts.credit_notes {
        match held.credit_note(note, frame) {
            Ok(number) => {
                rows.credit_notes.insert(number, row);
            }
            Err(reason) => settled.leave_out(&row, reason),
        }
    }
    let mut first_receipt = None;
    for (receipt, row) in facts.receipts {
        match held.receipt(receipt, frame) {
            Ok(reference) => {
                first_receipt.get_or_insert_with(|| row.clone());
                rows.receipts.insert(reference, row);
            }
            Err(reason) => settled.leave_out(&row, reason),
        }
    }
    let invoices: Vec<Invoice> = held.invoices.into_values().collect();
    let mut receipts: Vec<Receipt> = held.receipts.into_values().collect();
    let mut credit_notes: Vec<CreditNote> = held.credit_notes.into_values().collect();
    let mut consistent = Ok(());
    if !facts.incomplete {
        consistent = allocate(&invoices, &mut receipts, &mut credit_notes, &rows, frame);
    }
    if let Err(error) = &consistent {
        let row = facts.credit.as_ref().and_then(|it| it.source.clone());
        let row = row.or_else(|| first_receipt.flatten());
        settled.leave_out(&row, format!("what is owed cannot be told: {error}"));
    }
    for it in &invoices {
        if let Some(row) = rows.invoices.get(&it.number) {
            settled.invoices.push(sourced(it.clone().into(), row));
        }
    }
    for it in &credit_notes {
        if let Some(row) = rows.credit_notes.get(&it.number) {
            settled.credit_notes.push(sourced(it.clone().into(), row));
        }
    }
    for it in &receipts {
        if let Some(row) = rows.receipts.get(&it.reference) {
            settled.receipts.push(sourced(it.clone().into(), row));
        }
    }
    // Of a customer of whom a row was left out, what was decided stays as it was too.
    let history = facts.history.filter(|_| !facts.incomplete || facts.credit.is_some());
    let (history, history_row) = history.unwrap_or_default();
    if facts.credit.is_none() && history.is_empty() {
        return;
    }
    let source = facts.credit.as_ref().map_or(history_row, |it| it.source.clone());
    let before = known.map(|it| &it.account);
    let account = account(customer, facts.credit.as_ref(), &history, before, frame);
    if consistent.is_ok() {
        let books = CustomerBooks {
            invoices: &invoices,
            receipts: &receipts,
            credit_notes: &credit_notes,
        };
        match file(&account, &books, &facts.orders, known, frame) {
            Ok(file) => settled.files.push(sourced(file, &source)),
            Err(reason) => settled.leave_out(&source, format!("the exposure cannot be computed: {reason}")),
        }
    }
    settled.accounts.push(sourced(account.into(), &source));
}

fn sourced(record: LedgerRecord, source: &Row) -> Sourced {
    Sourced {
        record,
        source: source.clone(),
    }
}

/// The rows that were taken in, by number and reference.
#[derive(Default)]
struct Rows {
    invoices: HashMap<String, Row>,
    credit_notes: HashMap<String, Row>,
    receipts: HashMap<String, Row>,
}

/// Whether all of it was done by the rules and stands, so that the rules may go on.
fn by_the_rules(allocations: &[Allocation]) -> bool {
    let mut all = allocations.iter();
    all.all(|it| it.by.is_none() && it.reversed_on.is_none() && it.basis != AllocationBasis::Manual)
}

/// What pays. On one day what corrects an invoice goes before what pays the rest of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Payer {
    Note(usize),
    Receipt(usize),
}

/// Sets receipts and credit notes against what is open, each on its own day and what is left of it again on the day of every
/// later invoice, in the order of their dates. Those of `rows` may be that nobody but the rules has set against anything.
fn allocate(
    invoices: &[Invoice],
    receipts: &mut [Receipt],
    credit_notes: &mut [CreditNote],
    rows: &Rows,
    frame: &Frame<'_>,
) -> Result<(), AllocationError> {
    let opens = frame.opens().unwrap_or(NaiveDate::MIN);
    let mut waiting: Vec<(NaiveDate, bool, NaiveDate, String, Payer)> = Vec::new();
    for (index, it) in receipts.iter().enumerate() {
        let open = rows.receipts.contains_key(&it.reference) && by_the_rules(&it.allocations);
        if let (Some(cleared), true, None) = (it.cleared_on, open, it.bounced_on) {
            let day = cleared.max(it.counts_from()).max(opens);
            waiting.push((day, true, it.valued_on, it.reference.clone(), Payer::Receipt(index)));
        }
    }
    for (index, it) in credit_notes.iter().enumerate() {
        if rows.credit_notes.contains_key(&it.number) && by_the_rules(&it.allocations) {
            let day = it.counts_from().max(opens);
            waiting.push((day, false, it.credited_on, it.number.clone(), Payer::Note(index)));
        }
    }
    waiting.sort_unstable();
    let mut days: BTreeSet<NaiveDate> = waiting.iter().map(|(day, ..)| *day).collect();
    days.extend(invoices.iter().map(|it| it.counts_from().max(opens)));
    let mut spent: BTreeSet<Payer> = BTreeSet::new();
    for day in days {
        for (.., payer) in waiting.iter().take_while(|(from, ..)| *from <= day) {
            if spent.contains(payer) {
                continue;
            }
            let books = CustomerBooks {
                invoices,
                receipts,
                credit_notes,
            };
            let proposal = match *payer {
                Payer::Receipt(index) => receipts
                    .get(index)
                    .map(|it| allocation::propose_receipt(&books, it, day, frame.policy)),
                Payer::Note(index) => credit_notes
                    .get(index)
                    .map(|it| allocation::propose_credit_note(&books, it, day, frame.policy)),
            };
            let Some(proposal) = proposal.transpose()? else {
                continue;
            };
            if proposal.left.is_zero() {
                spent.insert(*payer);
            }
            let allocations = match *payer {
                Payer::Receipt(index) => receipts.get_mut(index).map(|it| &mut it.allocations),
                Payer::Note(index) => credit_notes.get_mut(index).map(|it| &mut it.allocations),
            };
            if let Some(allocations) = allocations {
                allocations.extend(proposal.allocations);
            }
        }
    }
    Ok(())
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
    let file =
        credit_file(&sources, Timestamp::midnight(frame.as_of, zone), zone).map_err(|error| error.to_string())?;
    Ok(file.into())
}
