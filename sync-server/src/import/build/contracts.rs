//! Contracts with their milestones.

use fieldledger_core::model::{BreachTerms, Contract, DueOffset, DueRule, DueStart, Milestone};

use super::{
    Builder, RowResult, because_of,
    cells::{date_required, days_required, decimal_required, invalid, optional, required, unique, word, yes},
};
use crate::import::{
    mapping::{Field, Milestones},
    table::RowView,
};

const EVENTS: [(&str, DueStart); 5] = [
    ("contract", DueStart::Contract),
    ("order", DueStart::Order),
    ("delivery", DueStart::Delivery),
    ("acceptance", DueStart::Acceptance),
    ("invoice", DueStart::Invoice),
];

impl<'m> Builder<'m> {
    pub(super) fn contracts(&mut self) {
        let Some(section) = &self.mapping.contracts else {
            return;
        };
        let of = &section.milestones;
        let mut milestones = self.grouped(of.source(), &of.contract, |_, row| milestone(row, of));
        self.each(section.source(), |this, row, seen| {
            let made = (|| {
                let customer = this.customer(row, &section.customer)?.id;
                let made = (|| {
                    let number = unique(row, &section.number, seen)?;
                    let milestones = match milestones.remove(&number) {
                        Some(Ok(milestones)) => milestones,
                        Some(Err(bad)) => return Err(because_of(row, &bad)),
                        None => return Err(row.error("", format!("{} has no milestones for it", of.file))),
                    };
                    let contract = Contract {
                        number,
                        customer,
                        signed_on: date_required(row, &section.signed_on)?,
                        milestones,
                        acceptance_criteria: optional(row, &section.acceptance_criteria)?.unwrap_or_default(),
                        breach: BreachTerms::default(),
                        review: None,
                    };
                    let fields = [
                        ("number", Some(&section.number)),
                        ("signed_on", Some(&section.signed_on)),
                        ("acceptance_criteria", section.acceptance_criteria.as_ref()),
                    ];
                    contract.validate().map_err(|error| invalid(row, &error, &fields))?;
                    Ok(contract)
                })();
                this.about(customer, made)
            })();
            let number = row.value(&section.number).ok().flatten();
            match (&made, number) {
                (Ok(contract), Some(number)) => {
                    let source = (row.file().to_owned(), row.line());
                    this.contracts.insert(number, (contract.clone(), source));
                }
                (Err(_), Some(number)) if !this.contracts.contains_key(&number) => {
                    this.broken_contracts.insert(number);
                }
                _ => {}
            }
            made.map(|_| ())
        });
        self.tell_orphans(
            "contract",
            (section.source(), &section.number),
            (of.source(), &of.contract),
        );
    }

    pub(super) fn find_contract(&self, row: &RowView<'m>, field: &Field) -> RowResult<&Contract> {
        let number = required(row, field)?;
        let found = self.contracts.get(&number).map(|(contract, _)| contract);
        found.ok_or_else(|| {
            let reason = if self.broken_contracts.contains(&number) {
                format!("left out because its contract {number:?} is")
            } else {
                format!("there is no contract {number:?}")
            };
            row.error(&field.columns(), reason)
        })
    }
}

fn milestone(row: &RowView<'_>, section: &Milestones) -> RowResult<Milestone> {
    let event = required(row, &section.event)?;
    let mut offsets = Vec::new();
    for (field, offset) in [
        (&section.days, DueOffset::Days as fn(u32) -> DueOffset),
        (&section.months, DueOffset::Months),
        (&section.end_of_month, DueOffset::EndOfMonth),
    ] {
        if let (Some(field), Some(_)) = (field, optional(row, field)?) {
            offsets.push(offset(days_required(row, field)?));
        }
    }
    let [offset] = offsets.as_slice() else {
        let reason = "needs exactly one of days, months and end_of_month";
        return Err(row.error("", reason));
    };
    Ok(Milestone {
        name: required(row, &section.name)?,
        percent: decimal_required(row, &section.percent)?,
        due: DueRule {
            from: word(row, &section.event, &event, &EVENTS)?,
            offset: *offset,
        },
        retention: yes(row, &section.retention)?,
    })
}
