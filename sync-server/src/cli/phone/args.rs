//! What can be typed after `fieldledger phone`.

mod collecting;

use std::path::PathBuf;

use chrono::NaiveDate;
use clap::{Args, Subcommand};
use fieldledger_core::model::{Party, Position};
use rust_decimal::Decimal;

pub(super) use collecting::{CloseArgs, PromisesArgs, ReceiptsArgs, StatementCommand, WorklistArgs};

/// Arguments of `fieldledger phone`.
#[derive(Debug, Args)]
#[command(
    long_about = "A phone on the command line: the real store and the real sync of the app, without its screens.\n\n\
        Everything but `enrol`, `sync` and `watch` works without a network. Ids may be shortened to their first \
        characters; customers and products also go by their number.\n\n\
        Exit codes: 0 done · 1 failed · 2 not understood, not found or not valid · 3 the server cannot be reached \
        (nothing is lost) · 4 not allowed, held or rejected · 5 not enrolled, signed out or revoked · 6 a newer \
        version is needed"
)]
pub(in crate::cli) struct PhoneArgs {
    /// The phone's database; it is made when it is not there
    #[arg(long, value_name = "FILE", env = "FIELDLEDGER_PHONE")]
    pub(super) db: PathBuf,
    /// Answer in JSON, for scripts
    #[arg(long, global = true)]
    pub(super) json: bool,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make this phone yours with a one-time code
    Enrol {
        /// The server, http://127.0.0.1:7444, or the whole link of an enrolment, https://SERVER/enrol#CODE
        url: String,
        /// The code, from `fieldledger device enrol`; part of a link already
        code: Option<String>,
        /// What to call the phone
        #[arg(long, default_value = "command line")]
        name: String,
    },
    /// What there is to do today
    Today {
        /// Another day
        #[arg(long)]
        date: Option<NaiveDate>,
    },
    /// The customers, or those with these words
    Customers {
        /// Words of the name, number or address; two Chinese characters suffice
        text: Vec<String>,
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// One customer with the credit file and what is open
    Customer {
        /// Number or id
        customer: String,
    },
    /// The products, or those with these words
    Products {
        text: Vec<String>,
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Plan and record visits
    #[command(subcommand)]
    Visit(VisitCommand),
    /// Deliver and take the sign-off
    #[command(subcommand)]
    Deliver(DeliverCommand),
    /// Note a contact about money
    Collect(Collect),
    /// Whom to see today about money, and why
    Worklist(WorklistArgs),
    /// Where a customer's credit stands: file, open items, allowances, promises
    Credit {
        /// Number or id
        customer: String,
    },
    /// Promises to pay, and what became of them as far as this phone knows
    Promises(PromisesArgs),
    /// Money that arrived and that customers have still to be told of
    Receipts(ReceiptsArgs),
    /// The statements of account
    Statements {
        /// Only of this customer
        customer: Option<String>,
        /// Those of colleagues' customers as well
        #[arg(long)]
        everyone: bool,
    },
    /// Show and answer a statement of account
    #[command(subcommand)]
    Statement(StatementCommand),
    /// Close a collection: was it late, why, what was difficult, what solved it
    Close(CloseArgs),
    /// Take orders
    #[command(subcommand)]
    Order(OrderCommand),
    /// Send what waits and fetch what is new
    Sync,
    /// Tell the offline allowances of this phone, or give one back
    Allowances {
        /// Give this one back: its id, or enough of its beginning
        #[arg(long, value_name = "ID")]
        give_back: Option<String>,
    },
    /// Tell what the company decided about an order
    Decision {
        /// The order's number or id, or enough of its beginning
        order: String,
    },
    /// What waits, what was rejected, how fresh everything is
    Status {
        /// Hide the notice about a rejected change (its document's id); the change itself stays
        #[arg(long, value_name = "ID")]
        dismiss: Option<String>,
    },
    /// Search customers and everything recorded
    Search { text: Vec<String> },
    /// Everything about a customer, newest first
    Timeline {
        customer: String,
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// A document as it stands
    Show { id: String },
    /// A document's history, change by change
    History { id: String },
    /// Where people wrote different things into a document
    Disagreements { id: String },
    /// Choose one of the values people disagree about
    Settle {
        id: String,
        /// The field, as `disagreements` shows it
        field: String,
        /// The number of the value, as `disagreements` shows it
        choice: usize,
    },
    /// What supervisors said: about a document, or what waits for an answer
    Reviews { id: Option<String> },
    /// Answer a review
    Reply { review: String, text: String },
    /// Keep in sync until interrupted, telling what changes
    Watch {
        /// Stop after so many seconds
        #[arg(long)]
        seconds: Option<u64>,
    },
}

#[derive(Debug, Args)]
pub(super) struct At {
    /// Where the phone is: LATITUDE,LONGITUDE or LATITUDE,LONGITUDE,ACCURACY in metres
    #[arg(long, value_name = "LAT,LON[,ACC]", value_parser = position, allow_hyphen_values = true)]
    at: Option<Position>,
    /// The position came from a mock provider
    #[arg(long, requires = "at")]
    mocked: bool,
}

impl At {
    /// No position.
    pub(super) const fn nowhere() -> Self {
        Self {
            at: None,
            mocked: false,
        }
    }

    pub(super) fn position(&self) -> Option<Position> {
        self.at.map(|position| Position {
            mocked: self.mocked,
            ..position
        })
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum VisitCommand {
    /// Plan a visit
    Plan {
        customer: String,
        day: NaiveDate,
        /// routine, sales, collection, delivery, service, prospect, reconciliation
        #[arg(long, default_value = "routine")]
        purpose: String,
    },
    /// Check in at a customer nobody planned to visit
    Start {
        customer: String,
        #[arg(long, default_value = "routine")]
        purpose: String,
        #[command(flatten)]
        at: At,
    },
    /// Check in for a planned visit
    CheckIn {
        visit: String,
        #[command(flatten)]
        at: At,
    },
    /// Check out
    CheckOut {
        visit: String,
        /// successful, order_taken, payment_obtained, contact_absent, closed, declined, follow_up
        #[arg(long, default_value = "successful")]
        outcome: String,
        #[arg(long, default_value = "")]
        note: String,
        /// What is to be done next
        #[arg(long)]
        next: Option<String>,
        /// By when
        #[arg(long, requires = "next")]
        due: Option<NaiveDate>,
        #[command(flatten)]
        at: At,
    },
    /// Rewrite the note
    Note { visit: String, text: String },
    /// Say why a planned visit does not take place
    Cancel { visit: String, reason: String },
    /// The visits, newest first
    List {
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum DeliverCommand {
    /// The deliveries, newest first
    List {
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Write a delivery note
    New {
        customer: String,
        /// Number of the note
        number: String,
        /// PRODUCT=QUANTITY or PRODUCT=QUANTITY@BATCH, once for each line
        #[arg(long = "line", required = true, value_name = "PRODUCT=QUANTITY[@BATCH]")]
        lines: Vec<String>,
        /// Number of the order it fulfils
        #[arg(long)]
        order: Option<String>,
        /// Day it is planned for
        #[arg(long)]
        day: Option<NaiveDate>,
    },
    /// Take the sign-off. Lines that are not named are accepted in full
    Sign {
        delivery: String,
        /// Who received the goods
        #[arg(long)]
        receiver: String,
        #[arg(long)]
        phone: Option<String>,
        /// LINE=short:1,damaged:2,refused:0,reason:text; the line by its place (1, 2, …) or its product
        #[arg(long = "line", value_name = "LINE=short:1,reason:TEXT")]
        lines: Vec<String>,
        #[command(flatten)]
        at: At,
    },
    /// Say for a party that the delivery is as signed
    Confirm {
        delivery: String,
        /// sales, customer or warehouse
        #[arg(value_parser = party)]
        party: Party,
        /// The delivery is not as signed; say why
        #[arg(long, value_name = "REMARK", conflicts_with = "remark")]
        dispute: Option<String>,
        #[arg(long, default_value = "")]
        remark: String,
    },
    /// Add a photo, signature, stamp, weighbridge slip or video from a file
    Evidence {
        delivery: String,
        file: PathBuf,
        #[arg(long, default_value = "photo")]
        kind: String,
        #[arg(long, default_value = "")]
        caption: String,
        #[command(flatten)]
        at: At,
    },
    /// Rewrite the remarks
    Note { delivery: String, text: String },
}

#[derive(Debug, Args)]
pub(super) struct Collect {
    pub(super) customer: String,
    /// phone, message, email, visit, letter, legal
    #[arg(long, default_value = "visit")]
    pub(super) channel: String,
    /// promised, paid, disputed, not_reached, refused, reminded
    #[arg(long, default_value = "reminded")]
    pub(super) outcome: String,
    /// Whom you spoke to
    #[arg(long, default_value = "")]
    pub(super) person: String,
    /// Amount promised
    #[arg(long, requires = "due", allow_negative_numbers = true)]
    pub(super) promise: Option<Decimal>,
    /// By when
    #[arg(long, requires = "promise")]
    pub(super) due: Option<NaiveDate>,
    /// The invoice it was about
    #[arg(long)]
    pub(super) invoice: Option<String>,
    #[arg(long, default_value = "")]
    pub(super) note: String,
    /// What is to be done next
    #[arg(long)]
    pub(super) next: Option<String>,
    #[command(flatten)]
    pub(super) at: At,
}

#[derive(Debug, Subcommand)]
pub(super) enum OrderCommand {
    /// The orders, newest first
    List {
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Write an order; it is a draft until it is submitted
    New {
        customer: String,
        /// PRODUCT=QUANTITY or PRODUCT=QUANTITY@PRICE, once for each line
        #[arg(long = "line", required = true, value_name = "PRODUCT=QUANTITY[@PRICE]")]
        lines: Vec<String>,
        /// Number for the customer to quote; made when it is left out
        #[arg(long)]
        number: Option<String>,
        /// Day on which the customer wants the goods
        #[arg(long)]
        wanted: Option<NaiveDate>,
        #[arg(long, default_value = "")]
        note: String,
    },
    /// Check the customer's credit for it, without submitting
    Check { order: String },
    /// Submit it; the credit check is recorded with it
    Submit { order: String },
    /// Take it back
    Cancel { order: String },
}

fn position(text: &str) -> Result<Position, String> {
    let form = || "a position is LATITUDE,LONGITUDE or LATITUDE,LONGITUDE,ACCURACY".to_owned();
    let mut numbers = text.split(',').map(str::trim);
    let mut degrees = || -> Result<f64, String> {
        let number = numbers.next().ok_or_else(form)?;
        number.parse().map_err(|_| form())
    };
    let (latitude, longitude) = (degrees()?, degrees()?);
    let accuracy = match numbers.next() {
        None => None,
        Some(metres) => Some(metres.parse::<u32>().map_err(|_| form())?),
    };
    if numbers.next().is_some() {
        return Err(form());
    }
    Position::new(latitude, longitude, accuracy, false).map_err(|error| error.to_string())
}

fn party(text: &str) -> Result<Party, String> {
    let found = Party::ALL.into_iter().find(|party| party.as_str() == text);
    found.ok_or_else(|| "a party is sales, customer or warehouse".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_needs_two_numbers_on_the_globe_and_may_have_an_accuracy() {
        assert_eq!(position("30.25, 120.16,8").map(|it| it.accuracy_metres), Ok(Some(8)));
        assert!(position("-33.8,151.2").is_ok());
        for wrong in ["", "30", "30,", "91,0", "0,NaN", "1,2,3,4", "1,2,-3", "杭州"] {
            assert!(position(wrong).is_err(), "{wrong}");
        }
    }
}
