//! Tokens of other software.

use fieldledger_core::model::Timestamp;

use super::{Outcome, desk::Desk, name_of, table::table};
use crate::{
    auth::hash_secret,
    cli::Failure,
    store::{ApiRole, NewApiToken, Step},
};

const DAY: i64 = 24 * 60 * 60 * 1000;

impl Desk<'_> {
    pub(super) async fn create_token(&self, name: &str, role: ApiRole, days: Option<u32>) -> Result<Outcome, Failure> {
        let name = name_of("the token", name)?;
        let token = self.state.secrets.token();
        let expires_at = days.map(|days| self.state.clock.now().plus_millis(i64::from(days) * DAY));
        let new = NewApiToken {
            id: self.state.secrets.bytes(),
            token_hash: hash_secret(&token),
            name: name.clone(),
            role,
            expires_at,
        };
        let until = ending(expires_at);
        let detail = format!("{role}, works {until}");
        self.act(
            vec![Step::PutApiToken(new)],
            "token.created",
            &format!("token:{name}"),
            &detail,
        )
        .await?;
        Ok(format!(
            "{token}\nThe token of {name} ({role}) works {until}. It is not shown again: only its digest is kept"
        )
        .into())
    }

    pub(super) async fn list_tokens(&self) -> Result<Outcome, Failure> {
        let now = self.state.clock.now();
        let rows = self.state.store.api_tokens(self.org).await?.into_iter().map(|it| {
            let state = match it.revoked_at {
                Some(at) => format!("revoked {at}"),
                None if it.is_expired(now) => "ended".to_owned(),
                None => format!("works {}", ending(it.expires_at)),
            };
            vec![
                it.name,
                it.role.to_string(),
                it.created_at.to_string(),
                it.last_used_at.map_or_else(|| "never".to_owned(), |at| at.to_string()),
                state,
            ]
        });
        Ok(table(&["NAME", "ROLE", "MADE", "LAST USED", "STATE"], rows).into())
    }

    pub(super) async fn revoke_token(&self, name: &str) -> Result<Outcome, Failure> {
        let name = name.trim();
        let tokens = self.state.store.api_tokens(self.org).await?;
        let token = tokens.iter().find(|it| it.name == name).ok_or_else(|| {
            Failure::new(format!(
                "there is no token {name:?}; `fieldledger token list` tells which there are"
            ))
        })?;
        let steps = vec![Step::RevokeApiToken(token.id)];
        self.act(steps, "token.revoked", &format!("token:{name}"), "").await?;
        Ok(format!("The token of {name} works no more").into())
    }
}

fn ending(expires_at: Option<Timestamp>) -> String {
    expires_at.map_or_else(|| "until it is revoked".to_owned(), |at| format!("until {at}"))
}
