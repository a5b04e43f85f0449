import Foundation
import Testing

import Fieldledger

@Suite struct StoreTests {
    @Test func aDayIsRecordedOfflineAndSynced() async throws {
        let server = try await Server.shared.value
        let phone = try await server.phone()
        let store = phone.store
        let customer = try await phone.customer()
        #expect(try #require(store.identity).userName == "李娜")
        #expect(try await store.organisation()?.timeZone.identifier == "Asia/Shanghai")

        let visit = try await store.startVisit(customer: customer, purpose: .sales)
        try await store.checkOut(visit.id, CheckOut(outcome: .orderTaken, note: "三箱"))
        let product = try #require(try await store.products("Ceylon").first)
        let draft = try await store.draftOrder(
            customer: customer, number: "A1", lines: [#require(OrderLine(product, quantity: 3))])
        let order = try await store.submitOrder(store.create(draft))
        guard case .provisional(let asOf) = try #require(order.creditOutcome) else {
            Issue.record("\(String(describing: order.creditOutcome))")
            return
        }
        #expect(asOf != nil)
        #expect(try await store.status().waiting > 0)
        #expect(try await store.row(visit.id)?.sync == .waiting)

        let report = try await store.syncOnce()
        #expect(report.accepted >= 4 && report.rejected == 0 && report.left == 0)
        #expect(try await store.status().waiting == 0)
        #expect(try await store.row(visit.id)?.sync == .synced)
        #expect(try await store.orderDecision(order.id)?.standing == .approved)
        #expect(try await server.phone().store.visit(visit.id)?.value.note == "三箱")
    }

    @Test func anOrderOverTheLimitIsHeldWithItsReasons() async throws {
        let phone = try await Server.shared.value.phone()
        let product = try #require(try await phone.store.products("Ceylon").first)
        let order = try await phone.store.draftOrder(
            customer: phone.customer("C2"), number: "H1", lines: [#require(OrderLine(product, quantity: 1))])
        guard case .held(let reasons) = try await phone.store.checkCredit(order).outcome else {
            Issue.record("not held")
            return
        }
        #expect(reasons.contains { !$0.sentence.isEmpty })
    }

    @Test func editsOfTwoPhonesMerge() async throws {
        let server = try await Server.shared.value
        let (one, other) = (try await server.phone(), try await server.phone())
        let visit = try await one.store.planVisit(
            customer: one.customer(), day: #require(CalendarDate("2026-12-24")), purpose: .routine)
        try await one.store.syncOnce()
        try await other.store.syncOnce()
        var mine = try #require(try await one.store.visit(visit.id))
        var theirs = try #require(try await other.store.visit(visit.id))
        mine.value.note = "bring samples"
        theirs.value.nextStep = NextStep(what: "ring first", due: CalendarDate("2026-12-20"))
        try await one.store.save(mine)
        try await other.store.save(theirs)
        for phone in [one, other, one] { try await phone.store.syncOnce() }
        let merged = try #require(try await one.store.visit(visit.id)).value
        #expect(merged.note == "bring samples" && merged.nextStep?.what == "ring first")
        let history = try await one.store.history(visit.id)
        #expect(history.count == 3 && history.allSatisfy { $0.author != nil })
    }

    @Test func aPhotoGoesToTheServerAndIsSeenOnAnotherPhone() async throws {
        let server = try await Server.shared.value
        let phone = try await server.phone()
        let visit = try await phone.store.startVisit(customer: phone.customer(), purpose: .delivery)
        let file = phone.folder.appendingPathComponent("照片 1.jpg")
        try Data("abc".utf8).write(to: file)
        let photo = NewEvidence(kind: .photo, mediaType: "image/jpeg", caption: "门口")
        let hash = try await phone.store.attachEvidence(visit.id, file: file, photo)
        #expect(hash.hex == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(try await phone.store.evidenceState(hash) == .waiting)
        #expect(try await phone.store.status().evidenceWaiting == 1)
        // The phone has a copy of its own: the camera's folder is emptied.
        try FileManager.default.removeItem(at: file)
        let waiting = try await phone.store.evidenceWaiting()
        #expect(waiting.map(\.hash) == [hash])
        #expect(try Data(contentsOf: #require(waiting.first?.path)) == Data("abc".utf8))

        let report = try await phone.store.syncOnce()
        #expect(report.evidence.stored == 1 && report.evidence.left == 0 && report.evidence.problem == nil)
        #expect(try await phone.store.evidenceState(hash) == .stored)
        #expect(try await phone.store.evidenceWaiting().isEmpty)

        let other = try await server.phone()
        try await other.store.syncOnce()
        #expect(try await other.store.evidenceFile(hash) == nil)
        let fetched = try await other.store.fetchEvidence(visit.id, hash)
        #expect(try Data(contentsOf: fetched) == Data("abc".utf8))
        #expect(try await other.store.evidenceFile(hash)?.size == 3)
        let unknown = EvidenceHash(hex: String(repeating: "0", count: 64))
        #expect(await failure { try await other.store.fetchEvidence(visit.id, unknown) } == .notFound)
    }

    // MARK: Errors

    @Test func aFreshStoreIsNotEnrolled() async throws {
        let phone = try await Phone()
        #expect(await failure { try await phone.store.today() } == .notEnrolled)
        #expect(await failure { try await phone.store.syncOnce() } == .notEnrolled)
        #expect(phone.store.identity == nil && phone.store.openingReport == nil)
    }

    @Test func aServerThatIsNotThereIsOffline() async throws {
        let phone = try await Phone()
        await #expect(throws: FieldledgerError.offline) {
            try await phone.store.enrol(serverURL: "http://127.0.0.1:9", code: "AAAA-BBBB-CCCC", deviceName: "x")
        }
    }

    @Test func whatIsWrongIsNamed() async throws {
        let server = try await Server.shared.value
        let fresh = try await Phone()
        #expect(await failure { try await fresh.store.enrol(serverURL: "ftp:/x", code: "AAAA-BBBB-CCCC", deviceName: "x") }?.field == "server_url")
        #expect(await failure { try await fresh.store.enrol(serverURL: server.url, code: "AAAA-BBBB-CCCC", deviceName: "x") }?.field == "code")
        let phone = try await server.phone()
        let customer = try await phone.customer()
        let day = try #require(CalendarDate("2026-12-24"))
        let planned = try await phone.store.planVisit(customer: customer, day: day, purpose: .routine)
        #expect(await failure { try await phone.store.checkOut(planned.id, CheckOut()) }?.field == "check_out")
        #expect(await failure { try await phone.store.cancelVisit(planned.id, reason: " ") }?.field == "cancelled")
        #expect(await failure { try FieldStore.checkPath(phone.folder) }?.field == "path")
        #expect(await failure { try await phone.store.list(ListQuery(limit: -1)) } != nil)
    }

    @Test func whatARoleMayNotDoIsRefused() async throws {
        let phone = try await Server.shared.value.phone()
        let visit = try await phone.store.startVisit(customer: phone.customer(), purpose: .sales)
        let me = try #require(phone.store.identity).user
        let review = Review(
            customer: visit.value.customer, about: visit.id, rep: me, reviewer: me, at: Date(), verdict: .approved)
        guard case .notAllowed(_, let whoMay) = await failure({ try await phone.store.create(review) }) else {
            Issue.record("a rep may not review")
            return
        }
        #expect(!whoMay.isEmpty)
    }

    @Test func whatIsNotHereIsNotFound() async throws {
        let phone = try await Server.shared.value.phone()
        #expect(await failure { try await phone.store.history(DocumentId(UUID())) } == .notFound)
        #expect(await failure { try await phone.store.returnAllowance(GrantId(UUID())) } == .notFound)
    }

    @Test func aRevokedPhoneIsTold() async throws {
        let server = try await Server.shared.value
        let phone = try await server.phone()
        let device = try #require(phone.store.identity).device
        _ = try await server.command("device", "revoke", device.description)
        #expect(await failure { try await phone.store.syncOnce() } == .revoked)
        #expect(try await phone.store.status().device == .revoked)
    }

    @Test func aClosedStoreSaysSoAndGoesOnWhenItIsReopened() async throws {
        let phone = try await Server.shared.value.phone()
        let customer = try await phone.customer()
        try await phone.store.close()
        #expect(try await phone.store.isClosed)
        #expect(await failure { try await phone.store.startVisit(customer: customer, purpose: .sales) } == .closed)
        #expect(await failure { try await phone.store.status() } == .closed)
        try await phone.store.reopen()
        try await phone.store.startVisit(customer: customer, purpose: .sales)
    }

    @Test func aFileOfANewerVersionIsLeftAlone() async throws {
        let folder = try temporaryFolder()
        do { try await Phone(folder: folder).store.close() }
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let file = folder.appendingPathComponent("phone.db")
        do {
            let phone = try await Phone(folder: folder)
            try await phone.store.close()
            // SQLite's user_version, at its place in the file's header.
            let handle = try FileHandle(forUpdating: file)
            try handle.seek(toOffset: 60)
            try handle.write(contentsOf: Data([0, 0, 0x7f, 0xff]))
            try handle.close()
            let again = Phone.options(folder, phone.installation)
            #expect(await failure { try await FieldStore.open(again) } == .needsNewerApp)
        }
    }

    @Test func aDamagedFileIsSetAsideAndReported() async throws {
        let phone = try await Server.shared.value.phone()
        let customer = try await phone.customer()
        for _ in 0..<50 { try await phone.store.startVisit(customer: customer, purpose: .sales) }
        try await phone.store.close()
        let file = phone.folder.appendingPathComponent("phone.db")
        let size = try #require(try FileManager.default.attributesOfItem(atPath: file.path)[.size] as? UInt64)
        let handle = try FileHandle(forUpdating: file)
        for offset in stride(from: UInt64(4096), to: size, by: 8192) {
            try handle.seek(toOffset: offset)
            try handle.write(contentsOf: Data(repeating: 0xa5, count: 512))
        }
        try handle.close()
        // The damage is met while opening or at work; then opening anew salvages.
        var store: FieldStore?
        do {
            let opened = try await FieldStore.open(Phone.options(phone.folder, phone.installation))
            if opened.openingReport == nil { _ = try await opened.list(ListQuery(kind: .visit, limit: 1000)) }
            store = opened
        } catch FieldledgerError.damaged {
            store = try await FieldStore.open(Phone.options(phone.folder, phone.installation))
        }
        let report = try #require(store?.openingReport)
        #expect(FileManager.default.fileExists(atPath: report.setAside.path))
        #expect(report.reason.isEmpty == false)
    }

    @Test func aKeyEncryptsTheFileOrIsRefused() async throws {
        struct Keys: KeySupply {
            let present: Data?
            var pending: Data?
            struct Locked: LocalizedError { var errorDescription: String? { "unlock the phone first" } }
            func databaseKey() async throws -> Data {
                guard let present else { throw Locked() }
                return present
            }
            func pendingKey() async throws -> Data? { pending }
        }
        let folder = try temporaryFolder()
        defer { try? FileManager.default.removeItem(at: folder) }
        func opened(_ keys: Keys?) async throws -> FieldStore {
            var options = Phone.options(folder)
            options.keys = keys
            return try await FieldStore.open(options)
        }
        let (one, two) = (try FieldStore.generateKey(), try FieldStore.generateKey())
        #expect(one.count == 32 && one != two)
        let store: FieldStore
        do {
            store = try await opened(Keys(present: one, pending: two))
        } catch FieldledgerError.invalid(field: "key", _) {
            // This library was built without encryption, and says so instead of writing a plain file.
            #expect(Self.encrypted == nil)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
            return
        }
        let file = Phone.options(folder).file
        #expect(try await FieldStore.encryption(file) == .encrypted)
        try await store.rotateKey(two)
        #expect(try await store.openedWithPendingKey())
        try await store.close()
        #expect(await failure { try await opened(nil) } == .keyNeeded)
        #expect(await failure { try await opened(Keys(present: one)) } == .wrongKey)
        #expect(await failure { try await opened(Keys(present: nil)) } == .keyUnavailable("unlock the phone first"))
        try await opened(Keys(present: two)).close()
        try await FieldStore.decrypt(file, key: two)
        #expect(await failure { try await opened(Keys(present: two)) } == .notEncrypted)
        try await opened(nil).close()
    }

    /// Set where the library was built with encryption.
    static let encrypted = ProcessInfo.processInfo.environment["FIELDLEDGER_ENCRYPTED"]

    /// Secrets in memory, as a keychain would keep them.
    final class Secrets: SecretStore {
        let kept = Guarded<[String: Data]>([:])
        func secret(_ name: String) -> Data? { kept.withLock { $0[name] } }
        func set(_ name: String, _ secret: Data?) { kept.withLock { $0[name] = secret } }
        func adding(_ name: String, _ secret: Data) -> Data {
            kept.withLock {
                let now = $0[name] ?? secret
                $0[name] = now
                return now
            }
        }
    }

    @Test func storedKeysAreMadeOnceAndRotatedAsOftenAsOneLikes() async throws {
        let secrets = Secrets()
        let keys = StoredKeys(in: secrets)
        let first = try keys.databaseKey()
        #expect(try first.count == 32 && keys.databaseKey() == first && keys.pendingKey() == nil)
        guard Self.encrypted != nil else { return }
        let folder = try temporaryFolder()
        defer { try? FileManager.default.removeItem(at: folder) }
        var options = Phone.options(folder)
        options.keys = keys
        let store = try await FieldStore.open(options)
        var known: Set<Data> = [first]
        // Twice without opening anew: the key that the database has must not be lost.
        for _ in 1...2 {
            try await keys.rotate(store)
            #expect(try known.insert(keys.databaseKey()).inserted && keys.pendingKey() == nil)
        }
        try await store.close()
        try await store.reopen()
        // A rotation whose last step was cut off.
        let pending = try FieldStore.generateKey()
        secrets.set("fieldledger.key.pending", pending)
        try await store.rotateKey(pending)
        try await store.close()
        try await store.reopen()
        #expect(try await store.openedWithPendingKey())
        try await keys.rotate(store)
        #expect(try keys.databaseKey() == pending && keys.pendingKey() == nil)
        try await store.close()
        try await store.reopen()
    }

    static let fullDisk = ProcessInfo.processInfo.environment["FIELDLEDGER_FULL_DISK"]

    @Test(.enabled(if: fullDisk != nil, "needs a small file system of its own, which test.sh makes"))
    func aFullDiskIsSaidAndNothingThatWasAcknowledgedIsLost() async throws {
        let disk = URL(fileURLWithPath: try #require(Self.fullDisk))
        let phone = try await Phone(folder: disk.appendingPathComponent("phone-\(UUID())").makingFolder())
        let server = try await Server.shared.value
        try await phone.store.enrol(serverURL: server.url, code: server.code(), deviceName: "full")
        try await phone.store.syncOnce()
        let customer = try await phone.customer()
        var recorded: [DocumentId] = []
        let full = await failure {
            while true {
                let visit = try await phone.store.startVisit(customer: customer, purpose: .sales)
                recorded.append(visit.id)
                try await phone.store.checkOut(visit.id, CheckOut(note: noise(20_000)))
            }
        }
        #expect(full == .storageFull)
        #expect(!recorded.isEmpty)
        for id in recorded { #expect(try await phone.store.visit(id) != nil) }
    }

    // MARK: The log

    @Test func theLogArrives() async throws {
        let lines = Lines()
        setLogSink(lines, level: .debug)
        defer { setLogSink(nil) }
        let phone = try await Server.shared.value.phone()
        struct Broken: Error {}
        let subscription = try phone.store.subscribe { _ in throw Broken() }
        try await phone.store.startVisit(customer: phone.customer(), purpose: .sales)
        try await eventually("the log told of the listener") { lines.all.contains { $0.message.contains("listener") && $0.level == .warn } }
        subscription.cancel()
    }
}

final class Lines: LogSink, @unchecked Sendable {
    private let lock = NSLock()
    private var lines: [LogLine] = []
    var all: [LogLine] { lock.withLock { lines } }
    func write(_ lines: [LogLine]) { lock.withLock { self.lines += lines } }
}

/// What `work` throws of ours; `nil` when it succeeds.
func failure(_ work: () async throws -> some Any) async -> FieldledgerError? {
    do {
        _ = try await work()
        return nil
    } catch let error as FieldledgerError {
        return error
    } catch {
        return .internal("not one of ours: \(error)")
    }
}

extension FieldledgerError {
    /// The field that it names.
    var field: String? { if case .invalid(let field, _) = self { field } else { nil } }
}

/// Text that does not compress.
func noise(_ length: Int) -> String { String((0..<length).map { _ in "abcdefghijklmnopqrstuvwxyz0123456789".randomElement() ?? "a" }) }

extension URL {
    func makingFolder() throws -> URL {
        try FileManager.default.createDirectory(at: self, withIntermediateDirectories: true)
        return self
    }
}

/// Waits until `condition` holds; fails when it does not within a generous while.
func eventually(_ what: String, _ condition: () async throws -> Bool) async throws {
    for _ in 0..<600 {
        if try await condition() { return }
        try await Task.sleep(for: .milliseconds(50))
    }
    throw Failure("\(what): it did not happen")
}
