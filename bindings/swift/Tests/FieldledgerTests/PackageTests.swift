// The package as a whole: that nothing of the core is missing, and that the sample plays its day.
import Foundation
import Testing

import Fieldledger

@Suite struct PackageTests {
    static let environment = ProcessInfo.processInfo.environment

    /// FIELDLEDGER_SYMBOLS names the file that `swift package dump-symbol-graph` writes of this package, FIELDLEDGER_OPERATIONS
    /// one with the public operations of the core's FieldStore, a name a line. Without the second the generated sources tell
    /// them.
    @Test(.enabled(if: environment["FIELDLEDGER_SYMBOLS"] != nil, "test.sh makes the description of the package"))
    func everyOperationOfTheCoreIsAnOperationHereByItsName() throws {
        struct Graph: Decodable {
            struct Symbol: Decodable { let pathComponents: [String] }
            let symbols: [Symbol]
        }
        let file = URL(fileURLWithPath: try #require(Self.environment["FIELDLEDGER_SYMBOLS"]))
        let graph = try JSONDecoder().decode(Graph.self, from: Data(contentsOf: file))
        let here = Set(
            graph.symbols.filter { $0.pathComponents.first == "FieldStore" }.compactMap { $0.pathComponents.dropFirst().first }
                .map { String($0.prefix { $0 != "(" }) })
        let core = try Self.operations()
        #expect(core.count > 70, "the core has more operations than that: \(core)")
        let missing = core.filter { !here.contains($0) }
        #expect(missing.isEmpty, "missing here: \(missing.sorted())")
    }

    /// Names of the core's operations in camel case.
    static func operations() throws -> Set<String> {
        if let file = environment["FIELDLEDGER_OPERATIONS"] {
            let names = try String(contentsOfFile: file, encoding: .utf8).split(whereSeparator: \.isNewline)
            return Set(
                names.map { name in
                    let words = name.trimmingCharacters(in: .whitespaces).split(separator: "_")
                    return (words.prefix(1) + words.dropFirst().map { $0.prefix(1).uppercased() + $0.dropFirst() }).joined()
                }
            ).subtracting([""])
        }
        let source = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../Sources/FieldledgerFFI/Generated/FieldledgerFFI.swift")
        let text = try String(contentsOf: source, encoding: .utf8)
        let start = try #require(text.range(of: "open class FieldStore:")).upperBound
        let end = try #require(text[start...].range(of: "public struct FfiConverterTypeFieldStore")).lowerBound
        var names: Set<String> = ["checkPath"]
        for line in text[start..<end].split(separator: "\n") where line.hasPrefix("open func ") || line.hasPrefix("public static func ") {
            let name = line.drop { $0 != "(" }.startIndex
            let word = line[..<name].split(separator: " ").last.map { $0.filter { $0 != "`" } } ?? ""
            // One for each kind there; generic here.
            let generic = ["create", "save"].first { word.hasPrefix($0) && word.dropFirst($0.count).first?.isUppercase == true }
            names.insert(generic ?? word)
        }
        return names
    }

    #if os(Linux)
        @Test func aLibraryOfAnotherVersionIsAnErrorAndNoCrash() async throws {
            let right = try await run(executable("measure"), ["version"])
            #expect(right.code == 0 && right.out.hasPrefix("version 0."), "\(right)")
            let folder = try temporaryFolder()
            defer { try? FileManager.default.removeItem(at: folder) }
            // Loaded before the library, it answers in its place.
            for (function, type, why) in [
                ("ffi_fieldledger_ffi_uniffi_contract_version", "UInt32", "contract version"),
                ("ffi_fieldledger_core_uniffi_contract_version", "UInt32", "contract version"),
                ("uniffi_fieldledger_ffi_checksum_method_fieldstore_list", "UInt16", "API checksum"),
            ] {
                let (source, stub) = (folder.appendingPathComponent("\(function).swift"), folder.appendingPathComponent("\(function).so"))
                try "@_cdecl(\"\(function)\") public func another() -> \(type) { 1 }\n".write(to: source, atomically: true, encoding: .utf8)
                let path = Self.environment["PATH"] ?? "/usr/bin:/bin"
                let made = try await run(
                    URL(fileURLWithPath: "/usr/bin/env"), ["swiftc", "-emit-library", "-o", stub.path, source.path],
                    environment: ["PATH": path])
                #expect(made.code == 0, "\(made.error)")
                let ended = try await run(executable("measure"), ["version"], environment: ["LD_PRELOAD": stub.path])
                let said = "Fieldledger's library is of another version than the package that uses it; both have to be of one build (UniFFI \(why) mismatch)"
                #expect(
                    ended.out.split(separator: "\n").map(String.init) == [
                        "version: " + said, "log false", "path: " + said, "key: " + said, "encryption: " + said, "open: " + said,
                    ], "\(ended)")
                #expect(ended.code == 0)
            }
        }
    #endif

    @Test func theSamplePlaysItsDay() async throws {
        let server = try await Server()
        let folder = try temporaryFolder()
        defer { try? FileManager.default.removeItem(at: folder) }
        func rep(_ arguments: String...) async throws -> String {
            let ended = try await run(executable("rep"), [folder.appendingPathComponent("李娜").path] + arguments)
            if ended.code != 0 { throw Failure("\(arguments): \(ended.out)\(ended.error)") }
            return ended.out
        }
        #expect(try await rep("enrol", server.url, await server.code()).contains("This is 李娜's phone, of Linden 林登."))
        #expect(try await rep("today").contains("Nothing is planned."))
        let day = try await rep("day", "C1")
        #expect(day.contains("Order DAY-C1 looks well") && day.contains("signed by 王芳") && day.contains("0 refused"))
        #expect(try await rep("sync").contains("0 left"))
        let state = try await rep("state")
        struct Row: Decodable, Equatable {
            let kind, state, title, sync: String
            let amount: String?
        }
        let rows = try JSONDecoder().decode([Row].self, from: Data(state.utf8))
        #expect(rows.map(\.kind) == ["delivery", "order", "visit"])
        #expect(rows.allSatisfy { $0.sync == "synced" })
        #expect(rows[1].amount == "537.45 CNY" && rows[1].title.contains("DAY-C1"))
        #expect(!state.dropLast().contains("\n") && !state.contains(": ") && state.hasSuffix("]\n"))

        let wrong = try await run(executable("rep"), [folder.path, "enrol", server.url, "AAAA-AAAA-AAAA"])
        #expect(wrong.code == 1 && !wrong.error.isEmpty && wrong.out.isEmpty)
        #expect(try await run(executable("rep"), []).code == 2)
    }
}
