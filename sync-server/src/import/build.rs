//! Records from rows.

mod cells;
mod contracts;
mod credit;
mod customers;
mod load;
mod orders;
mod owed;
mod parts;
mod people;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    path::Path,
};

use chrono::NaiveDate;
use fieldledger_core::model::{
    Contract, Customer, CustomerId, Invoice, LedgerOrder, LedgerRecord, OrganisationId, OrganisationProfile, Person,
    ProductId, Territory, TerritoryId, Timestamp,
};
use load::load;

use super::{
    Books, ImportError, Mapping, RowError, Sourced,
    mapping::{Field, Source},
    table::{RowView, Tables},
};

type RowResult<T> = Result<T, RowError>;

pub(super) fn build(
    mapping: &Mapping,
    dir: &Path,
    organisation: OrganisationId,
    name: Option<&str>,
    as_of: Option<NaiveDate>,
) -> Result<Books, ImportError> {
    let mut errors = Vec::new();
    let tables = load(mapping, dir, &mut errors)?;
    let mut builder = Builder {
        mapping,
        tables: &tables,
        organisation,
        errors,
        territories: BTreeMap::new(),
        people: BTreeMap::new(),
        customers: BTreeMap::new(),
        products: HashMap::new(),
        orders: BTreeMap::new(),
        broken_orders: HashSet::new(),
        contracts: BTreeMap::new(),
        broken_contracts: HashSet::new(),
        invoices: BTreeMap::new(),
        broken_invoices: HashSet::new(),
        incomplete: BTreeMap::new(),
    };
    let mut records = Vec::new();
    builder.listed_territories();
    builder.people();
    let customers = builder.customers();
    builder.works_with();
    let products = builder.products();
    builder.orders();
    let deliveries = builder.deliveries();
    builder.contracts();
    builder.invoices();
    builder.disputes();
    builder.extensions();
    let mut owed = builder.receipts();
    owed.extend(builder.credit_notes());
    let as_of = as_of.unwrap_or_else(|| builder.day_after_newest(&deliveries, &owed));
    let history = builder.credit_history(as_of);
    let credit = builder.credit_rows(as_of);

    let profile = OrganisationProfile {
        name: name.unwrap_or(&mapping.organisation.name).to_owned(),
        time_zone: mapping.organisation.time_zone,
        currency: mapping.organisation.currency,
        geofence_metres: mapping.organisation.geofence_metres,
    };
    records.push(Sourced {
        record: LedgerRecord::Organisation(profile.clone()),
        source: None,
    });
    for (territory, source) in builder.territories.values() {
        records.push(Sourced {
            record: LedgerRecord::Territory(territory.clone()),
            source: source.clone(),
        });
    }
    let accounts = builder.accounts();
    for person in builder.people.values() {
        records.push(Sourced {
            record: LedgerRecord::Person(person.person.clone()),
            source: Some(person.source.clone()),
        });
    }
    records.extend(products);
    records.extend(customers);
    for order in builder.orders.values() {
        records.push(Sourced {
            record: LedgerRecord::Order(order.order.clone()),
            source: Some(order.source.clone()),
        });
    }
    records.extend(deliveries);
    for (contract, source) in builder.contracts.into_values() {
        records.push(Sourced {
            record: LedgerRecord::Contract(contract),
            source: Some(source),
        });
    }
    for (invoice, source) in builder.invoices.into_values() {
        records.push(Sourced {
            record: LedgerRecord::Invoice(invoice),
            source: Some(source),
        });
    }
    records.extend(owed);
    records.extend(history);
    // A file may be read for several sections: the first thing wrong with a row is the cause of the others.
    let mut errors = builder.errors;
    let mut told = HashSet::new();
    errors.retain(|error| told.insert((error.file.clone(), error.line)));
    errors.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    Ok(Books {
        organisation,
        profile,
        accounts,
        records,
        credit,
        incomplete: builder.incomplete.into_keys().collect(),
        has_invoices: mapping.invoices.is_some(),
        errors,
        as_of,
    })
}

struct BuiltPerson {
    person: Person,
    login: String,
    territories: BTreeSet<TerritoryId>,
    source: (String, u64),
}

struct BuiltOrder {
    order: LedgerOrder,
    source: (String, u64),
}

struct Builder<'m> {
    mapping: &'m Mapping,
    tables: &'m Tables,
    organisation: OrganisationId,
    errors: Vec<RowError>,
    territories: BTreeMap<String, (Territory, Option<(String, u64)>)>,
    people: BTreeMap<String, BuiltPerson>,
    customers: BTreeMap<String, Customer>,
    products: HashMap<String, ProductId>,
    orders: BTreeMap<String, BuiltOrder>,
    /// Orders that are in the files and were left out, so that what hangs on them can say so.
    broken_orders: HashSet<String>,
    contracts: BTreeMap<String, (Contract, (String, u64))>,
    /// As [`Self::broken_orders`].
    broken_contracts: HashSet<String>,
    invoices: BTreeMap<String, (Invoice, (String, u64))>,
    /// As [`Self::broken_orders`].
    broken_invoices: HashSet<String>,
    /// Customers of whom a row was left out, with that row: their credit files would be wrong.
    incomplete: BTreeMap<CustomerId, RowError>,
}

impl<'m> Builder<'m> {
    fn rows(&mut self, source: Source<'m>) -> Vec<RowView<'m>> {
        self.tables.rows(source, &self.mapping.reading, &mut self.errors)
    }

    /// Builds a record of each row; the row's error, or a key that was there before, is told and the row left out.
    fn each<T>(
        &mut self,
        source: Source<'m>,
        mut make: impl FnMut(&mut Self, &RowView<'m>, &mut HashMap<String, u64>) -> RowResult<T>,
    ) -> Vec<(T, (String, u64))> {
        let mut seen = HashMap::new();
        let mut made = Vec::new();
        for row in self.rows(source) {
            match make(self, &row, &mut seen) {
                Ok(it) => made.push((it, (row.file().to_owned(), row.line()))),
                Err(error) => self.errors.push(error),
            }
        }
        made
    }

    /// Rows that belong to something with a number, by that number. One that cannot be used spoils the whole: what is
    /// left of it would be wrong.
    fn grouped<T>(
        &mut self,
        source: Source<'m>,
        number: &'m Field,
        mut make: impl FnMut(&Self, &RowView<'m>) -> RowResult<T>,
    ) -> BTreeMap<String, RowResult<Vec<T>>> {
        let mut found: BTreeMap<String, RowResult<Vec<T>>> = BTreeMap::new();
        for row in self.rows(source) {
            let key = match cells::required(&row, number) {
                Ok(key) => key,
                Err(error) => {
                    self.errors.push(error);
                    continue;
                }
            };
            let of_number = found.entry(key).or_insert_with(|| Ok(Vec::new()));
            match make(self, &row) {
                Ok(it) => {
                    if let Ok(all) = of_number {
                        all.push(it);
                    }
                }
                Err(error) => {
                    if of_number.is_ok() {
                        *of_number = Err(error.clone());
                    }
                    self.errors.push(error);
                }
            }
        }
        found
    }

    /// Tells of rows in `parts` that belong to no row of `of`, taken or not.
    fn tell_orphans(&mut self, what: &str, of: (Source<'m>, &'m Field), parts: (Source<'m>, &'m Field)) {
        let every = Source {
            conditions: &[],
            ..of.0
        };
        let rows = self.tables.rows(every, &self.mapping.reading, &mut Vec::new());
        let all: HashSet<String> = rows.iter().filter_map(|row| row.value(of.1).ok().flatten()).collect();
        for row in self.rows(parts.0) {
            if let Ok(Some(number)) = row.value(parts.1)
                && !all.contains(&number)
            {
                let columns = parts.1.columns();
                self.errors
                    .push(row.error(&columns, format!("there is no {what} {number:?}")));
            }
        }
    }

    /// Keeps in mind that a row about this customer was left out, when it was.
    fn about<T>(&mut self, customer: CustomerId, made: RowResult<T>) -> RowResult<T> {
        made.inspect_err(|error| {
            self.incomplete.entry(customer).or_insert_with(|| error.clone());
        })
    }

    /// The day after the newest thing that happened in the files: the same files give the same credit files whenever
    /// they are imported.
    fn day_after_newest(&self, deliveries: &[Sourced], owed: &[Sourced]) -> NaiveDate {
        let mut days: Vec<NaiveDate> = self.orders.values().map(|it| it.order.ordered_on).collect();
        for (invoice, _) in self.invoices.values() {
            days.push(invoice.invoiced_on);
            for part in &invoice.instalments {
                days.extend(part.extensions.iter().map(|it| it.approved_on));
                days.extend(part.disputes.iter().map(|it| it.opened_on));
                days.extend(part.disputes.iter().filter_map(|it| it.settled_on));
            }
        }
        for it in deliveries.iter().chain(owed) {
            match &it.record {
                LedgerRecord::Delivery(it) => days.push(it.shipped_on),
                LedgerRecord::CreditNote(it) => days.push(it.credited_on),
                LedgerRecord::Receipt(it) => {
                    days.push(it.valued_on);
                    days.extend(it.cleared_on);
                    days.extend(it.bounced_on);
                }
                _ => {}
            }
        }
        let newest = days.into_iter().max();
        // Books without a history are those of today.
        newest
            .and_then(|day| day.succ_opt())
            .unwrap_or_else(|| Timestamp::from(chrono::Utc::now()).date_in(self.mapping.organisation.time_zone))
    }
}

fn sourced(made: Vec<(LedgerRecord, (String, u64))>) -> Vec<Sourced> {
    let sourced = |(record, source)| Sourced {
        record,
        source: Some(source),
    };
    made.into_iter().map(sourced).collect()
}

/// Why something is left out whose parts are in this bad row.
fn because_of(row: &RowView<'_>, bad: &RowError) -> RowError {
    row.error("", format!("left out because {} line {} is", bad.file, bad.line))
}
