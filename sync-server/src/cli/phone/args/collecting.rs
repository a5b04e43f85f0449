//! What can be typed about money: worklist, credit, promises, receipts, statements, closing.

use std::path::PathBuf;

use chrono::NaiveDate;
use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub(in crate::cli::phone) struct WorklistArgs {
    /// Another day
    #[arg(long)]
    pub(in crate::cli::phone) date: Option<NaiveDate>,
    /// Customers of colleagues as well
    #[arg(long)]
    pub(in crate::cli::phone) everyone: bool,
    #[arg(long, default_value_t = 50)]
    pub(in crate::cli::phone) limit: usize,
}

#[derive(Debug, Args)]
pub(in crate::cli::phone) struct PromisesArgs {
    /// Only of this customer, and then however long ago
    pub(in crate::cli::phone) customer: Option<String>,
    /// Those that colleagues took down as well
    #[arg(long)]
    pub(in crate::cli::phone) everyone: bool,
    /// Those that were kept as well
    #[arg(long)]
    pub(in crate::cli::phone) kept: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli::phone) struct ReceiptsArgs {
    /// Record that the customer was told of the receipt with this reference
    #[arg(long, value_name = "REFERENCE")]
    pub(in crate::cli::phone) told: Option<String>,
    /// Whose receipt it is, when two customers use one reference
    #[arg(long, requires = "told")]
    pub(in crate::cli::phone) customer: Option<String>,
    /// How they were told: phone, message, email, visit, letter
    #[arg(long, default_value = "phone", requires = "told")]
    pub(in crate::cli::phone) channel: String,
    /// Who was told
    #[arg(long, default_value = "", requires = "told")]
    pub(in crate::cli::phone) person: String,
    #[arg(long, default_value = "", requires = "told")]
    pub(in crate::cli::phone) note: String,
    /// Those of which the customer has been told as well
    #[arg(long)]
    pub(in crate::cli::phone) all: bool,
    /// Those of colleagues as well
    #[arg(long)]
    pub(in crate::cli::phone) everyone: bool,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli::phone) enum StatementCommand {
    /// A statement line by line, with the customer's answers
    Show {
        /// The statement's id, or enough of its beginning
        statement: String,
    },
    /// Take down what the customer answers, line by line
    Answer {
        /// The statement's id, or enough of its beginning
        statement: String,
        /// Who answers for the customer
        #[arg(long)]
        person: String,
        /// These lines are right, by their numbers
        #[arg(long, value_delimiter = ',', value_name = "LINE")]
        confirm: Vec<u32>,
        /// Every line without an answer is right, but for the disputed ones
        #[arg(long)]
        confirm_rest: bool,
        /// A line that is not right, and what is wrong; once for each
        #[arg(long, value_name = "LINE=WHAT IS WRONG")]
        dispute: Vec<String>,
        /// A photo of the copy that the customer has stamped
        #[arg(long, value_name = "FILE")]
        stamped: Option<PathBuf>,
        #[arg(long, default_value = "")]
        note: String,
    },
}

#[derive(Debug, Args)]
pub(in crate::cli::phone) struct CloseArgs {
    pub(in crate::cli::phone) customer: String,
    /// The invoice it was about; everything that was owed when it is left out
    #[arg(long)]
    pub(in crate::cli::phone) invoice: Option<String>,
    /// The money came late; the books on this phone are asked when neither is said
    #[arg(long, conflicts_with = "in_time")]
    pub(in crate::cli::phone) late: bool,
    /// The money came in time
    #[arg(long)]
    pub(in crate::cli::phone) in_time: bool,
    /// Why it was late: customer_funds, our_service, external, or a few words of your own
    #[arg(long)]
    pub(in crate::cli::phone) cause: Option<String>,
    /// What was difficult in talking
    #[arg(long, default_value = "")]
    pub(in crate::cli::phone) difficulty: String,
    /// What solved it
    #[arg(long, default_value = "")]
    pub(in crate::cli::phone) solution: String,
    /// How you were last in contact: phone, message, email, visit, letter, legal
    #[arg(long, default_value = "visit")]
    pub(in crate::cli::phone) channel: String,
    /// Whom you spoke to
    #[arg(long, default_value = "")]
    pub(in crate::cli::phone) person: String,
    #[arg(long, default_value = "")]
    pub(in crate::cli::phone) note: String,
}
