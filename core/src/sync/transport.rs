//! HTTP between phone and server.

mod evidence;
mod live;

use std::{future::Future, time::Duration};

use futures::{StreamExt as _, stream::BoxStream};
use minicbor::{Decode, Encode};
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url, header};

use super::protocol::{
    ENROL_PATH, EnrolRequest, EnrolResponse, ErrorBody, LIVE_PATH, MAX_BODY_BYTES, MEDIA_TYPE, SYNC_PATH, StreamMark,
    SyncRequest, SyncResponse, pack, unpack,
};

pub use evidence::{EvidenceBytes, EvidenceTransport, Fetched, Held, Upload, UploadFault};
pub use live::LineReader;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};

use crate::error::FieldError;

/// Why an exchange did not happen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransportFault {
    /// No connection, or it broke.
    #[error("the server cannot be reached")]
    Offline,
    /// Something answered that is not the server: the sign-in page of a hotel, a proxy, half a reply.
    #[error("something answered that is not the server; sign in to the network and try again")]
    CaptivePortal,
    /// No reply in time.
    #[error("the server did not answer in time")]
    Timeout,
    /// The device's token is not accepted.
    #[error("sign in again with a new enrolment code")]
    SignInAgain,
    /// The data on this phone came from another one: a restored backup, or a copy. The device belongs to the other one.
    #[error(
        "the data on this phone came from another phone; enrol this one with a new code, nothing recorded on it is lost"
    )]
    AnotherPhone,
    /// The device was revoked.
    #[error("this device was revoked; ask your administrator")]
    Revoked,
    /// The server does not speak this app's protocol any more.
    #[error("a newer version of the app is needed")]
    NeedsNewerApp,
    /// The request is larger than the server takes.
    #[error("the request is larger than the server takes")]
    TooLarge,
    /// The server is busy: milliseconds to wait.
    #[error("the server is busy, try again in {} s", .0.div_ceil(1_000))]
    RetryAfter(u64),
    /// The server failed.
    #[error("the server failed: {0}")]
    Server(String),
}

/// A reply with what it weighed.
#[derive(Clone, Debug, PartialEq)]
pub struct Exchanged {
    /// The reply.
    pub response: SyncResponse,
    /// Bytes of the request's body.
    pub bytes_up: u64,
    /// Bytes of the reply's body.
    pub bytes_down: u64,
}

/// Live notices: every item says how far streams have got. Ends when the connection does.
pub type LiveNotices = BoxStream<'static, Result<Vec<StreamMark>, TransportFault>>;

/// Carries messages between a phone and its server.
pub trait Transport: Send + Sync + 'static {
    /// One exchange.
    fn exchange(&self, request: &SyncRequest) -> impl Future<Output = Result<Exchanged, TransportFault>> + Send;

    /// Opens the stream of live notices.
    fn live(&self) -> impl Future<Output = Result<LiveNotices, TransportFault>> + Send;

    /// Replaces the device's token by the one that the server gave.
    fn set_token(&self, token: &str);
}

impl<T: Transport> Transport for std::sync::Arc<T> {
    fn exchange(&self, request: &SyncRequest) -> impl Future<Output = Result<Exchanged, TransportFault>> + Send {
        (**self).exchange(request)
    }
    fn live(&self) -> impl Future<Output = Result<LiveNotices, TransportFault>> + Send {
        (**self).live()
    }
    fn set_token(&self, token: &str) {
        (**self).set_token(token);
    }
}

/// How long to wait, and for what.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For the connection.
    pub connect: Duration,
    /// For the next bytes of a reply.
    pub read: Duration,
    /// For the whole of an exchange.
    pub whole: Duration,
    /// For the next line of the live stream, whose server sends a comment every 15 s or so.
    pub live: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            read: Duration::from_secs(30),
            whole: Duration::from_secs(110),
            live: Duration::from_secs(60),
        }
    }
}

/// An address that cannot be the server's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not an address at all.
    #[error("{0:?} is not an address; it should look like https://sync.example.com")]
    Invalid(String),
    /// Without encryption, over a real network.
    #[error("{0} is not encrypted; use https (http is only allowed to this machine and private networks)")]
    Unencrypted(String),
    /// A certificate of an authority that is none.
    #[error("certificate {0} of the options cannot be read: {1}")]
    Certificate(usize, String),
    /// The HTTP client could not be made.
    #[error("the HTTP client cannot be set up: {0}")]
    Client(String),
}

/// Talks HTTP to a server.
#[derive(Debug)]
pub struct HttpTransport {
    client: Client,
    base: Url,
    token: std::sync::RwLock<String>,
    timeouts: Timeouts,
}

impl HttpTransport {
    /// A transport to the server at `server_url`, as the device that `token` names.
    ///
    /// # Errors
    /// [`AddressError`].
    pub fn new(server_url: &str, token: impl Into<String>) -> Result<Self, AddressError> {
        Self::with_timeouts(server_url, token, Timeouts::default(), &[])
    }

    /// The same with other timeouts, to a server whose certificate may come from one of `authorities` (certificates, DER or
    /// PEM) too.
    ///
    /// # Errors
    /// [`AddressError`].
    pub fn with_timeouts(
        server_url: &str,
        token: impl Into<String>,
        timeouts: Timeouts,
        authorities: &[Vec<u8>],
    ) -> Result<Self, AddressError> {
        Ok(Self {
            client: client(&timeouts, authorities)?,
            base: address(server_url)?,
            token: std::sync::RwLock::new(token.into()),
            timeouts,
        })
    }

    fn url(&self, path: &str) -> Url {
        at(&self.base, path)
    }

    fn authorised(&self, request: RequestBuilder) -> RequestBuilder {
        let token = self.token.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        request.bearer_auth(&*token)
    }
}

impl Transport for HttpTransport {
    async fn exchange(&self, request: &SyncRequest) -> Result<Exchanged, TransportFault> {
        let body = pack(request).map_err(|error| TransportFault::Server(error.to_string()))?;
        let bytes_up = body.len() as u64;
        if body.len() > MAX_BODY_BYTES {
            return Err(TransportFault::TooLarge);
        }
        let call = self
            .authorised(self.client.post(self.url(SYNC_PATH)))
            .header(header::CONTENT_TYPE, MEDIA_TYPE)
            .header(header::ACCEPT, MEDIA_TYPE)
            .timeout(self.timeouts.whole)
            .body(body);
        let response = call.send().await.map_err(|error| fault_of(&error))?;
        let bytes = accepted_body(response, MEDIA_TYPE, MAX_BODY_BYTES).await?;
        Ok(Exchanged {
            response: read_message(&bytes)?,
            bytes_up,
            bytes_down: bytes.len() as u64,
        })
    }

    async fn live(&self) -> Result<LiveNotices, TransportFault> {
        const EVENTS: &str = "text/event-stream";
        let call = self
            .authorised(self.client.get(self.url(LIVE_PATH)))
            .header(header::ACCEPT, EVENTS);
        let response = tokio::time::timeout(self.timeouts.read, call.send())
            .await
            .map_err(|_| TransportFault::Timeout)?
            .map_err(|error| fault_of(&error))?;
        let response = accepted(response, EVENTS).await?;
        Ok(live::notices(response, self.timeouts.live))
    }

    fn set_token(&self, token: &str) {
        *self.token.write().unwrap_or_else(std::sync::PoisonError::into_inner) = token.to_owned();
    }
}

/// Decodes a reply's body. What cannot be read did not come from the server, or not whole.
pub fn read_message<T: for<'b> Decode<'b, ()>>(body: &[u8]) -> Result<T, TransportFault> {
    unpack(body).map_err(|_| TransportFault::CaptivePortal)
}

/// Encodes a message; the counterpart of [`read_message`] for transports that are not HTTP.
///
/// # Errors
/// [`TransportFault::Server`] when there is no memory for it.
pub fn write_message<T: Encode<()>>(message: &T) -> Result<Vec<u8>, TransportFault> {
    pack(message).map_err(|error| TransportFault::Server(error.to_string()))
}

/// Why a phone could not be enrolled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnrolError {
    /// The address is no server's.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The server says no: the code is wrong, used, or has expired.
    #[error("{message}")]
    Refused {
        /// For software, such as `code_expired`.
        code: String,
        /// For the person.
        message: String,
    },
    /// The server could not be asked.
    #[error(transparent)]
    Transport(#[from] TransportFault),
    /// The store did not become that phone.
    #[error(transparent)]
    Store(#[from] FieldError),
}

/// Exchanges a one-time code for a device token. `authorities` are certificates beside the public ones.
///
/// # Errors
/// [`EnrolError`].
pub async fn enrol(
    server_url: &str,
    request: &EnrolRequest,
    authorities: &[Vec<u8>],
) -> Result<EnrolResponse, EnrolError> {
    const MOST: usize = 64 << 10;
    let timeouts = Timeouts::default();
    let client = client(&timeouts, authorities)?;
    let body = serde_json::to_vec(request).map_err(|error| TransportFault::Server(error.to_string()))?;
    let response = client
        .post(at(&address(server_url)?, ENROL_PATH))
        .header(header::CONTENT_TYPE, JSON)
        .header(header::ACCEPT, JSON)
        .timeout(timeouts.whole)
        .body(body)
        .send()
        .await
        .map_err(|error| fault_of(&error))?;
    let status = response.status();
    if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS {
        let told = told(response).await;
        return Err(match told {
            Some(ErrorBody { code, message }) => EnrolError::Refused { code, message },
            None => TransportFault::CaptivePortal.into(),
        });
    }
    let bytes = accepted_body(response, JSON, MOST).await?;
    Ok(serde_json::from_slice(&bytes).map_err(|_| TransportFault::CaptivePortal)?)
}

const JSON: &str = "application/json";

/// A builder of HTTP clients that trust the public authorities, as they were when this was built, and `authorities`.
///
/// Not the operating system's store of certificates: on Android it can only be asked through the app's virtual machine, and
/// asking without it ends the app. A company with an authority of its own names it.
///
/// # Errors
/// [`AddressError::Certificate`]; [`AddressError::Client`].
pub fn client_builder(authorities: &[Vec<u8>]) -> Result<reqwest::ClientBuilder, AddressError> {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    for (index, bytes) in authorities.iter().enumerate() {
        let unreadable = |error: &dyn std::fmt::Display| AddressError::Certificate(index + 1, error.to_string());
        let certificates: Vec<CertificateDer<'_>> = if bytes.starts_with(b"-----") {
            let read: Result<_, _> = CertificateDer::pem_slice_iter(bytes).collect();
            read.map_err(|error| unreadable(&error))?
        } else {
            vec![CertificateDer::from(bytes.as_slice())]
        };
        for certificate in certificates {
            roots.add(certificate).map_err(|error| unreadable(&error))?;
        }
    }
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| AddressError::Client(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Client::builder().tls_backend_preconfigured(config))
}

fn client(timeouts: &Timeouts, authorities: &[Vec<u8>]) -> Result<Client, AddressError> {
    client_builder(authorities)?
        .connect_timeout(timeouts.connect)
        .read_timeout(timeouts.read.max(timeouts.live))
        // A redirect leads to a sign-in page, and would take the token with it.
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| AddressError::Client(error.to_string()))
}

/// The server's address. Without encryption only to this machine and private networks, where a demo or a test runs.
fn address(text: &str) -> Result<Url, AddressError> {
    let invalid = || AddressError::Invalid(text.to_owned());
    let url = Url::parse(text.trim()).map_err(|_| invalid())?;
    let host = url.host_str().ok_or_else(invalid)?;
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_near(host) => Ok(url),
        "http" => Err(AddressError::Unencrypted(text.to_owned())),
        _ => Err(invalid()),
    }
}

fn is_near(host: &str) -> bool {
    use std::net::IpAddr;
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    match literal.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        Ok(IpAddr::V6(ip)) => ip.is_loopback() || ip.is_unique_local(),
        Err(_) => host == "localhost",
    }
}

fn at(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_query(None);
    url.set_fragment(None);
    let joined = format!("{}{path}", base.path().trim_end_matches('/'));
    url.set_path(&joined);
    url
}

fn fault_of(error: &reqwest::Error) -> TransportFault {
    if error.is_timeout() && !error.is_connect() {
        TransportFault::Timeout
    } else {
        TransportFault::Offline
    }
}

/// The reply, if the server itself gave it and it says yes.
async fn accepted(response: Response, media_type: &str) -> Result<Response, TransportFault> {
    let status = response.status();
    if status == StatusCode::OK {
        return if is_of_type(&response, media_type) {
            Ok(response)
        } else {
            Err(TransportFault::CaptivePortal)
        };
    }
    let pause = retry_after(&response);
    let told = told(response).await;
    Err(fault_told(status, pause, told))
}

/// What a reply says that is an error, or none of the server's.
fn fault_told(status: StatusCode, pause: Option<u64>, told: Option<ErrorBody>) -> TransportFault {
    if status.is_success() || status.is_redirection() || status.is_informational() {
        return TransportFault::CaptivePortal;
    }
    match (status, told) {
        // A proxy asks for its own password.
        (StatusCode::PROXY_AUTHENTICATION_REQUIRED | StatusCode::NETWORK_AUTHENTICATION_REQUIRED, _) => {
            TransportFault::CaptivePortal
        }
        (StatusCode::PAYLOAD_TOO_LARGE, _) => TransportFault::TooLarge,
        (StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT, _) => TransportFault::Timeout,
        (StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE, _) => {
            TransportFault::RetryAfter(pause.unwrap_or(5_000))
        }
        // Only our server's own word makes a phone stop: a portal may answer 401 or 403 as well.
        (_, Some(body)) => match body.code.as_str() {
            "revoked" | "account_disabled" => TransportFault::Revoked,
            "another_phone" => TransportFault::AnotherPhone,
            "newer_app_needed" => TransportFault::NeedsNewerApp,
            _ if status == StatusCode::UNAUTHORIZED => TransportFault::SignInAgain,
            _ if status == StatusCode::UPGRADE_REQUIRED => TransportFault::NeedsNewerApp,
            _ => TransportFault::Server(body.message),
        },
        (_, None) if status.is_server_error() => match pause {
            Some(pause) => TransportFault::RetryAfter(pause),
            None => TransportFault::Server(format!("it answered {status}")),
        },
        (_, None) => TransportFault::CaptivePortal,
    }
}

async fn accepted_body(response: Response, media_type: &str, most: usize) -> Result<Vec<u8>, TransportFault> {
    body(accepted(response, media_type).await?, most).await
}

/// Reads a body, never more of it than `most`.
async fn body(response: Response, most: usize) -> Result<Vec<u8>, TransportFault> {
    let too_large = || TransportFault::Server(format!("its reply is larger than {most} bytes"));
    let announced = response.content_length().unwrap_or(0);
    if announced > most as u64 {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(announced).unwrap_or(0));
    let mut stream = response.bytes_stream();
    while let Some(part) = stream.next().await {
        let part = part.map_err(|error| fault_of(&error))?;
        if bytes.len() + part.len() > most {
            return Err(too_large());
        }
        bytes.extend_from_slice(&part);
    }
    Ok(bytes)
}

/// What our server says of an error; `None` when it is not our server that speaks.
async fn told(response: Response) -> Option<ErrorBody> {
    if !is_of_type(&response, JSON) {
        return None;
    }
    let bytes = body(response, 16 << 10).await.ok()?;
    serde_json::from_slice(&bytes).ok()
}

fn is_of_type(response: &Response, media_type: &str) -> bool {
    let Some(found) = response.headers().get(header::CONTENT_TYPE) else {
        return false;
    };
    let found = found.to_str().unwrap_or_default();
    let essence = found.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case(media_type)
}

fn retry_after(response: &Response) -> Option<u64> {
    const MOST_SECONDS: u64 = 3_600;
    let text = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
    // The other form, a date, would be compared with a phone's clock that may be wrong by years.
    let seconds: u64 = text.trim().parse().ok()?;
    Some(seconds.min(MOST_SECONDS) * 1_000)
}

#[cfg(test)]
#[path = "transport/tests.rs"]
mod tests;
