use serde::{Deserialize, Serialize};

use super::{InvalidField, Position, Timestamp, UserId, check_text};

/// What is known of a photo, signature, stamp, slip or video. The bytes are a file named by their SHA-256, which is the
/// key under which this is stored; they never enter a document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Evidence {
    /// What it shows.
    pub kind: EvidenceKind,
    /// Size of the file in bytes.
    pub size: u64,
    /// Media type, for example `image/jpeg`.
    pub media_type: String,
    /// When it was taken, by the phone's clock.
    pub taken_at: Timestamp,
    /// Who took it.
    pub taken_by: UserId,
    /// Where the phone said it was.
    #[serde(rename = "pos", default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub position: Option<Position>,
    /// A caption.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[cfg_attr(feature = "uniffi", uniffi(default))]
    pub caption: String,
}

/// What a piece of evidence shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
#[serde(rename_all = "snake_case")]
pub enum EvidenceKind {
    /// A photo of goods or a place.
    Photo,
    /// A signature.
    Signature,
    /// A stamped paper.
    Stamp,
    /// A weighbridge or carrier record.
    Weighbridge,
    /// A video.
    Video,
    /// A kind that a newer version knows.
    #[serde(untagged)]
    Other(String),
}

/// How far the bytes of a piece of evidence have got. Local to each phone, never in a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
#[serde(rename_all = "snake_case")]
pub enum UploadState {
    /// On this phone, not yet sent.
    Waiting,
    /// Being sent.
    Uploading,
    /// On the server, which has confirmed the hash.
    Stored,
    /// The file is not on this phone: another phone took it.
    Elsewhere,
    /// Named by this phone, but its file was gone or changed before it was sent.
    Lost,
}

impl Evidence {
    /// Checks sizes and texts.
    ///
    /// # Errors
    /// [`InvalidField`] naming the field.
    pub fn validate(&self) -> Result<(), InvalidField> {
        check_text("evidence.caption", &self.caption)?;
        if self.media_type.is_empty() || self.media_type.len() > 100 || !self.media_type.contains('/') {
            return Err(InvalidField::new(
                "evidence.media_type",
                "must be a media type such as image/jpeg",
            ));
        }
        if self.size == 0 {
            return Err(InvalidField::new("evidence.size", "the file is empty"));
        }
        if i64::try_from(self.size).is_err() {
            return Err(InvalidField::new("evidence.size", "is larger than any file"));
        }
        self.position.as_ref().map_or(Ok(()), Position::validate)
    }
}
