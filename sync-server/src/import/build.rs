//! Records from rows.

mod cells;
mod customers;
mod load;
mod orders;
mod owed;
mod people;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    path::Path,
};

pub(crate) use cells::midnight;
use chrono::NaiveDate;
use fieldledger_core::model::{
    Customer, CustomerId, LedgerOrder, LedgerRecord, OrganisationId, OrganisationProfile, Person, ProductId, Territory,
    TerritoryId,
};
use load::load;

use super::{
    Books, ImportError, Mapping, RowError, Sourced,
    mapping::Source,
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
    let invoices = builder.invoices();
    let receipts = builder.receipts();
    let as_of = as_of.unwrap_or_else(|| builder.day_after_newest(&deliveries, &invoices, &receipts));
    let credit = builder.credit_rows();

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
    records.extend(invoices);
    records.extend(receipts);
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

    /// The day after the newest thing that happened in the files: the same files give the same credit files whenever
    /// they are imported.
    fn day_after_newest(&self, deliveries: &[Sourced], invoices: &[Sourced], receipts: &[Sourced]) -> NaiveDate {
        let orders = self.orders.values().map(|it| it.order.ordered_on);
        let records = [deliveries, invoices, receipts].into_iter().flatten();
        let others = records.filter_map(|it| match &it.record {
            LedgerRecord::Delivery(it) => Some(it.shipped_on),
            LedgerRecord::Invoice(it) => Some(it.invoiced_on),
            LedgerRecord::Receipt(it) => Some(it.valued_on),
            _ => None,
        });
        let newest = orders.chain(others).max();
        newest.and_then(|day| day.succ_opt()).unwrap_or_default()
    }
}

fn sourced(made: Vec<(LedgerRecord, (String, u64))>) -> Vec<Sourced> {
    let sourced = |(record, source)| Sourced {
        record,
        source: Some(source),
    };
    made.into_iter().map(sourced).collect()
}
