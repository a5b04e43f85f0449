//! The switch between languages.

use axum::{
    extract::{Path, Query, State},
    http::header,
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use super::{
    error::PageError,
    messages::{LANGUAGE_COOKIE, Language},
};
use crate::state::AppState;

#[derive(Debug, Deserialize)]
pub(super) struct Back {
    #[serde(default)]
    back: String,
}

/// Remembers the language and goes back to where the reader was.
pub(super) async fn choose(
    State(app): State<AppState>,
    Path(tag): Path<String>,
    Query(Back { back }): Query<Back>,
) -> Result<Response, PageError> {
    let language = Language::from_tag(&tag).ok_or(PageError::NotFound)?;
    let secure = if app.config.is_https() { "; Secure" } else { "" };
    let cookie = format!(
        "{LANGUAGE_COOKIE}={}; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax{secure}",
        language.tag()
    );
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to(within(&back))).into_response())
}

/// `path` when it leads to a page of this server, else the start: nobody is sent elsewhere by a forged link.
pub(super) fn within(path: &str) -> &str {
    let bytes = path.as_bytes();
    let safe = bytes.first() == Some(&b'/')
        && !matches!(bytes.get(1), Some(b'/' | b'\\'))
        && bytes.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'\\');
    if safe { path } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::within;

    #[test]
    fn the_way_back_never_leads_to_another_server() {
        for path in ["/", "/activity?kind=visit&day=2026-01-01", "/records/1"] {
            assert_eq!(within(path), path);
        }
        for path in [
            "",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/a\r\nb",
            "/\t/evil",
        ] {
            assert_eq!(within(path), "/");
        }
    }
}
