//! Links with which customers' contacts confirm or dispute deliveries.

use clap::Subcommand;
use fieldledger_core::{
    document::declared_kind,
    model::{DocumentId, DocumentKind},
};
use serde::{Deserialize, Serialize};

use super::{Outcome, desk::Desk, table::table};
use crate::{cli::Failure, store::FeedFilter};

/// How many of the newest deliveries are looked through for a number.
const LOOKED_THROUGH: u32 = 2_000;

/// Something that is done with links to deliveries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Subcommand)]
pub enum DeliveryAction {
    /// Make a link with which the customer's contact confirms or disputes a delivery, line by line, without an account
    Link {
        /// Id of the delivery, or the number of its note
        delivery: String,
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
    /// Tell the links to a delivery
    Links {
        /// Id of the delivery, or the number of its note
        delivery: String,
    },
    /// Take every link to a delivery back
    RevokeLinks {
        /// Id of the delivery, or the number of its note
        delivery: String,
    },
}

impl Desk<'_> {
    pub(super) async fn delivery(&self, action: DeliveryAction) -> Result<Outcome, Failure> {
        match action {
            DeliveryAction::Link {
                delivery,
                contact,
                days,
                by,
            } => {
                let by = self.account(&by).await?;
                let id = self.delivery_named(&delivery).await?;
                let made = self
                    .administration()
                    .make_delivery_link(id, &contact, days, by.user)
                    .await?;
                Ok(format!(
                    "{}\nFor {}, until {}. It is shown only now; whoever has it can read and answer the delivery.",
                    made.address,
                    contact.trim(),
                    made.until
                )
                .into())
            }
            DeliveryAction::Links { delivery } => {
                let id = self.delivery_named(&delivery).await?;
                let now = self.state.clock.now();
                let rows = self
                    .state
                    .store
                    .delivery_links(self.org, id)
                    .await?
                    .into_iter()
                    .map(|it| {
                        let state = match it.revoked_at {
                            Some(at) => format!("taken back {at}"),
                            None if !it.is_valid(now) => "ended".to_owned(),
                            None => format!("works until {}", it.expires_at),
                        };
                        vec![it.contact, it.made_at.to_string(), state]
                    });
                Ok(table(&["FOR", "MADE", "STATE"], rows).into())
            }
            DeliveryAction::RevokeLinks { delivery } => {
                let id = self.delivery_named(&delivery).await?;
                self.administration().revoke_delivery_links(id).await?;
                Ok(format!("No link leads to delivery {id} any more").into())
            }
        }
    }

    async fn delivery_named(&self, wanted: &str) -> Result<DocumentId, Failure> {
        let wanted = wanted.trim();
        if let Ok(id) = wanted.parse::<DocumentId>() {
            let stored = self.state.store.document(self.org, id).await?;
            let found = stored.filter(|it| declared_kind(&it.tree).0 == DocumentKind::Delivery);
            return found
                .map(|it| it.id)
                .ok_or_else(|| Failure::new(format!("there is no delivery {wanted}")));
        }
        let filter = FeedFilter {
            kind: Some(DocumentKind::Delivery),
            limit: LOOKED_THROUGH,
            ..FeedFilter::default()
        };
        let listed = self.state.store.feed(self.org, &filter).await?;
        let mut matching = listed.into_iter().filter(|it| it.summary.title == wanted);
        match (matching.next(), matching.next()) {
            (Some(only), None) => Ok(only.id),
            (None, _) => Err(Failure::new(format!(
                "none of the newest {LOOKED_THROUGH} deliveries has the number {wanted:?}; give its id, from the page of \
                 the delivery"
            ))),
            (Some(_), Some(_)) => Err(Failure::new(format!(
                "several deliveries have the number {wanted:?}; give the id, from the page of the delivery"
            ))),
        }
    }
}
