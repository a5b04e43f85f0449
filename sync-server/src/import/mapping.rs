//! What a mapping file says: which file, which column, what becomes of it.

use std::collections::BTreeMap;

use chrono_tz::Tz;
use fieldledger_core::model::Currency;
use serde::{Deserialize, Deserializer, de::Error as _};

/// The mappings that come with the program, by name.
const SHIPPED: [(&str, &str); 2] = [
    ("classicmodels", include_str!("../../mappings/classicmodels.toml")),
    ("northwind", include_str!("../../mappings/northwind.toml")),
];

/// A mapping that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MappingError {
    /// The file cannot be read.
    #[error("the mapping {0} cannot be read: {1} (mappings that come with the program: classicmodels, northwind)")]
    Unreadable(String, std::io::Error),
    /// The file is not a mapping.
    #[error("the mapping {0} is not valid: {1}")]
    Invalid(String, String),
}

/// Everything a mapping file says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// The company.
    pub organisation: OrganisationSection,
    /// How the files are written.
    #[serde(default)]
    pub reading: Reading,
    /// Territories; left out, every territory that a customer names is made.
    pub territories: Option<Territories>,
    /// People.
    pub people: Option<People>,
    /// Products.
    pub products: Option<Products>,
    /// Customers.
    pub customers: Customers,
    /// Orders with their lines.
    pub orders: Option<Orders>,
    /// Deliveries.
    pub deliveries: Option<Deliveries>,
    /// Contracts with their payment terms.
    pub contracts: Option<Box<Contracts>>,
    /// Invoices.
    pub invoices: Option<Box<Invoices>>,
    /// Parts of invoices with due dates of their own.
    pub instalments: Option<Box<Instalments>>,
    /// What customers dispute.
    pub disputes: Option<Box<Disputes>>,
    /// Later due dates that were approved.
    pub extensions: Option<Box<Extensions>>,
    /// Receipts.
    pub receipts: Option<Box<Receipts>>,
    /// Credit notes.
    pub credit_notes: Option<Box<CreditNotes>>,
    /// Credit files.
    pub credit: Option<Box<Credit>>,
    /// Grade, limit and terms of former and later days.
    pub credit_history: Option<Box<CreditHistory>>,
}

/// The company.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrganisationSection {
    /// Its name, unless the command line gives another.
    pub name: String,
    /// Time zone of its dates.
    pub time_zone: Tz,
    /// Currency of every amount that names none.
    pub currency: Currency,
    /// Radius of the geofence around a customer.
    #[serde(default = "default_geofence")]
    pub geofence_metres: u32,
}

const fn default_geofence() -> u32 {
    200
}

/// How the files are written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reading {
    /// What separates the fields.
    pub delimiter: char,
    /// Words that mean "nothing is known", besides the empty field.
    pub null: Vec<String>,
    /// How dates are written (chrono's `strftime`), unless a field says otherwise.
    pub date: String,
    /// What stands before the decimals.
    pub decimal: char,
    /// What separates thousands; none when left out.
    pub thousands: Option<char>,
}

impl Default for Reading {
    fn default() -> Self {
        Self {
            delimiter: ',',
            null: Vec::new(),
            date: "%Y-%m-%d".to_owned(),
            decimal: '.',
            thousands: None,
        }
    }
}

/// Another file whose row belongs to the row at hand; its columns are then named `{name.column}`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Join {
    /// The other file.
    pub file: String,
    /// Value of the row at hand. Where it is empty there is no other row, and all its columns are empty.
    pub on: Template,
    /// Value of the other row that must equal it.
    pub key: Template,
}

/// Which rows are taken. All conditions must hold.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// The value that is looked at.
    pub value: Template,
    /// It must be one of these.
    pub is: Option<Vec<String>>,
    /// It must be none of these.
    pub is_not: Option<Vec<String>>,
    /// There must be one, or must be none.
    pub present: Option<bool>,
}

macro_rules! section {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            /// The file.
            pub file: String,
            /// Other files whose columns are needed.
            #[serde(default)]
            pub join: BTreeMap<String, Join>,
            /// Which rows are taken.
            #[serde(default, rename = "where")]
            pub conditions: Vec<Condition>,
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl $name {
            pub(in crate::import) fn source(&self) -> Source<'_> {
                Source { file: &self.file, join: &self.join, conditions: &self.conditions }
            }
        }
    };
}

mod owed;
pub use owed::{
    Contracts, Credit, CreditHistory, CreditNotes, Disputes, Extensions, Instalments, Invoices, Milestones, Receipts,
};

/// Where the rows of a section come from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'m> {
    pub(super) file: &'m str,
    pub(super) join: &'m BTreeMap<String, Join>,
    pub(super) conditions: &'m [Condition],
}

section! {
    /// Territories from a file of their own.
    Territories {
        /// What a customer's `territory` names.
        key: Field,
        /// Its name.
        name: Field,
    }
}

section! {
    /// People.
    People {
        /// What other rows name them by.
        key: Field,
        /// Their name.
        name: Field,
        /// What they sign in with; made lower case, blanks taken out.
        login: Field,
        /// Their roles, several separated by commas.
        roles: Field,
        /// Key of the person they report to.
        supervisor: Option<Field>,
        /// A territory they work in whether or not they have customers there.
        territory: Option<Field>,
        /// A file that says who works with which customers, besides the customers' own `rep`.
        works_with: Option<WorksWith>,
    }
}

section! {
    /// Who works with which customers.
    WorksWith {
        /// Key of the person.
        person: Field,
        /// Key of the customer.
        customer: Field,
    }
}

section! {
    /// Products.
    Products {
        /// What order lines name them by.
        key: Field,
        /// The company's number; the key when left out.
        code: Option<Field>,
        /// Name.
        name: Field,
        /// What one of it is called.
        unit: Option<Field>,
        /// List price.
        price: Option<Field>,
        /// Group.
        group: Option<Field>,
        /// No longer sold.
        discontinued: Option<Field>,
    }
}

section! {
    /// Customers.
    Customers {
        /// What other rows name them by.
        key: Field,
        /// The company's number; the key when left out.
        code: Option<Field>,
        /// Name.
        name: Field,
        /// Key of the territory.
        territory: Field,
        /// Key of the rep in charge.
        rep: Option<Field>,
        /// Whom to ask for.
        contact: Option<Field>,
        /// Telephone.
        phone: Option<Field>,
        /// Postal address on one line.
        address: Option<Field>,
        /// Degrees north.
        latitude: Option<Field>,
        /// Degrees east.
        longitude: Option<Field>,
    }
}

section! {
    /// Orders.
    Orders {
        /// Number.
        number: Field,
        /// Key of the customer.
        customer: Field,
        /// Date.
        ordered_on: Field,
        /// Date by which it is wanted.
        wanted_by: Option<Field>,
        /// Date on which it was shipped; empty while it has not been.
        shipped_on: Option<Field>,
        /// State in the words of the source.
        state: Option<Field>,
        /// Remarks.
        note: Option<Field>,
        /// What comes on top of the lines, such as freight.
        surcharge: Option<Field>,
        /// Currency of the prices.
        currency: Option<Field>,
        /// Orders for which any of these holds count in no exposure.
        cancelled_when: Option<Vec<Condition>>,
        /// Their lines.
        lines: Lines,
    }
}

section! {
    /// Lines of orders or deliveries.
    Lines {
        /// Number of the order or delivery.
        number: Field,
        /// Key of the product.
        product: Field,
        /// How much.
        quantity: Field,
        /// Price of one unit.
        unit_price: Option<Field>,
        /// Part let off, from 0 to 1.
        discount: Option<Field>,
        /// Place among the lines, a whole number; in the order of the file when left out.
        position: Option<Field>,
    }
}

section! {
    /// Deliveries.
    Deliveries {
        /// Number.
        number: Field,
        /// Number of the order it fulfils, whose customer and lines it has.
        order: Field,
        /// When it left.
        shipped_on: Field,
        /// Its own lines; those of the order when left out.
        lines: Option<Lines>,
    }
}

impl Mapping {
    /// A mapping from the name of a shipped one or the path of a file.
    ///
    /// # Errors
    /// [`MappingError`].
    pub fn load(name_or_path: &str) -> Result<Self, MappingError> {
        if let Some((_, text)) = SHIPPED.iter().find(|(name, _)| *name == name_or_path) {
            return Self::parse(name_or_path, text);
        }
        let text = std::fs::read_to_string(name_or_path)
            .map_err(|error| MappingError::Unreadable(name_or_path.to_owned(), error))?;
        Self::parse(name_or_path, &text)
    }

    /// A mapping from its text; `name` is for errors.
    ///
    /// # Errors
    /// [`MappingError::Invalid`].
    pub fn parse(name: &str, text: &str) -> Result<Self, MappingError> {
        let invalid = |message: String| MappingError::Invalid(name.to_owned(), message);
        let mapping: Self = toml::from_str(text).map_err(|error| invalid(error.to_string()))?;
        if !mapping.reading.delimiter.is_ascii() {
            return Err(invalid("reading.delimiter must be an ASCII character".to_owned()));
        }
        let of_invoices = [
            ("instalments", mapping.instalments.is_some()),
            ("disputes", mapping.disputes.is_some()),
            ("extensions", mapping.extensions.is_some()),
        ];
        if let (None, Some((section, _))) = (&mapping.invoices, of_invoices.iter().find(|(_, is_there)| *is_there)) {
            return Err(invalid(format!(
                "{section} belong to invoices; add a section for these"
            )));
        }
        Ok(mapping)
    }
}

/// Text with columns in braces: `"{firstName} {lastName}"`. `{{` and `}}` stand for the braces themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pub(super) parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Text(String),
    Column { join: Option<String>, column: String },
}

impl Template {
    /// # Errors
    /// A sentence about the brace that is wrong.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut chars = text.chars().peekable();
        while let Some(char) = chars.next() {
            match char {
                '{' | '}' if chars.peek() == Some(&char) => {
                    chars.next();
                    plain.push(char);
                }
                '{' => {
                    if !plain.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut plain)));
                    }
                    let mut name = String::new();
                    loop {
                        match chars.next() {
                            Some('}') => break,
                            Some(char) => name.push(char),
                            None => return Err(format!("{text:?} has a {{ without a }}")),
                        }
                    }
                    let (join, column) = match name.split_once('.') {
                        Some((join, column)) => (Some(join.trim().to_owned()), column.trim().to_owned()),
                        None => (None, name.trim().to_owned()),
                    };
                    if column.is_empty() {
                        return Err(format!("{text:?} names no column between its braces"));
                    }
                    parts.push(Part::Column { join, column });
                }
                '}' => return Err(format!("{text:?} has a }} without a {{")),
                other => plain.push(other),
            }
        }
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self { parts })
    }

    /// The columns it names, as they are spelt in the mapping, for error messages.
    pub(super) fn columns(&self) -> Vec<String> {
        let names = self.parts.iter().filter_map(|part| match part {
            Part::Column { join: None, column } => Some(column.clone()),
            Part::Column {
                join: Some(join),
                column,
            } => Some(format!("{join}.{column}")),
            Part::Text(_) => None,
        });
        names.collect()
    }
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// Where a value comes from: a template, or a table with more to say about it.
#[derive(Clone, Debug)]
pub struct Field {
    /// Filled in, those that come out empty left out.
    pub(super) parts: Vec<Template>,
    /// Between the parts.
    pub(super) separator: String,
    /// Where nothing is known.
    pub(super) default: Option<String>,
    /// Words of the source to words of ours. A word that is not in it is an error of the row.
    pub(super) map: Option<BTreeMap<String, String>>,
    /// How the date is written.
    pub(super) date: Option<String>,
    /// Currency of the amount.
    pub(super) currency: Option<Template>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FieldTable {
    from: Option<Template>,
    parts: Option<Vec<Template>>,
    #[serde(default)]
    separator: String,
    default: Option<String>,
    map: Option<BTreeMap<String, String>>,
    date: Option<String>,
    currency: Option<Template>,
}

impl Field {
    pub(super) fn columns(&self) -> String {
        let mut columns: Vec<String> = self.parts.iter().flat_map(Template::columns).collect();
        columns.dedup();
        columns.join(", ")
    }
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let plain = |text: String| -> Result<Self, D::Error> {
            Ok(Self {
                parts: vec![Template::parse(&text).map_err(D::Error::custom)?],
                separator: String::new(),
                default: None,
                map: None,
                date: None,
                currency: None,
            })
        };
        match toml::Value::deserialize(deserializer)? {
            toml::Value::String(text) => plain(text),
            value @ (toml::Value::Integer(_) | toml::Value::Boolean(_)) => plain(value.to_string()),
            table @ toml::Value::Table(_) => {
                let table: FieldTable = table.try_into().map_err(D::Error::custom)?;
                let parts = match (table.from, table.parts) {
                    (Some(from), None) => vec![from],
                    (None, Some(parts)) => parts,
                    _ => return Err(D::Error::custom("a field needs either `from` or `parts`")),
                };
                Ok(Self {
                    parts,
                    separator: table.separator,
                    default: table.default,
                    map: table.map,
                    date: table.date,
                    currency: table.currency,
                })
            }
            other => Err(D::Error::custom(format!(
                "a field is text with columns in braces or a table with `from`, not {}",
                other.type_str()
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_shipped_mappings_are_valid() {
        for (name, _) in SHIPPED {
            Mapping::load(name).unwrap();
        }
    }

    #[test]
    fn a_template_with_a_lost_brace_is_refused_with_its_text() {
        for wrong in ["{name", "name}", "{}", "{rep.}"] {
            assert!(Template::parse(wrong).unwrap_err().contains(wrong), "{wrong}");
        }
        assert_eq!(
            Template::parse("{{{a}}}").unwrap().parts,
            [
                Part::Text("{".to_owned()),
                Part::Column {
                    join: None,
                    column: "a".to_owned()
                },
                Part::Text("}".to_owned())
            ]
        );
    }

    #[test]
    fn a_misspelt_word_in_a_mapping_is_named() {
        let text = "[organisation]\nname = 'X'\ntime_zone = 'UTC'\ncurrency = 'EUR'\n[customers]\nfile = 'c.csv'\n\
                    key = '{id}'\nname = '{name}'\nteritory = 'all'\n";
        let error = Mapping::parse("mine.toml", text).unwrap_err().to_string();
        assert!(error.contains("mine.toml") && error.contains("teritory"), "{error}");
        let error = Mapping::load("/nowhere/mine.toml").unwrap_err().to_string();
        assert!(
            error.contains("/nowhere/mine.toml") && error.contains("classicmodels"),
            "{error}"
        );
    }
}
