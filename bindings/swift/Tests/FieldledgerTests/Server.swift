// A company and its server, as processes: the binary that FIELDLEDGER_BIN names, in a temporary folder, on a free loopback port.
import Fieldledger
import Foundation

struct Failure: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

func temporaryFolder() throws -> URL {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("fieldledger-\(UUID())", isDirectory: true)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    return folder
}

/// An executable of this package, beside the tests' own.
func executable(_ name: String) -> URL {
    let tests = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
    var folder = tests.deletingLastPathComponent()
    while folder.path != "/", !FileManager.default.fileExists(atPath: folder.appendingPathComponent(name).path) {
        folder.deleteLastPathComponent()
    }
    return folder.appendingPathComponent(name)
}

/// Runs a program to its end. What it wrote goes through files: pipes that nobody reads would stop it.
@discardableResult
func run(
    _ program: URL, _ arguments: [String], environment: [String: String] = [:]
) async throws -> (code: Int32, out: String, error: String) {
    let folder = try temporaryFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    let (out, error) = (folder.appendingPathComponent("out"), folder.appendingPathComponent("error"))
    for file in [out, error] { try Data().write(to: file) }
    let process = Process()
    process.executableURL = program
    process.arguments = arguments
    process.environment = environment.merging(["PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": "/tmp"]) { given, _ in given }
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = try FileHandle(forWritingTo: out)
    process.standardError = try FileHandle(forWritingTo: error)
    let code = try await withCheckedThrowingContinuation { (ended: CheckedContinuation<Int32, any Error>) in
        process.terminationHandler = { ended.resume(returning: $0.terminationStatus) }
        do { try process.run() } catch { ended.resume(throwing: error) }
    }
    let text = { try String(contentsOf: $0, encoding: .utf8) }
    return (code, try text(out), try text(error))
}

/// A program that runs on, and what it writes.
final class Child: @unchecked Sendable {
    let id: Int32
    private let process = Process()
    private let output = Pipe()
    private var text = ""

    init(_ program: URL, _ arguments: [String], environment: [String: String] = [:]) throws {
        process.executableURL = program
        process.arguments = arguments
        process.environment = environment.merging(["PATH": "/usr/bin:/bin", "HOME": "/tmp"]) { given, _ in given }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        try process.run()
        id = process.processIdentifier
        Self.running.withLock { _ = $0.insert(id) }
    }

    /// What it has written, once it has so many lines; all of it for none.
    func lines(atLeast count: Int?) async throws -> [Substring] {
        try await withCheckedThrowingContinuation { (done: CheckedContinuation<[Substring], any Error>) in
            // Reading waits: not on a thread that other tests need.
            DispatchQueue.global().async {
                while true {
                    let lines = self.text.split(separator: "\n")
                    // The last one may not be whole.
                    if let count, lines.count > count || (lines.count == count && self.text.hasSuffix("\n")) {
                        return done.resume(returning: lines)
                    }
                    let bytes = self.output.fileHandleForReading.availableData
                    if bytes.isEmpty {
                        if count == nil { return done.resume(returning: lines) }
                        return done.resume(throwing: Failure("the process ended after saying: \(self.text)"))
                    }
                    self.text += String(decoding: bytes, as: UTF8.self)
                }
            }
        }
    }

    /// Sends it a signal.
    func signal(_ signal: Int32) { kill(id, signal) }

    deinit {
        kill(id, SIGKILL)
        Self.running.withLock { _ = $0.remove(id) }
    }

    /// Those of tests that let go of nothing end with the tests.
    private static let running: Guarded<Set<Int32>> = {
        atexit { for id in Child.running.withLock({ $0 }) { kill(id, SIGKILL) } }
        return Guarded([])
    }()
}

/// A value that one thread at a time looks at.
final class Guarded<Value>: @unchecked Sendable {
    private let lock = NSLock()
    private var value: Value
    init(_ value: Value) { self.value = value }
    func withLock<Result>(_ work: (inout Value) throws -> Result) rethrows -> Result {
        lock.lock()
        defer { lock.unlock() }
        return try work(&value)
    }
}

final class Server: Sendable {
    let url: String
    let child: Child
    private let folder: URL
    private let program: URL

    /// The one that most tests use.
    static let shared = Task { try await Server() }

    init(products: Int = 2) async throws {
        guard let binary = ProcessInfo.processInfo.environment["FIELDLEDGER_BIN"] else {
            throw Failure("FIELDLEDGER_BIN has to name the server's binary")
        }
        program = URL(fileURLWithPath: binary)
        folder = try temporaryFolder()
        let books = try folder.appendingPathComponent("books", isDirectory: true).makingFolder()
        var goods = "key,name,price\nP1,Ceylon tea 锡兰红茶,12.50\nP2,Darjeeling,99.99\n"
        for number in 2..<max(products, 2) { goods += "P\(number + 1),Mug \(number),1.00\n" }
        let files = [
            "mapping.toml": mapping,
            "people.csv": "key,name,boss,roles\nboss,Zhao Lei,,\"supervisor,finance\"\nanna,李娜,boss,\"rep,driver\"\n",
            "products.csv": goods,
            "customers.csv": "key,name,rep,limit\nC1,茶馆 Tea house,anna,100000.00\nC2,Corner shop,anna,0.00\n",
        ]
        for (name, text) in files {
            try text.write(to: books.appendingPathComponent(name), atomically: true, encoding: .utf8)
        }
        let data = folder.appendingPathComponent("data").path
        let mapped = books.appendingPathComponent("mapping.toml").path
        let imported = try await run(program, ["import", "--mapping", mapped, books.path], environment: ["FIELDLEDGER_DATA": data])
        guard imported.out.contains("Every row was imported") else { throw Failure("the import said: \(imported)") }
        let serve = ["serve", "--listen", "127.0.0.1:0", "--log", "warn", "--enrol-per-minute", "0", "--sync-per-minute", "0"]
        child = try Child(program, serve, environment: ["FIELDLEDGER_DATA": data])
        guard let said = try await child.lines(atLeast: 1).first, let address = said.split(separator: " ").last,
            address.hasPrefix("http://")
        else { throw Failure("the server did not say where it listens") }
        url = String(address)
        // What a customer may have on credit has to have been assessed by somebody.
        try await command("credit", "assess", "C1", "--valid-until", "2099-12-31", "--evidence", "accounts", "--as", "boss")
    }

    deinit {
        child.signal(SIGKILL)
        try? FileManager.default.removeItem(at: folder)
    }

    /// Runs a command beside the running server.
    @discardableResult
    func command(_ arguments: String...) async throws -> String {
        let data = folder.appendingPathComponent("data").path
        let ended = try await run(program, arguments, environment: ["FIELDLEDGER_DATA": data])
        guard ended.code == 0 else { throw Failure("\(arguments): \(ended.out)\(ended.error)") }
        return ended.out
    }

    /// A one-time code for a phone of a person.
    func code(for person: String = "anna") async throws -> String {
        let said = try await command("device", "enrol", person)
        guard let code = said.split(separator: "\n").first else { throw Failure("no code in: \(said)") }
        return String(code)
    }

    /// A phone that is enrolled and has synced.
    func phone(of person: String = "anna") async throws -> Phone {
        let phone = try await Phone()
        try await phone.store.enrol(serverURL: url, code: code(for: person), deviceName: "test")
        try await phone.store.syncOnce()
        return phone
    }
}

/// A store in a folder of its own.
final class Phone: Sendable {
    let folder: URL
    let installation: UUID
    let store: FieldStore

    init(folder: URL? = nil, installation: UUID = UUID()) async throws {
        self.folder = try folder ?? temporaryFolder()
        self.installation = installation
        store = try await FieldStore.open(Self.options(self.folder, installation))
    }

    static func options(_ folder: URL, _ installation: UUID = UUID()) -> StoreOptions {
        StoreOptions(file: folder.appendingPathComponent("phone.db"), installation: installation, appVersion: "1", platform: "test")
    }

    func customer(_ code: String = "C1") async throws -> CustomerId {
        guard let found = try await store.customers().first(where: { $0.code == code }) else { throw Failure("no \(code)") }
        return found.id
    }

    deinit { try? FileManager.default.removeItem(at: folder) }
}

private let mapping = """
    [organisation]
    name = "Linden 林登"
    time_zone = "Asia/Shanghai"
    currency = "CNY"
    geofence_metres = 200
    [reading]
    date = "%Y-%m-%d"
    [people]
    file = "people.csv"
    key = "{key}"
    name = "{name}"
    login = "{key}"
    supervisor = "{boss}"
    roles = "{roles}"
    [products]
    file = "products.csv"
    key = "{key}"
    name = "{name}"
    unit = "piece"
    price = "{price}"
    [customers]
    file = "customers.csv"
    key = "{key}"
    name = "{name}"
    territory = "North"
    rep = "{rep}"
    [credit]
    file = "customers.csv"
    customer = "{key}"
    limit = "{limit}"
    terms_days = 30
    """
