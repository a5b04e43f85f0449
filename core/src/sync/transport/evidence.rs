//! Files of evidence between phone and server: tus 1.0 over HTTP, as `sync::protocol` says.

use std::future::Future;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use futures::{StreamExt as _, stream::BoxStream};
use reqwest::{RequestBuilder, Response, StatusCode, header};

use super::{HttpTransport, TransportFault, fault_of, fault_told, retry_after, told};
use crate::{
    model::{DocumentId, EvidenceHash},
    sync::protocol::{BACKED_UP_HEADER, EVIDENCE_PATH, ErrorBody, TUS_VERSION, UPLOAD_MEDIA_TYPE, evidence_code},
};

const TUS_RESUMABLE: &str = "tus-resumable";
const UPLOAD_OFFSET: &str = "upload-offset";
const UPLOAD_LENGTH: &str = "upload-length";
const UPLOAD_METADATA: &str = "upload-metadata";
/// What tus answers to bytes that are not those of the hash.
const CHECKSUM_MISMATCH: u16 = 460;
/// How long to wait when a proxy says that the server is not there, in milliseconds.
const PROXYS_PAUSE: u64 = 5_000;

/// A file that is to be on the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upload {
    /// The document that names it.
    pub document: DocumentId,
    /// The hash of its bytes.
    pub hash: EvidenceHash,
    /// Its size in bytes.
    pub size: u64,
}

/// What the server has of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// How many bytes, from the first on. All of them: the file is stored, and its hash was right.
    pub offset: u64,
    /// A backup of the server holds the whole file.
    pub backed_up: bool,
}

/// Why the server did not take or give a file: what is to be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UploadFault {
    /// Try again later: network, server, sign-in.
    #[error(transparent)]
    Transport(#[from] TransportFault),
    /// Send the document first: the server has none that names the file.
    #[error("{message}")]
    NotNamed {
        /// The server's words.
        message: String,
    },
    /// Ask again where to go on.
    #[error("the server goes on with the file at another place")]
    WrongOffset,
    /// Look at the file: what arrived was not what its hash says, and the server threw it away.
    #[error("the file did not arrive as it was sent")]
    Corrupt,
    /// Tell the person: the server does not take the file.
    #[error("{message}")]
    Refused {
        /// The server's words.
        message: String,
    },
    /// Begin again: the server has nothing of it.
    #[error("the server does not have the file")]
    Gone,
}

/// The bytes of a file as they come.
pub type EvidenceBytes = BoxStream<'static, Result<Vec<u8>, TransportFault>>;

/// A file, or the rest of one, as it comes.
pub struct Fetched {
    /// Where in the file the bytes begin: where they were asked for, or at 0 when the server gives the whole only.
    pub offset: u64,
    /// The bytes from there to the end.
    pub bytes: EvidenceBytes,
}

/// Carries files of evidence between a phone and its server.
pub trait EvidenceTransport: Send + Sync + 'static {
    /// Begins an upload, or asks how far one has come. Doing it twice changes nothing.
    fn begin(&self, upload: &Upload) -> impl Future<Output = Result<Held, UploadFault>> + Send;

    /// Sends the next part of a file, which begins at `offset`.
    fn append(
        &self,
        upload: &Upload,
        offset: u64,
        part: Vec<u8>,
    ) -> impl Future<Output = Result<Held, UploadFault>> + Send;

    /// Fetches a file from byte `from` on, for somebody who wants to see what another phone took.
    /// [`UploadFault::WrongOffset`]: the server's file has no such byte.
    fn fetch(
        &self,
        document: DocumentId,
        hash: EvidenceHash,
        from: u64,
    ) -> impl Future<Output = Result<Fetched, UploadFault>> + Send;
}

impl<T: EvidenceTransport> EvidenceTransport for std::sync::Arc<T> {
    fn begin(&self, upload: &Upload) -> impl Future<Output = Result<Held, UploadFault>> + Send {
        (**self).begin(upload)
    }
    fn append(
        &self,
        upload: &Upload,
        offset: u64,
        part: Vec<u8>,
    ) -> impl Future<Output = Result<Held, UploadFault>> + Send {
        (**self).append(upload, offset, part)
    }
    fn fetch(
        &self,
        document: DocumentId,
        hash: EvidenceHash,
        from: u64,
    ) -> impl Future<Output = Result<Fetched, UploadFault>> + Send {
        (**self).fetch(document, hash, from)
    }
}

impl EvidenceTransport for HttpTransport {
    async fn begin(&self, upload: &Upload) -> Result<Held, UploadFault> {
        let metadata = format!(
            "document {},sha256 {}",
            BASE64.encode(upload.document.to_string()),
            BASE64.encode(upload.hash.to_string())
        );
        let call = self
            .client
            .post(self.url(EVIDENCE_PATH))
            .header(UPLOAD_LENGTH, upload.size)
            .header(UPLOAD_METADATA, metadata)
            .header(header::CONTENT_LENGTH, 0)
            .timeout(self.timeouts.whole);
        let response = self.asked(call).await?;
        held(response, StatusCode::CREATED, upload)
            .await
            .map_err(|fault| match fault {
                // The file is, not the request.
                UploadFault::Transport(TransportFault::TooLarge) => UploadFault::Refused {
                    message: "the server does not take files of this size".to_owned(),
                },
                other => other,
            })
    }

    async fn append(&self, upload: &Upload, offset: u64, part: Vec<u8>) -> Result<Held, UploadFault> {
        let call = self
            .client
            .patch(self.url(&path_of(upload.document, upload.hash)))
            .header(UPLOAD_OFFSET, offset)
            .header(header::CONTENT_TYPE, UPLOAD_MEDIA_TYPE)
            .timeout(self.timeouts.whole)
            .body(part);
        let response = self.said(call).await?;
        if response.status() == StatusCode::PAYLOAD_TOO_LARGE {
            // The part is, for the server or a proxy before it: the file was welcome when it was begun.
            return Err(TransportFault::TooLarge.into());
        }
        held(response, StatusCode::NO_CONTENT, upload).await
    }

    async fn fetch(&self, document: DocumentId, hash: EvidenceHash, from: u64) -> Result<Fetched, UploadFault> {
        let mut call = self.client.get(self.url(&path_of(document, hash)));
        if from > 0 {
            call = call
                .header(header::RANGE, format!("bytes={from}-"))
                .header(header::IF_RANGE, format!("\"{hash}\""));
        }
        // The bytes may take as long as they like, as long as they come: the client has a limit for silence.
        let response = tokio::time::timeout(self.timeouts.whole, self.asked(call))
            .await
            .map_err(|_| TransportFault::Timeout)??;
        let offset = match response.status() {
            _ if !speaks_tus(&response) => return Err(refusal(response).await),
            StatusCode::OK => 0,
            StatusCode::PARTIAL_CONTENT if from > 0 && first_byte(&response) == Some(from) => from,
            StatusCode::PARTIAL_CONTENT => {
                let message = "it sent another part of the file than was asked for".to_owned();
                return Err(TransportFault::Server(message).into());
            }
            StatusCode::RANGE_NOT_SATISFIABLE => return Err(UploadFault::WrongOffset),
            _ => return Err(refusal(response).await),
        };
        let bytes = response.bytes_stream();
        let bytes = bytes.map(|part| part.map(|bytes| bytes.to_vec()).map_err(|error| fault_of(&error)));
        Ok(Fetched {
            offset,
            bytes: bytes.boxed(),
        })
    }
}

impl HttpTransport {
    async fn said(&self, call: RequestBuilder) -> Result<Response, UploadFault> {
        let call = self.authorised(call).header(TUS_RESUMABLE, TUS_VERSION);
        Ok(call.send().await.map_err(|error| fault_of(&error))?)
    }

    /// What the server says to a question. A connection that was kept from the request before may have died since: a phone was
    /// asleep, a proxy had enough of it. So a question that breaks off is asked once more, on a fresh one.
    async fn asked(&self, call: RequestBuilder) -> Result<Response, UploadFault> {
        let again = call.try_clone();
        match (self.said(call).await, again) {
            (Err(UploadFault::Transport(TransportFault::Offline)), Some(again)) => self.said(again).await,
            (answer, _) => answer,
        }
    }
}

fn path_of(document: DocumentId, hash: EvidenceHash) -> String {
    format!("{EVIDENCE_PATH}/{document}/{hash}")
}

/// Our server says so in every reply about evidence; a sign-in page of a hotel does not.
fn speaks_tus(response: &Response) -> bool {
    header_of(response, TUS_RESUMABLE) == Some(TUS_VERSION)
}

fn header_of<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers().get(name)?.to_str().ok().map(str::trim)
}

/// Where the part of a file begins that a reply holds.
fn first_byte(response: &Response) -> Option<u64> {
    let range = header_of(response, header::CONTENT_RANGE.as_str())?.strip_prefix("bytes ")?;
    range.split_once('-')?.0.trim().parse().ok()
}

/// What the reply to an upload says that the server has.
async fn held(response: Response, yes: StatusCode, upload: &Upload) -> Result<Held, UploadFault> {
    if response.status() != yes || !speaks_tus(&response) {
        return Err(refusal(response).await);
    }
    let offset = header_of(&response, UPLOAD_OFFSET).and_then(|offset| offset.parse().ok());
    let offset: u64 = offset.ok_or(TransportFault::CaptivePortal)?;
    if offset > upload.size {
        let message = format!("it has {offset} bytes of a file of {}", upload.size);
        return Err(TransportFault::Server(message).into());
    }
    Ok(Held {
        offset,
        backed_up: header_of(&response, BACKED_UP_HEADER) == Some("1"),
    })
}

/// What a reply that is not the awaited one says.
async fn refusal(response: Response) -> UploadFault {
    let status = response.status();
    let ours = response.headers().contains_key(TUS_RESUMABLE);
    let pause = retry_after(&response);
    let told = told(response).await;
    let not_an_error = !(status.is_client_error() || status.is_server_error());
    if !ours || not_an_error {
        return match told {
            // A proxy that does not reach the server. No file is to be put off for that.
            None if status.is_server_error() && status != StatusCode::GATEWAY_TIMEOUT => {
                TransportFault::RetryAfter(pause.unwrap_or(PROXYS_PAUSE)).into()
            }
            told => fault_told(status, pause, told).into(),
        };
    }
    let (code, message) = match &told {
        Some(ErrorBody { code, message }) => (code.as_str(), message.clone()),
        None => ("", format!("the server answered {status}")),
    };
    match (status.as_u16(), code) {
        (_, evidence_code::NOT_NAMED) => UploadFault::NotNamed { message },
        (_, evidence_code::WRONG_OFFSET | evidence_code::SUPERSEDED) => UploadFault::WrongOffset,
        (CHECKSUM_MISMATCH, _) | (_, evidence_code::WRONG_HASH) => UploadFault::Corrupt,
        (404 | 410, _) => UploadFault::Gone,
        (412, _) => TransportFault::NeedsNewerApp.into(),
        // A reason of the file's own; one that concerns the device or the moment is told as everywhere.
        (400 | 409 | 413 | 415 | 422, _) => UploadFault::Refused { message },
        (403, _) => match fault_told(status, pause, told) {
            TransportFault::Server(message) => UploadFault::Refused { message },
            fault => fault.into(),
        },
        _ => match fault_told(status, pause, told) {
            TransportFault::CaptivePortal => UploadFault::Refused { message },
            fault => fault.into(),
        },
    }
}

#[cfg(test)]
mod tests;
