//! Links with which a customer's contact confirms or disputes a delivery, without an account.

use std::collections::BTreeMap;

use fieldledger_core::{
    document::declared_kind,
    model::{
        Confirmation, ConfirmationVerdict, Delivery, DocumentId, DocumentKind, InvalidField, LineConfirmation, LineId,
        Timestamp, UserId,
    },
};

use super::{Administration, AdministrationError, MAX_NAME, MadeLink, one_line};
use crate::{
    auth::hash_secret,
    store::{DeliveryLink, Step, StoreError},
};

/// Longest time for which a link may work, in days.
pub const MAX_LINK_DAYS: u32 = 90;
/// Longest remark that is taken from a contact, in characters.
const MAX_REMARK: usize = 2_000;

impl Administration<'_> {
    /// Makes a link to a delivery for a contact of its customer.
    ///
    /// # Errors
    /// [`AdministrationError::NoDelivery`], [`AdministrationError::NoContact`], [`AdministrationError::LinkDays`].
    pub async fn make_delivery_link(
        &self,
        delivery: DocumentId,
        contact: &str,
        days: u32,
        by: UserId,
    ) -> Result<MadeLink, AdministrationError> {
        let contact = one_line(contact).ok_or(AdministrationError::NoContact)?;
        if !(1..=MAX_LINK_DAYS).contains(&days) {
            return Err(AdministrationError::LinkDays);
        }
        let stored = self.state.store.document(self.org, delivery).await?;
        let found = stored.is_some_and(|it| declared_kind(&it.tree).0 == DocumentKind::Delivery);
        if !found {
            return Err(AdministrationError::NoDelivery);
        }
        let now = self.state.clock.now();
        let until = now.plus_millis(i64::from(days) * 86_400_000);
        let secret = self.state.secrets.token();
        let link = DeliveryLink {
            token_hash: hash_secret(&secret),
            organisation: self.org,
            delivery,
            contact: contact.clone(),
            made_at: now,
            made_by: by,
            expires_at: until,
            revoked_at: None,
        };
        let detail = format!("for {contact} until {until}, by {by}");
        let steps = vec![Step::PutDeliveryLink(link)];
        self.act(steps, "delivery.link_made", &delivery.to_string(), &detail)
            .await?;
        Ok(MadeLink {
            address: format!("{}/d/{secret}", self.state.config.base_url()),
            until,
        })
    }

    /// Takes every link to a delivery back.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when none leads there.
    pub async fn revoke_delivery_links(&self, delivery: DocumentId) -> Result<(), StoreError> {
        let steps = vec![Step::RevokeDeliveryLinks(delivery)];
        self.act(steps, "delivery.links_revoked", &delivery.to_string(), "")
            .await
    }
}

/// What the customer's contact says of a delivery through a link: a word for each of its lines. `disputed` is their word for
/// a delivery whose note has no lines.
///
/// # Errors
/// [`InvalidField`]: nobody's name is given, the goods are not signed for yet, a line has no answer, a dispute no remark, or a
/// text is too long.
pub fn confirmation_by_contact(
    delivery: &Delivery,
    person: &str,
    answers: &BTreeMap<LineId, LineConfirmation>,
    disputed: bool,
    remark: &str,
    now: Timestamp,
) -> Result<Confirmation, InvalidField> {
    let by = one_line(person)
        .ok_or_else(|| InvalidField::new("person", format!("say who answers, in at most {MAX_NAME} characters")))?;
    if delivery.receiver.is_none() {
        return Err(InvalidField::new("receiver", "the goods have not been signed for yet"));
    }
    let mut lines = BTreeMap::new();
    for (no, id) in delivery.lines.keys().enumerate() {
        let no = no + 1;
        let given = answers
            .get(id)
            .ok_or_else(|| InvalidField::new("lines", format!("line {no} has no answer")))?;
        let disputed = given.verdict == ConfirmationVerdict::Disputed;
        let remark = given.remark.replace("\r\n", "\n").trim().to_owned();
        if disputed && remark.is_empty() {
            return Err(InvalidField::new("remark", format!("say what is wrong with line {no}")));
        }
        check_length(&remark)?;
        let said = LineConfirmation {
            verdict: given.verdict,
            // What was typed beside a line that is right, and then taken back.
            remark: if disputed { remark } else { String::new() },
        };
        lines.insert(*id, said);
    }
    let mut remark = remark.replace("\r\n", "\n").trim().to_owned();
    check_length(&remark)?;
    let disputed =
        lines.values().any(|it| it.verdict == ConfirmationVerdict::Disputed) || (lines.is_empty() && disputed);
    if disputed && lines.is_empty() && remark.is_empty() {
        return Err(InvalidField::new("remark", "say what is wrong"));
    }
    if disputed && remark.is_empty() {
        // A dispute says why; lists and phones that know nothing of lines show this.
        let parts = lines.values().enumerate().filter(|(_, it)| !it.remark.is_empty());
        let parts: Vec<String> = parts.map(|(no, it)| format!("{}: {}", no + 1, it.remark)).collect();
        remark = parts.join("; ").chars().take(MAX_REMARK).collect();
    }
    Ok(Confirmation {
        verdict: if disputed {
            ConfirmationVerdict::Disputed
        } else {
            ConfirmationVerdict::Confirmed
        },
        by,
        at: now,
        remark,
        lines,
        by_link: true,
    })
}

fn check_length(remark: &str) -> Result<(), InvalidField> {
    if remark.chars().count() > MAX_REMARK {
        return Err(InvalidField::new(
            "remark",
            format!("a remark may have at most {MAX_REMARK} characters"),
        ));
    }
    Ok(())
}
