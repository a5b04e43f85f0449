//! `fieldledger credit`

use clap::{Args, Subcommand};
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
    /// Tell the orders that wait for a decision, with the rules they failed
    Held {
        #[command(flatten)]
        place: Place,
    },
    /// Let a held order through
    Release(Decision),
    /// Turn a held order down
    Refuse(Decision),
    /// Tell the offline allowances: granted, reserved, worst case, stale phones
    Allowances {
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
        Command::Held { place } => (CreditAction::Held, place),
        Command::Release(it) => decided(it, true),
        Command::Refuse(it) => decided(it, false),
        Command::Allowances { place } => (CreditAction::Allowances, place),
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

fn decided(it: Decision, release: bool) -> (CreditAction, Place) {
    let action = CreditAction::Decide {
        order: it.order,
        release,
        by: it.by,
        reason: it.reason,
    };
    (action, it.place)
}
