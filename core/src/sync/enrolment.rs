//! What the QR code of an enrolment says.

use std::{fmt, str::FromStr};

/// Between the server's address and the code. What stands after `#` a browser sends to nobody, so a code that somebody
/// opens in a browser does not end up in a server's log.
const MIDDLE: &str = "/enrol#";

/// An enrolment as one line of text, `https://sales.example.com/enrol#ABCD-1234-EFGH`: the server and the one-time code,
/// for a QR code or a message. The app that reads it sends the code to [`super::protocol::ENROL_PATH`] of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnrolmentLink {
    /// Address of the server, without a slash at its end.
    pub server: String,
    /// The code, as it was made or as somebody typed it.
    pub code: String,
}

/// Text that is no enrolment link.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no enrolment link: it should read https://SERVER/enrol#CODE")]
pub struct NoEnrolmentLink;

impl fmt::Display for EnrolmentLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{MIDDLE}{}", self.server, self.code)
    }
}

impl FromStr for EnrolmentLink {
    type Err = NoEnrolmentLink;

    fn from_str(text: &str) -> Result<Self, NoEnrolmentLink> {
        let (server, code) = text.trim().split_once(MIDDLE).ok_or(NoEnrolmentLink)?;
        let host = server
            .strip_prefix("https://")
            .or_else(|| server.strip_prefix("http://"))
            .ok_or(NoEnrolmentLink)?;
        let odd = |text: &str| text.is_empty() || text.contains(|it: char| it.is_whitespace() || it.is_control());
        // `user@host` looks like one server and leads to another.
        if odd(host) || odd(code) || host.contains(['@', '#', '?', '\\']) || code.len() > 100 {
            return Err(NoEnrolmentLink);
        }
        Ok(Self {
            server: server.to_owned(),
            code: code.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_link_is_read_as_it_was_written() {
        for server in [
            "https://sales.example.com",
            "http://127.0.0.1:7444",
            "https://example.com/field",
        ] {
            let link = EnrolmentLink {
                server: server.to_owned(),
                code: "ABCD-1234-EFGH".to_owned(),
            };
            assert_eq!(link.to_string(), format!("{server}/enrol#ABCD-1234-EFGH"));
            assert_eq!(format!(" {link}\n").parse::<EnrolmentLink>().unwrap(), link);
        }
    }

    #[test]
    fn other_texts_are_no_links() {
        for text in [
            "",
            "ABCD-1234-EFGH",
            "https://sales.example.com/enrol",
            "https://sales.example.com/enrol#",
            "https:///enrol#ABCD",
            "ftp://sales.example.com/enrol#ABCD",
            "https://sales.example.com@evil.example/enrol#ABCD",
            "https://a b/enrol#ABCD",
            "javascript:alert(1)//https://x/enrol#ABCD",
        ] {
            assert_eq!(text.parse::<EnrolmentLink>(), Err(NoEnrolmentLink), "{text}");
        }
    }
}
