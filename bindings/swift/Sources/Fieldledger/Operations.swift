import Foundation
import FieldledgerFFI

// Every operation of the core, by its name. Reading ones throw ``FieldledgerError/damaged(_:)`` and
// ``FieldledgerError/closed`` besides what they name; writing ones what ``FieldStore/create(_:)`` and
// ``FieldStore/save(_:)`` name.

// MARK: Documents of every kind

extension FieldStore {
    /// A document: `try await store.document(Order.self, id)`; `nil` when it is not on this phone.
    ///
    /// - Throws: ``FieldledgerError/damaged(_:)`` and ``FieldledgerError/closed``, as every reading method.
    public func document<Value: StoredModel>(
        _ type: Value.Type = Value.self, _ id: DocumentId
    ) async throws -> Document<Value>? {
        try await read { try await Value.documents.find($0, id) }
    }

    /// Records a new document: `try await store.create(note)`.
    ///
    /// - Throws: ``FieldledgerError/invalid(field:message:)``, ``FieldledgerError/notAllowed(path:whoMay:)``,
    ///   ``FieldledgerError/notEnrolled``, ``FieldledgerError/storageFull``.
    @discardableResult
    public func create<Value: StoredModel>(_ value: Value) async throws -> Document<Value> {
        try await write { try await Value.documents.create($0, value) }
    }

    /// Saves what was changed in a document since it was read, and returns it as it is now, merged with whatever came since.
    ///
    /// - Throws: ``FieldledgerError/invalid(field:message:)``, ``FieldledgerError/notAllowed(path:whoMay:)``,
    ///   ``FieldledgerError/madeByNewerVersion``, ``FieldledgerError/notFound``, ``FieldledgerError/storageFull``.
    @discardableResult
    public func save<Value: StoredModel>(_ document: Document<Value>) async throws -> Document<Value> {
        try await write { try await Value.documents.save($0, document) }
    }

    /// A visit; `nil` when it is not on this phone.
    public func visit(_ id: DocumentId) async throws -> Document<Visit>? {
        try await read { try await $0.visit(id: id).map { Document($0) } }
    }

    /// A delivery; `nil` when it is not on this phone.
    public func delivery(_ id: DocumentId) async throws -> Document<Delivery>? {
        try await read { try await $0.delivery(id: id).map { Document($0) } }
    }

    /// A collection note; `nil` when it is not on this phone.
    public func collectionNote(_ id: DocumentId) async throws -> Document<CollectionNote>? {
        try await read { try await $0.collectionNote(id: id).map { Document($0) } }
    }

    /// An order; `nil` when it is not on this phone.
    public func order(_ id: DocumentId) async throws -> Document<Order>? {
        try await read { try await $0.order(id: id).map { Document($0) } }
    }

    /// A review; `nil` when it is not on this phone.
    public func review(_ id: DocumentId) async throws -> Document<Review>? {
        try await read { try await $0.review(id: id).map { Document($0) } }
    }

    /// A customer's answer to a statement; `nil` when it is not on this phone.
    public func statementConfirmation(_ id: DocumentId) async throws -> Document<StatementConfirmation>? {
        try await read { try await $0.statementConfirmation(id: id).map { Document($0) } }
    }

    /// A document of any kind as JSON text, for one made by a newer version.
    public func tree(_ id: DocumentId) async throws -> String? {
        try await read { try await $0.tree(id: id) }
    }

    /// The newest changes of a document, ascending; `nil` when it is not here.
    public func heads(_ id: DocumentId) async throws -> [ChangeHash]? {
        try await read { try await $0.heads(id: id) }
    }

    /// Whether a change of a document is on this phone, acknowledged or not.
    public func holdsChange(_ id: DocumentId, _ change: ChangeHash) async throws -> Bool {
        try await read { try await $0.holdsChange(id: id, change: change) }
    }

    /// What happened to a document, change by change.
    ///
    /// - Throws: ``FieldledgerError/notFound``.
    public func history(_ id: DocumentId) async throws -> [HistoryEntry] {
        try await read { try await $0.history(id: id) }
    }

    /// The fields of a document about which people disagree.
    ///
    /// - Throws: ``FieldledgerError/notFound``.
    public func disagreements(_ id: DocumentId) async throws -> [Disagreement] {
        try await read { try await $0.disagreements(id: id) }
    }

    /// Settles a disagreement: writes the chosen value, as JSON text, as a change of its own, after all that are known here.
    ///
    /// - Throws: ``FieldledgerError/invalid(field:message:)`` when nobody disagrees about the field (any more), or the document would
    ///   break a rule; as ``save(_:)``.
    public func settle(_ id: DocumentId, path: [String], chosen: String) async throws {
        try await write { try await $0.settle(id: id, path: path, chosen: chosen) }
    }

    /// Settles a disagreement with one of the values of ``disagreements(_:)``, by its place.
    ///
    /// - Throws: As ``settle(_:path:chosen:)``.
    public func settleWith(_ id: DocumentId, path: [String], valueIndex: Int) async throws {
        try await write { try await $0.settleWith(id: id, path: path, valueIndex: valueIndex) }
    }
}

// MARK: Visits

extension FieldStore {
    /// Plans a visit for a day.
    ///
    /// - Throws: As ``create(_:)``.
    @discardableResult
    public func planVisit(
        customer: CustomerId, day: CalendarDate, purpose: VisitPurpose
    ) async throws -> Document<Visit> {
        try await write { Document(try await $0.planVisit(customer: customer, day: day, purpose: purpose)) }
    }

    /// Starts a visit that nobody planned: created and checked in at once.
    ///
    /// - Throws: As ``create(_:)``.
    @discardableResult
    public func startVisit(
        customer: CustomerId, purpose: VisitPurpose, position: Position? = nil
    ) async throws -> Document<Visit> {
        try await write {
            Document(try await $0.startVisit(customer: customer, purpose: purpose, position: position))
        }
    }

    /// Checks in to a planned visit.
    ///
    /// - Throws: ``FieldledgerError/invalid(field:message:)`` when it has begun or was cancelled; as ``save(_:)``.
    @discardableResult
    public func checkIn(_ id: DocumentId, position: Position? = nil) async throws -> Document<Visit> {
        try await write { Document(try await $0.checkIn(id: id, position: position)) }
    }

    /// Checks out, with what came of the visit.
    ///
    /// - Throws: ``FieldledgerError/invalid(field:message:)`` unless the visit is open; as ``save(_:)``.
    @discardableResult
    public func checkOut(_ id: DocumentId, _ leaving: CheckOut) async throws -> Document<Visit> {
        try await write { Document(try await $0.checkOut(id: id, leaving: leaving)) }
    }

    /// Says why a planned visit does not take place.
    ///
    /// - Throws: ``FieldledgerError/invalid(field:message:)`` when it has begun or no reason is given; as ``save(_:)``.
    @discardableResult
    public func cancelVisit(_ id: DocumentId, reason: String) async throws -> Document<Visit> {
        try await write { Document(try await $0.cancelVisit(id: id, reason: reason)) }
    }
}

// MARK: Deliveries

extension FieldStore {
    /// Makes a delivery note.
    ///
    /// - Throws: As ``create(_:)``.
    @discardableResult
    public func newDelivery(_ new: NewDelivery) async throws -> Document<Delivery> {
        try await write { Document(try await $0.newDelivery(new: new)) }
    }

    /// A fresh id for a line of a delivery or an order, or for a reply.
    ///
    /// - Throws: ``FieldledgerError/internal(_:)`` when the system gives no random numbers.
    public func lineId() throws -> LineId {
        do { return try core.lineId() } catch { throw FieldledgerError(error) }
    }

    /// Records who received what.
    ///
    /// - Throws: ``FieldledgerError/invalid(field:message:)`` naming the line; as ``save(_:)``.
    @discardableResult
    public func signOff(_ id: DocumentId, _ signOff: SignOff) async throws -> Document<Delivery> {
        try await write { Document(try await $0.signOff(id: id, signOff: signOff)) }
    }

    /// Records what a party says about a delivery.
    ///
    /// - Throws: ``FieldledgerError/notAllowed(path:whoMay:)`` when the person does not speak for the party; as ``save(_:)``.
    @discardableResult
    public func confirm(
        _ id: DocumentId, party: Party, verdict: ConfirmationVerdict, remark: String = ""
    ) async throws -> Document<Delivery> {
        try await write { Document(try await $0.confirm(id: id, party: party, verdict: verdict, remark: remark)) }
    }
}

// MARK: Orders and credit

extension FieldStore {
    /// Whether the customer may have this order on credit, as far as this phone knows: the credit file, the company's policy, the
    /// orders that the file does not count yet, and the allowances of this phone. Nothing is spent. See `CreditDecision.outcome`.
    ///
    /// - Throws: ``FieldledgerError/invalid(field:message:)`` when amounts overflow.
    public func checkCredit(_ order: Order) async throws -> CreditDecision {
        try await read { try await $0.checkCredit(order: order) }
    }

    /// Submits an order: checks the customer's credit and records the verdict with everything that went into it. When an allowance
    /// of this phone covers it, it is spent in the same transaction and the order is guaranteed.
    ///
    /// - Throws: ``FieldledgerError/invalid(field:message:)`` when it was submitted or cancelled before; as ``save(_:)``.
    @discardableResult
    public func submitOrder(_ order: Document<Order>) async throws -> Document<Order> {
        try await write { Document(try await $0.submitOrder(order: order.foreign())) }
    }

    /// Takes an order back.
    ///
    /// - Throws: ``FieldledgerError/notFound``; as ``save(_:)``.
    @discardableResult
    public func cancelOrder(_ id: DocumentId) async throws -> Document<Order> {
        try await write { Document(try await $0.cancelOrder(id: id)) }
    }

    /// What the company decided about an order; `nil` until the server has said so.
    public func orderDecision(_ order: DocumentId) async throws -> OrderDecision? {
        try await read { try await $0.orderDecision(order: order) }
    }

    /// The company's rules about credit and money; the defaults before the first sync.
    public func policy() async throws -> Policy {
        try await read { try await $0.policy() }
    }

    /// The allowances that may still be spent, of one customer or of all.
    public func allowances(_ customer: CustomerId? = nil) async throws -> [Allowance] {
        try await read { try await $0.allowances(customer: customer) }
    }

    /// Gives an allowance back: closes it for good, durably, and tells the server with the next sync. What is left is free for others
    /// once the server has every spend.
    ///
    /// - Throws: ``FieldledgerError/notFound`` when this phone has no such allowance.
    public func returnAllowance(_ id: GrantId) async throws {
        try await write { try await $0.returnAllowance(id: id) }
    }
}

// MARK: Evidence

extension FieldStore {
    /// Names a photo, signature, stamp, slip or video in a visit, a delivery or an answer to a statement. Of a file the phone makes a
    /// copy that it sends; without one it is only named, because another phone has it.
    ///
    /// - Throws: ``FieldledgerError/invalid(field:message:)`` when the file is not what hash and size say, or the document takes no
    ///   evidence; as ``save(_:)``.
    public func addEvidence(
        _ document: DocumentId, _ evidence: Evidence, hash: EvidenceHash, file: URL? = nil
    ) async throws {
        try await write { try await $0.addEvidence(document: document, evidence: evidence, hash: hash, file: file) }
    }

    /// Attaches a file that this phone just took to a visit, a delivery or an answer to a statement: names it by the hash of its
    /// bytes and notes who took it and when. The phone keeps a copy of its own and sends it after the document; the app may delete its
    /// file.
    ///
    /// - Throws: ``FieldledgerError/invalid(field:message:)`` when the file cannot be read or is empty; as
    ///   ``addEvidence(_:_:hash:file:)``.
    @discardableResult
    public func attachEvidence(
        _ document: DocumentId, file: URL, _ evidence: NewEvidence
    ) async throws -> EvidenceHash {
        try await write { try await $0.attachEvidence(document: document, file: file, evidence: evidence) }
    }

    /// How far the bytes of a piece of evidence have got.
    public func evidenceState(_ hash: EvidenceHash) async throws -> UploadState {
        try await read { try await $0.evidenceState(hash: hash) }
    }

    /// What this phone knows of a file of evidence: where it is, how far it has got, and why it is not on the server. Nothing when the
    /// phone has not heard of it.
    public func evidenceFile(_ hash: EvidenceHash) async throws -> EvidenceFile? {
        try await read { try await $0.evidenceFile(hash: hash) }
    }

    /// The files that the server has not got yet, some of them: those that were lost, then the others as they are sent.
    public func evidenceWaiting(limit: Int = 20) async throws -> [EvidenceFile] {
        try await read { try await $0.evidenceWaiting(limit: limit) }
    }

    /// Gives up a file that was lost before it was sent, or that the server has said no to: it is not sent any more, and the phone's copy
    /// goes. The document goes on naming it.
    ///
    /// - Throws: ``FieldledgerError/notFound`` when there is no such file: none that waits for its turn is given up.
    public func giveUpEvidence(_ hash: EvidenceHash) async throws {
        try await write { try await $0.giveUpEvidence(hash: hash) }
    }

    /// Where the file of a piece of evidence is on this phone, fetched from the server when it is not here: another phone took it, or
    /// its copy was deleted after a month. Ends when its task is cancelled.
    ///
    /// - Throws: ``FieldledgerError/notFound`` when the document does not name it or the server has not got it yet either;
    ///   ``FieldledgerError/offline``; ``FieldledgerError/storageFull``.
    public func fetchEvidence(_ document: DocumentId, _ hash: EvidenceHash) async throws -> URL {
        try await ending { core, token in try await core.fetchEvidence(document: document, hash: hash, cancel: token) }
    }
}

// MARK: Reviews

extension FieldStore {
    /// What supervisors said about a document, newest first.
    public func reviewsOf(_ id: DocumentId) async throws -> [Document<Review>] {
        try await read { try await $0.reviewsOf(id: id).map { Document($0) } }
    }

    /// Answers a review.
    ///
    /// - Throws: ``FieldledgerError/invalid(field:message:)`` without words; as ``save(_:)``.
    @discardableResult
    public func replyToReview(_ review: DocumentId, text: String) async throws -> Document<Review> {
        try await write { Document(try await $0.replyToReview(review: review, text: text)) }
    }
}

// MARK: Lists and search

extension FieldStore {
    /// What there is to do on a day, today when none is given.
    ///
    /// - Throws: ``FieldledgerError/notEnrolled``.
    public func today(_ date: CalendarDate? = nil) async throws -> Today {
        try await read { try await $0.today(date: date) }
    }

    /// What happened with a customer, newest first; `before` is the `DocumentRow.place` of the last row of the page before.
    public func timeline(
        _ customer: CustomerId, before: Before? = nil, limit: Int = 100
    ) async throws -> [DocumentRow] {
        try await read { try await $0.timeline(customer: customer, before: before, limit: limit) }
    }

    /// Documents that fit a query, newest first; those with words in them, the ones stored last first.
    public func list(_ query: ListQuery) async throws -> [DocumentRow] {
        try await read { try await $0.list(query: query) }
    }

    /// One document as a row of a list.
    public func row(_ id: DocumentId) async throws -> DocumentRow? {
        try await read { try await $0.row(id: id) }
    }

    /// Customers, then documents, with these words in them. Two Chinese characters suffice; Latin words are found by their beginning.
    public func search(_ text: String, limit: Int = 50) async throws -> [SearchHit] {
        try await read { try await $0.search(text: text, limit: limit) }
    }
}

// MARK: What the server alone writes

extension FieldStore {
    /// The company; `nil` before the first sync.
    public func organisation() async throws -> OrganisationProfile? {
        try await read { try await $0.organisation() }
    }

    /// Customers by name, some of them.
    public func customers(_ query: CustomerQuery) async throws -> [CustomerRow] {
        try await read { try await $0.customers(query: query) }
    }

    /// A customer.
    public func customer(_ id: CustomerId) async throws -> Customer? {
        try await read { try await $0.customer(id: id) }
    }

    /// The territories that this phone knows.
    public func territories() async throws -> [Territory] {
        try await read { try await $0.territories() }
    }

    /// What this phone's person is to reach, the newest month first.
    public func targets() async throws -> [Target] {
        try await read { try await $0.targets() }
    }

    /// Products by name, with these words in name, number or group.
    public func products(_ text: String = "", limit: Int = 100, offset: Int = 0) async throws -> [Product] {
        try await read { try await $0.products(text: text, limit: limit, offset: offset) }
    }

    /// A product.
    public func product(_ id: ProductId) async throws -> Product? {
        try await read { try await $0.product(id: id) }
    }

    /// A person of the company.
    public func person(_ id: UserId) async throws -> Person? {
        try await read { try await $0.person(id: id) }
    }

    /// The people of the company, by name.
    public func people() async throws -> [Person] {
        try await read { try await $0.people() }
    }

    /// A customer's credit file.
    public func creditFile(_ customer: CustomerId) async throws -> CreditFileView? {
        try await read { try await $0.creditFile(customer: customer) }
    }

    /// A customer's invoices, newest first.
    public func invoicesOf(_ customer: CustomerId) async throws -> [Invoice] {
        try await read { try await $0.invoicesOf(customer: customer) }
    }

    /// A customer's receipts, newest first.
    public func receiptsOf(_ customer: CustomerId) async throws -> [Receipt] {
        try await read { try await $0.receiptsOf(customer: customer) }
    }

    /// A customer's orders in the company's books, newest first.
    public func ordersOf(_ customer: CustomerId) async throws -> [LedgerOrder] {
        try await read { try await $0.ordersOf(customer: customer) }
    }

    /// A customer's deliveries in the company's books, newest first.
    public func deliveriesOf(_ customer: CustomerId) async throws -> [LedgerDelivery] {
        try await read { try await $0.deliveriesOf(customer: customer) }
    }
}

// MARK: Bringing the money home

extension FieldStore {
    /// Records a contact about money.
    ///
    /// - Throws: As ``create(_:)``.
    @discardableResult
    public func recordCollection(_ note: CollectionNote) async throws -> Document<CollectionNote> {
        try await write { Document(try await $0.recordCollection(note: note)) }
    }

    /// Records what a customer answered to a statement, as it is; ``answerStatement(_:_:)`` looks at the statement too.
    ///
    /// - Throws: As ``create(_:)``.
    @discardableResult
    public func recordStatementConfirmation(
        _ answer: StatementConfirmation
    ) async throws -> Document<StatementConfirmation> {
        try await write { Document(try await $0.recordStatementConfirmation(answer: answer)) }
    }

    /// Closes a collection with its review: was it late, why, what was difficult, what solved it.
    ///
    /// - Throws: ``FieldledgerError/invalid(field:message:)`` naming `invoice_number` when this phone holds the customer's books and
    ///   no such invoice, `closing.was_late` when that is left to the books and they do not tell, `closing.cause` without a cause
    ///   for what was late; as ``create(_:)``.
    @discardableResult
    public func closeCollection(_ closed: ClosedCollection) async throws -> Document<CollectionNote> {
        try await write { Document(try await $0.closeCollection(closed: closed)) }
    }

    /// Where a customer's credit stands: file, open items, allowances, promises, warnings.
    ///
    /// - Throws: ``FieldledgerError/notFound`` when this phone does not know the customer.
    public func creditView(_ customer: CustomerId) async throws -> CreditView {
        try await read { try await $0.creditView(customer: customer) }
    }

    /// Promises to pay, held against the payments that have reached this phone.
    ///
    /// - Throws: ``FieldledgerError/notEnrolled``.
    public func promises(_ query: PromiseQuery) async throws -> Promises {
        try await read { try await $0.promises(query: query) }
    }

    /// Money that arrived lately from the customers of this rep, or of `everyone`, and of which they have still to be told; with
    /// `told`, those who were as well. Only what finance knew the moment of: receipts of an import start no timer.
    ///
    /// - Throws: ``FieldledgerError/notEnrolled``.
    public func receiptNotices(everyone: Bool = false, told: Bool = false) async throws -> ReceiptNotices {
        try await read { try await $0.receiptNotices(everyone: everyone, told: told) }
    }

    /// Records that a customer was told that their money arrived.
    ///
    /// - Throws: ``FieldledgerError/invalid(field:message:)`` naming `receipt` when this phone knows no such receipt of the customer,
    ///   when it was returned, or when the customer has been told; as ``create(_:)``.
    @discardableResult
    public func tellCustomer(_ told: CustomerTold) async throws -> Document<CollectionNote> {
        try await write { Document(try await $0.tellCustomer(told: told)) }
    }

    /// The statements of a customer, or of every customer of this rep (of `everyone`), the newest first.
    ///
    /// - Throws: ``FieldledgerError/notEnrolled``.
    public func statements(_ customer: CustomerId? = nil, everyone: Bool = false) async throws -> [StatementRow] {
        try await read { try await $0.statements(customer: customer, everyone: everyone) }
    }

    /// A statement; `nil` when it has not reached this phone.
    public func statement(_ id: StatementId) async throws -> StatementView? {
        try await read { try await $0.statement(id: id) }
    }

    /// Records what a customer answered to a statement, line by line. A photo of the stamped copy is attached to it afterwards with
    /// ``attachEvidence(_:file:_:)``. What a customer said before of a line is taken back by a new answer to it.
    ///
    /// - Throws: ``FieldledgerError/notFound`` when this phone does not hold the statement; ``FieldledgerError/invalid(field:message:)``
    ///   naming `statement` when another one has taken its place, and `answers` for a line that is not in it, that is both
    ///   confirmed and disputed, or when nothing is answered; as ``create(_:)``.
    @discardableResult
    public func answerStatement(
        _ id: StatementId, _ reply: StatementReply
    ) async throws -> Document<StatementConfirmation> {
        try await write { Document(try await $0.answerStatement(id: id, reply: reply)) }
    }

    /// Whom to see today about money, ranked, with the reasons: broken promises first, then by overdue amount × age.
    ///
    /// - Throws: ``FieldledgerError/notEnrolled``.
    public func worklist(_ query: WorklistQuery) async throws -> Worklist {
        try await read { try await $0.worklist(query: query) }
    }
}

// MARK: How phone and server stand

extension FieldStore {
    /// How phone and server stand to each other.
    public func status() async throws -> SyncStatus {
        try await read { try await $0.status() }
    }

    /// Hides the notice of a refused change. The change itself stays with its document.
    ///
    /// - Throws: ``FieldledgerError/notFound`` when no such change was refused.
    public func dismissRejected(_ hash: ChangeHash) async throws {
        try await write { try await $0.dismissRejected(hash: hash) }
    }
}
