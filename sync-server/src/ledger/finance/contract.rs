//! Contracts with their payment terms (合同).

use fieldledger_core::model::{BreachTerms, Contract, InvalidField, LedgerRecord, Milestone};

use super::{Act, Draft, checks, once_in_the_company};

/// A contract to be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewContract {
    /// Its number.
    pub number: String,
    /// When it was signed. Not a day of the books: a contract may be older than the first open one.
    pub signed_on: chrono::NaiveDate,
    /// When what is due, summing to 100 %.
    pub milestones: Vec<Milestone>,
    /// What has to be there for an acceptance.
    pub acceptance_criteria: String,
    /// What a breach costs.
    pub breach: BreachTerms,
}

/// Records a contract; invoices under it get their instalments from its milestones.
///
/// # Errors
/// [`InvalidField`]: a number that is used, milestones that do not sum to 100 %, one on acceptance without criteria.
pub fn record(draft: &mut Draft, wish: NewContract, act: Act<'_>) -> Result<Contract, InvalidField> {
    checks::check_number("number", &wish.number)?;
    let contract = Contract {
        number: wish.number,
        customer: draft.ledger().customer.id,
        signed_on: wish.signed_on,
        milestones: wish.milestones,
        acceptance_criteria: wish.acceptance_criteria,
        breach: wish.breach,
        review: None,
    };
    contract.validate()?;
    let key = LedgerRecord::from(contract.clone()).key();
    draft.require(once_in_the_company(key, "number"));
    let parts: Vec<String> = contract
        .milestones
        .iter()
        .map(|it| format!("{} % {}", it.percent.normalize(), it.name))
        .collect();
    let detail = format!("customer {}: {}", draft.ledger().customer.code, parts.join(", "));
    draft.audit(act.line("contract.recorded", &contract.number, detail));
    draft.put(contract.clone());
    Ok(contract)
}
