//! Statements of account: issued, shown, given to customers' contacts by link.

use std::fmt::Write as _;

use chrono::NaiveDate;
use clap::Subcommand;
use fieldledger_core::{
    model::{Currency, CustomerId, LedgerRecord, RecordKind, Statement, StatementId, StatementVerdict},
    rules::statement::Period,
};
use serde::{Deserialize, Serialize};

use super::{Outcome, desk::Desk, table::table};
use crate::{
    cli::Failure,
    ledger::statements::{self, StatementWish},
    store::{Decide, Step},
};

/// Something that is done with statements of account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Subcommand)]
pub enum StatementAction {
    /// Issue a customer's statement for a period that has ended
    Issue {
        /// The customer's number
        customer: String,
        /// First day
        #[arg(long, value_name = "DATE")]
        from: NaiveDate,
        /// Last day
        #[arg(long, value_name = "DATE")]
        to: NaiveDate,
        /// Currency; the company's when left out
        #[arg(long)]
        currency: Option<Currency>,
        /// Login of who issues it
        #[arg(long = "as", value_name = "LOGIN")]
        by: String,
    },
    /// Tell which statements were issued, and what was answered
    List {
        /// Only of the customer with this number
        customer: Option<String>,
    },
    /// Show a statement with its lines and answers
    Show {
        /// The statement's id, or enough of its beginning
        statement: String,
    },
    /// Make a link with which the customer's contact answers without an account
    Link {
        /// The statement's id, or enough of its beginning
        statement: String,
        /// Whom the link is for
        #[arg(long)]
        contact: String,
        /// Days for which it works
        #[arg(long, default_value_t = 14)]
        days: u32,
        /// Login of who makes it
        #[arg(long = "as", value_name = "LOGIN")]
        by: String,
    },
    /// Take every link to a statement back
    RevokeLinks {
        /// The statement's id, or enough of its beginning
        statement: String,
        /// Login of who takes them back
        #[arg(long = "as", value_name = "LOGIN")]
        by: String,
    },
}

impl Desk<'_> {
    pub(super) async fn statement(&self, action: StatementAction) -> Result<Outcome, Failure> {
        match action {
            StatementAction::Issue {
                customer,
                from,
                to,
                currency,
                by,
            } => {
                let by = self.finance(&by).await?;
                let ledger = self.ledger_of(&customer).await?;
                let id = StatementId::from_bytes(self.fresh_id());
                let wish = StatementWish {
                    id,
                    period: Period { from, to },
                    currency: currency.unwrap_or(ledger.organisation.currency),
                };
                let (user, now) = (by.user, self.state.clock.now());
                let decide: Decide = Box::new(move |ledger| statements::issue(ledger, wish, Some(user), now));
                self.decide(ledger.customer.id, decide).await?;
                self.show_statement(&id.to_string()).await
            }
            StatementAction::List { customer } => self.list_statements(customer.as_deref()).await,
            StatementAction::Show { statement } => self.show_statement(&statement).await,
            StatementAction::Link {
                statement,
                contact,
                days,
                by,
            } => self.make_link(&statement, &contact, days, &by).await,
            StatementAction::RevokeLinks { statement, by } => {
                let by = self.finance(&by).await?;
                let statement = self.statement_named(&statement).await?;
                let steps = vec![Step::RevokeStatementLinks(statement.id)];
                let (subject, detail) = (statement.id.to_string(), format!("by {}", by.login));
                self.act(steps, "statement.links_revoked", &subject, &detail).await?;
                Ok(format!("No link leads to statement {} any more", statement.id).into())
            }
        }
    }

    fn fresh_id(&self) -> [u8; 16] {
        uuid::Builder::from_random_bytes(self.state.secrets.bytes())
            .into_uuid()
            .into_bytes()
    }

    async fn statements(&self) -> Result<Vec<Statement>, Failure> {
        let records = self.state.store.records(self.org, &RecordKind::Statement).await?;
        let mut statements: Vec<Statement> = records
            .into_iter()
            .filter_map(|it| match it.record {
                LedgerRecord::Statement(statement) => Some(statement),
                _ => None,
            })
            .collect();
        statements.sort_by_key(|it| (it.to, it.issued_at, it.id));
        Ok(statements)
    }

    async fn statement_named(&self, wanted: &str) -> Result<Statement, Failure> {
        let wanted = wanted.trim().to_lowercase();
        let mut matching = self.statements().await?;
        matching.retain(|it| wanted.len() >= 4 && it.id.to_string().starts_with(&wanted));
        match matching.len() {
            1 => Ok(matching.swap_remove(0)),
            _ => Err(Failure::new(format!(
                "no single statement begins with {wanted:?}; `fieldledger statement list` tells which there are"
            ))),
        }
    }

    async fn list_statements(&self, customer: Option<&str>) -> Result<Outcome, Failure> {
        let only: Option<CustomerId> = match customer {
            Some(code) => Some(self.ledger_of(code).await?.customer.id),
            None => None,
        };
        let customers = self.customers().await?;
        let mut rows = Vec::new();
        for it in self.statements().await? {
            if only.is_some_and(|only| only != it.customer) {
                continue;
            }
            let whose = customers.iter().find(|customer| customer.id == it.customer);
            let now = self.state.clock.now();
            let links = self.state.store.statement_links(self.org, it.id).await?;
            let count = |verdict| it.answers.values().filter(|answer| answer.verdict == verdict).count();
            rows.push(vec![
                it.id.to_string(),
                whose.map_or_else(String::new, |it| format!("{} {}", it.code, it.name)),
                format!("{} – {}", it.from, it.to),
                it.closing.to_string(),
                it.lines.len().to_string(),
                count(StatementVerdict::Confirmed).to_string(),
                count(StatementVerdict::Disputed).to_string(),
                links.iter().filter(|link| link.is_valid(now)).count().to_string(),
            ]);
        }
        if rows.is_empty() {
            return Ok("No statement has been issued".to_owned().into());
        }
        let head = [
            "ID",
            "CUSTOMER",
            "PERIOD",
            "CLOSING",
            "LINES",
            "CONFIRMED",
            "DISPUTED",
            "LINKS",
        ];
        Ok(table(&head, rows).into())
    }

    async fn show_statement(&self, wanted: &str) -> Result<Outcome, Failure> {
        let statement = self.statement_named(wanted).await?;
        let customers = self.customers().await?;
        let whose = customers.iter().find(|it| it.id == statement.customer);
        let mut text = format!(
            "Statement {} of {} for {} to {}\n  opening {}\n",
            statement.id,
            whose.map_or_else(String::new, |it| format!("{} {}", it.code, it.name)),
            statement.from,
            statement.to,
            statement.opening
        );
        let amount = |amount: rust_decimal::Decimal| {
            if amount.is_zero() {
                String::new()
            } else {
                amount.to_string()
            }
        };
        let rows = statement.lines.iter().map(|it| {
            let answer = statement.answers.get(&it.no).map_or_else(String::new, |answer| {
                let verdict = match answer.verdict {
                    StatementVerdict::Confirmed => "confirmed",
                    StatementVerdict::Disputed => "disputed",
                };
                format!("{verdict} by {} {}", answer.by, answer.remark)
            });
            vec![
                it.no.to_string(),
                it.on.to_string(),
                format!("{:?}", it.kind),
                it.document.clone(),
                it.order_number.clone().unwrap_or_default(),
                it.shipped_on.map(|it| it.to_string()).unwrap_or_default(),
                it.products.len().to_string(),
                amount(it.debit),
                amount(it.credit),
                it.balance.to_string(),
                answer.trim().to_owned(),
            ]
        });
        let head = [
            "NO", "DAY", "WHAT", "DOCUMENT", "ORDER", "SHIPPED", "PRODUCTS", "DEBIT", "CREDIT", "BALANCE", "ANSWER",
        ];
        let _ = write!(text, "{}\n  closing {}", table(&head, rows), statement.closing);
        if let Some(corrects) = statement.corrects {
            let _ = write!(text, "\n  corrects {corrects}");
        }
        Ok(text.into())
    }

    async fn make_link(&self, statement: &str, contact: &str, days: u32, by: &str) -> Result<Outcome, Failure> {
        let by = self.finance(by).await?;
        let statement = self.statement_named(statement).await?;
        let secret = self.state.secrets.token();
        let link = statements::link(self.org, &statement, contact, days, &secret, self.state.clock.now())
            .map_err(|why| Failure::new(format!("--{}: {}", why.field, why.message)))?;
        let contact = link.contact.clone();
        let until = link.expires_at;
        let detail = format!("for {contact} until {until}, by {}", by.login);
        let steps = vec![Step::PutStatementLink(link)];
        self.act(steps, "statement.link_made", &statement.id.to_string(), &detail)
            .await?;
        Ok(format!(
            "{}/s/{secret}\nFor {contact}, until {until}. It is shown only now; whoever has it can read and answer the \
             statement.",
            self.state.config.base_url()
        )
        .into())
    }
}
