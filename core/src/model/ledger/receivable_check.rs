//! What a form and an import check of invoices, receipts and credit notes before they are stored.

use chrono::NaiveDate;
use rust_decimal::Decimal;

use super::{Allocation, CreditNote, Instalment, Invoice, Receipt, UnidentifiedReceipt};
use crate::model::{
    Currency, InvalidField, MAX_QUANTITY, check_amount, check_count, check_date, check_most, check_named,
    check_some_amount, check_text,
};

impl Invoice {
    /// The day it counts from in the books.
    pub fn counts_from(&self) -> NaiveDate {
        self.posted_on.unwrap_or(self.invoiced_on)
    }

    /// Checks what a form would check.
    ///
    /// # Errors
    /// [`InvalidField`] naming the field: no number, an amount that is negative, too large or finer than the minor unit,
    /// a date far out of range, instalments that are not numbered 1, 2, 3, … or do not sum to the amount, an extension
    /// that is not later than the due date, a dispute that ends before it begins.
    pub fn validate(&self) -> Result<(), InvalidField> {
        check_named("number", &self.number)?;
        check_date("invoiced_on", self.invoiced_on)?;
        check_date("due_on", self.due_on)?;
        if let Some(day) = self.posted_on {
            check_date("posted_on", day)?;
        }
        let currency = self.amount.currency;
        check_amount("amount", self.amount.amount, currency)?;
        check_count("lines", self.lines.len())?;
        for line in &self.lines {
            if line.quantity <= Decimal::ZERO {
                return Err(InvalidField::new("lines.quantity", "must be more than zero"));
            }
            check_most("lines.quantity", line.quantity, MAX_QUANTITY)?;
        }
        check_count("instalments", self.instalments.len())?;
        let mut sum = Decimal::ZERO;
        for (expected, instalment) in (1u32..).zip(&self.instalments) {
            if instalment.no != expected {
                return Err(InvalidField::new(
                    "instalments.no",
                    format!("number {} where {expected} is expected", instalment.no),
                ));
            }
            instalment.validate(currency)?;
            sum += instalment.amount; // each is at most MAX_AMOUNT, and there are at most MAX_ITEMS
        }
        if !self.instalments.is_empty() && sum != self.amount.amount {
            return Err(InvalidField::new(
                "instalments.amount",
                format!("the parts sum to {sum}, the invoice to {}", self.amount.amount),
            ));
        }
        Ok(())
    }
}

impl Instalment {
    fn validate(&self, currency: Currency) -> Result<(), InvalidField> {
        check_amount("instalments.amount", self.amount, currency)?;
        if let Some(day) = self.due_on {
            check_date("instalments.due_on", day)?;
        }
        if let Some(rule) = self.rule {
            rule.offset.validate("instalments.due.offset")?;
        }
        check_count("instalments.charges", self.charges.len())?;
        for charge in &self.charges {
            check_some_amount("instalments.charges.amount", charge.amount, currency)?;
            check_date("instalments.charges.posted_on", charge.posted_on)?;
            check_text("instalments.charges.reason", &charge.reason)?;
        }
        check_count("instalments.extensions", self.extensions.len())?;
        for it in &self.extensions {
            check_date("instalments.extensions.approved_on", it.approved_on)?;
            check_date("instalments.extensions.due_on", it.due_on)?;
            check_named("instalments.extensions.reason", &it.reason)?;
            if self.due_on.is_some_and(|due| it.due_on <= due) {
                return Err(InvalidField::new(
                    "instalments.extensions.due_on",
                    "must be later than the original due date",
                ));
            }
        }
        check_count("instalments.disputes", self.disputes.len())?;
        for it in &self.disputes {
            check_date("instalments.disputes.opened_on", it.opened_on)?;
            check_text("instalments.disputes.reason", &it.reason)?;
            if it.settled_on.is_some_and(|end| end < it.opened_on) {
                return Err(InvalidField::new(
                    "instalments.disputes.settled_on",
                    "lies before the dispute began",
                ));
            }
        }
        check_count("instalments.dunning", self.dunning.len())?;
        self.dunning
            .iter()
            .try_for_each(|it| check_date("instalments.dunning.on", it.on))
    }
}

impl Receipt {
    /// The day it counts from in the books, cleared or not.
    pub fn counts_from(&self) -> NaiveDate {
        self.posted_on.unwrap_or(self.valued_on)
    }

    /// Whether the money is in the books on `day` and was not returned by then.
    pub fn stands_on(&self, day: NaiveDate) -> bool {
        self.counts_from() <= day && self.bounced_on.is_none_or(|bounced| day < bounced)
    }

    /// Whether the money is in the books on `day`, certain, and was not returned by then.
    pub fn is_certain_on(&self, day: NaiveDate) -> bool {
        self.stands_on(day) && self.cleared_on.is_some_and(|cleared| cleared <= day)
    }

    /// Checks what a form would check.
    ///
    /// # Errors
    /// [`InvalidField`] naming the field: no reference, an amount of nothing, too large or finer than the minor unit, a
    /// date far out of range, a return before the value date, an instruction without an invoice, and allocations that
    /// come to more than the receipt on some day.
    pub fn validate(&self) -> Result<(), InvalidField> {
        let currency = self.amount.currency;
        check_named("reference", &self.reference)?;
        check_some_amount("amount", self.amount.amount, currency)?;
        check_date("valued_on", self.valued_on)?;
        for (field, day) in [
            ("posted_on", self.posted_on),
            ("cleared_on", self.cleared_on),
            ("bounced_on", self.bounced_on),
        ] {
            if let Some(day) = day {
                check_date(field, day)?;
            }
        }
        if self.bounced_on.is_some_and(|bounced| bounced < self.valued_on) {
            return Err(InvalidField::new("bounced_on", "lies before the value date"));
        }
        if let Some(pays) = &self.pays {
            check_text("pays", pays)?;
        }
        check_count("instructions", self.instructions.len())?;
        for it in &self.instructions {
            check_named("instructions.invoice_number", &it.invoice_number)?;
            if let Some(amount) = it.amount {
                check_some_amount("instructions.amount", amount, currency)?;
            }
        }
        check_allocations(&self.allocations, self.amount.amount)
    }
}

impl CreditNote {
    /// The day it counts from in the books.
    pub fn counts_from(&self) -> NaiveDate {
        self.posted_on.unwrap_or(self.credited_on)
    }

    /// Checks what a form would check.
    ///
    /// # Errors
    /// [`InvalidField`] naming the field: no number, an amount of nothing, too large or finer than the minor unit, a date
    /// far out of range, and allocations that come to more than the note on some day.
    pub fn validate(&self) -> Result<(), InvalidField> {
        check_named("number", &self.number)?;
        check_some_amount("amount", self.amount.amount, self.amount.currency)?;
        check_date("credited_on", self.credited_on)?;
        if let Some(day) = self.posted_on {
            check_date("posted_on", day)?;
        }
        check_text("reason", &self.reason)?;
        check_allocations(&self.allocations, self.amount.amount)
    }
}

impl UnidentifiedReceipt {
    /// The day it counts from once its payer is known.
    pub fn counts_from(&self) -> NaiveDate {
        self.posted_on.unwrap_or(self.valued_on)
    }

    /// Checks what a form would check.
    ///
    /// # Errors
    /// [`InvalidField`] naming the field: no reference, an amount of nothing, too large or finer than the minor unit, a
    /// date far out of range, a text that is too long.
    pub fn validate(&self) -> Result<(), InvalidField> {
        check_named("reference", &self.reference)?;
        check_some_amount("amount", self.amount.amount, self.amount.currency)?;
        check_date("valued_on", self.valued_on)?;
        if let Some(day) = self.posted_on {
            check_date("posted_on", day)?;
        }
        check_text("payer", &self.payer)?;
        check_text("text", &self.text)
    }
}

/// Allocations never come to more than `total` on any day.
fn check_allocations(allocations: &[Allocation], total: Decimal) -> Result<(), InvalidField> {
    let mut steps = Vec::with_capacity(allocations.len());
    for it in allocations {
        check_named("allocations.invoice_number", &it.invoice_number)?;
        check_date("allocations.posted_on", it.posted_on)?;
        for amount in [it.amount, it.taken()] {
            if amount <= Decimal::ZERO {
                return Err(InvalidField::new("allocations.amount", "must be more than zero"));
            }
            check_most("allocations.amount", amount, crate::model::MAX_AMOUNT)?;
        }
        if it.reversed_on.is_some() {
            check_named("allocations.reversal_reason", &it.reversal_reason)?;
        }
        // One that ends on the day it began, or before, never counts.
        if it.reversed_on.is_none_or(|end| it.posted_on < end) {
            steps.push((it.posted_on, it.taken()));
            steps.extend(it.reversed_on.map(|end| (end, -it.taken())));
        }
    }
    // On one day what ends makes room for what begins: negative steps first.
    steps.sort_unstable();
    let mut taken = Decimal::ZERO;
    for (day, step) in steps {
        taken = taken
            .checked_add(step)
            .ok_or_else(|| InvalidField::new("allocations.amount", "the sum is too large"))?;
        if taken > total {
            return Err(InvalidField::new(
                "allocations.amount",
                format!("come to {taken} on {day}, more than the {total} there is"),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::model::{AllocationBasis, AllocationPart, CustomerId, Extension, Money};

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn cny(text: &str) -> Money {
        Money::new(text.parse().unwrap(), Currency::CNY)
    }

    fn invoice() -> Invoice {
        let customer = CustomerId::from_bytes([1; 16]);
        Invoice::new("001", customer, day("2026-01-05"), day("2026-02-04"), cny("100.00"))
    }

    fn part(no: u32, amount: &str) -> Instalment {
        Instalment::new(no, amount.parse().unwrap(), Some(day("2026-02-04")))
    }

    fn field(invoice: &Invoice) -> String {
        invoice.validate().unwrap_err().field
    }

    #[test]
    fn instalments_are_numbered_from_one_and_sum_to_the_invoice() {
        let mut it = invoice();
        it.validate().unwrap();
        it.instalments = vec![part(1, "60"), part(2, "40")];
        it.validate().unwrap();
        it.instalments = vec![part(1, "60"), part(2, "39.99")];
        assert_eq!(field(&it), "instalments.amount");
        it.instalments = vec![part(1, "60"), part(3, "40")];
        assert_eq!(field(&it), "instalments.no");
        it.instalments = vec![part(1, "110"), part(2, "-10")];
        assert_eq!(field(&it), "instalments.amount");
    }

    #[test]
    fn amounts_that_cannot_be_counted_exactly_name_their_field() {
        for amount in ["-1", "100.001", "1000000000001", "79228162514264337593543950335"] {
            let it = Invoice {
                amount: cny(amount),
                ..invoice()
            };
            assert_eq!(field(&it), "amount", "{amount}");
        }
        let yen = |text: &str| Invoice {
            amount: Money::new(text.parse().unwrap(), "JPY".parse().unwrap()),
            ..invoice()
        };
        yen("100.00").validate().unwrap();
        assert_eq!(field(&yen("100.5")), "amount");
    }

    #[test]
    fn dates_out_of_any_range_name_their_field() {
        for (invoiced, due, wrong) in [
            ("0202-01-05", "2026-02-04", "invoiced_on"),
            ("2026-01-05", "9999-12-31", "due_on"),
        ] {
            let it = Invoice {
                invoiced_on: day(invoiced),
                due_on: day(due),
                ..invoice()
            };
            assert_eq!(field(&it), wrong);
        }
    }

    #[test]
    fn an_extension_is_later_than_the_original_date_and_says_why() {
        let mut it = invoice();
        let mut extended = part(1, "100");
        extended.extensions = vec![Extension {
            approved_on: day("2026-02-01"),
            due_on: day("2026-03-04"),
            by: None,
            reason: "harvest is late".into(),
        }];
        it.instalments = vec![extended];
        it.validate().unwrap();
        it.instalments[0].extensions[0].due_on = day("2026-02-04");
        assert_eq!(field(&it), "instalments.extensions.due_on");
    }

    fn allocation(amount: &str, posted: &str, reversed: Option<&str>) -> Allocation {
        Allocation {
            invoice_number: "001".into(),
            instalment: 1,
            part: AllocationPart::Principal,
            amount: amount.parse().unwrap(),
            taken: None,
            posted_on: day(posted),
            reversed_on: reversed.map(day),
            reversal_reason: reversed.map(|_| "wrong invoice".to_owned()).unwrap_or_default(),
            basis: AllocationBasis::Manual,
            by: None,
        }
    }

    #[test]
    fn allocations_never_come_to_more_than_the_receipt_on_any_day() {
        let customer = CustomerId::from_bytes([1; 16]);
        let mut it = Receipt::cleared("R1", customer, day("2026-02-01"), cny("100"));
        it.allocations = vec![
            allocation("60", "2026-02-10", None),
            allocation("100", "2026-02-01", Some("2026-02-10")),
            allocation("40", "2026-02-10", None),
        ];
        it.validate().unwrap();
        it.allocations[1].reversed_on = Some(day("2026-02-11"));
        assert_eq!(it.validate().unwrap_err().field, "allocations.amount");
    }

    #[test]
    fn a_receipt_or_credit_note_of_nothing_is_refused() {
        let customer = CustomerId::from_bytes([1; 16]);
        let mut it = Receipt::cleared("R1", customer, day("2026-02-01"), cny("0"));
        assert_eq!(it.validate().unwrap_err().field, "amount");
        it.amount = cny("1");
        it.bounced_on = Some(day("2026-01-31"));
        assert_eq!(it.validate().unwrap_err().field, "bounced_on");
        let note = CreditNote {
            number: "C1".into(),
            customer,
            invoice_number: None,
            credited_on: day("2026-02-01"),
            posted_on: None,
            amount: cny("-5"),
            reason: String::new(),
            allocations: Vec::new(),
        };
        assert_eq!(note.validate().unwrap_err().field, "amount");
    }
}
