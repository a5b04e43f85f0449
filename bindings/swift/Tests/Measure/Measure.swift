// By hand: what calls cost (`measure costs URL CODE FOLDER [VISITS]`). For the tests: a process that records until it is killed
// (`measure record FOLDER CUSTOMER INSTALLATION`), and tells of each document once it is recorded.
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
        default:
            print("usage: measure costs URL CODE FOLDER [VISITS] | measure record FOLDER CUSTOMER INSTALLATION")
            exit(2)
        }
    }

    static func open(_ folder: String, _ installation: UUID) async throws -> FieldStore {
        let file = URL(fileURLWithPath: folder).appendingPathComponent("phone.db")
        return try await FieldStore.open(StoreOptions(file: file, installation: installation))
    }

    static func record(_ folder: String, _ customer: String, _ installation: String) async throws {
        guard let customer = CustomerId(customer), let installation = UUID(uuidString: installation) else { exit(2) }
        let store = try await open(folder, installation)
        while true {
            let visit = try await store.startVisit(customer: customer, purpose: .sales)
            // Straight to the pipe: what is printed was acknowledged.
            FileHandle.standardOutput.write(Data("\(visit.id)\n".utf8))
        }
    }

    static func costs(_ url: String, _ code: String, _ folder: String, visits: Int) async throws {
        let clock = ContinuousClock()
        func tell(_ what: String, _ duration: Duration, per count: Int = 1) {
            let micros = Double(duration.components.seconds) * 1e6 + Double(duration.components.attoseconds) / 1e12
            print("\(what): \(String(format: "%.1f", micros / Double(count))) µs")
        }
        tell("first call after load", clock.measure { _ = FieldStore.libraryVersion })
        tell("the same again", clock.measure { _ = FieldStore.libraryVersion })
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
