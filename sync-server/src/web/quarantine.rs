//! What phones sent and the server could not accept.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use axum::{
    extract::{Path, State},
    response::{IntoResponse as _, Redirect, Response},
};
use fieldledger_core::{
    document::{Summary, declared_kind},
    model::{ProductId, Role},
    sync::protocol::RejectionCode,
};

use super::{
    error::PageError,
    format::Moment,
    language::within,
    names::Names,
    page::{Frame, Viewer, html},
    posted::Posted,
    record::{self, Content, Field, Shown, Voice},
    refusal,
    table::{Answer, Cell, Choice, Column, Direction, Filter, Row, Sent, Spec, TableView, Tone},
};
use crate::{
    ingest::{Job, Judgement},
    state::AppState,
};

/// Changed fields, or pieces of text, that are shown of one thing.
const MOST_PATHS: usize = 200;
/// Letters of one piece of text.
const MOST_LETTERS: usize = 500;
/// Shorter runs of letters are not words but figures of the format.
const SHORTEST_WORDS: usize = 4;

/// Lines that are read: with more than that waiting, the newest are what somebody works on.
const MOST: u32 = 10_000;

#[derive(Template)]
#[template(path = "quarantine.html")]
struct QuarantinePage {
    frame: Frame,
    table: TableView,
    cut: Option<String>,
    notice: Option<&'static str>,
    /// What is shown and nobody has looked at, when the reader may say so.
    unseen: Vec<String>,
    /// This address, to come back to.
    here: String,
}

/// One thing in quarantine.
#[derive(Template)]
#[template(path = "quarantine_item.html")]
struct ItemPage {
    frame: Frame,
    digest: String,
    reason: String,
    facts: Vec<Field>,
    content: Option<Content>,
    /// What it writes to, when the record was there before.
    touched: Vec<String>,
    /// What can be read of bytes that no record can be made of.
    readable: Vec<String>,
    may_see: bool,
}

/// The list.
pub(super) async fn show(State(app): State<AppState>, viewer: Viewer, sent: Sent) -> Result<Response, PageError> {
    let store = app.store.as_ref();
    let org = viewer.account.organisation;
    let text = viewer.text;
    let territories = viewer.account.territory_filter();
    let items = store.quarantined_lines(org, territories.as_deref(), MOST).await?;
    let mut names = Names::load(store, org).await?;
    names.add_people(store, org, items.iter().map(|it| it.user)).await?;
    let devices = store.devices(org).await?;
    let cut = (items.len() >= MOST as usize).then(|| text.fill("quarantine.limit", "count", MOST));
    let reasons = CODES.iter().map(|code| code_name(*code));
    let spec = Spec::new(
        "quarantine",
        text.t("quarantine.title"),
        vec![
            Column::text("reason", text.t("quarantine.why")),
            Column::text("message", text.t("quarantine.message")),
            Column::moment("received", text.t("quarantine.when")),
            Column::text("who", text.t("quarantine.who")),
            Column::text("device", text.t("quarantine.device")),
            Column::text("territory", text.t("feed.territory")),
            Column::number("bytes", text.t("quarantine.size")),
            Column::text("seen", text.t("quarantine.seen")),
        ],
    )
    .filter(Filter::search("q", text.t("quarantine.search")))
    .filter(Filter::check("unseen", text.t("quarantine.only_unseen")))
    .filter(Filter::choice(
        "reason",
        text.t("quarantine.why"),
        reasons
            .map(|name| Choice::new(name, text.word("rejection", name)))
            .collect(),
    ))
    .sorted_by("received", Direction::Descending)
    .empty(text.t("quarantine.none"));
    let unseen: BTreeMap<String, String> = items
        .iter()
        .filter(|it| it.seen.is_none())
        .map(|it| (row_id(&it.digest), hex(&it.digest)))
        .collect();
    let only_unseen = sent.is_set("unseen");
    let reason = sent.value("reason");
    let rows = items
        .into_iter()
        .filter(|it| !only_unseen || it.seen.is_none())
        .filter(|it| reason.is_none_or(|reason| code_name(it.code) == reason))
        .map(|it| {
            let device = devices.iter().find(|device| device.id == it.device);
            Row::new(vec![
                Cell::Mark(Tone::Doubt, text.word("rejection", code_name(it.code))),
                Cell::link(
                    address_of(&it.digest),
                    if it.message.trim().is_empty() {
                        text.t("quarantine.look").to_owned()
                    } else {
                        refusal::spoken(text, &it.message)
                    },
                ),
                Cell::Moment(it.received_at),
                Cell::text(names.person(it.user)),
                Cell::of(device, |it| Cell::text(&it.name)),
                Cell::of(it.territory, |id| Cell::text(names.territory(id))),
                Cell::count(it.size),
                match it.seen {
                    Some((by, at)) => {
                        Cell::text(format!("{} · {}", names.person(by), Moment::new(at, viewer.zone).shown))
                    }
                    None => Cell::Mark(Tone::Doubt, text.t("quarantine.unseen").to_owned()),
                },
            ])
            .id(row_id(&it.digest))
        })
        .collect();
    let table = match spec.answer(&viewer, &sent, rows).await? {
        Answer::File(file) => return Ok(file),
        Answer::Shown(table) => table,
    };
    // Only what is on this page can have been looked at.
    let may_see = may_see(&viewer);
    let shown = table.ids().filter(|_| may_see).filter_map(|id| unseen.get(id).cloned());
    html(&QuarantinePage {
        frame: viewer.frame("quarantine"),
        unseen: shown.collect(),
        here: sent.address_with(&[("done", "")]),
        table,
        cut,
        notice: sent.is_set("done").then(|| text.t("quarantine.seen_done")),
    })
}

fn may_see(viewer: &Viewer) -> bool {
    viewer.account.has(Role::Supervisor) || viewer.is_administrator()
}

/// Where one thing is shown.
pub(super) fn address_of(digest: &[u8; 32]) -> String {
    format!("/quarantine/{}", hex(digest))
}

/// One thing, and what can be read of it.
pub(super) async fn item(
    State(app): State<AppState>,
    viewer: Viewer,
    Path(digest): Path<String>,
) -> Result<Response, PageError> {
    let (store, org, text) = (app.store.as_ref(), viewer.account.organisation, viewer.text);
    let digest = read_digest(&digest).ok_or(PageError::NotFound)?;
    let territories = viewer.account.territory_filter();
    let item = store.quarantined_item(org, territories.as_deref(), digest).await?;
    let item = item.ok_or(PageError::NotFound)?;
    let existing = match item.document {
        Some(id) => store.document(org, id).await?.filter(|it| viewer.may_read(it.stream)),
        None => None,
    };
    let is_here = existing.is_some();
    // The bytes are anybody's: they are read where those of phones are read, never in this process.
    let job = Job {
        existing: existing.map(|it| it.chunks).unwrap_or_default(),
        changes: vec![item.bytes.clone()],
    };
    let judged = app.validator.validate(vec![job]).await.into_iter().flatten().next();
    let sound = match judged {
        Some(Judgement::Sound(it)) => Some(it),
        _ => None,
    };
    let tree = sound.as_ref().map(|it| (*it.tree).clone());
    let mut names = Names::load(store, org).await?;
    names.add_people(store, org, [item.user]).await?;
    if let Some(tree) = &tree {
        names.add_customers(store, org, Summary::of(tree).customer).await?;
        names.add_products(store, org, products_in(tree)).await?;
        names.add_people(store, org, Summary::of(tree).owner).await?;
    }
    let voice = Voice {
        text,
        zone: viewer.zone,
        names: &names,
    };
    let devices = store.devices(org).await?;
    let device = devices.iter().find(|it| it.id == item.device);
    let field = |key, value| Field {
        label: text.t(key).to_owned(),
        value,
        remarks: Vec::new(),
    };
    let facts = vec![
        field("quarantine.told", Shown::Prose(refusal::spoken(text, &item.message))),
        field(
            "quarantine.when",
            Shown::Moment(Moment::new(item.received_at, viewer.zone)),
        ),
        field("quarantine.who", Shown::Text(names.person(item.user))),
        field(
            "quarantine.device",
            device.map_or(Shown::Nothing, |it| Shown::Text(it.name.clone())),
        ),
        field(
            "feed.territory",
            item.territory
                .map_or(Shown::Nothing, |id| Shown::Text(names.territory(id))),
        ),
        field(
            "quarantine.record",
            // What was refused from the beginning is no record here, and one that has moved away is another's to read.
            item.document
                .filter(|_| is_here)
                .map_or(Shown::Nothing, |id| Shown::Link {
                    href: format!("/records/{id}"),
                    text: text.t("record.title").to_owned(),
                }),
        ),
        field(
            "record.customer",
            tree.as_ref()
                .and_then(|tree| Summary::of(tree).customer)
                .and_then(|id| names.customer(id))
                .map_or(Shown::Nothing, |it| {
                    if viewer.account.may_read(it.territory) {
                        Shown::Link {
                            href: format!("/customers/{}", it.id),
                            text: it.name.clone(),
                        }
                    } else {
                        // One's own rep wrote about them; where they belong now is beside it.
                        Shown::Text(it.name.clone())
                    }
                }),
        ),
        field("quarantine.size", Shown::Text(item.bytes.len().to_string())),
    ];
    let touched = match (&sound, &tree) {
        (Some(sound), Some(tree)) => {
            let paths = sound.touched.iter().take(MOST_PATHS);
            paths.map(|path| record::values::label(voice, tree, path)).collect()
        }
        _ => Vec::new(),
    };
    html(&ItemPage {
        frame: viewer.frame("quarantine"),
        digest: hex(&digest),
        reason: text.word("rejection", code_name(item.code)),
        facts,
        content: tree
            .as_ref()
            .map(|tree| record::content(voice, &declared_kind(tree).0, tree)),
        touched,
        readable: if tree.is_some() {
            Vec::new()
        } else {
            readable(&item.bytes)
        },
        may_see: may_see(&viewer),
    })
}

/// The products on the lines of a document.
fn products_in(tree: &serde_json::Value) -> BTreeSet<ProductId> {
    let mut found = BTreeSet::new();
    record::products_in(tree, &mut found);
    found
}

/// The texts in these bytes: runs of letters, figures and marks, long enough to be words.
fn readable(bytes: &[u8]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for chunk in bytes.utf8_chunks() {
        let runs = chunk.valid().split(|it: char| it.is_control() || it == '\u{fffd}');
        for run in runs.map(str::trim).filter(|it| it.chars().count() >= SHORTEST_WORDS) {
            found.push(run.chars().take(MOST_LETTERS).collect());
            if found.len() >= MOST_PATHS {
                return found;
            }
        }
    }
    found
}

/// Notes that the reader has looked at what the page showed.
pub(super) async fn see(State(app): State<AppState>, viewer: Viewer, sent: Posted) -> Result<Response, PageError> {
    sent.check(&viewer)?;
    if !may_see(&viewer) {
        return Err(PageError::NotYourRole);
    }
    let org = viewer.account.organisation;
    let territories = viewer.account.territory_filter();
    let digests: Option<Vec<[u8; 32]>> = sent.values("digest").map(read_digest).collect();
    let digests = digests.ok_or(PageError::BadField("quarantine.title"))?;
    let count = app
        .store
        .see_quarantined(
            org,
            territories.as_deref(),
            &digests,
            viewer.account.user,
            app.clock.now(),
        )
        .await?;
    if count > 0 {
        let named: Vec<String> = digests.iter().map(|it| hex(it)[..16].to_owned()).collect();
        app.audit(
            org,
            viewer.account.user,
            "quarantine.seen",
            "quarantine",
            format!("{count}: {}", named.join(", ")),
        )
        .await?;
        app.sync.live().look(org);
    }
    let back = Sent::of(within(sent.value("back")));
    let back = if back.path() == "/quarantine" {
        back
    } else {
        Sent::of("/quarantine")
    };
    Ok(Redirect::to(&back.address_with(&[("done", "1")])).into_response())
}

/// The id of a row.
fn row_id(digest: &[u8; 32]) -> String {
    format!("q-{}", &hex(digest)[..16])
}

fn read_digest(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (at, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(digest)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const CODES: [RejectionCode; 8] = [
    RejectionCode::Undecodable,
    RejectionCode::WrongAuthor,
    RejectionCode::WrongTerritory,
    RejectionCode::NotAllowed,
    RejectionCode::Invalid,
    RejectionCode::ActorCollision,
    RejectionCode::UnknownCustomer,
    RejectionCode::Other,
];

/// The name of a reason in the catalogue.
pub(super) fn code_name(code: RejectionCode) -> &'static str {
    match code {
        RejectionCode::Undecodable => "undecodable",
        RejectionCode::WrongAuthor => "wrong_author",
        RejectionCode::WrongTerritory => "wrong_territory",
        RejectionCode::NotAllowed => "not_allowed",
        RejectionCode::Invalid => "invalid",
        RejectionCode::ActorCollision => "actor_collision",
        RejectionCode::UnknownCustomer => "unknown_customer",
        RejectionCode::Other => "other",
    }
}
