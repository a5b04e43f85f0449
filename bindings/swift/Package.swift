// swift-tools-version: 6.0
// The Swift package of Fieldledger. README.md says how it is built; docs/swift.md in the repository how it is used.
import Foundation
import PackageDescription

// A released copy of this package names its compiled core here (build-xcframework.sh writes both); in the repository they
// are empty.
let releasedCore = ""
let releasedChecksum = ""

let environment = ProcessInfo.processInfo.environment
let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()

func generated(_ path: String) -> Bool {
    FileManager.default.fileExists(atPath: folder.appendingPathComponent(path).path)
}
guard generated("Sources/FieldledgerFFI/Generated/FieldledgerFFI.swift"), generated("Sources/Fieldledger/Generated/Model.swift")
else {
    fatalError("The generated sources are missing: run bindings/swift/generate.sh LIBRARY first (see bindings/swift/README.md).")
}

/// The compiled core with the headers of its C interface, as the module FieldledgerRust.
var core: [Target] = []
var linking: [LinkerSetting] = []
#if os(macOS)
if let local = environment["FIELDLEDGER_XCFRAMEWORK"] {
    // A path inside this folder, for a framework that was just built.
    core = [.binaryTarget(name: "FieldledgerRust", path: local)]
} else if !releasedCore.isEmpty {
    core = [.binaryTarget(name: "FieldledgerRust", url: releasedCore, checksum: releasedChecksum)]
} else if let url = environment["FIELDLEDGER_XCFRAMEWORK_URL"], let sum = environment["FIELDLEDGER_XCFRAMEWORK_CHECKSUM"] {
    core = [.binaryTarget(name: "FieldledgerRust", url: url, checksum: sum)]
}
// The core verifies certificates with the system's own code where it needs it, and compresses with zlib.
linking = [.linkedFramework("Security"), .linkedFramework("SystemConfiguration")]
#endif
if core.isEmpty {
    guard let library = environment["FIELDLEDGER_LIB_DIR"] else {
        fatalError("FIELDLEDGER_LIB_DIR has to name the folder with the compiled libfieldledger_ffi (see bindings/swift/README.md).")
    }
    core = [.systemLibrary(name: "FieldledgerRust", path: "Sources/FieldledgerRust")]
    linking += [
        .unsafeFlags(["-L\(library)", "-Xlinker", "-rpath", "-Xlinker", library]),
        .linkedLibrary("fieldledger_ffi"),
    ]
}

let package = Package(
    name: "Fieldledger",
    defaultLocalization: "en",
    platforms: [.iOS(.v15), .macOS(.v13)],
    products: [
        .library(name: "Fieldledger", targets: ["Fieldledger"])
    ],
    targets: core + [
        // Sources that UniFFI generates, and the small types they expect. They are not ready for Swift 6's own checks.
        .target(
            name: "FieldledgerFFI",
            dependencies: ["FieldledgerRust"],
            swiftSettings: [.swiftLanguageMode(.v5)],
            linkerSettings: linking
        ),
        // What apps use.
        .target(
            name: "Fieldledger",
            dependencies: ["FieldledgerFFI"],
            swiftSettings: [.swiftLanguageMode(.v6)]
        ),
        // BEGIN only in the repository
        // A rep on the command line.
        .executableTarget(
            name: "rep",
            dependencies: ["Fieldledger"],
            path: "Sample",
            swiftSettings: [.swiftLanguageMode(.v6)]
        ),
        // Figures by hand, and the child process that the tests kill.
        .executableTarget(
            name: "measure",
            dependencies: ["Fieldledger"],
            path: "Tests/Measure",
            swiftSettings: [.swiftLanguageMode(.v6)]
        ),
        .testTarget(
            name: "FieldledgerTests",
            dependencies: ["Fieldledger", "rep", "measure"],
            swiftSettings: [.swiftLanguageMode(.v6)]
        ),
        // END only in the repository
    ]
)
