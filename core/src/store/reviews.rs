use rusqlite::types::Value as Sql;

use super::{Document, FieldStore, documents::read_document};
use crate::{
    db::lists,
    error::FieldError,
    model::{DocumentId, InvalidField, Reply, Review},
};

impl FieldStore {
    /// What supervisors said about a document, newest first.
    ///
    /// # Errors
    /// As [`Self::visit`].
    pub fn reviews_of(&self, id: DocumentId) -> Result<Vec<Document<Review>>, FieldError> {
        self.read(|connection| {
            let about = Sql::Blob(id.as_bytes().to_vec());
            let rows = lists::select(
                connection,
                "d.about = ?1",
                "d.moment DESC, d.row DESC",
                &[about],
                usize::MAX,
            )?;
            let mut reviews = Vec::new();
            for row in rows {
                reviews.extend(read_document(connection, row.id)?);
            }
            Ok(reviews)
        })
    }

    /// Answers a review.
    ///
    /// # Errors
    /// [`FieldError::Invalid`] without words; as [`Self::save`].
    pub fn reply_to_review(&self, review: DocumentId, text: &str) -> Result<Document<Review>, FieldError> {
        if text.trim().is_empty() {
            return Err(InvalidField::new("replies.text", "an answer needs words").into());
        }
        let by = self.require_identity()?.user;
        let mut review = self.review(review)?.ok_or(FieldError::NotFound)?;
        let reply = Reply {
            by,
            at: self.now(),
            text: text.to_owned(),
        };
        review.value.replies.insert(self.line_id()?, reply);
        self.save(&review)
    }
}
