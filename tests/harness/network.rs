//! A network that does what it likes: a proxy between phone and server whose faults a test chooses.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use fieldledger_core::sync::transport::AddressError;
use tokio_stream::StreamExt as _;

/// What the network does to an exchange.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// The request arrives; of the reply's body only so many bytes do, then the connection breaks.
    CutReply(usize),
    /// The request does not arrive at all.
    CutRequest,
    /// The request arrives twice, one after the other; the second reply comes back.
    RepeatRequest,
    /// The request arrives; what comes back is the reply to the request before it.
    RepeatReply,
    /// A captive portal answers 200 with a page of its own.
    Portal,
}

/// An HTTP client as phones have it.
#[allow(clippy::expect_used)]
fn client() -> reqwest::Client {
    fieldledger_core::sync::transport::client_builder(&[])
        .and_then(|it| it.build().map_err(|error| AddressError::Client(error.to_string())))
        .expect("an HTTP client can be made")
}

/// A proxy in front of a server.
pub struct Network {
    /// The address phones use instead of the server's.
    pub url: String,
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

struct Shared {
    server: Mutex<String>,
    fault: Mutex<Fault>,
    last_reply: Mutex<Option<Reply>>,
    requests: Mutex<u64>,
    client: reqwest::Client,
}

type Reply = (StatusCode, HeaderMap, Bytes);

/// How much of a reply that breaks off is sent at once.
const AT_ONCE: usize = 16 << 10;

const PORTAL: &str =
    "<!doctype html><html><head><title>Hotel Wi-Fi</title></head><body>Please accept our terms.</body></html>";

impl Network {
    /// A network to the server at `url`, without faults at first.
    ///
    /// # Errors
    /// When no port can be listened on.
    pub async fn to(url: &str) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            server: Mutex::new(url.to_owned()),
            fault: Mutex::default(),
            last_reply: Mutex::default(),
            requests: Mutex::default(),
            client: client(),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let app = Router::new().fallback(pass).with_state(Arc::clone(&shared));
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, app).await;
        });
        Ok(Self { url, shared, task })
    }

    /// From now on, this.
    pub fn fault(&self, fault: Fault) {
        *lock(&self.shared.fault) = fault;
    }

    /// The server has moved: it was restarted on another port.
    pub fn lead_to(&self, url: &str) {
        *lock(&self.shared.server) = url.to_owned();
    }

    /// Requests that came by.
    pub fn requests(&self) -> u64 {
        *lock(&self.shared.requests)
    }

    /// Status and body of the last reply that came from the server.
    pub fn last_reply(&self) -> Option<(u16, String)> {
        let reply = lock(&self.shared.last_reply);
        let (status, _, body) = reply.as_ref()?;
        Some((status.as_u16(), String::from_utf8_lossy(body).into_owned()))
    }

    /// Bytes of the last reply's body that came from the server.
    pub fn last_reply_bytes(&self) -> usize {
        lock(&self.shared.last_reply).as_ref().map_or(0, |reply| reply.2.len())
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn pass(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    *lock(&shared.requests) += 1;
    let fault = lock(&shared.fault).clone();
    match fault {
        Fault::Portal => return ([(header::CONTENT_TYPE, "text/html")], PORTAL).into_response(),
        Fault::CutRequest => return broken(&HeaderMap::new(), StatusCode::OK, Bytes::from_static(b"x"), 0),
        _ => {}
    }
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, 64 << 20).await else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    let target = format!("{}{}", lock(&shared.server), parts.uri);
    let send = || async {
        let reply = shared
            .client
            .request(parts.method.clone(), &target)
            .headers(parts.headers.clone())
            .body(body.clone())
            .send()
            .await?;
        let (status, headers) = (reply.status(), reply.headers().clone());
        Ok::<Reply, reqwest::Error>((status, headers, reply.bytes().await?))
    };
    if fault == Fault::RepeatRequest {
        let _ = send().await;
    }
    let Ok(reply) = send().await else {
        return broken(&HeaderMap::new(), StatusCode::OK, Bytes::from_static(b"x"), 0);
    };
    let before = lock(&shared.last_reply).replace(reply.clone());
    let (status, headers, bytes) = match (&fault, before) {
        (Fault::RepeatReply, Some(before)) => before,
        _ => reply,
    };
    if let Fault::CutReply(at) = fault {
        return broken(&headers, status, bytes, at);
    }
    let mut response = (status, bytes).into_response();
    copy_headers(&headers, &mut response);
    response
}

/// A reply that promises all of `bytes` and breaks off after `at` of them.
fn broken(headers: &HeaderMap, status: StatusCode, bytes: Bytes, at: usize) -> Response {
    let whole = bytes.len();
    let mut left = bytes.slice(..at.min(whole));
    let chunks = std::iter::from_fn(move || {
        let next = left.split_to(left.len().min(AT_ONCE));
        (!next.is_empty()).then_some(Ok(next))
    });
    let dead = std::iter::once_with(|| Err(std::io::Error::other("the line is dead")));
    // What is still held back when the line dies is lost with it; so each piece gets its turn to be sent.
    let pieces = tokio_stream::iter(chunks.chain(dead)).then(|piece| async move {
        tokio::task::yield_now().await;
        piece
    });
    let mut response = (status, Body::from_stream(pieces)).into_response();
    copy_headers(headers, &mut response);
    response.headers_mut().insert(header::CONTENT_LENGTH, whole.into());
    response
}

fn copy_headers(from: &HeaderMap, to: &mut Response) {
    for (name, value) in from {
        if name != header::CONTENT_LENGTH && name != header::TRANSFER_ENCODING && name != header::CONNECTION {
            to.headers_mut().insert(name, value.clone());
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_fault_is_what_it_says() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().fallback(|body: String| async move { format!("you said {body}") });
        tokio::spawn(async move { axum::serve(listener, app).await });
        let network = Network::to(&server).await.unwrap();
        let say = |word: &'static str| {
            let request = client().post(format!("{}/x", network.url)).body(word);
            async move { request.send().await?.text().await }
        };
        assert_eq!(say("one").await.unwrap(), "you said one");
        network.fault(Fault::RepeatReply);
        assert_eq!(say("two").await.unwrap(), "you said one");
        network.fault(Fault::Portal);
        assert!(say("three").await.unwrap().contains("Wi-Fi"));
        for fault in [Fault::CutReply(0), Fault::CutReply(5), Fault::CutRequest] {
            network.fault(fault);
            say("four").await.unwrap_err();
        }
        network.fault(Fault::RepeatRequest);
        assert_eq!(say("five").await.unwrap(), "you said five");
        assert_eq!(network.requests(), 7);
    }
}
