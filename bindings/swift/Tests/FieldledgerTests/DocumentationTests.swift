import Foundation
import Testing

import Fieldledger

/// Code that the documentation prints, compiled as it stands there. `check-documentation.py` holds both against each other.
@Suite struct DocumentationTests {
    @Test func aPhotoIsAttachedShownAndSent() async throws {
        let phone = try await Server.shared.value.phone()
        let visit = try await phone.store.startVisit(customer: phone.customer(), purpose: .sales)
        let shelf = FileManager.default.temporaryDirectory.appendingPathComponent("shelf.jpg")
        try Data("as the camera saw it".utf8).write(to: shelf)
        let (waiting, told) = AsyncStream<Int>.makeStream()
        let (shown, tell) = AsyncStream<Data>.makeStream()
        let store = phone.store
        let watching = Task {
            try await photos(
                store, visit, position: Position(latitude: 31.2304, longitude: 121.4737, accuracyMetres: 8),
                showPicture: { tell.yield(try! Data(contentsOf: $0)) }, showWaiting: { told.yield($0.count) })
        }
        var counts = waiting.makeAsyncIterator()
        var pictures = shown.makeAsyncIterator()
        #expect(await pictures.next() == Data("as the camera saw it".utf8))
        #expect(await counts.next() == 1)
        #expect(try await store.syncOnce().evidence.stored == 1)
        while let count = await counts.next(), count > 0 {}
        #expect(!FileManager.default.fileExists(atPath: shelf.path))
        watching.cancel()
        _ = await watching.result
    }

    func photos(
        _ store: FieldStore, _ visit: Document<Visit>, position: Position, showPicture: @Sendable (URL) -> Void,
        showWaiting: @Sendable ([EvidenceFile]) -> Void
    ) async throws {
        // docs: docs/swift.md: Photos and signatures
        let photo = FileManager.default.temporaryDirectory.appendingPathComponent("shelf.jpg")      // where the camera left it
        let hash = try await store.attachEvidence(
            visit.id, file: photo, NewEvidence(kind: .photo, mediaType: "image/jpeg", position: position, caption: "门头"))
        try FileManager.default.removeItem(at: photo)

        showPicture(try await store.fetchEvidence(visit.id, hash))                                  // a file on this phone

        for try await files in store.observe([.evidence], query: { try await $0.evidenceWaiting() }) { showWaiting(files) }
        // end
    }

    /// Compiled and not called.
    func attach(_ store: FieldStore, _ visit: Document<Visit>, photo: URL) async throws -> ([EvidenceFile], URL) {
        // docs: QuickStart.md: Attach a photo
        let hash = try await store.attachEvidence(visit.id, file: photo, NewEvidence(kind: .photo, mediaType: "image/jpeg"))
        try FileManager.default.removeItem(at: photo)

        let waiting = try await store.evidenceWaiting()                 // what the server does not have yet, and why
        let picture = try await store.fetchEvidence(visit.id, hash)     // a file on this phone, also when another phone took it
        // end
        return (waiting, picture)
    }

    /// Compiled and not called.
    func record(
        _ store: FieldStore, customer: Customer, tea: Product, position: Position, tell: (Any) -> Void
    ) async throws {
        // docs: QuickStart.md: Record
        let visit = try await store.startVisit(customer: customer.id, purpose: .sales, position: position)

        let order = try await store.draftOrder(customer: customer.id, number: "A-17", lines: [OrderLine(tea, quantity: 3)!])
        switch try await store.checkCredit(order).outcome {
        case .approved: tell("guaranteed")
        case .provisional(let asOf): tell("looks well as of \(asOf?.formatted() ?? "an unknown time")")
        case .held(let reasons), .refused(let reasons): tell(reasons.map(\.sentence))
        }
        try await store.submitOrder(store.create(order))

        var note = try await store.visit(visit.id)!
        note.value.note = "三箱，下周再来"
        try await store.save(note)
        // end
    }
}
