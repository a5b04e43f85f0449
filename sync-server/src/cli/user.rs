//! `fieldledger user`

use clap::{Args, Subcommand};
use fieldledger_core::model::Role;

use super::{Failure, Place, operation::Action, password::PasswordSource, say};

#[derive(Debug, Args)]
pub(super) struct User {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make an account
    Add {
        /// What the person signs in with
        login: String,
        /// The person's name
        #[arg(long)]
        name: String,
        /// rep, driver, supervisor, finance or administrator; may be given several times
        #[arg(long = "role", required = true, value_name = "ROLE", value_delimiter = ',')]
        roles: Vec<Role>,
        /// Name of a territory they work in; may be given several times
        #[arg(long = "territory", value_name = "NAME")]
        territories: Vec<String>,
        /// Login of the person they report to
        #[arg(long, value_name = "LOGIN")]
        supervisor: Option<String>,
        #[command(flatten)]
        password: PasswordSource,
        #[command(flatten)]
        place: Place,
    },
    /// Tell the accounts
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Shut an account: its sessions end and its devices are refused
    Disable {
        /// Whose
        login: String,
        #[command(flatten)]
        place: Place,
    },
    /// Open an account again
    Enable {
        /// Whose
        login: String,
        #[command(flatten)]
        place: Place,
    },
    /// Set a password
    #[command(visible_alias = "set-password")]
    Password {
        /// Whose
        login: String,
        #[command(flatten)]
        password: PasswordSource,
        #[command(flatten)]
        place: Place,
    },
    /// Make a link with which a person sets their password themselves, once
    PasswordLink {
        /// Whose
        login: String,
        #[command(flatten)]
        place: Place,
    },
    /// End every session of a person on the web pages
    SignOut {
        /// Whose
        login: String,
        #[command(flatten)]
        place: Place,
    },
    /// Say in which territories a person works, and in no others
    Territories {
        /// Who
        login: String,
        /// Names of the territories; none takes all away
        names: Vec<String>,
        #[command(flatten)]
        place: Place,
    },
    /// Say what a person may do, and nothing else
    Roles {
        /// Who
        login: String,
        /// rep, driver, supervisor, finance or administrator
        #[arg(required = true)]
        roles: Vec<Role>,
        #[command(flatten)]
        place: Place,
    },
}

pub(super) fn run(args: User) -> Result<(), Failure> {
    match args.command {
        Command::Add {
            login,
            name,
            roles,
            territories,
            supervisor,
            password,
            place,
        } => {
            let password = password.given()?;
            place.act(Action::AddUser {
                login,
                name,
                roles,
                territories,
                supervisor,
                password: password.as_ref().map(|(password, _)| password.clone()),
            })?;
            tell(password)
        }
        Command::List { place } => place.act(Action::ListUsers),
        Command::Disable { login, place } => place.act(Action::SetDisabled { login, disabled: true }),
        Command::Enable { login, place } => place.act(Action::SetDisabled { login, disabled: false }),
        Command::Password { login, password, place } => {
            let (password, made_up) = password.asked()?;
            place.act(Action::SetPassword {
                login,
                password: password.clone(),
            })?;
            tell(Some((password, made_up)))
        }
        Command::PasswordLink { login, place } => place.act(Action::PasswordLink { login }),
        Command::SignOut { login, place } => place.act(Action::SignOut { login }),
        Command::Territories { login, names, place } => place.act(Action::SetTerritories {
            login,
            territories: names,
        }),
        Command::Roles { login, roles, place } => place.act(Action::SetRoles { login, roles }),
    }
}

/// Prints a password that was made up: nobody else will ever know it.
fn tell(password: Option<(String, bool)>) -> Result<(), Failure> {
    match password {
        Some((password, true)) => say(&format!("Password: {password}")),
        _ => Ok(()),
    }
}
