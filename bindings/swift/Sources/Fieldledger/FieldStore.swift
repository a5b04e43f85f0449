import Foundation
import FieldledgerFFI

/// How a store is opened.
public struct StoreOptions: Sendable {
    /// The database file; it is made when it is not there. Its folder must be there, be the app's alone and be left out of
    /// backups: ``FieldStore/prepareFolder(at:)`` makes such a one.
    public var file: URL
    /// The random name of this installation. It is made once and kept where backups do not take it (on Apple platforms
    /// `Keychain.installation()`), so that a restored copy is told from the phone itself.
    public var installation: UUID
    /// The app's version, for the server's list of devices.
    public var appVersion: String
    /// What the phone is, for the server's list of devices.
    public var platform: String
    /// Certificates (DER or PEM) of authorities that the server's certificate may come from, besides the public ones: for a
    /// company with an authority of its own.
    public var certificates: [Data]
    /// Tells what network there is and over which of them files of evidence go. On Apple platforms the system's own unless
    /// another is given; without one the library goes by what happens when it tries, and sends files over any.
    public var network: (any NetworkMonitor)?
    /// Tells how long the phone has been running. On Apple platforms the system's own unless another is given; on Linux the
    /// library reads the kernel's.
    public var bootClock: (any BootClock)?
    /// Where the key of an encrypted database comes from, on Apple platforms `StoredKeys.keychain()`; `nil` for a plain database. A
    /// library that was built without encryption refuses a key.
    public var keys: (any KeySupply)?

    /// Options with what the system tells about app and phone.
    public init(
        file: URL,
        installation: UUID,
        appVersion: String = Bundle.main.infoDictionary?["CFBundleShortVersionString"] as? String ?? "0",
        platform: String = ProcessInfo.processInfo.operatingSystemVersionString,
        certificates: [Data] = [],
        network: (any NetworkMonitor)? = systemNetworkMonitor(),
        bootClock: (any BootClock)? = systemBootClock(),
        keys: (any KeySupply)? = nil
    ) {
        self.file = file
        self.installation = installation
        self.appVersion = appVersion
        self.platform = platform
        self.certificates = certificates
        self.network = network
        self.bootClock = bootClock
        self.keys = keys
    }
}

/// A phone's store: one method for each thing a person does.
///
/// Everything works without a network. A method that writes returns after its one transaction is on the disk; one that throws
/// has changed nothing. The store may be used from any task and any actor, by many at once; its work is done on threads of
/// the library, never on the caller's.
///
/// ```swift
/// let store = try await FieldStore.open(StoreOptions(file: file, installation: installation))
/// let visit = try await store.startVisit(customer: customer, purpose: .sales, position: position)
/// try await store.checkOut(visit.id, CheckOut(outcome: .successful, note: "签收完毕"))
/// ```
///
/// ## Cancelling
/// ``enrol(serverURL:code:deviceName:)``, ``syncOnce()`` and ``fetchEvidence(_:_:)`` end when their task is cancelled; what was exchanged until then
/// stays. A reading method throws ``FieldledgerError/cancelled`` when its task was cancelled before it began. A writing method
/// is done all the same: what a person entered is not lost because a screen went away.
public final class FieldStore: Sendable {
    /// The core's own store.
    let core: FieldledgerFFI.FieldStore
    let hub: ChangeHub
    private let listening: FieldledgerFFI.Subscription

    private init(_ core: FieldledgerFFI.FieldStore) throws {
        self.core = core
        let hub = ChangeHub()
        self.hub = hub
        listening = try core.subscribe(listener: Listener { hub.tell($0) })
    }

    deinit {
        listening.cancel()
        hub.finish()
    }

    // MARK: Opening and closing

    /// Opens the store. A damaged file is set aside and what can be read of it is salvaged; see ``openingReport``.
    ///
    /// - Throws: ``FieldledgerError/invalid(field:message:)`` naming the option; ``FieldledgerError/needsNewerApp`` when a
    ///   newer version wrote the file; ``FieldledgerError/storageFull``; what may be wrong with a key.
    public static func open(_ options: StoreOptions) async throws -> FieldStore {
        try await FieldledgerError.mapping {
            let core = try await FieldledgerFFI.FieldStore.open(
                options: FieldledgerFFI.StoreOptions(
                    path: options.file.path,
                    installation: options.installation.uuidString,
                    appVersion: options.appVersion,
                    platform: options.platform,
                    certificates: options.certificates
                ),
                keys: options.keys.map(KeyAdapter.init),
                network: options.network.map(NetworkAdapter.init),
                boot: options.bootClock.map(BootClockAdapter.init)
            )
            return try FieldStore(core)
        }
    }

    /// Makes the folder of a store, with what iOS has to know about it: it is left out of backups, and its files can be read
    /// while the phone is locked, once it was unlocked after its start, so that a sync in the background works.
    ///
    /// - Throws: What the file system says.
    public static func prepareFolder(at folder: URL) throws {
        #if os(iOS) || os(tvOS) || os(watchOS) || os(visionOS)
            let attributes: [FileAttributeKey: Any] = [.protectionKey: FileProtectionType.completeUntilFirstUserAuthentication]
        #else
            let attributes: [FileAttributeKey: Any] = [.posixPermissions: 0o700]
        #endif
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true, attributes: attributes)
        #if canImport(Darwin)
            var folder = folder
            var values = URLResourceValues()
            values.isExcludedFromBackup = true
            try folder.setResourceValues(values)
        #endif
    }

    /// Whether `file` may be opened: nothing yet, or a phone's database in any state. For apps that put files beside the
    /// database before they open it.
    ///
    /// - Throws: ``FieldledgerError/invalid(field:message:)`` naming `path` when it is a folder, or a file that was never a
    ///   phone's database; it is not touched.
    public static func checkPath(_ file: URL) throws {
        try Library.check()
        do { try FieldledgerFFI.checkPath(path: file.path) } catch { throw FieldledgerError(error) }
    }

    /// The version of the compiled library.
    ///
    /// - Throws: ``FieldledgerError/internal(_:)`` when the library is of another build than this package.
    public static var libraryVersion: String {
        get throws {
            try Library.check()
            return FieldledgerFFI.libraryVersion()
        }
    }

    /// What was set aside and salvaged when the store was opened; `nil` when the file was whole. Show it to the person: it
    /// says how much is certain to be there, and where the damaged file is.
    public var openingReport: SalvageReport? { core.openingReport() }

    /// Waits for what is running, then releases every connection and lock. Calls in between throw
    /// ``FieldledgerError/closed``; observations wait and go on after ``reopen()``.
    ///
    /// iOS ends an app that holds a lock on a file while it is suspended (`0xdead10cc`), so close the store before that:
    /// see <doc:Background>.
    public func close() async throws {
        try await write { try await $0.close() }
    }

    /// Opens the store again after ``close()``. Everything that is observed is read anew.
    ///
    /// - Throws: As ``open(_:)``.
    public func reopen() async throws {
        try await write { try await $0.reopen() }
        refreshObservations()
    }

    /// Whether the store is closed.
    public var isClosed: Bool {
        get async throws { try await write { try await $0.isClosed() } }
    }

    /// Whose phone this is; `nil` before enrolment.
    public var identity: Identity? { core.identity() }

    /// Whether files of evidence may go over the network that the phone has now, by what the app's ``NetworkMonitor`` says;
    /// over any without one.
    public func mayUpload() async throws -> Bool {
        try await read { try await $0.mayUpload() }
    }

    // MARK: Encryption

    /// A fresh key from the phone's random numbers: 32 bytes, for the keychain.
    public static func generateKey() throws -> Data {
        try Library.check()
        do { return try FieldledgerFFI.generateKey() } catch { throw FieldledgerError(error) }
    }

    /// Encrypts the plain database `file`, for an app whose earlier version did not; its store must be closed. A phone that dies
    /// meanwhile has the plain database or the encrypted one, each whole: calling this again does the rest. Store the key
    /// first.
    ///
    /// - Throws: ``FieldledgerError/wrongKey`` when it is encrypted with another key; ``FieldledgerError/damaged(_:)``;
    ///   ``FieldledgerError/storageFull``; ``FieldledgerError/invalid(field:message:)`` naming `path` or `key`. The database is as
    ///   it was then.
    @discardableResult
    public static func encrypt(_ file: URL, key: Data) async throws -> Encrypted {
        try await FieldledgerError.mapping { try await FieldledgerFFI.encrypt(path: file.path, key: key) }
    }

    /// Takes the encryption off the database `file`, whose store must be closed; the counterpart of ``encrypt(_:key:)``.
    ///
    /// - Throws: As ``encrypt(_:key:)``.
    public static func decrypt(_ file: URL, key: Data) async throws {
        try await FieldledgerError.mapping { try await FieldledgerFFI.decrypt(path: file.path, key: key) }
    }

    /// What the database `file` is, without a key and without touching it.
    public static func encryption(_ file: URL) async throws -> Encryption {
        try await FieldledgerError.mapping { try await FieldledgerFFI.encryption(path: file.path) }
    }

    /// Encrypts the database with another key; ``KeySupply`` tells the order in which keys are stored. Other calls wait
    /// meanwhile.
    ///
    /// - Throws: ``FieldledgerError/invalid(field:message:)`` naming `key` when it is not the pending one of the store's supply;
    ///   ``FieldledgerError/notEncrypted``; ``FieldledgerError/keyUnavailable(_:)``; ``FieldledgerError/closed``;
    ///   ``FieldledgerError/storageFull``. The database has its old key then.
    public func rotateKey(_ new: Data) async throws {
        try await write { try await $0.rotateKey(new: new) }
    }

    /// Whether the database has the supply's pending key: the rotation is done, and the app has to make that key the present
    /// one.
    public func openedWithPendingKey() async throws -> Bool {
        try await read { try await $0.openedWithPendingKey() }
    }

    // MARK: Calling the core

    /// Runs a call that only reads. One that nobody waits for any more is not begun.
    func read<T: Sendable>(
        _ call: (FieldledgerFFI.FieldStore) async throws -> T
    ) async throws -> T {
        if Task.isCancelled { throw FieldledgerError.cancelled }
        return try await write(call)
    }

    /// Runs a call that writes, whether somebody still waits for it or not.
    @discardableResult
    func write<T: Sendable>(
        _ call: (FieldledgerFFI.FieldStore) async throws -> T
    ) async throws -> T {
        do { return try await call(core) } catch { throw FieldledgerError(error) }
    }
}
