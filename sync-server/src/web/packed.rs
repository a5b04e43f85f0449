//! Pages are sent packed to browsers that take it: a list shrinks to a tenth, which is what counts on a phone's network.
//!
//! What is packed together with a secret must not be written by a stranger whom the length can tell something: a page holds
//! the secret of its forms, and some of them show what stood in the address. So nothing is packed that another site has led
//! the browser to.

use std::io::Write as _;

use axum::{
    body::{Body, Bytes, HttpBody as _, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use flate2::{Compression, write::GzEncoder};

use crate::state::AppState;

/// Shorter bodies gain nothing.
const LEAST: u64 = 1_024;
/// Longer ones are packed on a thread of their own.
const AT_ONCE: usize = 512 * 1_024;
/// What is worth packing; pictures and workbooks are packed already.
const PACKED: [&str; 5] = ["text/html", "text/css", "text/javascript", "text/csv", "image/svg+xml"];

/// A way of packing, by the name that browsers know it under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Zstd,
    Gzip,
}

impl Way {
    const fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }
    }

    /// The quickest level of each: the next one costs twice the time for a few per cent.
    fn pack(self, body: &[u8]) -> std::io::Result<Vec<u8>> {
        match self {
            Self::Zstd => zstd::bulk::compress(body, 1),
            Self::Gzip => {
                let mut packer = GzEncoder::new(Vec::with_capacity(body.len() / 8), Compression::fast());
                packer.write_all(body)?;
                packer.finish()
            }
        }
    }

    /// The best way that the browser takes.
    fn accepted(headers: &HeaderMap) -> Option<Self> {
        let accepts = |wanted: Self| {
            headers
                .get_all(header::ACCEPT_ENCODING)
                .iter()
                .filter_map(|value| value.to_str().ok())
                .flat_map(|value| value.split(','))
                .any(|one| {
                    let (name, quality) = one.split_once(';').unwrap_or((one, ""));
                    let refused = quality.trim().strip_prefix("q=").and_then(|it| it.parse::<f32>().ok()) == Some(0.0);
                    name.trim().eq_ignore_ascii_case(wanted.name()) && !refused
                })
        };
        [Self::Zstd, Self::Gzip].into_iter().find(|way| accepts(*way))
    }
}

/// Whether no other site has led the browser here. Browsers say so over https; over http everybody on the way reads the page
/// anyway.
fn came_by_itself(headers: &HeaderMap, https: bool) -> bool {
    match headers.get("sec-fetch-site").map(HeaderValue::as_bytes) {
        Some(site) => site == b"same-origin" || site == b"none",
        None => !https,
    }
}

/// Packs what the browser takes packed.
pub(crate) async fn pack(State(app): State<AppState>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let way = Way::accepted(headers).filter(|_| came_by_itself(headers, app.config.is_https()));
    let response = next.run(request).await;
    let kind = response.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    if !kind.is_some_and(|kind| PACKED.iter().any(|known| kind.starts_with(known.as_bytes()))) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    parts
        .headers
        .append(header::VARY, HeaderValue::from_static("accept-encoding"));
    let whole = body.size_hint().exact().is_some_and(|length| length >= LEAST);
    match way {
        Some(way) if whole && !parts.headers.contains_key(header::CONTENT_ENCODING) => {
            let body = match to_bytes(body, usize::MAX).await {
                Ok(body) => body,
                Err(error) => {
                    tracing::error!(%error, "a page could not be read to be packed");
                    return StatusCode::INTERNAL_SERVER_ERROR.into_response();
                }
            };
            let packed = if body.len() > AT_ONCE {
                let there = body.clone();
                tokio::task::spawn_blocking(move || way.pack(&there)).await.ok()
            } else {
                Some(way.pack(&body))
            };
            let Some(Ok(packed)) = packed else {
                return Response::from_parts(parts, Body::from(body));
            };
            parts.headers.remove(header::CONTENT_LENGTH);
            parts
                .headers
                .insert(header::CONTENT_ENCODING, HeaderValue::from_static(way.name()));
            Response::from_parts(parts, Body::from(Bytes::from(packed)))
        }
        _ => Response::from_parts(parts, body),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| {
            let name: axum::http::HeaderName = name.parse().unwrap();
            (name, HeaderValue::from_str(value).unwrap())
        });
        pairs.collect()
    }

    #[test]
    fn the_best_way_is_taken_that_the_browser_names_and_does_not_refuse() {
        for (accepted, way) in [
            ("gzip, deflate, br, zstd", Some(Way::Zstd)),
            ("gzip, deflate", Some(Way::Gzip)),
            ("GZIP;q=0.5", Some(Way::Gzip)),
            ("zstd;q=0, gzip", Some(Way::Gzip)),
            ("gzip; q=0", None),
            ("br", None),
            ("", None),
        ] {
            assert_eq!(
                Way::accepted(&headers(&[("accept-encoding", accepted)])),
                way,
                "{accepted}"
            );
        }
        assert_eq!(Way::accepted(&HeaderMap::new()), None);
    }

    #[test]
    fn what_was_packed_comes_out_as_it_was() {
        let page = "<tr><td>永兴超市</td></tr>".repeat(500).into_bytes();
        let gzip = Way::Gzip.pack(&page).unwrap();
        let mut out = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&gzip[..]), &mut out).unwrap();
        assert_eq!(out, page);
        assert_eq!(
            zstd::stream::decode_all(&Way::Zstd.pack(&page).unwrap()[..]).unwrap(),
            page
        );
        assert!(gzip.len() * 10 < page.len());
    }

    #[test]
    fn where_another_site_led_the_browser_nothing_is_packed() {
        for (site, https, packed) in [
            (Some("same-origin"), true, true),
            (Some("none"), true, true),
            (Some("cross-site"), true, false),
            (Some("same-site"), true, false),
            (Some("cross-site"), false, false),
            // A browser that is too old to say.
            (None, true, false),
            (None, false, true),
        ] {
            let headers = site.map_or_else(HeaderMap::new, |site| headers(&[("sec-fetch-site", site)]));
            assert_eq!(came_by_itself(&headers, https), packed, "{site:?} {https}");
        }
    }
}
