//! From where a request comes, and what it carries.

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{HeaderMap, header, request::Parts},
};

use crate::state::AppState;

/// The address of the client: the peer's, or what a trusted proxy says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteAddress(pub IpAddr);

impl FromRequestParts<AppState> for RemoteAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Infallible> {
        // A request without a connection was made inside this process.
        let peer = parts
            .extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |ConnectInfo(address)| address.ip());
        Ok(Self(client_address(
            peer,
            &parts.headers,
            &state.config.trusted_proxies,
        )))
    }
}

/// The last address in `X-Forwarded-For` that no trusted proxy has: those before it can be made up by anybody.
fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpAddr]) -> IpAddr {
    let mut client = peer.to_canonical();
    if !trusted.contains(&client) {
        return client;
    }
    let forwarded: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    for hop in forwarded.into_iter().rev() {
        let Ok(address) = hop.parse::<IpAddr>() else { break };
        client = address.to_canonical();
        if !trusted.contains(&client) {
            break;
        }
    }
    client
}

/// The token in `Authorization: Bearer …`.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && token.len() <= 512).then_some(token)
}

/// A cookie's value.
pub(crate) fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        headers
    }

    #[test]
    fn only_a_trusted_proxy_is_believed_about_the_clients_address() {
        let proxy: IpAddr = "10.0.0.1".parse().unwrap();
        let said = headers("x-forwarded-for", "1.2.3.4, 203.0.113.9, 10.0.0.2");
        let inner: IpAddr = "10.0.0.2".parse().unwrap();
        let client = |trusted: &[IpAddr]| client_address(proxy, &said, trusted).to_string();
        assert_eq!(client(&[]), "10.0.0.1");
        assert_eq!(client(&[proxy]), "10.0.0.2");
        assert_eq!(client(&[proxy, inner]), "203.0.113.9");
        let garbage = headers("x-forwarded-for", "<script>");
        assert_eq!(client_address(proxy, &garbage, &[proxy]), proxy);
        let mapped: IpAddr = "::ffff:10.0.0.1".parse().unwrap();
        assert_eq!(client_address(mapped, &said, &[proxy]), inner);
    }

    #[test]
    fn tokens_and_cookies_are_found_among_others() {
        assert_eq!(bearer(&headers("authorization", "bearer abc")), Some("abc"));
        assert_eq!(bearer(&headers("authorization", "Basic abc")), None);
        assert_eq!(bearer(&headers("authorization", "Bearer ")), None);
        assert_eq!(
            bearer(&headers("authorization", &format!("Bearer {}", "x".repeat(9_000)))),
            None
        );
        let jar = headers("cookie", "theme=dark; fieldledger_session=s3; x");
        assert_eq!(cookie(&jar, "fieldledger_session"), Some("s3"));
        assert_eq!(cookie(&jar, "session"), None);
    }
}
