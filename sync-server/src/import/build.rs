//! Records from rows.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    path::Path,
    str::FromStr,
};

use chrono::{Days, NaiveDate, NaiveTime, TimeZone as _};
use fieldledger_core::model::{
    CreditFile, CreditGrade, CreditLimit, Currency, Customer, CustomerId, Invoice, LedgerDelivery, LedgerLine,
    LedgerOrder, LedgerRecord, Money, OrganisationId, OrganisationProfile, Person, Position, Product, ProductId,
    Receipt, Role, Territory, TerritoryId, Timestamp, UserId,
};
use rust_decimal::Decimal;

use super::{
    AccountPlan, Books, ImportError, Mapping, RowError, Sourced,
    credit::{self, CustomerBooks},
    mapping::{Condition, Field, Lines, Source, Template},
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
    let credit_files = builder.credit_files(&invoices, &receipts, as_of);

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
    records.extend(credit_files);
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
        errors,
        as_of,
    })
}

/// Reads every file that the mapping names and refuses names of columns that are not there, before anything is built.
fn load(mapping: &Mapping, dir: &Path, errors: &mut Vec<RowError>) -> Result<Tables, ImportError> {
    let mut tables = Tables::default();
    let mut section = |source: Source<'_>, fields: &[Option<&Field>], more: &[Condition]| -> Result<(), ImportError> {
        tables.load(dir, source, &mapping.reading, errors)?;
        let fields = fields.iter().copied().flatten();
        let templates: Vec<&Template> = fields
            .flat_map(|field| field.parts.iter().chain(&field.currency))
            .chain(more.iter().map(|condition| &condition.value))
            .collect();
        tables.check(source, templates)
    };
    if let Some(it) = &mapping.territories {
        section(it.source(), &[Some(&it.key), Some(&it.name)], &[])?;
    }
    if let Some(it) = &mapping.people {
        let fields = [
            Some(&it.key),
            Some(&it.name),
            Some(&it.login),
            Some(&it.roles),
            it.supervisor.as_ref(),
            it.territory.as_ref(),
        ];
        section(it.source(), &fields, &[])?;
        if let Some(it) = &it.works_with {
            section(it.source(), &[Some(&it.person), Some(&it.customer)], &[])?;
        }
    }
    if let Some(it) = &mapping.products {
        let fields = [
            Some(&it.key),
            it.code.as_ref(),
            Some(&it.name),
            it.unit.as_ref(),
            it.price.as_ref(),
            it.group.as_ref(),
            it.discontinued.as_ref(),
        ];
        section(it.source(), &fields, &[])?;
    }
    let it = &mapping.customers;
    let fields = [
        Some(&it.key),
        it.code.as_ref(),
        Some(&it.name),
        Some(&it.territory),
        it.rep.as_ref(),
        it.contact.as_ref(),
        it.phone.as_ref(),
        it.address.as_ref(),
        it.latitude.as_ref(),
        it.longitude.as_ref(),
    ];
    section(it.source(), &fields, &[])?;
    let mut lines_of: Vec<&Lines> = Vec::new();
    if let Some(it) = &mapping.orders {
        let fields = [
            Some(&it.number),
            Some(&it.customer),
            Some(&it.ordered_on),
            it.wanted_by.as_ref(),
            it.shipped_on.as_ref(),
            it.state.as_ref(),
            it.note.as_ref(),
            it.surcharge.as_ref(),
            it.currency.as_ref(),
        ];
        section(it.source(), &fields, it.cancelled_when.as_deref().unwrap_or_default())?;
        lines_of.push(&it.lines);
    }
    if let Some(it) = &mapping.deliveries {
        section(
            it.source(),
            &[Some(&it.number), Some(&it.order), Some(&it.shipped_on)],
            &[],
        )?;
        lines_of.extend(&it.lines);
    }
    for it in lines_of {
        let fields = [
            Some(&it.number),
            Some(&it.product),
            Some(&it.quantity),
            it.unit_price.as_ref(),
            it.discount.as_ref(),
            it.position.as_ref(),
        ];
        section(it.source(), &fields, &[])?;
    }
    if let Some(it) = &mapping.invoices {
        let fields = [
            Some(&it.number),
            it.order.as_ref(),
            it.customer.as_ref(),
            Some(&it.invoiced_on),
            it.due_on.as_ref(),
            it.terms_days.as_ref(),
            it.amount.as_ref(),
        ];
        section(it.source(), &fields, &[])?;
    }
    if let Some(it) = &mapping.receipts {
        let fields = [
            Some(&it.reference),
            Some(&it.customer),
            Some(&it.valued_on),
            Some(&it.amount),
            it.pays.as_ref(),
        ];
        section(it.source(), &fields, &[])?;
    }
    if let Some(it) = &mapping.credit {
        let fields = [
            Some(&it.customer),
            it.limit.as_ref(),
            it.no_limit.as_ref(),
            it.grade.as_ref(),
            it.terms_days.as_ref(),
            it.on_hold.as_ref(),
            it.special_liabilities.as_ref(),
        ];
        section(it.source(), &fields, &[])?;
    }
    Ok(tables)
}

struct BuiltPerson {
    person: Person,
    login: String,
    territories: BTreeSet<TerritoryId>,
    source: (String, u64),
}

struct BuiltOrder {
    order: LedgerOrder,
    cancelled: bool,
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

    fn territory(&mut self, row: &RowView<'m>, field: &Field) -> RowResult<TerritoryId> {
        let key = required(row, field)?;
        if let Some((territory, _)) = self.territories.get(&key) {
            return Ok(territory.id);
        }
        if self.mapping.territories.is_some() {
            return Err(row.error(&field.columns(), format!("there is no territory {key:?}")));
        }
        let id = TerritoryId::derived(self.organisation, &format!("territory:{key}"));
        let territory = Territory { id, name: key.clone() };
        self.territories.insert(key, (territory, None));
        Ok(id)
    }

    fn listed_territories(&mut self) {
        let Some(section) = &self.mapping.territories else {
            return;
        };
        let made = self.each(section.source(), |this, row, seen| {
            let key = unique(row, &section.key, seen)?;
            let id = TerritoryId::derived(this.organisation, &format!("territory:{key}"));
            let name = required(row, &section.name)?;
            Ok((key, Territory { id, name }))
        });
        for ((key, territory), source) in made {
            self.territories.insert(key, (territory, Some(source)));
        }
    }

    fn people(&mut self) {
        let Some(section) = &self.mapping.people else { return };
        // Supervisors may stand below those who report to them, so their keys are gathered first.
        let mut keys = HashSet::new();
        for row in self
            .tables
            .rows(section.source(), &self.mapping.reading, &mut Vec::new())
        {
            keys.extend(row.value(&section.key).ok().flatten());
        }
        let mut logins: HashMap<String, u64> = HashMap::new();
        let made = self.each(section.source(), |this, row, seen| {
            let key = unique(row, &section.key, seen)?;
            let id = this.user_id(&key);
            let login: String = required(row, &section.login)?
                .to_lowercase()
                .split_whitespace()
                .collect();
            if let Some(line) = logins.insert(login.clone(), row.line()) {
                return Err(row.error(
                    &section.login.columns(),
                    format!("the sign-in name {login:?} is that of line {line} already"),
                ));
            }
            let mut roles = Vec::new();
            for word in required(row, &section.roles)?.split(',') {
                let role = Role::from_str(word.trim())
                    .map_err(|error| row.error(&section.roles.columns(), error.to_string()))?;
                if !roles.contains(&role) {
                    roles.push(role);
                }
            }
            let supervisor = match section
                .supervisor
                .as_ref()
                .map(|field| row.value(field))
                .transpose()?
                .flatten()
            {
                None => None,
                Some(above) if keys.contains(&above) => Some(this.user_id(&above)),
                Some(above) => {
                    let columns = section.supervisor.as_ref().map(Field::columns).unwrap_or_default();
                    return Err(row.error(&columns, format!("there is no person {above:?}")));
                }
            };
            let person = Person {
                id,
                name: required(row, &section.name)?,
                roles,
                supervisor,
            };
            Ok((key, person, login, *row))
        });
        for ((key, person, login, row), source) in made {
            let mut territories = BTreeSet::new();
            if let Some(field) = &section.territory
                && row.value(field).is_ok_and(|value| value.is_some())
            {
                match self.territory(&row, field) {
                    Ok(id) => {
                        territories.insert(id);
                    }
                    Err(error) => self.errors.push(error),
                }
            }
            let built = BuiltPerson {
                person,
                login,
                territories,
                source,
            };
            self.people.insert(key, built);
        }
    }

    fn user_id(&self, key: &str) -> UserId {
        UserId::derived(self.organisation, &format!("person:{key}"))
    }

    fn person(&self, row: &RowView<'m>, field: &Field) -> RowResult<Option<String>> {
        match row.value(field)? {
            Some(key) if !self.people.contains_key(&key) => {
                Err(row.error(&field.columns(), format!("there is no person {key:?}")))
            }
            key => Ok(key),
        }
    }

    fn customers(&mut self) -> Vec<Sourced> {
        let section = &self.mapping.customers;
        let made = self.each(section.source(), |this, row, seen| {
            let key = unique(row, &section.key, seen)?;
            let position = match (optional(row, &section.latitude)?, optional(row, &section.longitude)?) {
                (None, None) => None,
                (Some(latitude), Some(longitude)) => {
                    let degrees = |text: &str, field: &Option<Field>| {
                        text.parse::<f64>().map_err(|_| {
                            let columns = field.as_ref().map(Field::columns).unwrap_or_default();
                            row.error(&columns, format!("{text:?} is not a number of degrees"))
                        })
                    };
                    let latitude = degrees(&latitude, &section.latitude)?;
                    let longitude = degrees(&longitude, &section.longitude)?;
                    let position = Position::new(latitude, longitude, None, false);
                    Some(position.map_err(|error| row.error("", error.to_string()))?)
                }
                _ => return Err(row.error("", "one of latitude and longitude is missing")),
            };
            let rep = match &section.rep {
                None => None,
                Some(field) => this.person(row, field)?,
            };
            let name = required(row, &section.name)?;
            let code = optional(row, &section.code)?.unwrap_or_else(|| key.clone());
            let contact = optional(row, &section.contact)?.unwrap_or_default();
            let phone = optional(row, &section.phone)?.unwrap_or_default();
            let address = optional(row, &section.address)?.unwrap_or_default();
            let territory = this.territory(row, &section.territory)?;
            let customer = Customer {
                id: CustomerId::derived(this.organisation, &format!("customer:{key}")),
                code,
                name,
                territory,
                rep: rep.as_ref().map(|rep| this.user_id(rep)),
                contact,
                phone,
                address,
                position,
            };
            if let Some(person) = rep.and_then(|rep| this.people.get_mut(&rep)) {
                person.territories.insert(territory);
            }
            this.customers.insert(key, customer.clone());
            Ok(LedgerRecord::Customer(customer))
        });
        sourced(made)
    }

    fn customer(&self, row: &RowView<'m>, field: &Field) -> RowResult<&Customer> {
        let key = required(row, field)?;
        self.customers.get(&key).ok_or_else(|| {
            row.error(
                &field.columns(),
                format!("there is no customer {key:?} (or its row was left out)"),
            )
        })
    }

    fn works_with(&mut self) {
        let Some(section) = self
            .mapping
            .people
            .as_ref()
            .and_then(|people| people.works_with.as_ref())
        else {
            return;
        };
        let pairs = self.each(section.source(), |this, row, _| {
            // Rows without a person are somebody else's business: the same file is read as orders too.
            let Some(person) = this.person(row, &section.person)? else {
                return Ok(None);
            };
            Ok(Some((person, this.customer(row, &section.customer)?.territory)))
        });
        for (person, territory) in pairs.into_iter().filter_map(|(pair, _)| pair) {
            if let Some(person) = self.people.get_mut(&person) {
                person.territories.insert(territory);
            }
        }
    }

    fn products(&mut self) -> Vec<Sourced> {
        let Some(section) = &self.mapping.products else {
            return Vec::new();
        };
        let made = self.each(section.source(), |this, row, seen| {
            let key = unique(row, &section.key, seen)?;
            let id = ProductId::derived(this.organisation, &format!("product:{key}"));
            let price = match &section.price {
                None => None,
                Some(field) => money(row, field, this.mapping.organisation.currency)?,
            };
            let discontinued = match &section.discontinued {
                None => false,
                Some(field) => boolean(row, field)?.unwrap_or(false),
            };
            let product = Product {
                id,
                code: optional(row, &section.code)?.unwrap_or_else(|| key.clone()),
                name: required(row, &section.name)?,
                unit: optional(row, &section.unit)?.unwrap_or_default(),
                price,
                group: optional(row, &section.group)?.unwrap_or_default(),
                discontinued,
            };
            this.products.insert(key, id);
            Ok(LedgerRecord::Product(product))
        });
        sourced(made)
    }

    /// Lines by the number of what they belong to. A line that cannot be used spoils the whole order or delivery: its
    /// total would be wrong without it.
    fn lines(&mut self, section: &'m Lines) -> BTreeMap<String, Result<Vec<LedgerLine>, RowError>> {
        let mut found: BTreeMap<String, Result<Vec<(i64, LedgerLine)>, RowError>> = BTreeMap::new();
        for row in self.rows(section.source()) {
            let number = match required(&row, &section.number) {
                Ok(number) => number,
                Err(error) => {
                    self.errors.push(error);
                    continue;
                }
            };
            let of_number = found.entry(number).or_insert_with(|| Ok(Vec::new()));
            match self.line(&row, section) {
                Ok(line) => {
                    if let Ok(lines) = of_number {
                        lines.push(line);
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
        let in_order = |mut lines: Vec<(i64, LedgerLine)>| {
            lines.sort_by_key(|(position, _)| *position);
            lines.into_iter().map(|(_, line)| line).collect()
        };
        found
            .into_iter()
            .map(|(number, lines)| (number, lines.map(in_order)))
            .collect()
    }

    fn line(&self, row: &RowView<'m>, section: &Lines) -> RowResult<(i64, LedgerLine)> {
        let key = required(row, &section.product)?;
        let product = *self
            .products
            .get(&key)
            .ok_or_else(|| row.error(&section.product.columns(), format!("there is no product {key:?}")))?;
        let number = |field: &Option<Field>| -> RowResult<Decimal> {
            let Some(field) = field else { return Ok(Decimal::ZERO) };
            decimal_required(row, field)
        };
        let quantity = decimal_required(row, &section.quantity)?;
        if quantity <= Decimal::ZERO {
            return Err(row.error(&section.quantity.columns(), format!("{quantity} is not more than zero")));
        }
        let unit_price = number(&section.unit_price)?;
        if unit_price < Decimal::ZERO {
            return Err(row.error("unit_price", format!("{unit_price} is negative")));
        }
        let discount = number(&section.discount)?;
        if discount < Decimal::ZERO || discount > Decimal::ONE {
            return Err(row.error("discount", format!("{discount} does not lie between 0 and 1")));
        }
        let position = match &section.position {
            None => 0,
            Some(field) => {
                let text = required(row, field)?;
                text.parse()
                    .map_err(|_| row.error(&field.columns(), format!("{text:?} is not a whole number")))?
            }
        };
        let line = LedgerLine {
            product,
            quantity,
            unit_price,
            discount,
        };
        Ok((position, line))
    }

    fn orders(&mut self) {
        let Some(section) = &self.mapping.orders else { return };
        let mut lines = self.lines(&section.lines);
        let mut seen = HashMap::new();
        for row in self.rows(section.source()) {
            let number = match unique(&row, &section.number, &mut seen) {
                Ok(number) => number,
                Err(error) => {
                    self.errors.push(error);
                    continue;
                }
            };
            let of_order = lines.remove(&number);
            match self.order(&row, section, &number, of_order) {
                Ok(order) => {
                    self.orders.insert(number, order);
                }
                Err(error) => {
                    if let Ok(customer) = self.customer(&row, &section.customer) {
                        let id = customer.id;
                        self.incomplete.entry(id).or_insert_with(|| error.clone());
                    }
                    self.broken_orders.insert(number);
                    self.errors.push(error);
                }
            }
        }
        // What is left belongs to no order that was taken; that is only worth a word when the order is unknown.
        let all: HashSet<String> = self
            .tables
            .rows(
                Source {
                    conditions: &[],
                    ..section.source()
                },
                &self.mapping.reading,
                &mut Vec::new(),
            )
            .iter()
            .filter_map(|row| row.value(&section.number).ok().flatten())
            .collect();
        for row in self.rows(section.lines.source()) {
            if let Ok(Some(number)) = row.value(&section.lines.number)
                && !all.contains(&number)
            {
                let columns = section.lines.number.columns();
                self.errors
                    .push(row.error(&columns, format!("there is no order {number:?}")));
            }
        }
    }

    fn order(
        &self,
        row: &RowView<'m>,
        section: &super::mapping::Orders,
        number: &str,
        lines: Option<Result<Vec<LedgerLine>, RowError>>,
    ) -> RowResult<BuiltOrder> {
        let customer = self.customer(row, &section.customer)?.id;
        let lines = match lines {
            Some(Ok(lines)) => lines,
            Some(Err(bad)) => {
                return Err(row.error("", format!("left out because {} line {} is", bad.file, bad.line)));
            }
            None => return Err(row.error("", format!("{} has no lines for it", section.lines.file))),
        };
        let currency = currency(row, section.currency.as_ref(), self.mapping.organisation.currency)?;
        let mut total = match &section.surcharge {
            None => Money::zero(currency),
            Some(field) => money(row, field, currency)?.unwrap_or(Money::zero(currency)),
        };
        for line in &lines {
            let amount = line
                .quantity
                .checked_mul(line.unit_price)
                .and_then(|gross| gross.checked_mul(Decimal::ONE - line.discount))
                .ok_or_else(|| row.error("", "the amount of a line is too large"))?;
            total = total
                .checked_add(Money::new(amount, currency).rounded())
                .map_err(|error| row.error("", error.to_string()))?;
        }
        let order = LedgerOrder {
            number: number.to_owned(),
            customer,
            ordered_on: date_required(row, &section.ordered_on)?,
            wanted_by: date(row, section.wanted_by.as_ref())?,
            shipped_on: date(row, section.shipped_on.as_ref())?,
            state: optional(row, &section.state)?.unwrap_or_default(),
            lines,
            total: total.rounded(),
            note: optional(row, &section.note)?.unwrap_or_default(),
        };
        Ok(BuiltOrder {
            order,
            cancelled: row.holds_any(section.cancelled_when.as_deref().unwrap_or_default())?,
            source: (row.file().to_owned(), row.line()),
        })
    }

    fn find_order(&self, row: &RowView<'m>, field: &Field) -> RowResult<&BuiltOrder> {
        let number = required(row, field)?;
        self.orders.get(&number).ok_or_else(|| {
            let reason = if self.broken_orders.contains(&number) {
                format!("left out because its order {number:?} is")
            } else {
                format!("there is no order {number:?}")
            };
            row.error(&field.columns(), reason)
        })
    }

    fn deliveries(&mut self) -> Vec<Sourced> {
        let Some(section) = &self.mapping.deliveries else {
            return Vec::new();
        };
        let mut own_lines = section.lines.as_ref().map(|lines| self.lines(lines));
        let made = self.each(section.source(), |this, row, seen| {
            let number = unique(row, &section.number, seen)?;
            let order = &this.find_order(row, &section.order)?.order;
            let lines = match &mut own_lines {
                None => order.lines.clone(),
                Some(all) => match all.remove(&number) {
                    Some(Ok(lines)) => lines,
                    Some(Err(bad)) => {
                        return Err(row.error("", format!("left out because {} line {} is", bad.file, bad.line)));
                    }
                    None => return Err(row.error("", "it has no lines")),
                },
            };
            Ok(LedgerRecord::Delivery(LedgerDelivery {
                number,
                customer: order.customer,
                order_number: Some(order.number.clone()),
                shipped_on: date_required(row, &section.shipped_on)?,
                lines,
            }))
        });
        sourced(made)
    }

    fn invoices(&mut self) -> Vec<Sourced> {
        let Some(section) = &self.mapping.invoices else {
            return Vec::new();
        };
        let made = self.each(section.source(), |this, row, seen| {
            let order = match &section.order {
                None => None,
                Some(field) => Some(&this.find_order(row, field)?.order),
            };
            let customer = match (&section.customer, order) {
                (Some(field), _) => this.customer(row, field)?.id,
                (None, Some(order)) => order.customer,
                (None, None) => return Err(row.error("", "the mapping names neither a customer nor an order for it")),
            };
            let made = (|| {
                let amount = match (&section.amount, order) {
                    (Some(field), _) => {
                        let amount = money(row, field, this.mapping.organisation.currency)?;
                        amount.ok_or_else(|| row.error(&field.columns(), "is missing"))?
                    }
                    (None, Some(order)) => order.total,
                    (None, None) => {
                        return Err(row.error("", "the mapping names neither an amount nor an order for it"));
                    }
                };
                let invoiced_on = date_required(row, &section.invoiced_on)?;
                let due_on = match (date(row, section.due_on.as_ref())?, &section.terms_days) {
                    (Some(due), _) => due,
                    (None, Some(field)) => {
                        let days = Days::new(days_required(row, field)?.into());
                        let due = invoiced_on.checked_add_days(days);
                        due.ok_or_else(|| row.error(&field.columns(), "the due date lies beyond the calendar"))?
                    }
                    (None, None) => {
                        let columns = section.due_on.as_ref().map(Field::columns).unwrap_or_default();
                        return Err(row.error(&columns, "there is neither a due date nor terms"));
                    }
                };
                let number = unique(row, &section.number, seen)?;
                let mut invoice = Invoice::new(number, customer, invoiced_on, due_on, amount);
                invoice.order_number = order.map(|order| order.number.clone());
                Ok(LedgerRecord::Invoice(invoice))
            })();
            made.inspect_err(|error| {
                this.incomplete.entry(customer).or_insert_with(|| error.clone());
            })
        });
        sourced(made)
    }

    fn receipts(&mut self) -> Vec<Sourced> {
        let Some(section) = &self.mapping.receipts else {
            return Vec::new();
        };
        let made = self.each(section.source(), |this, row, seen| {
            let customer = this.customer(row, &section.customer)?.id;
            let made = (|| {
                let reference = required(row, &section.reference)?;
                if let Some(line) = seen.insert(format!("{customer}:{reference}"), row.line()) {
                    let columns = section.reference.columns();
                    return Err(row.error(
                        &columns,
                        format!("line {line} has this reference of this customer already"),
                    ));
                }
                let amount = money(row, &section.amount, this.mapping.organisation.currency)?;
                let valued_on = date_required(row, &section.valued_on)?;
                let amount = amount.ok_or_else(|| row.error(&section.amount.columns(), "is missing"))?;
                let mut receipt = Receipt::cleared(reference, customer, valued_on, amount);
                receipt.pays = optional(row, &section.pays)?;
                Ok(LedgerRecord::Receipt(receipt))
            })();
            made.inspect_err(|error| {
                this.incomplete.entry(customer).or_insert_with(|| error.clone());
            })
        });
        sourced(made)
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

    fn credit_files(&mut self, invoices: &[Sourced], receipts: &[Sourced], as_of: NaiveDate) -> Vec<Sourced> {
        let Some(section) = &self.mapping.credit else {
            return Vec::new();
        };
        let mut orders: HashMap<CustomerId, Vec<LedgerOrder>> = HashMap::new();
        for built in self.orders.values().filter(|it| !it.cancelled) {
            orders
                .entry(built.order.customer)
                .or_default()
                .push(built.order.clone());
        }
        let mut books: HashMap<CustomerId, CustomerBooks<'_>> = HashMap::new();
        for (customer, orders) in &orders {
            books.entry(*customer).or_default().orders.extend(orders);
        }
        for it in invoices.iter().chain(receipts) {
            match &it.record {
                LedgerRecord::Invoice(it) => books.entry(it.customer).or_default().invoices.push(it),
                LedgerRecord::Receipt(it) => books.entry(it.customer).or_default().receipts.push(it),
                _ => {}
            }
        }
        let as_of_moment = midnight(as_of, self.mapping.organisation.time_zone);
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
            let no_limit = match &section.no_limit {
                None => false,
                Some(field) => boolean(row, field)?.unwrap_or(false),
            };
            let limit = match &section.limit {
                None => None,
                Some(field) => money(row, field, home)?,
            };
            let limit = match (no_limit, limit) {
                (true, _) => CreditLimit::NoLimit,
                (false, Some(limit)) => CreditLimit::Limited(limit),
                (false, None) => {
                    let columns = section.limit.as_ref().map(Field::columns).unwrap_or_default();
                    return Err(row.error(&columns, "there is neither a limit nor the word that there is none"));
                }
            };
            let currency = match limit {
                CreditLimit::Limited(limit) => limit.currency,
                CreditLimit::NoLimit => home,
            };
            let grade = match (&section.grade, optional(row, &section.grade)?) {
                (Some(field), Some(text)) => Some(grade(&text).ok_or_else(|| {
                    row.error(&field.columns(), format!("{text:?} is none of the grades A, B, C, D"))
                })?),
                _ => None,
            };
            let terms_days = match (&section.terms_days, grade) {
                (Some(field), _) => days_required(row, field)?,
                (None, Some(grade)) => grade.default_terms_days(),
                (None, None) => {
                    return Err(row.error("", "the mapping names neither the days of credit nor a grade"));
                }
            };
            let on_hold = match &section.on_hold {
                None => false,
                Some(field) => boolean(row, field)?.unwrap_or(false),
            };
            let special = match &section.special_liabilities {
                None => Money::zero(currency),
                Some(field) => money(row, field, currency)?.unwrap_or(Money::zero(currency)),
            };
            let invoiced = this.mapping.invoices.is_some();
            let figures = credit::figures(
                books.get(&customer).unwrap_or(&CustomerBooks::default()),
                currency,
                as_of,
                invoiced,
            )
            .map_err(|error| row.error("", format!("the exposure of {key} cannot be computed: {error}")))?;
            Ok(LedgerRecord::CreditFile(CreditFile {
                customer,
                as_of: as_of_moment,
                grade,
                limit,
                terms_days,
                on_hold,
                open_receivables: figures.open_receivables,
                special_liabilities: special,
                delivered_not_invoiced: figures.delivered_not_invoiced,
                open_orders: figures.open_orders,
                overdue: figures.overdue,
                oldest_due: figures.oldest_due,
                ..CreditFile::new(customer, as_of_moment, currency)
            }))
        });
        sourced(made)
    }

    /// Accounts, each with the territories of their customers and of everybody who reports to them, directly or
    /// further down. Who reports to nobody sees every territory, the ones without a rep included.
    fn accounts(&self) -> Vec<AccountPlan> {
        let by_id: HashMap<UserId, &BuiltPerson> = self.people.values().map(|it| (it.person.id, it)).collect();
        let mut territories: HashMap<UserId, BTreeSet<TerritoryId>> = HashMap::new();
        for built in self.people.values() {
            let mut above = Some(built.person.id);
            // A circle of supervisors in the data ends when everybody in it was visited.
            let mut visited = HashSet::new();
            while let Some(id) = above.filter(|id| visited.insert(*id)) {
                territories.entry(id).or_default().extend(&built.territories);
                above = by_id.get(&id).and_then(|it| it.person.supervisor);
            }
        }
        let every: Vec<TerritoryId> = self.territories.values().map(|(it, _)| it.id).collect();
        let mut plan = |built: &BuiltPerson| {
            let person = &built.person;
            let supervises = person.roles.contains(&Role::Supervisor);
            let territories = if supervises && person.supervisor.is_none() {
                every.clone()
            } else {
                territories.remove(&person.id).unwrap_or_default().into_iter().collect()
            };
            AccountPlan {
                user: person.id,
                login: built.login.clone(),
                name: person.name.clone(),
                roles: person.roles.clone(),
                territories,
                source: Some(built.source.clone()),
            }
        };
        self.people.values().map(&mut plan).collect()
    }
}

fn sourced(made: Vec<(LedgerRecord, (String, u64))>) -> Vec<Sourced> {
    let sourced = |(record, source)| Sourced {
        record,
        source: Some(source),
    };
    made.into_iter().map(sourced).collect()
}

fn required(row: &RowView<'_>, field: &Field) -> RowResult<String> {
    row.value(field)?
        .ok_or_else(|| row.error(&field.columns(), "is missing"))
}

fn optional(row: &RowView<'_>, field: &Option<Field>) -> RowResult<Option<String>> {
    field.as_ref().map_or(Ok(None), |field| row.value(field))
}

fn unique(row: &RowView<'_>, field: &Field, seen: &mut HashMap<String, u64>) -> RowResult<String> {
    let key = required(row, field)?;
    match seen.get(&key) {
        Some(line) => Err(row.error(&field.columns(), format!("line {line} has {key:?} already"))),
        None => {
            seen.insert(key.clone(), row.line());
            Ok(key)
        }
    }
}

fn decimal(row: &RowView<'_>, field: &Field) -> RowResult<Option<Decimal>> {
    let Some(text) = row.value(field)? else { return Ok(None) };
    let mut plain = text.clone();
    if let Some(thousands) = row.reading.thousands {
        plain.retain(|char| char != thousands);
    }
    if row.reading.decimal != '.' {
        if plain.contains('.') {
            return Err(row.error(&field.columns(), format!("{text:?} is not a number")));
        }
        plain = plain.replace(row.reading.decimal, ".");
    }
    Decimal::from_str_exact(&plain)
        .map(Some)
        .map_err(|_| row.error(&field.columns(), format!("{text:?} is not a number")))
}

fn decimal_required(row: &RowView<'_>, field: &Field) -> RowResult<Decimal> {
    decimal(row, field)?.ok_or_else(|| row.error(&field.columns(), "is missing"))
}

fn days_required(row: &RowView<'_>, field: &Field) -> RowResult<u32> {
    let text = required(row, field)?;
    text.parse()
        .map_err(|_| row.error(&field.columns(), format!("{text:?} is not a number of days")))
}

fn parse_currency(row: &RowView<'_>, columns: &str, text: &str) -> RowResult<Currency> {
    text.parse()
        .map_err(|error: fieldledger_core::model::InvalidMoney| row.error(columns, error.to_string()))
}

fn currency(row: &RowView<'_>, field: Option<&Field>, default: Currency) -> RowResult<Currency> {
    match field {
        None => Ok(default),
        Some(field) => parse_currency(row, &field.columns(), &required(row, field)?),
    }
}

fn money(row: &RowView<'_>, field: &Field, default: Currency) -> RowResult<Option<Money>> {
    let Some(amount) = decimal(row, field)? else {
        return Ok(None);
    };
    let currency = match &field.currency {
        None => default,
        Some(template) => {
            let columns = template.columns().join(", ");
            let text = row
                .fill(template)?
                .ok_or_else(|| row.error(&columns, "the currency is missing"))?;
            parse_currency(row, &columns, &text)?
        }
    };
    Ok(Some(Money::new(amount, currency)))
}

fn date(row: &RowView<'_>, field: Option<&Field>) -> RowResult<Option<NaiveDate>> {
    let Some(field) = field else { return Ok(None) };
    let Some(text) = row.value(field)? else { return Ok(None) };
    let format = field.date.as_deref().unwrap_or(&row.reading.date);
    NaiveDate::parse_from_str(&text, format)
        .map(Some)
        .map_err(|_| row.error(&field.columns(), format!("{text:?} is not a date written as {format}")))
}

fn date_required(row: &RowView<'_>, field: &Field) -> RowResult<NaiveDate> {
    date(row, Some(field))?.ok_or_else(|| row.error(&field.columns(), "is missing"))
}

fn boolean(row: &RowView<'_>, field: &Field) -> RowResult<Option<bool>> {
    let Some(text) = row.value(field)? else { return Ok(None) };
    match text.to_lowercase().as_str() {
        "1" | "true" | "yes" | "y" | "t" | "-1" => Ok(Some(true)),
        "0" | "false" | "no" | "n" | "f" => Ok(Some(false)),
        _ => Err(row.error(&field.columns(), format!("{text:?} is neither yes nor no"))),
    }
}

fn grade(text: &str) -> Option<CreditGrade> {
    match text {
        "A" => Some(CreditGrade::A),
        "B" => Some(CreditGrade::B),
        "C" => Some(CreditGrade::C),
        "D" => Some(CreditGrade::D),
        _ => None,
    }
}

/// The first moment of a day in a time zone; where midnight is skipped by a change of clocks, UTC's.
pub(crate) fn midnight(day: NaiveDate, zone: chrono_tz::Tz) -> Timestamp {
    let midnight = day.and_time(NaiveTime::MIN);
    let moment = zone
        .from_local_datetime(&midnight)
        .earliest()
        .map_or_else(|| midnight.and_utc(), |local| local.to_utc());
    moment.into()
}
