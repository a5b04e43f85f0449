// What happens at the same time: calls, listeners, syncs, ends.
import Foundation
import Testing

import Fieldledger

@Suite struct TogetherTests {
    @Test func fiftyCallsDuringASyncAllSucceed() async throws {
        let phone = try await Server.shared.value.phone()
        let store = phone.store
        let customer = try await phone.customer()
        for _ in 0..<20 { try await store.startVisit(customer: customer, purpose: .sales) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await store.syncOnce() }
            for number in 0..<50 {
                group.addTask {
                    switch number % 3 {
                    case 0: try await store.startVisit(customer: customer, purpose: .collection)
                    case 1: _ = try await store.list(ListQuery(kind: .visit, limit: 100))
                    default: _ = try await store.creditView(customer)
                    }
                }
            }
            try await group.waitForAll()
        }
        try await store.syncOnce()
        #expect(try await store.status().waiting == 0)
        let mine = try #require(store.identity).user
        #expect(try await store.list(ListQuery(kind: .visit, owner: mine, limit: 1000)).filter { $0.sync == .synced }.count >= 37)
    }

    @Test func observationsTellOfEveryChangeButNotOnceForEach() async throws {
        let phone = try await Server.shared.value.phone()
        let store = phone.store
        let customer = try await phone.customer()
        let before = try await store.list(ListQuery(kind: .visit, limit: 1000)).count
        let seen = Task {
            var counts: [Int] = []
            for try await rows in store.observeList(ListQuery(kind: .visit, limit: 1000)) {
                counts.append(rows.count)
                if rows.count == before + 60 { break }
                // Slower than what happens.
                try await Task.sleep(for: .milliseconds(20))
            }
            return counts
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<60 { group.addTask { try await store.startVisit(customer: customer, purpose: .sales) } }
            try await group.waitForAll()
        }
        let counts = try await seen.value
        #expect(counts.last == before + 60 && counts == counts.sorted() && Set(counts).count == counts.count)
    }

    @Test func aListenerStormLosesNothingAndHoldsUpNobody() async throws {
        let phone = try await Server.shared.value.phone()
        let store = phone.store
        let customer = try await phone.customer()
        let heard = Heard()
        var subscriptions: [ChangeSubscription] = []
        for number in 0..<40 {
            subscriptions.append(
                try store.subscribe { changes in
                    heard.add(number, changes)
                    struct Broken: Error {}
                    // Some throw, some are slow; the others hear all the same.
                    if number % 4 == 0 { throw Broken() }
                    if number % 4 == 1 { Thread.sleep(forTimeInterval: 0.01) }
                })
        }
        for _ in 0..<30 { try await store.startVisit(customer: customer, purpose: .sales) }
        try await store.newDelivery(NewDelivery(customer: customer, number: "S", lines: []))
        try await eventually("everybody heard of the last") {
            (0..<40).allSatisfy { heard.of($0).isSuperset(of: [.documents(.visit), .documents(.delivery)]) }
        }
        for subscription in subscriptions { subscription.cancel() }
        let calls = heard.calls
        try await store.startVisit(customer: customer, purpose: .sales)
        try await Task.sleep(for: .milliseconds(100))
        #expect(heard.calls == calls)
    }

    @Test func aListenerMayUseTheStore() async throws {
        let phone = try await Server.shared.value.phone()
        let store = phone.store
        let customer = try await phone.customer()
        let heard = Heard()
        let subscription = try store.subscribe { changes in
            guard changes.contains(.documents(.visit)) else { return }
            heard.add(heard.calls, changes)
            // Waits here, on the listener's own thread, for a call that writes and one that reads.
            let done = DispatchSemaphore(value: 0)
            Task {
                _ = try await store.status()
                if heard.calls == 1 { try await store.newDelivery(NewDelivery(customer: customer, number: "R", lines: [])) }
                done.signal()
            }
            done.wait()
        }
        try await store.startVisit(customer: customer, purpose: .sales)
        try await eventually("the listener wrote") { try await store.list(ListQuery(kind: .delivery, text: "R", limit: 10)).count == 1 }
        try await store.startVisit(customer: customer, purpose: .sales)
        try await eventually("the listener heard again") { heard.calls >= 2 }
        subscription.cancel()
    }

    @Test func anObservationWaitsWhileTheStoreIsClosedAndEndsWithItsTask() async throws {
        let phone = try await Server.shared.value.phone()
        let store = phone.store
        let customer = try await phone.customer()
        let seen = Heard()
        let watching = Task {
            for try await today in store.observeToday() { seen.count(today.visits.count) }
        }
        try await eventually("the first value") { seen.calls == 1 }
        try await store.close()
        store.refreshObservations()
        try await store.reopen()
        try await store.startVisit(customer: customer, purpose: .sales)
        try await eventually("a value after reopening") { seen.last == (seen.first ?? 0) + 1 }
        watching.cancel()
        try await watching.value

        struct Broken: Error {}
        var iterator = store.observe { _ -> Int in throw Broken() }.makeAsyncIterator()
        do {
            _ = try await iterator.next()
            Issue.record("the query's error did not come")
        } catch is Broken {}
        #expect(try await iterator.next() == nil)
    }

    @Test func changesEndWithTheStore() async throws {
        func changesOfAStoreThatIsLetGoOf() async throws -> ChangeSequence.AsyncIterator {
            try await Phone().store.changes().makeAsyncIterator()
        }
        var changes = try await changesOfAStoreThatIsLetGoOf()
        #expect(await changes.next() == nil)
    }

    @Test func aReadOfACancelledTaskIsNotBegunButAWriteIsDone() async throws {
        let phone = try await Server.shared.value.phone()
        let store = phone.store
        let customer = try await phone.customer()
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            #expect(await failure { try await store.status() } == .cancelled)
            #expect(await failure { try await store.syncOnce() } == .cancelled)
            return try await store.startVisit(customer: customer, purpose: .sales)
        }
        let visit = try await task.value
        #expect(try await store.visit(visit.id) != nil)
    }

    @Test func cancellingEndsASyncThatHangsAndTheNextOneFinishesIt() async throws {
        let server = try await Server()
        let phone = try await server.phone()
        let store = phone.store
        let visit = try await store.startVisit(customer: phone.customer(), purpose: .sales)
        server.child.signal(SIGSTOP)
        let syncing = Task { try await store.syncOnce() }
        // Long enough for the request to be on its way; the outcome is the same if it is not.
        try await Task.sleep(for: .milliseconds(300))
        syncing.cancel()
        #expect(await failure { try await syncing.value } == .cancelled)
        // The store is whole and usable meanwhile.
        #expect(try await store.row(visit.id)?.sync == .waiting)
        let another = try await store.startVisit(customer: phone.customer(), purpose: .sales)
        server.child.signal(SIGCONT)
        try await store.syncOnce()
        #expect(try await store.row(visit.id)?.sync == .synced)
        #expect(try await store.row(another.id)?.sync == .synced)
    }

    @Test func aStoreThatIsClosedDuringASyncIsWholeAfterwards() async throws {
        let server = try await Server()
        let phone = try await server.phone()
        let store = phone.store
        let customer = try await phone.customer()
        for _ in 0..<10 { try await store.startVisit(customer: customer, purpose: .sales) }
        server.child.signal(SIGSTOP)
        let syncing = Task { try await store.syncOnce() }
        try await Task.sleep(for: .milliseconds(300))
        try await store.close()
        server.child.signal(SIGCONT)
        #expect(await failure { try await syncing.value } == .closed)
        try await store.reopen()
        try await store.syncOnce()
        #expect(try await store.status().waiting == 0)
        #expect(try await store.list(ListQuery(kind: .visit, limit: 100)).filter { $0.sync == .synced }.count == 10)
    }

    @Test func aSyncInTheBackgroundFollowsWhatIsRecordedUntilItIsStopped() async throws {
        let server = try await Server()
        let (phone, other) = (try await server.phone(), try await server.phone())
        let handle = try await phone.store.startSync()
        let stored = Guarded<UInt64>(0)
        let states = Task {
            var last: SyncState?
            for await state in handle {
                last = state
                if case .upToDate(let report) = state { stored.withLock { $0 = UInt64(report.evidence.stored) } }
            }
            return last
        }
        let visit = try await phone.store.startVisit(customer: phone.customer(), purpose: .sales)
        try await eventually("the visit was sent") { try await phone.store.row(visit.id)?.sync == .synced }
        try await other.store.startVisit(customer: other.customer(), purpose: .service)
        try await other.store.syncOnce()
        try await eventually("the other's visit came") { try await phone.store.list(ListQuery(kind: .visit, limit: 10)).count == 2 }
        handle.networkReturned()
        let photo = phone.folder.appendingPathComponent("background.jpg")
        try Data("sent without asking".utf8).write(to: photo)
        try await phone.store.attachEvidence(visit.id, file: photo, NewEvidence(kind: .photo, mediaType: "image/jpeg"))
        try await eventually("the state told of the photo") { stored.withLock { $0 } == 1 }
        await handle.stop()
        #expect(handle.hasEnded)
        #expect(await states.value == .stopped(nil))
    }

    @Test func anAppThatComesAndGoesQuicklyEndsAsItIsSeen() async throws {
        let phone = try await Server.shared.value.phone()
        let lifecycle = await StoreLifecycle(phone.store)
        // Nothing is waited for in between, as a person's thumb does not wait.
        for _ in 1...5 {
            await lifecycle.enterForeground()
            await lifecycle.enterBackground()
        }
        let sync = try await lifecycle.enterForeground().value
        #expect(sync?.hasEnded == false)
        #expect(try await phone.store.status().waiting == 0)
        // The system's background task ends under a visible screen: the store stays open.
        try await lifecycle.syncInBackground()
        #expect(try await phone.store.isClosed == false)
        await lifecycle.enterForeground()
        try await lifecycle.enterBackground().value
        #expect(sync?.hasEnded == true)
        #expect(await failure { try await phone.store.status() } == .closed)
        try await lifecycle.syncInBackground()
        #expect(await failure { try await phone.store.status() } == .closed)
        let cancelled = Task { try await lifecycle.syncInBackground() }
        cancelled.cancel()
        _ = await cancelled.result
        #expect(await failure { try await phone.store.status() } == .closed)
    }

    @Test func theAppTellsWhatNetworkThereIsAndWhatMayGoOverIt() async throws {
        final class Monitor: NetworkMonitor {
            let now = Guarded<NetworkState?>(NetworkState.none)
            let policy = Guarded(UploadPolicy.notMetered)
            var state: NetworkState? { now.withLock { $0 } }
            var uploadPolicy: UploadPolicy { policy.withLock { $0 } }
        }
        let server = try await Server.shared.value
        let folder = try temporaryFolder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let monitor = Monitor()
        var options = Phone.options(folder)
        options.network = monitor
        let store = try await FieldStore.open(options)
        try await store.enrol(serverURL: server.url, code: server.code(), deviceName: "network")
        #expect(await failure { try await store.syncOnce() } == .offline)
        #expect(try await !store.mayUpload())
        for (state, policy, may) in [
            (NetworkState.unmetered, UploadPolicy.notMetered, true), (.unmetered, .wifiOnly, false), (.wifi, .wifiOnly, true),
            (.metered, .notMetered, false), (.metered, .any, true),
        ] {
            monitor.now.withLock { $0 = state }
            monitor.policy.withLock { $0 = policy }
            #expect(try await store.mayUpload() == may, "\(state) \(policy)")
        }
        // Documents go over any network; a photo waits for the one that the person lets it go over.
        monitor.policy.withLock { $0 = .wifiOnly }
        try await store.syncOnce()
        let customer = try #require(try await store.customers().first)
        let visit = try await store.startVisit(customer: customer.id, purpose: .sales)
        let photo = folder.appendingPathComponent("photo.jpg")
        try Data("a photo".utf8).write(to: photo)
        let hash = try await store.attachEvidence(visit.id, file: photo, NewEvidence(kind: .photo, mediaType: "image/jpeg"))
        #expect(try await store.syncOnce().evidence.left == 1)
        #expect(try await store.status().waiting == 0)
        #expect(try await store.evidenceState(hash) == .waiting)
        monitor.now.withLock { $0 = .wifi }
        #expect(try await store.syncOnce().evidence.stored == 1)
        // A monitor that does not know keeps nobody from syncing.
        monitor.now.withLock { $0 = nil }
        try await store.syncOnce()
        #expect(try await !store.mayUpload())
        try await store.close()
    }

    @Test func whatAKilledProcessAcknowledgedIsThere() async throws {
        let server = try await Server.shared.value
        let phone = try await server.phone()
        let customer = try await phone.customer()
        try await phone.store.close()
        for round in 1...3 {
            let child = try Child(
                executable("measure"), ["record", phone.folder.path, customer.description, phone.installation.uuidString])
            _ = try await child.lines(atLeast: 10 * round)
            child.signal(SIGKILL)
            // What it told of until then was acknowledged; a line that was cut off was not told.
            let told = try await child.lines(atLeast: nil)

            try await phone.store.reopen()
            #expect(phone.store.openingReport == nil)
            let ids = told.compactMap { DocumentId(String($0)) }
            #expect(ids.count >= 10 * round)
            for id in ids { #expect(try await phone.store.visit(id) != nil) }
            try await phone.store.close()
        }
        try await phone.store.reopen()
        try await phone.store.syncOnce()
        #expect(try await phone.store.status().waiting == 0)
    }

    @Test func aProcessKilledInTheMiddleOfASyncLosesNothingAndAnotherOneFinishesIt() async throws {
        let server = try await Server(products: 3_000)
        let phone = try await Phone()
        try await phone.store.enrol(serverURL: server.url, code: server.code(), deviceName: "killed")
        try await phone.store.close()
        var recorded: [DocumentId] = []
        var cutShort = 0

        /// A process that syncs and records, killed so long into its first sync.
        func killed(after: Duration) async throws {
            let child = try Child(executable("measure"), ["sync", phone.folder.path, phone.installation.uuidString])
            _ = try await child.lines(atLeast: 1)
            try await Task.sleep(for: after)
            child.signal(SIGKILL)
            let told = try await child.lines(atLeast: nil)
            recorded += told.compactMap { DocumentId(String($0)) }
            if told.count(where: { $0 == "syncing" }) > told.count(where: { $0 == "synced" }) { cutShort += 1 }
            try await phone.store.reopen()
            #expect(phone.store.openingReport == nil)
            for id in recorded { #expect(try await phone.store.visit(id) != nil, "\(id) is lost") }
            try await phone.store.close()
        }
        // While the first, large answer comes in.
        for after in [5, 60, 150] { try await killed(after: .milliseconds(after)) }
        try await phone.store.reopen()
        try await phone.store.syncOnce()
        #expect(try await phone.store.products(limit: 5_000).count == 3_000)
        try await phone.store.close()
        // With an answer that never comes, to a request that the server has and will do.
        for _ in 0..<2 {
            server.child.signal(SIGSTOP)
            try await killed(after: .milliseconds(400))
            server.child.signal(SIGCONT)
        }
        // Wherever it happens to be.
        for after in [20, 90, 250] { try await killed(after: .milliseconds(after)) }
        #expect(cutShort >= 5 && recorded.count > 5, "\(cutShort) syncs were cut short, \(recorded.count) visits recorded")

        try await phone.store.reopen()
        try await phone.store.syncOnce()
        let status = try await phone.store.status()
        #expect(status.waiting == 0 && status.rejected.isEmpty)
        func visits(_ store: FieldStore) async throws -> [DocumentId] {
            var rows: [DocumentRow] = []
            while true {
                let page = try await store.list(ListQuery(kind: .visit, limit: 200, before: rows.last?.place))
                if page.isEmpty { return rows.map(\.id).sorted { $0.description < $1.description } }
                rows += page
            }
        }
        for id in recorded { #expect(try await phone.store.row(id)?.sync == .synced) }
        let other = try await server.phone()
        let here = try await visits(phone.store)
        #expect(try await visits(other.store) == here && Set(here).count == here.count)
    }
}

/// What listeners heard.
final class Heard: @unchecked Sendable {
    private let lock = NSLock()
    private var heard: [Int: Set<Change>] = [:]
    private var total = 0
    private var counts: [Int] = []
    func add(_ who: Int, _ changes: Set<Change>) {
        lock.withLock {
            heard[who, default: []].formUnion(changes)
            total += 1
        }
    }
    func count(_ number: Int) {
        lock.withLock {
            counts.append(number)
            total += 1
        }
    }
    func of(_ who: Int) -> Set<Change> { lock.withLock { heard[who] ?? [] } }
    var calls: Int { lock.withLock { total } }
    var first: Int? { lock.withLock { counts.first } }
    var last: Int? { lock.withLock { counts.last } }
}
