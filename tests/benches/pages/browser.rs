//! Somebody who reads the pages: signs in as a person does, and asks for pages as a browser does.

use std::{
    io::Read as _,
    time::{Duration, Instant},
};

use fieldledger_core::sync::transport::client_builder;
use fieldledger_tests::company::PASSWORD;
use reqwest::{Client, Response, header};

use crate::Result;

/// What browsers accept over http. (Over https they also take br and zstd.)
const ACCEPTED: &str = "gzip, deflate";

/// A browser with a session.
#[derive(Clone)]
pub(crate) struct Browser {
    client: Client,
    url: String,
    cookie: String,
}

/// A page as it came.
pub(crate) struct Page {
    pub(crate) time: Duration,
    /// Bytes of the body as sent.
    pub(crate) sent: usize,
    /// Whether it was sent compressed.
    pub(crate) packed: bool,
    body: Vec<u8>,
}

impl Page {
    /// The body, unpacked.
    pub(crate) fn body(&self) -> Result<Vec<u8>> {
        if !self.packed {
            return Ok(self.body.clone());
        }
        unpacked(&self.body)
    }
}

fn unpacked(body: &[u8]) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    flate2::read::GzDecoder::new(body).read_to_end(&mut out)?;
    Ok(out)
}

fn client() -> Result<Client> {
    let builder = client_builder(&[])?.redirect(reqwest::redirect::Policy::none());
    Ok(builder.pool_max_idle_per_host(400).build()?)
}

fn set_cookie(response: &Response) -> Result<String> {
    let cookie = response.headers().get(header::SET_COOKIE).ok_or("no cookie was set")?;
    Ok(cookie.to_str()?.split(';').next().unwrap_or_default().to_owned())
}

impl Browser {
    /// Nobody, who has a link.
    pub(crate) fn of_nobody(url: &str) -> Result<Self> {
        Ok(Self {
            client: client()?,
            url: url.to_owned(),
            cookie: String::new(),
        })
    }

    /// Signs in through the form.
    pub(crate) async fn sign_in(url: &str, login: &str) -> Result<Self> {
        let client = client()?;
        let form = client.get(format!("{url}/sign-in")).send().await?;
        let known = set_cookie(&form)?;
        let secret = known.split_once('=').map(|it| it.1).unwrap_or_default();
        let body = format!(
            "login={login}&password={}&next=%2F&secret={secret}",
            PASSWORD
                .replace(' ', "+")
                .replace('海', "%E6%B5%B7")
                .replace('风', "%E9%A3%8E")
                .replace(',', "%2C")
                .replace('!', "%21")
        );
        let response = client
            .post(format!("{url}/sign-in"))
            .header(header::COOKIE, &known)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(body)
            .send()
            .await?;
        if response.status() != 303 {
            return Err(format!("{login} could not sign in: {}", response.status()).into());
        }
        let cookie = set_cookie(&response)?;
        Ok(Self {
            client,
            url: url.to_owned(),
            cookie,
        })
    }

    /// Asks for a page and reads all of it.
    pub(crate) async fn get(&self, path: &str) -> Result<Page> {
        let started = Instant::now();
        let response = self
            .client
            .get(format!("{}{path}", self.url))
            .header(header::COOKIE, &self.cookie)
            .header(header::ACCEPT, "text/html")
            .header(header::ACCEPT_ENCODING, ACCEPTED)
            .send()
            .await?;
        let status = response.status();
        let packed = response.headers().contains_key(header::CONTENT_ENCODING);
        let body = response.bytes().await?.to_vec();
        let time = started.elapsed();
        if status != 200 {
            return Err(format!("{path} was answered with {status}").into());
        }
        Ok(Page {
            time,
            sent: body.len(),
            packed,
            body,
        })
    }

    /// Opens the live connection of a page, at the address that the page names for it.
    pub(crate) async fn listen(&self, page: &Page) -> Result<Response> {
        let body = String::from_utf8(page.body()?)?;
        let news = body.split_once("data-news=\"").and_then(|it| it.1.split_once('"'));
        let (news, _) = news.ok_or("the page names no address for its news")?;
        let response = self
            .client
            .get(format!("{}{}", self.url, news.replace("&#38;", "&")))
            .header(header::COOKIE, &self.cookie)
            .header(header::ACCEPT, "text/event-stream")
            .send()
            .await?;
        Ok(response.error_for_status()?)
    }
}
