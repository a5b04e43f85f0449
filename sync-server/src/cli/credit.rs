//! `fieldledger credit`

use chrono::NaiveDate;
use clap::{Args, Subcommand};
use fieldledger_core::model::CreditGrade;
use rust_decimal::Decimal;

use super::{
    Failure, Place,
    operation::{Action, CreditAction},
};

#[derive(Debug, Args)]
pub(super) struct Credit {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Tell where a customer's credit stands: limit, exposure, reserved, free
    Show {
        /// The customer's number
        customer: String,
        #[command(flatten)]
        place: Place,
    },
    /// Change a customer's grade, limit or terms, from today or a later day on
    Set {
        /// The customer's number
        customer: String,
        /// The grade: A, B, C or D
        #[arg(long, value_parser = grade)]
        grade: Option<CreditGrade>,
        /// The limit, in the company's currency
        #[arg(long, conflicts_with = "no_limit")]
        limit: Option<Decimal>,
        /// Explicitly without a limit
        #[arg(long)]
        no_limit: bool,
        /// Days of credit
        #[arg(long, value_name = "DAYS")]
        terms: Option<u32>,
        /// First day on which it holds
        #[arg(long, value_name = "DATE")]
        from: Option<NaiveDate>,
        /// Login of who decides
        #[arg(long = "as", value_name = "LOGIN")]
        by: String,
        /// Why
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        place: Place,
    },
    /// Record a credit assessment made today: without one nothing is sold on credit
    Assess {
        /// The customer's number
        customer: String,
        /// Last day on which it counts
        #[arg(long, value_name = "DATE")]
        valid_until: NaiveDate,
        /// On what grounds
        #[arg(long)]
        evidence: String,
        /// Login of who assessed
        #[arg(long = "as", value_name = "LOGIN")]
        by: String,
        #[command(flatten)]
        place: Place,
    },
    /// Put a customer's account on hold
    Hold(OfCustomer),
    /// Let an account that is on hold go on
    LiftHold(OfCustomer),
    /// Tell the orders that wait for a decision, with the rules they failed
    Held {
        #[command(flatten)]
        place: Place,
    },
    /// Let a held order through
    Release(Decision),
    /// Turn a held order down
    Refuse(Decision),
    /// Say that nothing more of an order will be delivered: what is open of it is free again
    Close(Decision),
    /// Open a closed order again; it is checked anew
    Reopen(Decision),
    /// Tell the offline allowances, and what the customers owe at present and at worst; stale phones are marked
    Allowances {
        #[command(flatten)]
        place: Place,
    },
    /// Suggest how much to reserve for phones: by grade, planned visits and the usual order
    Suggest {
        /// The customer's number
        #[arg(required_unless_present = "user")]
        customer: Option<String>,
        /// Login of a rep: for each customer that the rep plans to visit
        #[arg(long, value_name = "LOGIN")]
        user: Option<String>,
        /// How many days from today on to look for planned visits; as long as an allowance may be spent when left out
        #[arg(long)]
        days: Option<u32>,
        #[command(flatten)]
        place: Place,
    },
    /// Reserve credit for a phone
    Grant {
        /// The customer's number
        customer: String,
        /// The device's id, or enough of its beginning
        device: String,
        /// How much, in the limit's currency
        amount: Decimal,
        /// Never freed by time: only the phone gives it back, or two people write it off
        #[arg(long)]
        strict: bool,
        /// Login of who decides
        #[arg(long = "as", value_name = "LOGIN")]
        by: String,
        #[command(flatten)]
        place: Place,
    },
    /// Ask a phone for an allowance back
    Recall(OfGrant),
    /// Free the allowance of a lost phone; two people have to say so
    WriteOff(OfGrant),
}

#[derive(Debug, Args)]
struct Decision {
    /// The order's number or id
    order: String,
    /// Login of who decides
    #[arg(long = "as", value_name = "LOGIN")]
    by: String,
    /// Why
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
struct OfCustomer {
    /// The customer's number
    customer: String,
    /// Login of who decides
    #[arg(long = "as", value_name = "LOGIN")]
    by: String,
    /// Why
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    place: Place,
}

fn grade(text: &str) -> Result<CreditGrade, String> {
    match text.to_ascii_uppercase().as_str() {
        "A" => Ok(CreditGrade::A),
        "B" => Ok(CreditGrade::B),
        "C" => Ok(CreditGrade::C),
        "D" => Ok(CreditGrade::D),
        _ => Err("the grades are A, B, C and D".to_owned()),
    }
}

#[derive(Debug, Args)]
struct OfGrant {
    /// The allowance's id, or enough of its beginning
    grant: String,
    /// Login of who decides
    #[arg(long = "as", value_name = "LOGIN")]
    by: String,
    /// Why
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    place: Place,
}

pub(super) fn run(args: Credit) -> Result<(), Failure> {
    let (action, place) = match args.command {
        Command::Show { customer, place } => (CreditAction::Show { customer }, place),
        Command::Set {
            customer,
            grade,
            limit,
            no_limit,
            terms,
            from,
            by,
            reason,
            place,
        } => {
            let action = CreditAction::Set {
                customer,
                from,
                grade,
                limit,
                no_limit,
                terms_days: terms,
                by,
                reason,
            };
            (action, place)
        }
        Command::Assess {
            customer,
            valid_until,
            evidence,
            by,
            place,
        } => {
            let action = CreditAction::Assess {
                customer,
                valid_until,
                evidence,
                by,
            };
            (action, place)
        }
        Command::Hold(it) => held(it, true),
        Command::LiftHold(it) => held(it, false),
        Command::Held { place } => (CreditAction::Held, place),
        Command::Release(it) => decided(it, true),
        Command::Refuse(it) => decided(it, false),
        Command::Close(it) => closed(it, false),
        Command::Reopen(it) => closed(it, true),
        Command::Allowances { place } => (CreditAction::Allowances, place),
        Command::Suggest {
            customer,
            user,
            days,
            place,
        } => (CreditAction::Suggest { customer, user, days }, place),
        Command::Grant {
            customer,
            device,
            amount,
            strict,
            by,
            place,
        } => {
            let action = CreditAction::Grant {
                customer,
                device,
                amount,
                strict,
                by,
            };
            (action, place)
        }
        Command::Recall(OfGrant {
            grant,
            by,
            reason,
            place,
        }) => (CreditAction::Recall { grant, by, reason }, place),
        Command::WriteOff(OfGrant {
            grant,
            by,
            reason,
            place,
        }) => (CreditAction::WriteOff { grant, by, reason }, place),
    };
    place.act(Action::Credit(action))
}

fn held(it: OfCustomer, on: bool) -> (CreditAction, Place) {
    let action = CreditAction::Hold {
        customer: it.customer,
        on,
        by: it.by,
        reason: it.reason,
    };
    (action, it.place)
}

fn decided(it: Decision, release: bool) -> (CreditAction, Place) {
    let action = CreditAction::Decide {
        order: it.order,
        release,
        by: it.by,
        reason: it.reason,
    };
    (action, it.place)
}

fn closed(it: Decision, reopen: bool) -> (CreditAction, Place) {
    let action = CreditAction::Close {
        order: it.order,
        reopen,
        by: it.by,
        reason: it.reason,
    };
    (action, it.place)
}
