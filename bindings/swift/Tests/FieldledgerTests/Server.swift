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
func run(_ program: URL, _ arguments: [String], environment: [String: String] = [:]) throws -> (code: Int32, out: String, error: String) {
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
    try process.run()
    process.waitUntilExit()
    let text = { try String(contentsOf: $0, encoding: .utf8) }
    return (process.terminationStatus, try text(out), try text(error))
}

final class Server: Sendable {
    let url: String
    let process: Int32
    private let folder: URL
    private let program: URL
    private let running: Running

    /// The one that most tests use.
    static let shared = Result { try Server() }

    private final class Running: @unchecked Sendable {
        let process: Process
        let output: Pipe
        init(_ process: Process, _ output: Pipe) { (self.process, self.output) = (process, output) }
    }

    init(products: Int = 2) throws {
        guard let binary = ProcessInfo.processInfo.environment["FIELDLEDGER_BIN"] else {
            throw Failure("FIELDLEDGER_BIN has to name the server's binary")
        }
        program = URL(fileURLWithPath: binary)
        folder = try temporaryFolder()
        let books = folder.appendingPathComponent("books", isDirectory: true)
        try FileManager.default.createDirectory(at: books, withIntermediateDirectories: true)
        var goods = "key,name,price\nP1,Ceylon tea 锡兰红茶,12.50\nP2,Darjeeling,99.99\n"
        for number in 2..<max(products, 2) { goods += "P\(number + 1),Mug \(number),1.00\n" }
        let files = [
            "mapping.toml": mapping,
            "people.csv": "key,name,boss,roles\nboss,Zhao Lei,,supervisor\nanna,李娜,boss,rep\n",
            "products.csv": goods,
            "customers.csv": "key,name,rep,limit\nC1,茶馆 Tea house,anna,100000.00\nC2,Corner shop,anna,0.00\n",
        ]
        for (name, text) in files {
            try text.write(to: books.appendingPathComponent(name), atomically: true, encoding: .utf8)
        }
        let environment = ["FIELDLEDGER_DATA": folder.appendingPathComponent("data").path]
        let mapped = books.appendingPathComponent("mapping.toml").path
        let imported = try serverCommand(program, ["import", "--mapping", mapped, books.path], environment)
        guard imported.contains("Every row was imported") else { throw Failure("the import said: \(imported)") }

        let process = Process()
        process.executableURL = program
        process.arguments = ["serve", "--listen", "127.0.0.1:0", "--log", "warn"]
        process.environment = environment.merging(["PATH": "/usr/bin:/bin", "HOME": "/tmp"]) { given, _ in given }
        process.standardInput = FileHandle.nullDevice
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        self.process = process.processIdentifier
        running = Running(process, output)
        var first = ""
        while !first.contains("\n") {
            let bytes = output.fileHandleForReading.availableData
            if bytes.isEmpty { throw Failure("the server ended after saying: \(first)") }
            first += String(decoding: bytes, as: UTF8.self)
        }
        guard let address = first.split(separator: "\n").first?.split(separator: " ").last, address.hasPrefix("http://") else {
            throw Failure("the server said: \(first)")
        }
        url = String(address)
        // Nobody lets go of the shared one.
        Server.started.append(process.processIdentifier)
    }

    deinit {
        running.process.terminate()
        running.process.waitUntilExit()
        try? FileManager.default.removeItem(at: folder)
    }

    private static let started: StartedServers = {
        atexit { for id in Server.started.ids { kill(id, SIGKILL) } }
        return StartedServers()
    }()

    /// Runs a command beside the running server.
    func command(_ arguments: String...) throws -> String {
        try serverCommand(program, arguments, ["FIELDLEDGER_DATA": folder.appendingPathComponent("data").path])
    }

    /// A one-time code for a phone of a person.
    func code(for person: String = "anna") throws -> String {
        let said = try command("device", "enrol", person)
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

private func serverCommand(_ program: URL, _ arguments: [String], _ environment: [String: String]) throws -> String {
    let ended = try run(program, arguments, environment: environment)
    guard ended.code == 0 else { throw Failure("\(arguments): \(ended.out)\(ended.error)") }
    return ended.out
}

private final class StartedServers: @unchecked Sendable {
    private let lock = NSLock()
    private var started: [Int32] = []
    var ids: [Int32] { lock.withLock { started } }
    func append(_ id: Int32) { lock.withLock { started.append(id) } }
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
    assessed_on = "2026-01-10"
    assessor = "finance"
    evidence = "accounts"
    valid_until = "2036-01-10"
    """
