//! Style sheets, scripts and the icon: compiled in, served under a name that holds the hash of their content.
//!
//! A new file is one line in [`ASSETS`]. Every style sheet is linked on every page, in this order; a script is loaded by the
//! pages that name it: `<script type="module" src="{{ frame.assets.of("map.js") }}"></script>`.

use std::{collections::BTreeMap, fmt::Write as _, sync::LazyLock};

use axum::{
    extract::Path,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use sha2::{Digest, Sha256};

/// A file that browsers are given: its name in `static/`, and what is in it.
macro_rules! assets {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../../static/", $name)))),+]
    };
}

const ASSETS: &[(&str, &str)] = assets![
    "base.css",
    "tables.css",
    "forms.css",
    "record.css",
    "today.css",
    "charts.css",
    "desk.css",
    "print.css",
    "live.js",
    "review.js",
    "icon.svg",
];

fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.') {
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "js")) => "text/javascript; charset=utf-8",
        _ => "image/svg+xml",
    }
}

/// Addresses of the assets, as pages name them.
#[derive(Debug)]
pub(crate) struct Assets(BTreeMap<&'static str, String>);

/// The addresses.
pub(crate) static ADDRESSES: LazyLock<Assets> = LazyLock::new(|| {
    let address = |(name, content): &(&'static str, &str)| (*name, format!("/static/{}", hashed_name(name, content)));
    Assets(ASSETS.iter().map(address).collect())
});

impl Assets {
    /// The address of the file with this name in `static/`; empty when there is none, which a test of every page notices.
    pub(crate) fn of(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// The style sheets in their order, each with the medium it is for.
    pub(crate) fn styles(&self) -> impl Iterator<Item = (&str, &'static str)> {
        let names = ASSETS
            .iter()
            .map(|(name, _)| *name)
            .filter(|name| name.ends_with(".css"));
        names.map(|name| (self.of(name), if name == "print.css" { "print" } else { "all" }))
    }
}

fn hashed_name(name: &str, content: &str) -> String {
    let digest = Sha256::digest(content.as_bytes());
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    let mut hashed = format!("{stem}-");
    for byte in digest.iter().take(8) {
        let _ = write!(hashed, "{byte:02x}");
    }
    hashed.push('.');
    hashed.push_str(extension);
    hashed
}

/// An asset by its hashed name: for ever, because another content has another name.
pub(super) async fn serve(Path(hashed): Path<String>, headers: HeaderMap) -> Response {
    let address = format!("/static/{hashed}");
    let found = ASSETS.iter().find(|(name, _)| ADDRESSES.of(name) == address);
    let Some((name, content)) = found else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let etag = format!("\"{hashed}\"");
    let caching = [
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable".to_owned()),
        (header::ETAG, etag.clone()),
    ];
    let known = headers.get(header::IF_NONE_MATCH).and_then(|it| it.to_str().ok());
    if known.is_some_and(|known| known.contains(&etag)) {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    (caching, [(header::CONTENT_TYPE, media_type(name))], *content).into_response()
}
