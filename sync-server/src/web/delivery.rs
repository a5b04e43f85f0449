//! A delivery for the customer's contact, who has a link and no account: line by line right or not right. What the contact
//! says becomes the customer's confirmation of the delivery. The secret in the address is the only key: it cannot be
//! guessed, expires, can be taken back, and each opening is written to the audit log.

use std::collections::BTreeMap;

use askama::Template;
use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Redirect, Response},
};
use chrono_tz::Tz;
use fieldledger_core::{
    document::Summary,
    model::{
        Confirmation, ConfirmationVerdict, Delivery, DeliveryLine, DocumentId, DocumentModel as _, LedgerRecord,
        LineConfirmation, LineId, Party, RecordKind,
    },
};

use super::{
    error::PageError,
    format::{self, Moment},
    messages::{Language, Text},
    names::{Names, key},
    page::{Frame, Viewer, html},
    password::keep_secret,
    people::administration,
    posted::Posted,
    qr, record,
    refusal::said,
    table::Sent,
};
use crate::{
    administration::confirmation_by_contact,
    auth::{RemoteAddress, hash_secret},
    state::AppState,
    store::{AuditEntry, DeliveryLink},
};

struct Line {
    no: usize,
    id: LineId,
    product: String,
    batch: String,
    quantity: String,
    accepted: String,
    /// What was short, damaged or refused, with the reason.
    rest: Vec<String>,
    verdict: &'static str,
    remark: String,
}

/// What was said for the customer so far.
struct Said {
    disputed: bool,
    word: &'static str,
    by: String,
    at: Moment,
    remark: String,
    by_link: bool,
}

#[derive(Template)]
#[template(path = "delivery.html")]
struct DeliveryPage {
    frame: Frame,
    action: String,
    company: String,
    customer: String,
    number: String,
    order: String,
    receiver: Option<(String, Moment)>,
    lines: Vec<Line>,
    said: Option<Said>,
    person: String,
    remark: String,
    whole: &'static str,
    thanks: bool,
    error: Option<String>,
}

/// What a valid link leads to.
struct Opened {
    link: DeliveryLink,
    delivery: Delivery,
    company: String,
    zone: Tz,
    customer: String,
    customer_code: String,
}

async fn open(app: &AppState, address: RemoteAddress, secret: &str) -> Result<Opened, PageError> {
    let Some(link) = app.store.delivery_link(&hash_secret(secret)).await? else {
        // Whoever tries secrets may not try many.
        app.limits.stranger(address.0)?;
        return Err(PageError::NotFound);
    };
    if !link.is_valid(app.clock.now()) {
        return Err(PageError::LinkOver);
    }
    let org = link.organisation;
    let stored = app
        .store
        .document(org, link.delivery)
        .await?
        .ok_or(PageError::NotFound)?;
    let delivery: Delivery = serde_json::from_value(stored.tree).map_err(|_| PageError::NotFound)?;
    let profile = app.store.record(org, &key(RecordKind::Organisation, "self")).await?;
    let (company, zone) = match profile.map(|it| it.record) {
        Some(LedgerRecord::Organisation(it)) => (it.name, it.time_zone),
        _ => (String::new(), Tz::UTC),
    };
    let customer = app
        .store
        .record(org, &key(RecordKind::Customer, delivery.customer))
        .await?;
    let (customer, customer_code) = match customer.map(|it| it.record) {
        Some(LedgerRecord::Customer(it)) => (it.name, it.code),
        _ => return Err(PageError::NotFound),
    };
    Ok(Opened {
        link,
        delivery,
        company,
        zone,
        customer,
        customer_code,
    })
}

/// What was typed into a form that has to be shown again.
#[derive(Default)]
struct Typed {
    person: String,
    answers: BTreeMap<LineId, LineConfirmation>,
    remarks: BTreeMap<LineId, String>,
    remark: String,
    whole: &'static str,
    error: Option<String>,
}

/// The delivery with its form.
pub(super) async fn show(
    State(app): State<AppState>,
    address: RemoteAddress,
    Path(secret): Path<String>,
    sent: Sent,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let opened = open(&app, address, &secret).await?;
    let line = AuditEntry {
        at: app.clock.now(),
        actor: "link".to_owned(),
        action: "delivery.link_opened".to_owned(),
        subject: opened.link.delivery.to_string(),
        detail: format!(
            "{} of {} by {} from {}",
            opened.delivery.number, opened.customer_code, opened.link.contact, address.0
        ),
    };
    app.store.audit(opened.link.organisation, line).await?;
    let known = opened.delivery.confirmations.get(&Party::Customer);
    let typed = Typed {
        person: opened.link.contact.clone(),
        answers: known.map(|it| it.lines.clone()).unwrap_or_default(),
        ..Typed::default()
    };
    page(&app, &headers, &secret, opened, typed, sent.is_set("thanks")).await
}

/// Takes the contact's word in.
pub(super) async fn answer(
    State(app): State<AppState>,
    address: RemoteAddress,
    Path(secret): Path<String>,
    headers: HeaderMap,
    posted: Posted,
) -> Result<Response, PageError> {
    let text = Text(Language::of_request(&headers));
    let opened = open(&app, address, &secret).await?;
    let mut typed = Typed {
        person: posted.value("person").to_owned(),
        remark: posted.value("remark").to_owned(),
        whole: verdict_name(posted.value("verdict")),
        ..Typed::default()
    };
    for (name, value) in posted.fields() {
        if let Some(id) = name.strip_prefix("remark-")
            && let Ok(id) = id.parse()
        {
            typed.remarks.insert(id, value.to_owned());
        }
    }
    let everything = !posted.value("everything").is_empty();
    for id in opened.delivery.lines.keys() {
        let verdict = match verdict_name(posted.value(&format!("verdict-{id}"))) {
            _ if everything => ConfirmationVerdict::Confirmed,
            "confirmed" => ConfirmationVerdict::Confirmed,
            "disputed" => ConfirmationVerdict::Disputed,
            _ => continue,
        };
        let remark = typed.remarks.get(id).cloned().unwrap_or_default();
        typed.answers.insert(*id, LineConfirmation { verdict, remark });
    }
    if opened.delivery.lines.is_empty() && typed.whole.is_empty() && !everything {
        typed.error = Some(text.t("delivery_link.choose").to_owned());
        return page(&app, &headers, &secret, opened, typed, false).await;
    }
    let now = app.clock.now();
    let disputed = typed.whole == "disputed" && !everything;
    let said = confirmation_by_contact(
        &opened.delivery,
        &typed.person,
        &typed.answers,
        disputed,
        &typed.remark,
        now,
    );
    let said = match said {
        Ok(said) => said,
        Err(invalid) => {
            let key = match invalid.field.as_str() {
                "person" => "delivery_link.who",
                "receiver" => "delivery_link.not_signed",
                "lines" => "delivery_link.choose",
                _ => "delivery_link.say_what",
            };
            typed.error = Some(text.t(key).to_owned());
            return page(&app, &headers, &secret, opened, typed, false).await;
        }
    };
    let known = opened.delivery.confirmations.get(&Party::Customer);
    // Sent twice, as browsers do: said once.
    let is_new = known.is_none_or(|it| {
        Confirmation {
            at: said.at,
            ..it.clone()
        } != said
    });
    if is_new {
        app.sync
            .confirm_as_contact(opened.link.organisation, opened.link.delivery, &said)
            .await?;
        let disputed = said
            .lines
            .values()
            .filter(|it| it.verdict == ConfirmationVerdict::Disputed);
        let line = AuditEntry {
            at: now,
            actor: "link".to_owned(),
            action: "delivery.answered".to_owned(),
            subject: opened.link.delivery.to_string(),
            detail: format!(
                "{} of {} by {} ({}) from {}: {} lines, {} disputed",
                opened.delivery.number,
                opened.customer_code,
                said.by,
                opened.link.contact,
                address.0,
                said.lines.len(),
                disputed.count()
            ),
        };
        app.store.audit(opened.link.organisation, line).await?;
    }
    Ok(Redirect::to(&format!("/d/{secret}?thanks=true")).into_response())
}

fn verdict_name(sent: &str) -> &'static str {
    match sent {
        "confirmed" => "confirmed",
        "disputed" => "disputed",
        _ => "",
    }
}

async fn page(
    app: &AppState,
    headers: &HeaderMap,
    secret: &str,
    opened: Opened,
    typed: Typed,
    thanks: bool,
) -> Result<Response, PageError> {
    let text = Text(Language::of_request(headers));
    let Opened {
        link,
        delivery,
        company,
        zone,
        customer,
        ..
    } = opened;
    let mut names = Names::default();
    let products = delivery.lines.values().map(|it| it.product);
    names
        .add_products(app.store.as_ref(), link.organisation, products)
        .await?;
    let action = format!("/d/{secret}");
    let status = if typed.error.is_some() {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    let lines = delivery.lines.iter().enumerate();
    let lines = lines
        .map(|(index, (id, it))| line(text, &names, index + 1, *id, it, &typed))
        .collect();
    let mut response = html(&DeliveryPage {
        frame: Frame::bare_at(text, &action),
        action,
        company,
        customer,
        order: delivery.order_number.clone().unwrap_or_default(),
        receiver: delivery
            .receiver
            .as_ref()
            .map(|it| (it.name.clone(), Moment::new(it.at, zone))),
        lines,
        said: delivery.confirmations.get(&Party::Customer).map(|it| Said {
            disputed: it.verdict == ConfirmationVerdict::Disputed,
            word: text.t(match it.verdict {
                ConfirmationVerdict::Confirmed => "delivery_link.confirmed",
                ConfirmationVerdict::Disputed => "delivery_link.disputed",
            }),
            by: it.by.clone(),
            at: Moment::new(it.at, zone),
            remark: it.remark.clone(),
            by_link: it.by_link,
        }),
        number: delivery.number,
        person: typed.person,
        remark: typed.remark,
        whole: typed.whole,
        thanks,
        error: typed.error,
    })?;
    *response.status_mut() = status;
    keep_secret(&mut response);
    Ok(response)
}

fn line(text: Text, names: &Names, no: usize, id: LineId, line: &DeliveryLine, typed: &Typed) -> Line {
    let unit = names.product(line.product).map_or("", |it| it.unit.as_str());
    let quantity = |amount| format!("{} {unit}", format::quantity(amount)).trim_end().to_owned();
    let mut rest = Vec::new();
    if let Some(signed) = &line.signed {
        for (key, amount) in [
            ("delivery_link.short", signed.short),
            ("delivery_link.damaged", signed.damaged),
            ("delivery_link.refused", signed.refused),
        ] {
            if !amount.is_zero() {
                rest.push(format!("{} {}", text.t(key), quantity(amount)));
            }
        }
        rest.extend(signed.reason.as_ref().map(|it| it.text.clone()));
    }
    let answer = typed.answers.get(&id);
    Line {
        no,
        id,
        product: names.product_name(line.product),
        batch: line.batch.clone().unwrap_or_default(),
        quantity: quantity(line.quantity),
        accepted: line
            .signed
            .as_ref()
            .map_or_else(String::new, |it| quantity(it.accepted)),
        rest,
        verdict: match answer.map(|it| it.verdict) {
            Some(ConfirmationVerdict::Confirmed) => "confirmed",
            Some(ConfirmationVerdict::Disputed) => "disputed",
            None => "",
        },
        remark: typed
            .remarks
            .get(&id)
            .cloned()
            .or_else(|| answer.map(|it| it.remark.clone()))
            .unwrap_or_default(),
    }
}

/// A link as the company sees it.
pub(super) struct ShownLink {
    contact: String,
    made: Moment,
    by: String,
    state: (&'static str, String),
}

#[derive(Template)]
#[template(path = "delivery_links.html")]
struct LinksPage {
    frame: Frame,
    id: DocumentId,
    title: String,
    links: Vec<ShownLink>,
    working: bool,
    made: Option<NewLink>,
    contact: String,
    days: String,
    notice: Option<&'static str>,
    error: Option<String>,
}

/// A link that was just made; it is shown once.
struct NewLink {
    address: String,
    until: String,
    /// For the camera of the contact's phone.
    picture: Option<String>,
}

/// Days for which a link works unless somebody says otherwise.
const DAYS: u32 = 14;

#[derive(Default)]
struct LinksShown {
    made: Option<NewLink>,
    contact: String,
    days: String,
    notice: Option<&'static str>,
    error: Option<String>,
}

async fn find(app: &AppState, viewer: &Viewer, id: &str) -> Result<(DocumentId, Delivery), PageError> {
    let stored = record::find(app, viewer, id).await?;
    if Summary::of(&stored.tree).kind != Delivery::KIND {
        return Err(PageError::NotFound);
    }
    let delivery = serde_json::from_value(stored.tree).map_err(|_| PageError::NotFound)?;
    Ok((stored.id, delivery))
}

async fn links_page(
    app: &AppState,
    viewer: &Viewer,
    (id, delivery): (DocumentId, Delivery),
    shown: LinksShown,
) -> Result<Response, PageError> {
    let text = viewer.text;
    let org = viewer.account.organisation;
    let now = app.clock.now();
    let names = Names::load(app.store.as_ref(), org).await?;
    let links = app.store.delivery_links(org, id).await?;
    let working = links.iter().any(|it| it.is_valid(now));
    let state = |it: &DeliveryLink| match it.revoked_at {
        Some(at) => (
            "bad",
            text.fill("delivery_link.revoked", "when", Moment::new(at, viewer.zone).shown),
        ),
        None if it.is_valid(now) => {
            let until = Moment::new(it.expires_at, viewer.zone).shown;
            ("good", text.fill("delivery_link.works", "until", until))
        }
        None => ("doubt", text.t("delivery_link.ended").to_owned()),
    };
    let status = if shown.error.is_some() {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    let page = LinksPage {
        frame: viewer.frame("activity"),
        id,
        title: delivery.number,
        links: links
            .iter()
            .rev()
            .map(|it| ShownLink {
                contact: it.contact.clone(),
                made: Moment::new(it.made_at, viewer.zone),
                by: names.person(it.made_by),
                state: state(it),
            })
            .collect(),
        working,
        made: shown.made,
        contact: shown.contact,
        days: shown.days,
        notice: shown.notice,
        error: shown.error,
    };
    Ok((status, html(&page)?).into_response())
}

/// The links to a delivery, with the form of a new one.
pub(super) async fn links(
    State(app): State<AppState>,
    viewer: Viewer,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Response, PageError> {
    let found = find(&app, &viewer, &id).await?;
    let names = app
        .store
        .record(
            viewer.account.organisation,
            &key(RecordKind::Customer, found.1.customer),
        )
        .await?;
    let contact = match names.map(|it| it.record) {
        Some(LedgerRecord::Customer(it)) => it.contact,
        _ => String::new(),
    };
    let shown = LinksShown {
        contact,
        days: DAYS.to_string(),
        notice: (sent.value("done") == Some("revoked")).then(|| viewer.text.t("delivery_link.all_revoked")),
        ..LinksShown::default()
    };
    links_page(&app, &viewer, found, shown).await
}

/// Makes a link, or takes all back; the field `do` says which.
pub(super) async fn change_links(
    State(app): State<AppState>,
    viewer: Viewer,
    Path(id): Path<String>,
    posted: Posted,
) -> Result<Response, PageError> {
    posted.check(&viewer)?;
    let found = find(&app, &viewer, &id).await?;
    let office = administration(&app, &viewer);
    match posted.value("do") {
        "make" => {
            let (contact, days) = (posted.value("contact"), posted.value("days").trim());
            let made = office
                .make_delivery_link(found.0, contact, days.parse().unwrap_or_default(), viewer.account.user)
                .await;
            let mut shown = LinksShown {
                contact: contact.to_owned(),
                days: days.to_owned(),
                ..LinksShown::default()
            };
            match made {
                Ok(made) => {
                    shown.made = Some(NewLink {
                        picture: qr::svg(&made.address, viewer.text.t("delivery_link.qr")),
                        until: Moment::new(made.until, viewer.zone).shown,
                        address: made.address,
                    });
                }
                Err(error) => shown.error = Some(said(viewer.text, error)?),
            }
            links_page(&app, &viewer, found, shown).await
        }
        "revoke" => {
            let id = found.0;
            match office.revoke_delivery_links(id).await {
                // None was there any more: what was wanted is so.
                Ok(()) | Err(crate::store::StoreError::NotFound(_)) => {}
                Err(error) => return Err(error.into()),
            }
            Ok(Redirect::to(&format!("/records/{id}/links?done=revoked")).into_response())
        }
        _ => Err(PageError::BadField("error.form")),
    }
}
