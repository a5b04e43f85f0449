//! Whose money it may be, and what it may pay: candidates with the reasons that speak for them, the weightiest first.

use std::collections::{BTreeMap, HashMap};

use fieldledger_core::{
    model::{Currency, CustomerId, Money, UnidentifiedReceipt},
    rules::books::OpenItem,
};
use rust_decimal::Decimal;

use crate::{
    overview::{OpenAmount, Standing},
    store::NumberOf,
};

/// Candidates that are told.
pub(super) const MOST: usize = 5;
/// Shortest name that is looked for within what the payer wrote, in characters.
const SHORTEST_NAME: usize = 3;

/// What speaks for a customer, or for an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// The payer names an invoice.
    Invoice(String),
    /// The payer names an order: the payment's reference.
    Order(String),
    /// The payer is called like the customer.
    SameName,
    /// The payer's name holds the customer's, or the other way round.
    PartOfName,
    /// The payer names the customer's number.
    Code,
    /// One open item is of exactly that amount; how many there are in the company.
    Amount {
        /// Open items of that amount, of all customers.
        of: usize,
    },
    /// Everything that is open of the customer comes to that amount.
    Whole,
    /// It is the item that was due first.
    Oldest,
}

impl Reason {
    /// How much it speaks for it. A number that was quoted says more than an amount that happens to fit.
    fn weight(&self) -> u32 {
        match self {
            Self::Invoice(_) => 100,
            Self::Order(_) => 90,
            Self::SameName => 80,
            Self::Code => 70,
            Self::PartOfName => 50,
            Self::Amount { of: 0 | 1 } => 60,
            Self::Amount { .. } => 30,
            Self::Whole => 40,
            Self::Oldest => 5,
        }
    }
}

/// A candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate<T> {
    /// Who, or what.
    pub(super) what: T,
    /// Why, the weightiest first; never empty.
    pub(super) reasons: Vec<Reason>,
}

fn ranked<T: Ord + Clone>(found: BTreeMap<T, Vec<Reason>>) -> Vec<Candidate<T>> {
    let mut candidates: Vec<(u32, Candidate<T>)> = found
        .into_iter()
        .map(|(what, mut reasons)| {
            reasons.sort_by_key(|it| std::cmp::Reverse(it.weight()));
            let weight = reasons.iter().map(Reason::weight).sum();
            (weight, Candidate { what, reasons })
        })
        .collect();
    // A stable sort keeps equal ones in the order of what they are.
    candidates.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    candidates.into_iter().map(|(_, it)| it).collect()
}

/// The numbers that a payer may have quoted: the whole text, and each part of it.
pub(super) fn quoted(receipt: &UnidentifiedReceipt) -> Vec<String> {
    let mut words = words(&receipt.text);
    words.truncate(50);
    words
}

fn words(text: &str) -> Vec<String> {
    let whole = text.trim();
    let mut words: Vec<String> = whole
        .split(|c: char| c.is_whitespace() || [',', ';', '+', '&', '，', '；', '、', ':', '：', '#'].contains(&c))
        .chain([whole])
        .filter(|it| !it.is_empty() && it.len() <= 200)
        .map(str::to_owned)
        .collect();
    words.sort();
    words.dedup();
    words
}

/// What is looked for among all customers, gathered once for several receipts.
pub(super) struct Index<'s> {
    standings: Vec<&'s Standing>,
    by_name: HashMap<String, Vec<CustomerId>>,
    by_amount: HashMap<(Currency, Decimal), Vec<CustomerId>>,
    by_whole: HashMap<(Currency, Decimal), Vec<CustomerId>>,
}

impl<'s> Index<'s> {
    /// Looks through the open items of all customers for the amounts of these receipts.
    pub(super) fn new(standings: Vec<&'s Standing>, receipts: &[UnidentifiedReceipt]) -> Self {
        let mut index = Self {
            by_name: HashMap::new(),
            by_amount: HashMap::new(),
            by_whole: HashMap::new(),
            standings: Vec::new(),
        };
        let mut wanted: Vec<u64> = Vec::with_capacity(receipts.len());
        for it in receipts {
            let key = (it.amount.currency, it.amount.amount);
            index.by_amount.insert(key, Vec::new());
            index.by_whole.insert(key, Vec::new());
            index.by_name.insert(normal(&it.payer), Vec::new());
            wanted.push(OpenAmount::key_of(it.amount));
        }
        wanted.sort_unstable();
        for it in &standings {
            let id = it.customer.id;
            if let Some(found) = index.by_name.get_mut(&normal(&it.customer.name)) {
                found.push(id);
            }
            for open in it.open.iter().filter(|it| wanted.binary_search(&it.key).is_ok()) {
                if let Some(found) = index.by_amount.get_mut(&(open.amount.currency, open.amount.amount)) {
                    found.push(id);
                }
            }
            for (currency, row) in it.ageing.rows() {
                if let Some(found) = index.by_whole.get_mut(&(currency, row.balance())) {
                    found.push(id);
                }
            }
        }
        index.standings = standings;
        index
    }

    /// Whose the money may be. `named` are the customers of the numbers that it quotes. Names that are only alike are
    /// looked for when `thorough`: that goes through every customer.
    pub(super) fn candidates(
        &self,
        receipt: &UnidentifiedReceipt,
        named: &[(CustomerId, NumberOf, String)],
        thorough: bool,
    ) -> Vec<Candidate<CustomerId>> {
        let mut found: BTreeMap<CustomerId, Vec<Reason>> = BTreeMap::new();
        let mut add = |id: CustomerId, reason: Reason| {
            let reasons = found.entry(id).or_default();
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        };
        let quoted = quoted(receipt);
        for (id, of, number) in named.iter().filter(|(_, _, number)| quoted.contains(number)) {
            add(
                *id,
                match of {
                    NumberOf::Invoice => Reason::Invoice(number.clone()),
                    NumberOf::Order => Reason::Order(number.clone()),
                },
            );
        }
        let payer = normal(&receipt.payer);
        for id in self
            .by_name
            .get(&payer)
            .into_iter()
            .flatten()
            .filter(|_| !payer.is_empty())
        {
            add(*id, Reason::SameName);
        }
        let key = (receipt.amount.currency, receipt.amount.amount);
        if let Some(same) = self.by_amount.get(&key) {
            for id in same {
                add(*id, Reason::Amount { of: same.len() });
            }
        }
        for id in self.by_whole.get(&key).into_iter().flatten() {
            add(*id, Reason::Whole);
        }
        if thorough {
            let text = normal(&receipt.text);
            for it in &self.standings {
                let name = normal(&it.customer.name);
                let long = |it: &str| it.chars().count() >= SHORTEST_NAME;
                let alike = name != payer
                    && ((long(&name) && (payer.contains(&name) || text.contains(&name)))
                        || (long(&payer) && name.contains(&payer)));
                if alike {
                    add(it.customer.id, Reason::PartOfName);
                }
                if quoted.contains(&it.customer.code) {
                    add(it.customer.id, Reason::Code);
                }
            }
        }
        let mut candidates = ranked(found);
        candidates.truncate(MOST);
        candidates
    }
}

/// A name without case, blanks and marks.
fn normal(name: &str) -> String {
    name.to_lowercase().chars().filter(|it| it.is_alphanumeric()).collect()
}

/// What a customer's money may pay: the open items in its currency, with what speaks for each.
pub(super) fn items(left: Money, pays: Option<&str>, open: &[OpenItem]) -> Vec<Candidate<usize>> {
    let quoted = words(pays.unwrap_or_default());
    let same: Vec<usize> = (0..open.len())
        .filter(|at| {
            open.get(*at)
                .is_some_and(|it| it.currency == left.currency && it.open() == left.amount)
        })
        .collect();
    // The items are in the order of their due dates.
    let oldest = open.iter().position(|it| it.currency == left.currency && !it.disputed);
    let mut found: BTreeMap<usize, Vec<Reason>> = BTreeMap::new();
    for (at, it) in open.iter().enumerate() {
        let mut reasons = Vec::new();
        if quoted.contains(&it.invoice_number) {
            reasons.push(Reason::Invoice(it.invoice_number.clone()));
        }
        if let Some(order) = it.order_number.as_ref().filter(|it| quoted.contains(it)) {
            reasons.push(Reason::Order(order.clone()));
        }
        if same.contains(&at) {
            reasons.push(Reason::Amount { of: same.len() });
        }
        if oldest == Some(at) {
            reasons.push(Reason::Oldest);
        }
        if !reasons.is_empty() {
            found.insert(at, reasons);
        }
    }
    ranked(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use fieldledger_core::model::Currency;

    use super::*;

    fn item(number: &str, order: Option<&str>, open: i64) -> OpenItem {
        OpenItem {
            invoice_number: number.to_owned(),
            instalment: 1,
            order_number: order.map(str::to_owned),
            posted_on: "2026-02-01".parse().unwrap(),
            due_on: "2026-03-02".parse().ok(),
            original_due_on: None,
            currency: Currency::CNY,
            amount: open.into(),
            principal: open.into(),
            interest: Decimal::ZERO,
            costs: Decimal::ZERO,
            disputed: false,
            dunning_level: 0,
            dunned_on: None,
            retention: false,
        }
    }

    #[test]
    fn what_is_quoted_says_more_than_an_amount_that_fits_and_that_more_than_age() {
        let open = [
            item("F-1", None, 70),
            item("F-2", Some("SO-9"), 50),
            item("F-3", None, 100),
            item("F-4", None, 100),
        ];
        let left = Money::new(100.into(), Currency::CNY);
        let found = items(left, Some("for SO-9, thank you"), &open);
        let order: Vec<usize> = found.iter().map(|it| it.what).collect();
        assert_eq!(order, [1, 2, 3, 0]);
        assert_eq!(found[0].reasons, [Reason::Order("SO-9".to_owned())]);
        assert_eq!(found[1].reasons, [Reason::Amount { of: 2 }]);
        assert_eq!(found[3].reasons, [Reason::Oldest]);
        let unique = items(Money::new(70.into(), Currency::CNY), None, &open);
        assert_eq!(unique[0].reasons, [Reason::Amount { of: 1 }, Reason::Oldest]);
        assert!(items(Money::new(70.into(), Currency::USD), None, &open).is_empty());
    }

    #[test]
    fn names_are_compared_without_case_blanks_and_marks() {
        assert_eq!(normal("Old King's  Tea, Ltd."), "oldkingstealtd");
        assert_eq!(normal("东方超市（上海）"), "东方超市上海");
        assert_eq!(words("SO-1，SO-2 "), ["SO-1", "SO-1，SO-2", "SO-2"]);
    }
}
