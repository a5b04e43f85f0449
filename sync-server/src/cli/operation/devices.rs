//! Enrolling, telling and shutting out devices.

use super::{Outcome, desk::Desk, table::table};
use crate::{
    cli::Failure,
    store::{Device, copies_of_devices},
};

impl Desk<'_> {
    pub(super) async fn enrol_device(&self, login: &str, hours: Option<u32>) -> Result<Outcome, Failure> {
        let account = self.account(login).await?;
        let made = self.administration().make_code(account.user, hours).await?;
        Ok(format!(
            "{}\nOne phone of {} can be enrolled with this code at {} until {}. For the app's camera, or a message:\n{}",
            made.code, account.name, made.link.server, made.until, made.link
        )
        .into())
    }

    pub(super) async fn list_devices(&self) -> Result<Outcome, Failure> {
        let accounts = self.state.store.accounts(self.org).await?;
        let copies = copies_of_devices(self.state.store.as_ref(), self.org).await?;
        let rows = self.state.store.devices(self.org).await?.into_iter().map(|it| {
            let copied = match copies.get(&it.id.to_string()) {
                None => String::new(),
                Some(1) => "; a copy on another phone was refused".to_owned(),
                Some(count) => format!("; copies on {count} other phones were refused"),
            };
            let owner = accounts.iter().find(|account| account.user == it.user);
            vec![
                it.id.to_string(),
                owner.map_or_else(|| it.user.to_string(), |account| account.login.clone()),
                it.name,
                format!("{} {}", it.platform, it.app_version),
                it.last_contact.map_or_else(|| "never".to_owned(), |at| at.to_string()),
                it.waiting.to_string(),
                format!("{:+} s", it.clock_ahead_millis / 1000),
                it.revoked_at
                    .map_or_else(|| "active".to_owned(), |at| format!("revoked {at}"))
                    + &copied,
            ]
        });
        let head = [
            "ID",
            "LOGIN",
            "NAME",
            "APP",
            "LAST CONTACT",
            "WAITING",
            "CLOCK",
            "STATE",
        ];
        Ok(table(&head, rows).into())
    }

    /// The device whose id begins with `wanted`.
    pub(super) async fn device(&self, wanted: &str) -> Result<Device, Failure> {
        let wanted = wanted.trim().to_lowercase();
        let mut matching = self.state.store.devices(self.org).await?;
        matching.retain(|it| wanted.len() >= 4 && it.id.to_string().starts_with(&wanted));
        match matching.len() {
            1 => Ok(matching.swap_remove(0)),
            0 => Err(Failure::new(format!(
                "there is no device {wanted:?}; `fieldledger device list` tells which there are"
            ))),
            _ => Err(Failure::new(format!(
                "several devices begin with {wanted:?}; give more of the id"
            ))),
        }
    }

    pub(super) async fn revoke_device(&self, wanted: &str) -> Result<Outcome, Failure> {
        let device = self.device(wanted).await?;
        let id = device.id;
        self.administration().revoke_device(id, &device.name).await?;
        Ok(format!(
            "{} ({id}) is shut out; what it has not sent yet stays on it",
            device.name
        )
        .into())
    }
}
