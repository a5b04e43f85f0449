use serde_json::Value;

use super::{Change, FieldStore};
use crate::{
    db::{documents, documents::Found, records, streams},
    document::{self, Disagreement, HistoryEntry, declared_kind, edit, tree},
    error::FieldError,
    model::{
        ChangeHash, CollectionNote, CustomerId, Delivery, DocumentId, DocumentKind, DocumentModel, InvalidField, Order,
        Review, StatementConfirmation, UserId, Visit,
    },
    rules::{authority, evidence::keeps_evidence},
    sync::protocol::StreamId,
};

/// A document as it was read: saving it writes what differs from that, and merges with what came since.
#[derive(Clone, Debug, PartialEq)]
pub struct Document<T> {
    /// Its id.
    pub id: DocumentId,
    /// The changes it was read at.
    pub heads: Vec<ChangeHash>,
    /// The value, to be changed and saved.
    pub value: T,
    /// Made by a newer version: shown, not edited.
    pub newer: bool,
    /// The tree of the value as it was read.
    base: Value,
}

mod sealed {
    pub trait Sealed {}
}

/// The kinds of documents that a phone writes.
pub trait StoredModel: DocumentModel + sealed::Sealed {
    /// The rep whose it is.
    #[doc(hidden)]
    fn owner(&self) -> UserId;
}

macro_rules! stored {
    ($($model:ident),*) => {$(
        impl sealed::Sealed for $model {}
        impl StoredModel for $model {
            fn owner(&self) -> UserId {
                self.rep
            }
        }
    )*};
}
stored!(Visit, Delivery, CollectionNote, Order, Review, StatementConfirmation);

impl FieldStore {
    /// A visit.
    ///
    /// # Errors
    /// [`FieldError::Damaged`] and [`FieldError::Closed`].
    pub fn visit(&self, id: DocumentId) -> Result<Option<Document<Visit>>, FieldError> {
        self.document(id)
    }

    /// A delivery.
    ///
    /// # Errors
    /// As [`Self::visit`].
    pub fn delivery(&self, id: DocumentId) -> Result<Option<Document<Delivery>>, FieldError> {
        self.document(id)
    }

    /// A collection note.
    ///
    /// # Errors
    /// As [`Self::visit`].
    pub fn collection_note(&self, id: DocumentId) -> Result<Option<Document<CollectionNote>>, FieldError> {
        self.document(id)
    }

    /// An order.
    ///
    /// # Errors
    /// As [`Self::visit`].
    pub fn order(&self, id: DocumentId) -> Result<Option<Document<Order>>, FieldError> {
        self.document(id)
    }

    /// A review.
    ///
    /// # Errors
    /// As [`Self::visit`].
    pub fn review(&self, id: DocumentId) -> Result<Option<Document<Review>>, FieldError> {
        self.document(id)
    }

    /// A customer's answer to a statement.
    ///
    /// # Errors
    /// As [`Self::visit`].
    pub fn statement_confirmation(
        &self,
        id: DocumentId,
    ) -> Result<Option<Document<StatementConfirmation>>, FieldError> {
        self.document(id)
    }

    /// A document of a kind; `None` when it is not here or of another kind. One that a newer version made in a way that
    /// this one cannot read gives [`FieldError::MadeByNewerVersion`]; show its [`Self::tree`] instead.
    ///
    /// # Errors
    /// As [`Self::visit`].
    pub fn document<T: StoredModel>(&self, id: DocumentId) -> Result<Option<Document<T>>, FieldError> {
        self.read(|connection| read_document(connection, id))
    }

    /// A document of any kind as a tree of JSON, for one made by a newer version.
    ///
    /// # Errors
    /// As [`Self::visit`].
    pub fn tree(&self, id: DocumentId) -> Result<Option<Value>, FieldError> {
        self.read(|connection| crate::db::lists::tree(connection, id))
    }

    /// The newest changes of a document, ascending; `None` when it is not here.
    ///
    /// # Errors
    /// As [`Self::visit`].
    pub fn heads(&self, id: DocumentId) -> Result<Option<Vec<ChangeHash>>, FieldError> {
        self.read(|connection| match documents::find(connection, id)? {
            Some(found) => Ok(Some(found.heads(connection)?)),
            None => Ok(None),
        })
    }

    /// Whether a change of a document is on this phone, acknowledged or not.
    ///
    /// # Errors
    /// As [`Self::visit`].
    pub fn holds_change(&self, id: DocumentId, change: ChangeHash) -> Result<bool, FieldError> {
        self.read(|connection| {
            let Some(found) = documents::find(connection, id)? else {
                return Ok(false);
            };
            let chunks = documents::hashes_by_chunk(connection, found.row)?;
            Ok(chunks.iter().any(|(_, hashes)| hashes.contains(&change)))
        })
    }

    /// What happened to a document, change by change.
    ///
    /// # Errors
    /// [`FieldError::NotFound`]; as [`Self::visit`].
    pub fn history(&self, id: DocumentId) -> Result<Vec<HistoryEntry>, FieldError> {
        let document = self.open_document(id)?;
        Ok(document::history::history(&document))
    }

    /// The fields of a document about which people disagree.
    ///
    /// # Errors
    /// [`FieldError::NotFound`]; as [`Self::visit`].
    pub fn disagreements(&self, id: DocumentId) -> Result<Vec<Disagreement>, FieldError> {
        let document = self.open_document(id)?;
        Ok(document::disagreement::disagreements(&document))
    }

    /// An edit of a document that is known by the heads it was read at alone, as Kotlin and Swift carry it: what is saved
    /// is the difference between `value` and what was there then.
    ///
    /// # Errors
    /// [`FieldError::NotFound`] when the document or the version it was read at is not here (any more): read it again.
    #[doc(hidden)]
    pub fn edited<T: StoredModel>(
        &self,
        id: DocumentId,
        heads: &[ChangeHash],
        value: T,
    ) -> Result<Document<T>, FieldError> {
        let present: Option<Document<T>> = self.document(id)?;
        let present = present.ok_or(FieldError::NotFound)?;
        if present.heads == heads {
            return Ok(Document { value, ..present });
        }
        let document = self.open_document(id)?;
        if heads.is_empty() || !document::holds(&document, heads) {
            return Err(FieldError::NotFound);
        }
        let then: T = serde_json::from_value(tree::at(&document, heads))?;
        Ok(Document {
            id,
            heads: heads.to_vec(),
            base: edit::tree_of(&then)?,
            value,
            newer: present.newer,
        })
    }

    fn open_document(&self, id: DocumentId) -> Result<automerge::Automerge, FieldError> {
        self.read(|connection| {
            let found = documents::find(connection, id)?
                .filter(|found| !found.is_hidden())
                .ok_or(FieldError::NotFound)?;
            Ok(document::open(&documents::chunks(connection, found.row)?)?)
        })
    }

    /// Records a new document.
    ///
    /// # Errors
    /// [`FieldError::Invalid`], [`FieldError::NotAllowed`], [`FieldError::NotEnrolled`], [`FieldError::StorageFull`].
    pub fn create<T: StoredModel>(&self, value: T) -> Result<Document<T>, FieldError> {
        value.validate()?;
        let identity = self.require_identity()?;
        authority::may_create(&identity.roles, &T::KIND)?;
        let tree = edit::tree_of(&value)?;
        // What may not be changed may not be slipped in at the beginning either: somebody else's confirmation, or a
        // record in somebody else's name.
        let owner = Some(value.owner());
        let mut paths: Vec<Vec<String>> = vec![vec!["note".to_owned()]];
        if let Some(confirmations) = tree.get("confirmations").and_then(Value::as_object) {
            paths.extend(
                confirmations
                    .keys()
                    .map(|party| vec!["confirmations".to_owned(), party.clone()]),
            );
        }
        authority::may_edit(&identity.roles, identity.user, owner, &T::KIND, &paths)?;
        authority::keeps_contacts_word(&Value::Null, &tree, &paths)?;
        let id = DocumentId(uuid::Builder::from_random_bytes(self.random_bytes()?).into_uuid());
        let authorship = self.authorship(&identity);
        let change = edit::create(id, &tree, &authorship)?;
        let customer = value.customer();
        self.write(&[Change::Documents(T::KIND), Change::Status], |transaction| {
            let stream = local_stream(transaction, customer)?;
            documents::insert_local(transaction, &change, &tree, authorship.at, stream)
        })?;
        Ok(Document {
            id,
            heads: change.heads,
            value,
            newer: false,
            base: tree,
        })
    }

    /// Saves what was changed in a document since it was read, and returns it as it is now, merged with whatever came
    /// since. Nothing is written when nothing was changed.
    ///
    /// # Errors
    /// [`FieldError::Invalid`], [`FieldError::NotAllowed`], [`FieldError::MadeByNewerVersion`],
    /// [`FieldError::NotFound`], [`FieldError::StorageFull`].
    pub fn save<T: StoredModel>(&self, edited: &Document<T>) -> Result<Document<T>, FieldError> {
        edited.value.validate()?;
        if edited.newer {
            return Err(FieldError::MadeByNewerVersion);
        }
        let after = edit::tree_of(&edited.value)?;
        self.write_difference(edited.id, &edited.heads, &edited.base, |_| Ok(after))?;
        self.document(edited.id)?.ok_or(FieldError::NotFound)
    }

    /// [`Self::save`] of what `finish` makes of the value in the transaction that saves it: whatever else it writes there
    /// happens together with the save, or not at all.
    pub(super) fn save_with<T: StoredModel>(
        &self,
        edited: &Document<T>,
        finish: impl FnOnce(&rusqlite::Transaction<'_>, &mut T) -> Result<(), FieldError>,
    ) -> Result<Document<T>, FieldError> {
        if edited.newer {
            return Err(FieldError::MadeByNewerVersion);
        }
        self.write_difference(edited.id, &edited.heads, &edited.base, |transaction| {
            let mut value = edited.value.clone();
            finish(transaction, &mut value)?;
            value.validate()?;
            Ok(edit::tree_of(&value)?)
        })?;
        self.document(edited.id)?.ok_or(FieldError::NotFound)
    }

    /// Settles a disagreement: writes the chosen value as a change of its own, after all that are known here.
    ///
    /// # Errors
    /// [`FieldError::Invalid`] when nobody disagrees about the field (any more) or the document would break a rule; as
    /// [`Self::save`].
    pub fn settle(&self, id: DocumentId, path: &[String], chosen: &Value) -> Result<(), FieldError> {
        let identity = self.require_identity()?;
        let (actor, authorship) = (self.random_bytes()?, self.authorship(&identity));
        let field = || path.join(".");
        let document = self.open_document(id)?;
        if !document::disagreement::disagreements(&document)
            .iter()
            .any(|disagreement| disagreement.path == path)
        {
            return Err(InvalidField::new(field(), "nobody disagrees about it").into());
        }
        let before = tree::of(&document);
        let kind = declared_kind(&before).0;
        let owner = before.get("rep").and_then(Value::as_str).and_then(|id| id.parse().ok());
        authority::may_edit(&identity.roles, identity.user, owner, &kind, &[path.to_vec()])?;
        self.write(&[Change::Documents(kind), Change::Status], |transaction| {
            let found = documents::find(transaction, id)?.ok_or(FieldError::NotFound)?;
            if found.is_newer() {
                return Err(FieldError::MadeByNewerVersion);
            }
            // As it is now: a sync may have brought more since the question was looked at.
            let mut document = document::open(&documents::chunks(transaction, found.row)?)?;
            let before = tree::of(&document);
            let change = edit::settle(&mut document, id, path, chosen, actor, &authorship)?
                .ok_or_else(|| InvalidField::new(field(), "is not in the document"))?;
            let after = tree::of(&document);
            keeps_evidence(&before, &after)?;
            check_tree(&after)?;
            documents::insert_local_edit(transaction, &found, &change, &document)?;
            Ok(())
        })
    }

    /// [`Self::settle`] with one of the values of [`Self::disagreements`], by its place.
    ///
    /// # Errors
    /// As [`Self::settle`].
    pub fn settle_with(&self, id: DocumentId, path: &[String], value_index: usize) -> Result<(), FieldError> {
        let value = self
            .disagreements(id)?
            .into_iter()
            .find(|disagreement| disagreement.path == path)
            .and_then(|mut disagreement| {
                (value_index < disagreement.values.len()).then(|| disagreement.values.swap_remove(value_index).value)
            })
            .ok_or_else(|| InvalidField::new(path.join("."), "has no such value"))?;
        self.settle(id, path, &value)
    }

    /// Writes the difference to what `make` says as a change at `heads`, in one transaction.
    fn write_difference(
        &self,
        id: DocumentId,
        heads: &[ChangeHash],
        before: &Value,
        make: impl FnOnce(&rusqlite::Transaction<'_>) -> Result<Value, FieldError>,
    ) -> Result<(), FieldError> {
        let identity = self.require_identity()?;
        let kind = declared_kind(before).0;
        let owner = before.get("rep").and_then(Value::as_str).and_then(|id| id.parse().ok());
        let actor = self.random_bytes()?;
        let authorship = self.authorship(&identity);
        self.write(&[Change::Documents(kind.clone()), Change::Status], |transaction| {
            let after = &make(transaction)?;
            let paths: Vec<Vec<String>> = tree::differences(before, after)
                .into_iter()
                .map(|(path, _, _)| path)
                .collect();
            if paths.is_empty() {
                return Ok(());
            }
            authority::may_edit(&identity.roles, identity.user, owner, &kind, &paths)?;
            authority::keeps_contacts_word(before, after, &paths)?;
            keeps_evidence(before, after)?;
            let found = documents::find(transaction, id)?.ok_or(FieldError::NotFound)?;
            if found.is_newer() {
                return Err(FieldError::MadeByNewerVersion);
            }
            let mut document = document::open(&documents::chunks(transaction, found.row)?)?;
            let change = edit::edit(&mut document, id, heads, before, after, actor, &authorship)?;
            if let Some(change) = change {
                documents::insert_local_edit(transaction, &found, &change, &document)?;
            }
            Ok(())
        })
    }
}

/// The stream in which a document about `customer` lives, as far as this phone knows.
fn local_stream(transaction: &rusqlite::Transaction<'_>, customer: CustomerId) -> Result<Option<i64>, FieldError> {
    let Some(territory) = records::territory_of(transaction, customer)? else {
        return Ok(None);
    };
    streams::find(transaction, StreamId::Territory(territory)).map(|stream| stream.map(|it| it.reference))
}

pub(super) fn read_document<T: StoredModel>(
    connection: &rusqlite::Connection,
    id: DocumentId,
) -> Result<Option<Document<T>>, FieldError> {
    let Some(found) = documents::find(connection, id)? else {
        return Ok(None);
    };
    if found.is_hidden() || found.kind != documents::kind_number(&T::KIND) {
        return Ok(None);
    }
    document_of(connection, id, &found).map(Some)
}

fn document_of<T: StoredModel>(
    connection: &rusqlite::Connection,
    id: DocumentId,
    found: &Found,
) -> Result<Document<T>, FieldError> {
    let newer = found.is_newer();
    let value: T = serde_json::from_value(found.tree(connection)?).map_err(|error| {
        if newer {
            FieldError::MadeByNewerVersion
        } else {
            FieldError::Invalid(InvalidField::new(T::KIND.as_str(), error.to_string()))
        }
    })?;
    Ok(Document {
        id,
        heads: found.heads(connection)?,
        base: edit::tree_of(&value)?,
        value,
        newer,
    })
}

/// Checks a tree by the rules of its kind.
fn check_tree(tree: &Value) -> Result<(), FieldError> {
    fn check<T: DocumentModel>(tree: &Value) -> Result<(), FieldError> {
        let value: T = serde_json::from_value(tree.clone())
            .map_err(|error| InvalidField::new(T::KIND.as_str(), error.to_string()))?;
        Ok(value.validate()?)
    }
    match declared_kind(tree).0 {
        DocumentKind::Visit => check::<Visit>(tree),
        DocumentKind::Delivery => check::<Delivery>(tree),
        DocumentKind::CollectionNote => check::<CollectionNote>(tree),
        DocumentKind::Order => check::<Order>(tree),
        DocumentKind::Review => check::<Review>(tree),
        DocumentKind::StatementConfirmation => check::<StatementConfirmation>(tree),
        DocumentKind::Unknown(_) => Err(FieldError::MadeByNewerVersion),
    }
}
