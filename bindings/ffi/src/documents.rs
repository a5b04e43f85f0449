//! A document of each kind as a record: UniFFI has no generic ones.

use fieldledger_core::{
    error::FieldError,
    model::{ChangeHash, CollectionNote, Delivery, DocumentId, Order, Review, StatementConfirmation, Visit},
    store::{Document, FieldStore},
};

macro_rules! document {
    ($(#[$doc:meta])* $name:ident, $model:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, uniffi::Record)]
        pub struct $name {
            /// Its id.
            pub id: DocumentId,
            /// The changes it was read at; leave them as they are.
            pub heads: Vec<ChangeHash>,
            /// The value, to be changed and saved.
            pub value: $model,
            /// Made by a newer version: shown, not edited.
            pub newer: bool,
        }

        impl From<Document<$model>> for $name {
            fn from(document: Document<$model>) -> Self {
                Self {
                    id: document.id,
                    heads: document.heads,
                    value: document.value,
                    newer: document.newer,
                }
            }
        }

        impl $name {
            /// The document of the store that this is an edit of.
            pub(crate) fn of(self, store: &FieldStore) -> Result<Document<$model>, FieldError> {
                store.edited(self.id, &self.heads, self.value)
            }
        }
    };
}
document!(
    /// A visit as it was read: saving it writes what differs from that, and merges with what came since.
    VisitDocument,
    Visit
);
document!(
    /// A delivery as it was read: saving it writes what differs from that, and merges with what came since.
    DeliveryDocument,
    Delivery
);
document!(
    /// A collection note as it was read: saving it writes what differs from that, and merges with what came since.
    CollectionNoteDocument,
    CollectionNote
);
document!(
    /// An order as it was read: saving it writes what differs from that, and merges with what came since.
    OrderDocument,
    Order
);
document!(
    /// A review as it was read: saving it writes what differs from that, and merges with what came since.
    ReviewDocument,
    Review
);
document!(
    /// A customer's answer to a statement as it was read: saving it writes what differs from that, and merges with what came since.
    StatementConfirmationDocument,
    StatementConfirmation
);
