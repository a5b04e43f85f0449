import Foundation
import FieldledgerFFI

// MARK: Network

/// Tells what network the phone has and what may go over it. Asked on threads of the library, often, while files are sent before
/// each part of one: answer from memory.
public protocol NetworkMonitor: Sendable {
    /// The network now; `nil` when it is not known: documents are tried then, and files of evidence wait. That there is no network
    /// is `NetworkState.none`: written out, since a bare `.none` would be `nil`.
    var state: NetworkState? { get }
    /// Over which networks a sync sends files of evidence, as the person has chosen. Documents are small and go over any.
    var uploadPolicy: UploadPolicy { get }
}

extension NetworkMonitor {
    /// Networks that do not cost by the byte.
    public var uploadPolicy: UploadPolicy { .notMetered }
}

/// The system's own, on Apple platforms; else `nil`.
public func systemNetworkMonitor() -> (any NetworkMonitor)? {
    #if canImport(Network)
        PathMonitor()
    #else
        nil
    #endif
}

#if canImport(Network)
    import Network

    /// What `NWPathMonitor` says. An expensive network or one in Low Data Mode counts as metered.
    public final class PathMonitor: NetworkMonitor {
        private let monitor = NWPathMonitor()
        private let known = Locked<NetworkState?>(nil)
        private let policy: Locked<UploadPolicy>

        /// A monitor that begins to look. `onReturned` is called when a network is there again or has become another one:
        /// ``SyncHandle/networkReturned()`` belongs there, so that photos that wait for Wi-Fi go at once.
        public init(uploadPolicy: UploadPolicy = .notMetered, onReturned: @escaping @Sendable () -> Void = {}) {
            policy = Locked(uploadPolicy)
            monitor.pathUpdateHandler = { [known] path in
                let state: NetworkState =
                    if path.status != .satisfied {
                        .none
                    } else if path.isExpensive || path.isConstrained {
                        .metered
                    } else if path.usesInterfaceType(.wifi) || path.usesInterfaceType(.wiredEthernet) {
                        .wifi
                    } else {
                        .unmetered
                    }
                let changed = known.withLock { known in
                    defer { known = state }
                    return known != state
                }
                if changed, state != .none { onReturned() }
            }
            monitor.start(queue: DispatchQueue(label: "fieldledger.network"))
        }

        deinit { monitor.cancel() }

        /// The network now; `nil` in the first moment.
        public var state: NetworkState? { known.withLock { $0 } }

        /// What the person has chosen.
        public var uploadPolicy: UploadPolicy {
            get { policy.withLock { $0 } }
            set { policy.withLock { $0 = newValue } }
        }
    }
#endif

final class NetworkAdapter: FieldledgerFFI.NetworkMonitor {
    private let monitor: any NetworkMonitor

    init(_ monitor: any NetworkMonitor) { self.monitor = monitor }

    func state() throws -> NetworkState {
        guard let state = monitor.state else { throw CallbackFailed.Failed(message: "not known yet") }
        return state
    }

    func uploadPolicy() -> UploadPolicy { monitor.uploadPolicy }
}

// MARK: Clock

/// Tells how long the phone has been running. Offline allowances can be spent after a restart of the app, without a sync, only
/// with such a clock.
public protocol BootClock: Sendable {
    /// The clock now; `nil` when it cannot be told, then the library counts from when the app was started.
    func read() -> ClockReading?
}

/// The system's own, on Apple platforms; else `nil` (on Linux the library reads the kernel's).
public func systemBootClock() -> (any BootClock)? {
    #if canImport(Darwin)
        DarwinBootClock()
    #else
        nil
    #endif
}

#if canImport(Darwin)
    import Darwin

    /// `CLOCK_MONOTONIC_RAW`, which counts on while the phone sleeps, and the id of the boot, `kern.bootsessionuuid`.
    public struct DarwinBootClock: BootClock {
        /// The clock.
        public init() {}

        /// The clock now.
        public func read() -> ClockReading? {
            var text = [UInt8](repeating: 0, count: 64)
            var size = text.count
            guard sysctlbyname("kern.bootsessionuuid", &text, &size, nil, 0) == 0,
                let id = UUID(uuidString: String(decoding: text.prefix { $0 != 0 }, as: UTF8.self))
            else { return nil }
            let run = withUnsafeBytes(of: id.uuid) { $0.loadUnaligned(as: Int64.self) }
            return ClockReading(run: run, millis: Int64(clock_gettime_nsec_np(CLOCK_MONOTONIC_RAW) / 1_000_000))
        }
    }
#endif

final class BootClockAdapter: FieldledgerFFI.BootClockSource {
    private let clock: any BootClock

    init(_ clock: any BootClock) { self.clock = clock }

    func read() throws -> ClockReading {
        guard let reading = clock.read() else { throw CallbackFailed.Failed(message: "the system does not tell") }
        return reading
    }
}

// MARK: Keys

/// Where the key of an encrypted database comes from. A key is 32 random bytes. Asked whenever a store is opened, reopened or
/// given another key; whatever is thrown becomes ``FieldledgerError/keyUnavailable(_:)``, with its sentence.
///
/// To give a database another key: store the new one as the pending key, call ``FieldStore/rotateKey(_:)``, then make the pending
/// key the present one. A phone that dies in between opens with whichever key the database has;
/// ``FieldStore/openedWithPendingKey()`` tells that the last step is left to be done.
public protocol KeySupply: Sendable {
    /// The present key. Make and store one before the store is opened for the first time.
    func databaseKey() async throws -> Data
    /// The key that a rotation has begun to move to; `nil` when there is none.
    func pendingKey() async throws -> Data?
}

final class KeyAdapter: FieldledgerFFI.KeySupply {
    private let supply: any KeySupply

    init(_ supply: any KeySupply) { self.supply = supply }

    func databaseKey(reply: KeyReply) {
        Task { [supply] in
            do { reply.key(bytes: try await supply.databaseKey()) } catch {
                reply.unavailable(reason: error.localizedDescription)
            }
        }
    }

    func pendingKey(reply: KeyReply) {
        Task { [supply] in
            do {
                if let key = try await supply.pendingKey() { reply.key(bytes: key) } else { reply.none() }
            } catch {
                reply.unavailable(reason: error.localizedDescription)
            }
        }
    }
}

/// Keeps small secrets of this phone by name; on Apple platforms `Keychain` is one.
public protocol SecretStore: Sendable {
    /// The secret of that name; `nil` when there is none.
    func secret(_ name: String) throws -> Data?
    /// Stores a secret where there is none of that name, and gives what is stored now: of two that are made at once, one wins.
    func adding(_ name: String, _ secret: Data) throws -> Data
    /// Stores a secret, in the place of what had its name; `nil` removes it.
    func set(_ name: String, _ secret: Data?) throws
}

/// The keys of one database in a store of secrets.
public struct StoredKeys: KeySupply {
    private let secrets: any SecretStore
    private let name: String

    /// The keys of that name; apps with several databases name each.
    public init(in secrets: any SecretStore, name: String = "fieldledger.key") {
        (self.secrets, self.name) = (secrets, name)
    }

    /// The present key; made when there is none.
    public func databaseKey() throws -> Data {
        if let key = try secrets.secret(name) { return key }
        return try secrets.adding(name, FieldStore.generateKey())
    }

    /// The key that a rotation has begun to move to.
    public func pendingKey() throws -> Data? { try secrets.secret(name + ".pending") }

    /// Gives the database of `store`, which was opened with these keys, another key. Does only the rest of a rotation that was
    /// cut short, if there was one.
    ///
    /// - Throws: ``FieldledgerError/notEncrypted``, ``FieldledgerError/keyUnavailable(_:)``, ``FieldledgerError/storageFull``,
    ///   ``FieldledgerError/closed``. Call it again then: the database opens with whichever of the two keys it has.
    public func rotate(_ store: FieldStore) async throws {
        if try await !store.openedWithPendingKey() {
            // The same as before after a failure, so that no key is ever lost that the database may have.
            let key = try secrets.secret(name + ".pending") ?? FieldStore.generateKey()
            try secrets.set(name + ".pending", key)
            try await store.rotateKey(key)
        }
        guard let key = try pendingKey() else { return }
        try secrets.set(name, key)
        try secrets.set(name + ".pending", nil)
    }
}

#if canImport(Security)
    import Security

    /// Small secrets in the keychain of this phone alone: neither backups nor other devices have them. They can be read once the
    /// phone was unlocked after its start, so that a sync in the background works.
    public struct Keychain: SecretStore {
        private let service: String

        /// The items of `service`; apps that share a keychain group share what has the same name.
        public init(service: String = Bundle.main.bundleIdentifier ?? "fieldledger") { self.service = service }

        /// The name of this installation, for ``StoreOptions/installation``; made when there is none.
        ///
        /// - Throws: ``FieldledgerError/keyUnavailable(_:)`` with what the keychain says: before the phone's first unlock, try
        ///   later.
        public func installation() throws -> UUID {
            let name = "fieldledger.installation"
            let known = try secret(name) ?? adding(name, Data(UUID().uuidString.utf8))
            if let text = String(data: known, encoding: .utf8), let id = UUID(uuidString: text) { return id }
            let made = UUID()
            try set(name, Data(made.uuidString.utf8))
            return made
        }

        /// The item of that name; `nil` when there is none.
        ///
        /// - Throws: ``FieldledgerError/keyUnavailable(_:)`` with what the keychain says.
        public func secret(_ name: String) throws -> Data? {
            var found: CFTypeRef?
            let asked = query(name).merging([kSecReturnData: true]) { $1 }
            let status = SecItemCopyMatching(asked as CFDictionary, &found)
            if status == errSecItemNotFound { return nil }
            guard status == errSecSuccess, let bytes = found as? Data else { throw Self.said(status) }
            return bytes
        }

        /// Stores an item where there is none of that name, and gives what is stored now.
        ///
        /// - Throws: ``FieldledgerError/keyUnavailable(_:)`` with what the keychain says.
        public func adding(_ name: String, _ secret: Data) throws -> Data {
            let status = SecItemAdd(query(name).merging(Self.value(secret)) { $1 } as CFDictionary, nil)
            if status == errSecDuplicateItem, let known = try self.secret(name) { return known }
            guard status == errSecSuccess else { throw Self.said(status) }
            return secret
        }

        /// Stores an item, in the place of what had its name; `nil` removes it.
        ///
        /// - Throws: ``FieldledgerError/keyUnavailable(_:)`` with what the keychain says.
        public func set(_ name: String, _ secret: Data?) throws {
            guard let secret else {
                let removed = SecItemDelete(query(name) as CFDictionary)
                guard removed == errSecSuccess || removed == errSecItemNotFound else { throw Self.said(removed) }
                return
            }
            var status = SecItemUpdate(query(name) as CFDictionary, Self.value(secret) as CFDictionary)
            if status == errSecItemNotFound {
                status = SecItemAdd(query(name).merging(Self.value(secret)) { $1 } as CFDictionary, nil)
            }
            guard status == errSecSuccess else { throw Self.said(status) }
        }

        private static func value(_ secret: Data) -> [CFString: Any] {
            [kSecValueData: secret, kSecAttrAccessible: kSecAttrAccessibleAfterFirstUnlockThisDeviceOnly]
        }

        private func query(_ name: String) -> [CFString: Any] {
            [kSecClass: kSecClassGenericPassword, kSecAttrService: service, kSecAttrAccount: name]
        }

        private static func said(_ status: OSStatus) -> FieldledgerError {
            .keyUnavailable(SecCopyErrorMessageString(status, nil) as String? ?? "keychain: \(status)")
        }
    }

    extension StoredKeys {
        /// The keys of that name in the app's keychain.
        public static func keychain(_ keychain: Keychain = Keychain(), name: String = "fieldledger.key") -> StoredKeys {
            StoredKeys(in: keychain, name: name)
        }
    }
#endif

// MARK: Log

/// Takes the library's log.
public protocol LogSink: Sendable {
    /// Takes lines, oldest first, in batches of at most about two a second. They never hold keys, tokens or what people wrote.
    func write(_ lines: [LogLine]) throws
}

/// Sends the library's log of this process to `sink` from now on; `nil` sends it nowhere. Lines less urgent than `level` are
/// left out; each call brings its own level.
///
/// - Returns: `false` when other Rust code of this process has set up a log of its own before, which then gets the lines; and
///   when the compiled library is of another build than this package, which ``FieldStore/open(_:)`` throws.
@discardableResult
public func setLogSink(_ sink: (any LogSink)?, level: LogLevel = .info) -> Bool {
    Library.mismatch == nil && FieldledgerFFI.setLogSink(sink: sink.map(LogAdapter.init), level: level)
}

private final class LogAdapter: FieldledgerFFI.LogSink {
    private let sink: any LogSink

    init(_ sink: any LogSink) { self.sink = sink }

    func write(lines: [LogLine]) throws {
        do { try sink.write(lines) } catch { throw CallbackFailed.Failed(message: String(describing: error)) }
    }
}

#if canImport(os)
    import os

    /// Writes to the system's log, as `Console` shows it.
    public struct SystemLog: LogSink {
        private let logger: Logger

        /// Under this subsystem.
        public init(subsystem: String = Bundle.main.bundleIdentifier ?? "fieldledger") {
            logger = Logger(subsystem: subsystem, category: "fieldledger")
        }

        /// Writes them.
        public func write(_ lines: [LogLine]) {
            for line in lines {
                let level: OSLogType =
                    switch line.level {
                    case .error: .error
                    case .warn: .default
                    case .info: .info
                    case .debug: .debug
                    }
                logger.log(level: level, "\(line.target, privacy: .public): \(line.message, privacy: .public)")
            }
        }
    }
#endif
