//! The stream of live notices: server-sent events, of which only the data lines matter.

use std::time::Duration;

use futures::{StreamExt as _, stream};
use reqwest::Response;

use super::{LiveNotices, TransportFault};
use crate::sync::protocol::StreamMark;

/// Longest line that is read; a notice is about 60 bytes.
const MAX_LINE: usize = 64 << 10;

/// Cuts bytes into the lines of an event stream and gathers the data of each event.
#[derive(Debug, Default)]
pub struct LineReader {
    line: Vec<u8>,
    data: String,
    /// The line before ended with CR; a LF that follows belongs to it.
    after_cr: bool,
}

/// A line or event longer than any that the server sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

impl LineReader {
    /// Takes the next bytes and returns the data of the events that they complete.
    ///
    /// # Errors
    /// A line or event longer than any that the server sends.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Vec<String>, TooLong> {
        let mut events = Vec::new();
        for &byte in bytes {
            match byte {
                b'\n' if self.after_cr => self.after_cr = false,
                b'\n' | b'\r' => {
                    self.after_cr = byte == b'\r';
                    events.extend(self.end_line()?);
                }
                _ => {
                    self.after_cr = false;
                    if self.line.len() >= MAX_LINE {
                        return Err(TooLong);
                    }
                    self.line.push(byte);
                }
            }
        }
        Ok(events)
    }

    fn end_line(&mut self) -> Result<Option<String>, TooLong> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            let mut data = std::mem::take(&mut self.data);
            // Every data line adds a line end; the last one is not part of the data.
            return Ok(data.pop().map(|_| data));
        }
        if let Some(data) = line.strip_prefix(b"data:") {
            let data = data.strip_prefix(b" ").unwrap_or(data);
            if self.data.len() + data.len() > MAX_LINE {
                return Err(TooLong);
            }
            self.data.push_str(&String::from_utf8_lossy(data));
            self.data.push('\n');
        }
        // Comments keep the connection open; names and ids of events say nothing here.
        Ok(None)
    }
}

/// The notices of an open stream. Ends at the first silence longer than `patience`.
pub(super) fn notices(response: Response, patience: Duration) -> LiveNotices {
    let bytes = response.bytes_stream().boxed();
    let state = (bytes, LineReader::default());
    stream::try_unfold(state, move |(mut bytes, mut reader)| async move {
        loop {
            let part = match tokio::time::timeout(patience, bytes.next()).await {
                Err(_) => return Err(TransportFault::Timeout),
                Ok(None) => return Ok(None),
                Ok(Some(Err(_))) => return Err(TransportFault::Offline),
                Ok(Some(Ok(part))) => part,
            };
            let events = reader.feed(&part).map_err(|TooLong| TransportFault::CaptivePortal)?;
            let marks: Vec<StreamMark> = events.iter().filter_map(|data| StreamMark::from_text(data)).collect();
            if !marks.is_empty() {
                return Ok(Some((marks, (bytes, reader))));
            }
        }
    })
    .boxed()
}
