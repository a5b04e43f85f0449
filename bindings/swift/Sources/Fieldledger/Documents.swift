import FieldledgerFFI

/// A document of the store: read it, change ``value``, save it.
///
/// It remembers the changes that it was read at. Saving writes what differs from that and merges with what came since, so an
/// edit that somebody else made meanwhile survives.
public struct Document<Value: StoredModel>: Hashable, Sendable, Identifiable {
    /// Its id.
    public let id: DocumentId
    /// The changes that it was read at.
    public let heads: [ChangeHash]
    /// What it says.
    public var value: Value
    /// Made by a newer version of the app: it is shown, not edited.
    public let newer: Bool
}

/// What a ``Document`` can hold: `Visit`, `Delivery`, `CollectionNote`, `Order`, `Review` and
/// `StatementConfirmation`. Apps add no others.
public protocol StoredModel: Hashable, Sendable {
    /// How documents of this kind reach the core. Not for apps.
    static var documents: DocumentAccess<Self> { get }
}

/// How documents of a kind reach the core. Not for apps.
public struct DocumentAccess<Value: StoredModel>: Sendable {
    let create: @Sendable (FieldledgerFFI.FieldStore, Value) async throws -> Document<Value>
    let save: @Sendable (FieldledgerFFI.FieldStore, Document<Value>) async throws -> Document<Value>
    let find: @Sendable (FieldledgerFFI.FieldStore, DocumentId) async throws -> Document<Value>?
}

/// A document of one kind as the generated sources have it; they know no generic ones.
protocol ForeignDocument<Value> {
    associatedtype Value: StoredModel
    var id: DocumentId { get }
    var heads: [ChangeHash] { get }
    var value: Value { get }
    var newer: Bool { get }
    init(id: DocumentId, heads: [ChangeHash], value: Value, newer: Bool)
}
extension VisitDocument: ForeignDocument {}
extension DeliveryDocument: ForeignDocument {}
extension CollectionNoteDocument: ForeignDocument {}
extension OrderDocument: ForeignDocument {}
extension ReviewDocument: ForeignDocument {}
extension StatementConfirmationDocument: ForeignDocument {}

extension Document {
    init(_ foreign: some ForeignDocument<Value>) {
        self.init(id: foreign.id, heads: foreign.heads, value: foreign.value, newer: foreign.newer)
    }

    func foreign<Foreign: ForeignDocument<Value>>() -> Foreign {
        Foreign(id: id, heads: heads, value: value, newer: newer)
    }
}

extension Visit: StoredModel {
    public static let documents = DocumentAccess<Visit>(
        create: { Document(try await $0.createVisit(value: $1)) },
        save: { Document(try await $0.saveVisit(document: $1.foreign())) },
        find: { try await $0.visit(id: $1).map { Document($0) } }
    )
}
extension Delivery: StoredModel {
    public static let documents = DocumentAccess<Delivery>(
        create: { Document(try await $0.createDelivery(value: $1)) },
        save: { Document(try await $0.saveDelivery(document: $1.foreign())) },
        find: { try await $0.delivery(id: $1).map { Document($0) } }
    )
}
extension CollectionNote: StoredModel {
    public static let documents = DocumentAccess<CollectionNote>(
        create: { Document(try await $0.createCollectionNote(value: $1)) },
        save: { Document(try await $0.saveCollectionNote(document: $1.foreign())) },
        find: { try await $0.collectionNote(id: $1).map { Document($0) } }
    )
}
extension Order: StoredModel {
    public static let documents = DocumentAccess<Order>(
        create: { Document(try await $0.createOrder(value: $1)) },
        save: { Document(try await $0.saveOrder(document: $1.foreign())) },
        find: { try await $0.order(id: $1).map { Document($0) } }
    )
}
extension Review: StoredModel {
    public static let documents = DocumentAccess<Review>(
        create: { Document(try await $0.createReview(value: $1)) },
        save: { Document(try await $0.saveReview(document: $1.foreign())) },
        find: { try await $0.review(id: $1).map { Document($0) } }
    )
}
extension StatementConfirmation: StoredModel {
    public static let documents = DocumentAccess<StatementConfirmation>(
        create: { Document(try await $0.createStatementConfirmation(value: $1)) },
        save: { Document(try await $0.saveStatementConfirmation(document: $1.foreign())) },
        find: { try await $0.statementConfirmation(id: $1).map { Document($0) } }
    )
}
