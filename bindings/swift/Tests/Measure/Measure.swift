// By hand: what calls cost (`measure costs URL CODE FOLDER [VISITS]`). For the tests: a process that records until it is killed
// (`measure record FOLDER CUSTOMER INSTALLATION`), and tells of each document once it is recorded; one that syncs without a pause
// and records beside it (`measure sync FOLDER INSTALLATION`); one that says the library's version (`measure version`).
import Fieldledger
import Foundation

@main
struct Measure {
    static func main() async throws {
        let arguments = Array(CommandLine.arguments.dropFirst())
        switch (arguments.first, arguments.count) {
        case ("costs", 4...5):
            try await costs(arguments[1], arguments[2], arguments[3], visits: arguments.count == 5 ? Int(arguments[4]) ?? 1000 : 1000)
        case ("record", 4): try await record(arguments[1], arguments[2], arguments[3])
        case ("sync", 3): try await sync(arguments[1], arguments[2])
        case ("version", 1): try await version()
        default:
            print("usage: measure costs URL CODE FOLDER [VISITS] | record FOLDER CUSTOMER INSTALLATION | sync FOLDER INSTALLATION | version")
            exit(2)
        }
    }

    static func open(_ folder: String, _ installation: UUID) async throws -> FieldStore {
        let file = URL(fileURLWithPath: folder).appendingPathComponent("phone.db")
        return try await FieldStore.open(StoreOptions(file: file, installation: installation))
    }

    static func record(_ folder: String, _ customer: String, _ installation: String) async throws {
        guard let customer = CustomerId(customer), let installation = UUID(uuidString: installation) else { exit(2) }
        try await record(open(folder, installation), customer)
    }

    static func record(_ store: FieldStore, _ customer: CustomerId) async throws {
        while true {
            let visit = try await store.startVisit(customer: customer, purpose: .sales)
            say("\(visit.id)")
        }
    }

    static func sync(_ folder: String, _ installation: String) async throws {
        guard let installation = UUID(uuidString: installation) else { exit(2) }
        let store = try await open(folder, installation)
        let customer = try await store.customers().first?.id
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                while true {
                    say("syncing")
                    do { try await store.syncOnce() } catch { say("failed \(error)") }
                    say("synced")
                }
            }
            if let customer { group.addTask { try await record(store, customer) } }
            try await group.waitForAll()
        }
    }

    /// What the library says of itself, in each way in which it can be asked first.
    static func version() async throws {
        do { say("version \(try FieldStore.libraryVersion)") } catch { say("version: \(error.localizedDescription)") }
        say("log \(setLogSink(nil))")
        let nowhere = URL(fileURLWithPath: "/")
        do { try FieldStore.checkPath(nowhere) } catch { say("path: \(error.localizedDescription)") }
        do { _ = try FieldStore.generateKey() } catch { say("key: \(error.localizedDescription)") }
        do { _ = try await FieldStore.encryption(nowhere) } catch { say("encryption: \(error.localizedDescription)") }
        do { _ = try await open("/", UUID()) } catch { say("open: \(error.localizedDescription)") }
    }

    /// Straight to the pipe: what is printed was acknowledged.
    static func say(_ line: String) { FileHandle.standardOutput.write(Data("\(line)\n".utf8)) }

    static func costs(_ url: String, _ code: String, _ folder: String, visits: Int) async throws {
        let clock = ContinuousClock()
        func tell(_ what: String, _ duration: Duration, per count: Int = 1) {
            let micros = Double(duration.components.seconds) * 1e6 + Double(duration.components.attoseconds) / 1e12
            print("\(what): \(String(format: "%.1f", micros / Double(count))) µs")
        }
        tell("first call after load", try clock.measure { _ = try FieldStore.libraryVersion })
        tell("the same again", try clock.measure { _ = try FieldStore.libraryVersion })
        try FieldStore.prepareFolder(at: URL(fileURLWithPath: folder))
        let started = clock.now
        let store = try await open(folder, UUID())
        tell("open, fresh database", clock.now - started)
        try await store.enrol(serverURL: url, code: code, deviceName: "measure")
        try await store.syncOnce()
        guard let customer = try await store.customers().first?.id else { fatalError("no customer") }

        tell("one synchronous call (line id)", try clock.measure { for _ in 0..<10_000 { _ = try store.lineId() } }, per: 10_000)
        tell("one asynchronous call (a customer)", try await clock.measure { for _ in 0..<2_000 { _ = try await store.customer(customer) } }, per: 2_000)
        tell("record a visit", try await clock.measure { for _ in 0..<visits { try await store.startVisit(customer: customer, purpose: .sales) } }, per: visits)
        let query = ListQuery(kind: .visit, limit: visits)
        var rows = 0
        tell("list \(visits) visits, first time", try await clock.measure { rows = try await store.list(query).count })
        tell("list \(visits) visits", try await clock.measure { for _ in 0..<5 { rows = try await store.list(query).count } }, per: 5)
        precondition(rows == visits)
        tell("sync of \(visits) visits", try await clock.measure { try await store.syncOnce() })
        try await store.close()
    }
}
