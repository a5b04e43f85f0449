//! Where customers' credit stands, held orders, and offline allowances.

use std::fmt::Write as _;

use chrono::NaiveDate;
use fieldledger_core::model::{
    Assessment, CreditGrade, CreditLimit, Customer, CustomerId, Grant, GrantId, GrantMode, LedgerRecord, Money,
    OrderDecision, OrderStanding, RecordKind,
};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{Outcome, desk::Desk, table::table};
use crate::{
    cli::Failure,
    ledger::{self, AccountChange, Draft, GrantWish},
    store::{Account, CustomerLedger, Decide, Decided},
};

/// Something that is asked or decided about credit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CreditAction {
    /// Tells where a customer's credit stands.
    Show {
        /// The customer's number.
        customer: String,
    },
    /// Changes grade, limit or terms.
    Set {
        /// The customer's number.
        customer: String,
        /// First day; `None`: today.
        from: Option<NaiveDate>,
        /// The grade.
        grade: Option<CreditGrade>,
        /// The limit, in the company's currency.
        limit: Option<Decimal>,
        /// Explicitly without a limit.
        no_limit: bool,
        /// Days of credit.
        terms_days: Option<u32>,
        /// Login of who decides.
        by: String,
        /// Why.
        reason: String,
    },
    /// Records a credit assessment.
    Assess {
        /// The customer's number.
        customer: String,
        /// Last day on which it counts.
        valid_until: NaiveDate,
        /// On what grounds.
        evidence: String,
        /// Login of who assessed.
        by: String,
    },
    /// Puts an account on hold, or lets it go on.
    Hold {
        /// The customer's number.
        customer: String,
        /// On hold, or not any more.
        on: bool,
        /// Login of who decides.
        by: String,
        /// Why.
        reason: String,
    },
    /// Tells the orders that wait for a person.
    Held,
    /// Lets a held order through or turns it down.
    Decide {
        /// Its number or id.
        order: String,
        /// Let through.
        release: bool,
        /// Login of who decides.
        by: String,
        /// Why.
        reason: String,
    },
    /// Closes an order or opens it again.
    Close {
        /// Its number or id.
        order: String,
        /// Open it again.
        reopen: bool,
        /// Login of who decides.
        by: String,
        /// Why.
        reason: String,
    },
    /// Tells the grants of offline allowances.
    Allowances,
    /// Suggests how much to reserve for phones.
    Suggest {
        /// The customer's number; `None`: every customer that `user` plans to visit.
        customer: Option<String>,
        /// Login of the rep; `None`: whoever plans to visit the customer.
        user: Option<String>,
        /// How many days to look for planned visits; `None`: as long as an allowance may be spent.
        days: Option<u32>,
    },
    /// Reserves credit for a phone.
    Grant {
        /// The customer's number.
        customer: String,
        /// The device's id, or its beginning.
        device: String,
        /// How much, in the limit's currency.
        amount: Decimal,
        /// Only given back by the phone, never by time.
        strict: bool,
        /// Login of who decides.
        by: String,
    },
    /// Asks a phone for a grant back.
    Recall {
        /// The grant's id, or its beginning.
        grant: String,
        /// Login of who decides.
        by: String,
        /// Why.
        reason: String,
    },
    /// Frees a grant of a lost phone; two people have to say so.
    WriteOff {
        /// The grant's id, or its beginning.
        grant: String,
        /// Login of who decides.
        by: String,
        /// Why.
        reason: String,
    },
}

impl Desk<'_> {
    pub(super) async fn credit(&self, action: CreditAction) -> Result<Outcome, Failure> {
        match action {
            CreditAction::Show { customer } => self.show_credit(&customer).await,
            CreditAction::Set {
                customer,
                from,
                grade,
                limit,
                no_limit,
                terms_days,
                by,
                reason,
            } => {
                let by = self.finance(&by).await?;
                let ledger = self.ledger_of(&customer).await?;
                let currency = ledger.organisation.currency;
                let limited = limit.map(|amount| CreditLimit::Limited(Money::new(amount, currency)));
                let change = AccountChange::Terms {
                    from: from.unwrap_or_else(|| self.state.clock.now().date_in(ledger.organisation.time_zone)),
                    grade,
                    limit: if no_limit { Some(CreditLimit::NoLimit) } else { limited },
                    terms_days,
                    reason,
                };
                self.change_account(&ledger, change, &by).await
            }
            CreditAction::Assess {
                customer,
                valid_until,
                evidence,
                by,
            } => {
                let by = self.finance(&by).await?;
                let ledger = self.ledger_of(&customer).await?;
                let change = AccountChange::Assessed(Assessment {
                    on: self.state.clock.now().date_in(ledger.organisation.time_zone),
                    assessor: by.name.clone(),
                    evidence,
                    valid_until,
                });
                self.change_account(&ledger, change, &by).await
            }
            CreditAction::Hold {
                customer,
                on,
                by,
                reason,
            } => {
                let by = self.finance(&by).await?;
                let ledger = self.ledger_of(&customer).await?;
                let change = if on {
                    AccountChange::Hold { from: None, reason }
                } else {
                    AccountChange::LiftHold { reason }
                };
                self.change_account(&ledger, change, &by).await
            }
            CreditAction::Held => self.held_orders().await,
            CreditAction::Decide {
                order,
                release,
                by,
                reason,
            } => {
                let by = self.account(&by).await?;
                let order = self.decision(&order).await?;
                let now = self.state.clock.now();
                let (id, user, roles) = (order.order, by.user, by.roles.clone());
                let decide: Decide =
                    Box::new(move |ledger| ledger::decide_held_order(ledger, id, release, user, &roles, &reason, now));
                self.decide(order.customer, decide).await?;
                let done = if release { "let through" } else { "turned down" };
                Ok(format!("Order {} is {done} by {}", order.number, by.login).into())
            }
            CreditAction::Close {
                order,
                reopen,
                by,
                reason,
            } => {
                let by = self.finance(&by).await?;
                let order = self.decision(&order).await?;
                let now = self.state.clock.now();
                let (id, user, roles) = (order.order, by.user, by.roles.clone());
                let decide: Decide =
                    Box::new(move |ledger| ledger::close_order(ledger, id, reopen, user, &roles, &reason, now));
                let standing = self.decide(order.customer, decide).await?;
                Ok(format!("Order {} is {standing}", order.number).into())
            }
            CreditAction::Allowances => self.allowances().await,
            CreditAction::Suggest { customer, user, days } => {
                self.suggest(customer.as_deref(), user.as_deref(), days).await
            }
            CreditAction::Grant {
                customer,
                device,
                amount,
                strict,
                by,
            } => self.grant(&customer, &device, amount, strict, &by).await,
            CreditAction::Recall { grant, by, reason } => {
                let by = self.finance(&by).await?;
                let grant = self.grant_named(&grant).await?;
                let (id, user, now) = (grant.terms.id, by.user, self.state.clock.now());
                let decide: Decide = Box::new(move |ledger| ledger::recall(ledger, id, user, &reason, now));
                self.decide(grant.terms.customer, decide).await?;
                Ok(format!("Allowance {id} is asked back; it stays reserved until the phone has closed it").into())
            }
            CreditAction::WriteOff { grant, by, reason } => {
                let by = self.finance(&by).await?;
                let grant = self.grant_named(&grant).await?;
                let (id, user, now) = (grant.terms.id, by.user, self.state.clock.now());
                let decide: Decide = Box::new(move |ledger| ledger::write_off(ledger, id, user, &reason, now));
                let answer = self.decide(grant.terms.customer, decide).await?;
                Ok(if answer == "freed" {
                    format!("Allowance {id} is written off and free again")
                } else {
                    format!("{} proposes to write off {id}; a second person has to agree", by.login)
                }
                .into())
            }
        }
    }

    async fn change_account(
        &self,
        ledger: &CustomerLedger,
        change: AccountChange,
        by: &Account,
    ) -> Result<Outcome, Failure> {
        let (user, now) = (by.user, self.state.clock.now());
        let decide: Decide = Box::new(move |ledger| ledger::change_account(ledger, change, user, now));
        self.decide(ledger.customer.id, decide).await?;
        self.show_credit(&ledger.customer.code).await
    }

    /// Lets somebody with a say about money through.
    pub(super) async fn finance(&self, login: &str) -> Result<Account, Failure> {
        use fieldledger_core::model::Role;
        let account = self.account(login).await?;
        if [Role::Finance, Role::Supervisor, Role::Administrator]
            .into_iter()
            .any(|role| account.has(role))
        {
            Ok(account)
        } else {
            Err(Failure::new(format!(
                "{} is neither finance nor supervisor nor administrator",
                account.login
            )))
        }
    }

    pub(super) async fn decide(&self, customer: CustomerId, decide: Decide) -> Result<String, Failure> {
        let now = self.state.clock.now();
        match self.state.store.decide(self.org, customer, None, decide, now).await? {
            Decided::Done { answer, marks } => {
                for mark in marks {
                    self.state.sync.live().publish(self.org, mark);
                }
                Ok(answer)
            }
            Decided::Refused(why) => Err(Failure::new(format!("{}: {}", why.field, why.message))),
            Decided::UnknownCustomer => Err(Failure::new("the customer is not known any more")),
            Decided::Repeated { .. } | Decided::KeyReused => Err(Failure::new("this was asked before")),
        }
    }

    pub(super) async fn customers(&self) -> Result<Vec<Customer>, Failure> {
        let records = self.state.store.records(self.org, &RecordKind::Customer).await?;
        Ok(records
            .into_iter()
            .filter_map(|it| match it.record {
                LedgerRecord::Customer(customer) => Some(customer),
                _ => None,
            })
            .collect())
    }

    pub(super) async fn ledger_of(&self, code: &str) -> Result<CustomerLedger, Failure> {
        let customers = self.customers().await?;
        let found = customers.iter().find(|it| it.code == code);
        let found = found.ok_or_else(|| Failure::new(format!("there is no customer with the number {code:?}")))?;
        let ledger = self.state.store.customer_ledger(self.org, found.id).await?;
        ledger.ok_or_else(|| Failure::new("the customer is not known any more"))
    }

    async fn decisions(&self) -> Result<Vec<OrderDecision>, Failure> {
        let records = self.state.store.records(self.org, &RecordKind::OrderDecision).await?;
        Ok(records
            .into_iter()
            .filter_map(|it| match it.record {
                LedgerRecord::OrderDecision(decision) => Some(decision),
                _ => None,
            })
            .collect())
    }

    async fn decision(&self, wanted: &str) -> Result<OrderDecision, Failure> {
        let mut matching = self.decisions().await?;
        matching.retain(|it| it.number == wanted || it.order.to_string() == wanted);
        match matching.len() {
            1 => Ok(matching.swap_remove(0)),
            0 => Err(Failure::new(format!(
                "no decision about an order {wanted:?}; `fieldledger credit held` tells which wait"
            ))),
            _ => Err(Failure::new(format!(
                "several orders have the number {wanted:?}; give the id that `fieldledger credit held` tells"
            ))),
        }
    }

    pub(super) async fn grants(&self) -> Result<Vec<Grant>, Failure> {
        let records = self.state.store.records(self.org, &RecordKind::Grant).await?;
        Ok(records
            .into_iter()
            .filter_map(|it| match it.record {
                LedgerRecord::Grant(grant) => Some(grant),
                _ => None,
            })
            .collect())
    }

    async fn grant_named(&self, wanted: &str) -> Result<Grant, Failure> {
        let wanted = wanted.trim().to_lowercase();
        let mut matching = self.grants().await?;
        matching.retain(|it| wanted.len() >= 4 && it.terms.id.to_string().starts_with(&wanted));
        match matching.len() {
            1 => Ok(matching.swap_remove(0)),
            _ => Err(Failure::new(format!(
                "no single allowance begins with {wanted:?}; `fieldledger credit allowances` tells which there are"
            ))),
        }
    }

    async fn show_credit(&self, code: &str) -> Result<Outcome, Failure> {
        let ledger = self.ledger_of(code).await?;
        let draft = Draft::of(&ledger);
        let now = self.state.clock.now();
        let counted = |error: fieldledger_core::model::InvalidField| Failure::new(error.message);
        let (file, position) = (draft.file(now).map_err(counted)?, draft.position(now).map_err(counted)?);
        let free = position.headroom().map_err(|error| Failure::new(error.to_string()))?;
        let limit = match file.limit {
            fieldledger_core::model::CreditLimit::NoLimit => "no limit".to_owned(),
            fieldledger_core::model::CreditLimit::Limited(limit) => limit.to_string(),
        };
        let grade = file.grade.map_or_else(|| "none".to_owned(), |it| format!("{it:?}"));
        let hold = if file.on_hold {
            format!("yes: {}", file.hold_reason)
        } else {
            "no".to_owned()
        };
        let review = file
            .review_valid_until
            .map_or_else(|| "never made".to_owned(), |it| format!("valid until {it}"));
        let rows = [
            ("grade", grade),
            ("limit", limit),
            ("on hold", hold),
            ("assessment", review),
            ("open receivables", file.open_receivables.to_string()),
            ("special liabilities", file.special_liabilities.to_string()),
            ("delivered, not invoiced", file.delivered_not_invoiced.to_string()),
            ("open orders", file.open_orders.to_string()),
            ("exposure", position.exposure.to_string()),
            ("reserved for phones", position.reserved.to_string()),
            (
                "free",
                free.map_or_else(|| "without limit".to_owned(), |it| it.to_string()),
            ),
            ("overdue", file.overdue.to_string()),
        ];
        let mut text = format!("{} {}\n", ledger.customer.code, ledger.customer.name);
        for (name, value) in rows {
            let _ = writeln!(text, "  {name:<24} {value}");
        }
        Ok(text.trim_end().to_owned().into())
    }

    async fn held_orders(&self) -> Result<Outcome, Failure> {
        let customers = self.customers().await?;
        let mut held = self.decisions().await?;
        held.retain(|it| it.standing == OrderStanding::Held);
        held.sort_by_key(|it| it.received_at);
        if held.is_empty() {
            return Ok("No order waits for a decision".to_owned().into());
        }
        let rows = held.iter().map(|it| {
            let customer = customers.iter().find(|customer| customer.id == it.customer);
            let total = it.lines.values().try_fold(Money::zero(it.currency), |sum, line| {
                sum.checked_add(line.value(line.ordered, it.currency)?)
            });
            let check = it.events.iter().rev().find_map(|event| event.check.as_ref());
            let failed: Vec<&str> = check
                .iter()
                .flat_map(|check| check.rules.iter().filter(|rule| !rule.passed))
                .map(|rule| rule.sentence.as_str())
                .collect();
            vec![
                it.number.clone(),
                it.order.to_string(),
                customer.map_or_else(String::new, |it| format!("{} {}", it.code, it.name)),
                total.map_or_else(|error| error.to_string(), |it| it.to_string()),
                it.received_at.to_string(),
                failed.join(" "),
            ]
        });
        Ok(table(&["ORDER", "ID", "CUSTOMER", "TOTAL", "SINCE", "WHY"], rows).into())
    }

    pub(super) async fn policy(&self) -> Result<fieldledger_core::model::Policy, Failure> {
        let records = self.state.store.records(self.org, &RecordKind::Policy).await?;
        let policy = records.into_iter().find_map(|it| match it.record {
            LedgerRecord::Policy(policy) => Some(policy),
            _ => None,
        });
        Ok(policy.unwrap_or_default())
    }

    async fn grant(
        &self,
        customer: &str,
        device: &str,
        amount: Decimal,
        strict: bool,
        by: &str,
    ) -> Result<Outcome, Failure> {
        let by = self.finance(by).await?;
        let ledger = self.ledger_of(customer).await?;
        let device = self.device(device).await?;
        let now = self.state.clock.now();
        let currency = Draft::of(&ledger)
            .position(now)
            .map_err(|error| Failure::new(error.message))?
            .exposure
            .currency;
        let key = self.state.store.signing_key(self.org).await?;
        let wish = GrantWish {
            id: GrantId(uuid::Builder::from_random_bytes(self.state.secrets.bytes()).into_uuid()),
            device: device.id,
            user: device.user,
            amount: Money::new(amount, currency),
            mode: if strict { GrantMode::Strict } else { GrantMode::Lease },
        };
        let user = by.user;
        let decide: Decide = Box::new(move |ledger| ledger::grant(ledger, wish, &key, user, now));
        self.decide(ledger.customer.id, decide).await?;
        Ok(format!(
            "{} is reserved at {} for {}; the phone has it with its next sync",
            wish.amount, ledger.customer.name, device.name
        )
        .into())
    }
}
