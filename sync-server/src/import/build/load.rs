//! Reads the files that a mapping names.

use crate::import::{
    ImportError, Mapping, RowError,
    mapping::{Condition, Field, Lines, Source, Template},
    table::Tables,
};
use std::path::Path;

/// Reads every file that the mapping names and refuses names of columns that are not there, before anything is built.
pub(super) fn load(mapping: &Mapping, dir: &Path, errors: &mut Vec<RowError>) -> Result<Tables, ImportError> {
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
    if let Some(it) = &mapping.contracts {
        let fields = [
            Some(&it.number),
            Some(&it.customer),
            Some(&it.signed_on),
            it.acceptance_criteria.as_ref(),
        ];
        section(it.source(), &fields, &[])?;
        let it = &it.milestones;
        let fields = [
            Some(&it.contract),
            Some(&it.name),
            Some(&it.percent),
            Some(&it.event),
            it.days.as_ref(),
            it.months.as_ref(),
            it.end_of_month.as_ref(),
            it.retention.as_ref(),
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
            it.kind.as_ref(),
            it.contract.as_ref(),
            it.delivered_on.as_ref(),
            it.accepted_on.as_ref(),
        ];
        section(it.source(), &fields, &[])?;
    }
    if let Some(it) = &mapping.instalments {
        let fields = [
            Some(&it.invoice),
            Some(&it.no),
            Some(&it.amount),
            Some(&it.due_on),
            it.retention.as_ref(),
        ];
        section(it.source(), &fields, &[])?;
    }
    if let Some(it) = &mapping.disputes {
        let fields = [
            Some(&it.invoice),
            it.instalment.as_ref(),
            Some(&it.opened_on),
            it.settled_on.as_ref(),
            it.reason.as_ref(),
        ];
        section(it.source(), &fields, &[])?;
    }
    if let Some(it) = &mapping.extensions {
        let fields = [
            Some(&it.invoice),
            it.instalment.as_ref(),
            Some(&it.approved_on),
            Some(&it.due_on),
            Some(&it.reason),
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
            it.cleared_on.as_ref(),
            it.bounced_on.as_ref(),
            it.channel.as_ref(),
        ];
        section(it.source(), &fields, &[])?;
    }
    if let Some(it) = &mapping.credit_notes {
        let fields = [
            Some(&it.number),
            it.customer.as_ref(),
            it.invoice.as_ref(),
            Some(&it.credited_on),
            Some(&it.amount),
            it.reason.as_ref(),
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
            it.assessed_on.as_ref(),
            it.assessor.as_ref(),
            it.evidence.as_ref(),
            it.valid_until.as_ref(),
        ];
        section(it.source(), &fields, &[])?;
    }
    if let Some(it) = &mapping.credit_history {
        let fields = [
            Some(&it.customer),
            Some(&it.effective_from),
            it.limit.as_ref(),
            it.no_limit.as_ref(),
            it.grade.as_ref(),
            it.terms_days.as_ref(),
            Some(&it.reason),
        ];
        section(it.source(), &fields, &[])?;
    }
    Ok(tables)
}
