//! Asking for a password on the command line.

use std::{
    io::{self, BufRead as _, IsTerminal as _, Write as _},
    process::{Command, Stdio},
};

use clap::Args;

use super::Failure;

/// Where the password comes from. Never from an argument: those are seen by everybody on the machine.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct PasswordSource {
    /// Read the password from standard input, for scripts
    #[arg(long)]
    password_stdin: bool,
    /// Make a password up and print it
    #[arg(long, conflicts_with = "password_stdin")]
    generate_password: bool,
}

impl PasswordSource {
    /// The password, and whether it was made up. `None` when nothing was said about one.
    pub(super) fn given(&self) -> Result<Option<(String, bool)>, Failure> {
        if self.generate_password {
            let secrets = crate::auth::Secrets::from_system().map_err(|error| Failure::new(error.to_string()))?;
            return Ok(Some((secrets.enrolment_code().to_lowercase(), true)));
        }
        if self.password_stdin {
            return line().map(|password| Some((password, false)));
        }
        Ok(None)
    }

    /// The password; asked for when nothing was said.
    pub(super) fn asked(&self) -> Result<(String, bool), Failure> {
        if let Some(given) = self.given()? {
            return Ok(given);
        }
        if !io::stdin().is_terminal() {
            return Err(Failure::new(
                "say where the password comes from: --password-stdin, or --generate-password",
            ));
        }
        let first = unseen("New password: ")?;
        if unseen("Once more: ")? != first {
            return Err(Failure::new("the two are not the same; nothing was changed"));
        }
        Ok((first, false))
    }
}

fn line() -> Result<String, Failure> {
    let mut line = String::new();
    io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(|error| Failure::new(format!("the password cannot be read: {error}")))?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn unseen(prompt: &str) -> Result<String, Failure> {
    let mut out = io::stderr();
    let _ = out.write_all(prompt.as_bytes());
    let _ = out.flush();
    let hidden = echo(false);
    let read = line();
    if hidden {
        echo(true);
        let _ = out.write_all(b"\n");
    }
    read
}

/// Where there is no `stty`, the password is seen while it is typed, which is better than not being able to set one.
fn echo(on: bool) -> bool {
    Command::new("stty")
        .arg(if on { "echo" } else { "-echo" })
        .stdin(Stdio::inherit())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
