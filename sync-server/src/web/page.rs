//! What all pages share: who reads, in which language, and the frame around the content.

use std::sync::{Arc, Mutex, PoisonError};

use askama::Template;
use axum::{
    extract::FromRequestParts,
    http::{Method, Uri, request::Parts},
    response::{Html, IntoResponse, Response},
};
use chrono_tz::Tz;
use fieldledger_core::{
    model::{CustomerId, DocumentKind, LedgerRecord, RecordKind, Role},
    sync::protocol::StreamId,
};

use super::{
    assets::{ADDRESSES, Assets},
    error::PageError,
    live::Shows,
    messages::{Language, Text},
    names::key,
};
use crate::{
    auth::{SignedIn, same_secret},
    state::AppState,
    store::{Account, StoredRecord},
};

/// Somebody who may read the pages.
pub(crate) struct Viewer {
    pub(crate) account: Account,
    pub(crate) signed_in: SignedIn,
    pub(crate) text: Text,
    pub(crate) zone: Tz,
    pub(crate) organisation_name: String,
    path: String,
}

impl Viewer {
    /// Whether the person may read what is in this stream.
    pub(crate) fn may_read(&self, stream: StreamId) -> bool {
        match stream {
            StreamId::Territory(territory) => self.account.may_read(territory),
            // What concerns one person or device is for those who see everything.
            StreamId::Catalogue | StreamId::User(_) | StreamId::Device(_) | StreamId::Finance => {
                self.account.territory_filter().is_none()
            }
        }
    }

    pub(crate) fn is_administrator(&self) -> bool {
        self.account.has(Role::Administrator)
    }

    pub(crate) fn may_see_devices(&self) -> bool {
        self.is_administrator() || self.account.has(Role::Supervisor)
    }

    /// Whether the person decides on held orders.
    pub(crate) fn may_decide_orders(&self) -> bool {
        self.is_administrator() || self.account.has(Role::Supervisor)
    }

    /// Whether the person keeps the books: grades and limits, receipts, interest, statements.
    pub(crate) fn may_keep_books(&self) -> bool {
        self.is_administrator() || self.account.has(Role::Finance)
    }

    /// Lets a form pass only when it carries the session's secret.
    pub(crate) fn check_csrf(&self, sent: &str) -> Result<(), PageError> {
        if same_secret(&self.signed_in.session.csrf, sent) {
            Ok(())
        } else {
            Err(PageError::Csrf)
        }
    }

    /// The frame of a page in this part of the site.
    pub(crate) fn frame(&self, here: &'static str) -> Frame {
        Frame {
            text: self.text,
            assets: &ADDRESSES,
            here,
            person: self.account.name.clone(),
            organisation: self.organisation_name.clone(),
            csrf: self.signed_in.session.csrf.clone(),
            signed_in: true,
            parts: PARTS.iter().filter(|part| (part.shown_to)(&self.account)).collect(),
            zone: self.zone.name(),
            back: self.path.clone(),
            picked: Vec::new(),
            shows: Shows {
                kinds: if matches!(here, "credit" | "receivables") {
                    MONEY.to_vec()
                } else {
                    Vec::new()
                },
                customer: None,
            },
        }
    }
}

/// Records that say something about money owed or to be owed.
const MONEY: [DocumentKind; 4] = [
    DocumentKind::Order,
    DocumentKind::Delivery,
    DocumentKind::CollectionNote,
    DocumentKind::StatementConfirmation,
];

/// Where [`Viewer`] leaves the frame of its reader, for the page that says what went wrong.
#[derive(Clone, Default)]
pub(super) struct FrameSlot(Arc<Mutex<Option<Frame>>>);

impl FrameSlot {
    fn put(&self, frame: Frame) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(frame);
    }

    /// The frame, when somebody is signed in.
    pub(super) fn take(&self) -> Option<Frame> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl FromRequestParts<AppState> for Viewer {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Response> {
        let signed_in = <SignedIn as FromRequestParts<AppState>>::from_request_parts(parts, app).await?;
        let account = signed_in.account.clone();
        let reads = [Role::Supervisor, Role::Finance, Role::Administrator];
        let text = Text(Language::of_request(&parts.headers));
        let slot = parts.extensions.get::<FrameSlot>().cloned();
        if !reads.iter().any(|role| account.has(*role)) {
            if let Some(slot) = slot {
                // They can sign out, and nothing else.
                slot.put(Frame {
                    person: account.name,
                    csrf: signed_in.session.csrf,
                    signed_in: true,
                    ..Frame::bare(text)
                });
            }
            return Err(PageError::FieldWork.into_response());
        }
        let profile = app
            .store
            .record(account.organisation, &key(RecordKind::Organisation, "self"))
            .await
            .map_err(|error| PageError::from(error).into_response())?;
        let (zone, organisation_name) = match profile {
            Some(StoredRecord {
                record: LedgerRecord::Organisation(it),
                ..
            }) => (it.time_zone, it.name),
            _ => (Tz::UTC, String::new()),
        };
        let viewer = Self {
            account,
            signed_in,
            text,
            zone,
            organisation_name,
            path: if parts.method == Method::GET {
                address(&parts.uri)
            } else {
                page_of(parts.uri.path())
            },
        };
        if let Some(slot) = slot {
            slot.put(viewer.frame(""));
        }
        Ok(viewer)
    }
}

fn address(uri: &Uri) -> String {
    uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string)
}

/// The address of the page on which a form stands that is sent to `path`. Forms go to their own page, or to something below
/// it; where that is not so, it is said here.
pub(super) fn page_of(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|it| !it.is_empty()).collect();
    match parts.as_slice() {
        ["credit", "orders", id] => format!("/credit?order={id}"),
        ["credit", list @ ("allowances" | "warnings"), ..] => format!("/credit/{list}"),
        [
            "customers",
            id,
            "terms" | "assessments" | "holds" | "grants" | "supply" | "statements",
        ] => {
            format!("/customers/{id}")
        }
        ["customers", _, "reminders"] => "/receivables/reminders".to_owned(),
        ["receivables", "statements", id, ..] => format!("/receivables/statements/{id}"),
        ["records", id, "review" | "reply" | "settle"] => format!("/records/{id}"),
        ["activity", "review"] => "/activity".to_owned(),
        ["quarantine", ..] => "/quarantine".to_owned(),
        ["devices", "enrolment"] => "/devices".to_owned(),
        ["sign-out"] => "/".to_owned(),
        _ => path.to_owned(),
    }
}

/// A part of the site, as the navigation names it.
struct Part {
    /// What [`Viewer::frame`] is given by the pages of this part.
    here: &'static str,
    href: &'static str,
    /// The key of its name in the catalogue.
    name: &'static str,
    shown_to: fn(&Account) -> bool,
}

/// Every part of the site in the order of the navigation. Who adds a part adds its line here.
const PARTS: &[Part] = &[
    Part {
        here: "today",
        href: "/",
        name: "nav.today",
        shown_to: |_| true,
    },
    Part {
        here: "activity",
        href: "/activity",
        name: "nav.activity",
        shown_to: |_| true,
    },
    Part {
        here: "customers",
        href: "/customers",
        name: "nav.customers",
        shown_to: |_| true,
    },
    Part {
        here: "credit",
        href: "/credit",
        name: "nav.credit",
        shown_to: |_| true,
    },
    Part {
        here: "receivables",
        href: "/receivables",
        name: "nav.receivables",
        shown_to: |_| true,
    },
    Part {
        here: "team",
        href: "/team",
        name: "nav.team",
        shown_to: |_| true,
    },
    Part {
        here: "quarantine",
        href: "/quarantine",
        name: "nav.quarantine",
        shown_to: |_| true,
    },
    Part {
        here: "devices",
        href: "/devices",
        name: "nav.devices",
        shown_to: |account| account.has(Role::Administrator) || account.has(Role::Supervisor),
    },
    Part {
        here: "people",
        href: "/people",
        name: "nav.people",
        shown_to: |account| account.has(Role::Administrator),
    },
    Part {
        here: "audit",
        href: "/audit",
        name: "nav.audit",
        shown_to: |account| account.has(Role::Administrator),
    },
];

/// What surrounds every page.
pub(crate) struct Frame {
    pub(crate) text: Text,
    pub(crate) assets: &'static Assets,
    /// Which part of the site is shown.
    pub(crate) here: &'static str,
    pub(crate) person: String,
    pub(crate) organisation: String,
    pub(crate) csrf: String,
    pub(crate) signed_in: bool,
    parts: Vec<&'static Part>,
    pub(crate) zone: &'static str,
    /// The address of this page, to come back to after a change of language.
    back: String,
    /// What somebody has picked in a list that has to be shown again.
    picked: Vec<String>,
    /// What the page is told of while it is open.
    shows: Shows,
}

impl Frame {
    /// For a page that anybody may see.
    pub(crate) fn bare(text: Text) -> Self {
        Self {
            text,
            assets: &ADDRESSES,
            here: "",
            person: String::new(),
            organisation: String::new(),
            csrf: String::new(),
            signed_in: false,
            parts: Vec::new(),
            zone: "",
            back: "/".to_owned(),
            picked: Vec::new(),
            shows: Shows::default(),
        }
    }

    /// For a page about one customer only.
    pub(crate) fn about(mut self, customer: Option<CustomerId>) -> Self {
        self.shows.customer = customer;
        self
    }

    /// The address of the news for the page.
    pub(crate) fn news(&self) -> String {
        match self.shows.query() {
            query if query.is_empty() => "/activity/live".to_owned(),
            query => format!("/activity/live?{query}"),
        }
    }

    /// With what somebody has picked in a list.
    pub(crate) fn picking(self, picked: Vec<String>) -> Self {
        Self { picked, ..self }
    }

    pub(crate) fn is_picked(&self, id: &str) -> bool {
        self.picked.iter().any(|it| it == id)
    }

    /// Whether the reader has pages here at all, and not only the way out.
    pub(crate) fn has_pages(&self) -> bool {
        !self.parts.is_empty()
    }

    /// For a page at `back` that anybody may see.
    pub(crate) fn bare_at(text: Text, back: &str) -> Self {
        Self {
            back: back.to_owned(),
            ..Self::bare(text)
        }
    }

    pub(crate) fn lang(&self) -> &'static str {
        self.text.0.tag()
    }

    pub(crate) fn t(&self, key: &'static str) -> &'static str {
        self.text.t(key)
    }

    /// Each language with its own name, the address that chooses it, and whether it is the present one.
    pub(crate) fn languages(&self) -> Vec<(&'static str, &'static str, String, bool)> {
        Language::ALL
            .into_iter()
            .map(|language| {
                let href = format!("/language/{}?back={}", language.tag(), encoded(&self.back));
                (
                    language.tag(),
                    Text(language).t("app.language"),
                    href,
                    language == self.text.0,
                )
            })
            .collect()
    }

    /// The parts of the site that the reader is shown: address, name, and whether this page is one of it.
    pub(crate) fn parts(&self) -> Vec<(&'static str, &'static str, bool)> {
        let part = |it: &&'static Part| (it.href, self.text.t(it.name), it.here == self.here);
        self.parts.iter().map(part).collect()
    }

    pub(crate) fn times_note(&self) -> String {
        self.text.fill("app.made_with", "zone", self.zone)
    }
}

/// An id in an address; one that is none leads nowhere.
pub(crate) fn parsed<T: std::str::FromStr>(id: &str) -> Result<T, PageError> {
    id.parse().map_err(|_| PageError::NotFound)
}

/// A value for a query string.
pub(crate) fn encoded(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

/// A page that only says something.
#[derive(Template)]
#[template(path = "message.html")]
pub(crate) struct MessagePage {
    pub(crate) frame: Frame,
    pub(crate) title: String,
    pub(crate) message: String,
}

/// A template as a response.
pub(crate) fn html(page: &impl Template) -> Result<Response, PageError> {
    Ok(Html(page.render()?).into_response())
}
