//! Style sheet, script and icon: compiled in, served under a name that holds the hash of their content.

use std::{fmt::Write as _, sync::LazyLock};

use axum::{
    extract::Path,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use sha2::{Digest, Sha256};

struct Asset {
    stem: &'static str,
    extension: &'static str,
    media_type: &'static str,
    content: &'static str,
}

const ASSETS: [Asset; 3] = [
    Asset {
        stem: "app",
        extension: "css",
        media_type: "text/css; charset=utf-8",
        content: include_str!("../../static/app.css"),
    },
    Asset {
        stem: "live",
        extension: "js",
        media_type: "text/javascript; charset=utf-8",
        content: include_str!("../../static/live.js"),
    },
    Asset {
        stem: "icon",
        extension: "svg",
        media_type: "image/svg+xml",
        content: include_str!("../../static/icon.svg"),
    },
];

/// Addresses of the assets, as pages name them.
#[derive(Debug)]
pub(crate) struct Assets {
    pub(crate) style: String,
    pub(crate) live: String,
    pub(crate) icon: String,
}

static NAMES: LazyLock<[String; 3]> = LazyLock::new(|| ASSETS.each_ref().map(hashed_name));

/// The addresses.
pub(crate) static ADDRESSES: LazyLock<Assets> = LazyLock::new(|| {
    let [style, live, icon] = NAMES.each_ref().map(|name| format!("/static/{name}"));
    Assets { style, live, icon }
});

fn hashed_name(asset: &Asset) -> String {
    let digest = Sha256::digest(asset.content.as_bytes());
    let mut name = format!("{}-", asset.stem);
    for byte in digest.iter().take(8) {
        let _ = write!(name, "{byte:02x}");
    }
    name.push('.');
    name.push_str(asset.extension);
    name
}

/// An asset by its hashed name: for ever, because another content has another name.
pub(super) async fn serve(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let Some(index) = NAMES.iter().position(|known| *known == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let etag = format!("\"{name}\"");
    let caching = [
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable".to_owned()),
        (header::ETAG, etag.clone()),
    ];
    let known = headers.get(header::IF_NONE_MATCH).and_then(|it| it.to_str().ok());
    if known.is_some_and(|known| known.contains(&etag)) {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    let asset = &ASSETS[index];
    (caching, [(header::CONTENT_TYPE, asset.media_type)], asset.content).into_response()
}
