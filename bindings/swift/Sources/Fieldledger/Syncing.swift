import FieldledgerFFI

/// How a sync that goes on in the background stands.
public enum SyncState: Hashable, Sendable {
    /// Phone and server have the same. The report is of what was exchanged last; its `evidence` says what became of the files since
    /// the sync began, and the state is told again when more has become of them.
    case upToDate(SyncReport)
    /// Everything was exchanged but for changes that the server did not want to look at yet; it goes on by itself. The
    /// report is as that of ``upToDate(_:)``.
    case stalled(SyncReport)
    /// It did not work, and is tried again by itself.
    case retrying(FieldledgerError)
    /// It ended: a person has to do something first, or (without an error) it was stopped.
    case stopped(FieldledgerError?)
}

/// A sync that goes on in the background, until it is stopped or let go of. Iterate it, once, to hear how it stands: a state
/// that nobody looked at makes room for the next, and ``SyncState/stopped(_:)`` is the last.
///
/// ```swift
/// for await state in try await store.startSync() { … }
/// ```
public final class SyncHandle: AsyncSequence, Sendable {
    public typealias Element = SyncState
    private let foreign: FieldledgerFFI.SyncHandle
    private let states: AsyncStream<SyncState>

    init(_ foreign: FieldledgerFFI.SyncHandle, _ states: AsyncStream<SyncState>) {
        (self.foreign, self.states) = (foreign, states)
    }

    /// Tells that a network is there (again), so that nothing waits for the next try.
    public func networkReturned() { foreign.networkReturned() }

    /// Stops it, and returns when it has ended. What was exchanged until then is stored.
    public func stop() async { await foreign.stop() }

    /// Whether it has ended.
    public var hasEnded: Bool { foreign.hasEnded() }

    /// Begins to listen.
    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(handle: self, states: states.makeAsyncIterator())
    }

    /// Keeps the sync going while somebody listens.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let handle: SyncHandle
        var states: AsyncStream<SyncState>.Iterator

        /// The newest state that has not been looked at; `nil` after the last one, or when the task was cancelled.
        public mutating func next() async -> SyncState? { await states.next() }
    }
}

extension FieldStore {
    /// Makes this store the phone that `code` is for: a one-time code that an administrator or supervisor made for the person.
    /// The same person may enrol again; a store never changes hands. Ends when the task is cancelled.
    ///
    /// - Throws: ``FieldledgerError/invalid(field:message:)`` naming `server_url` or `code`; ``FieldledgerError/offline``;
    ///   ``FieldledgerError/needsNewerApp``; ``FieldledgerError/cancelled``.
    @discardableResult
    public func enrol(
        serverURL: String, code: String, deviceName: String
    ) async throws -> Identity {
        try await ending { core, token in
            try await core.enrol(serverUrl: serverURL, code: code, deviceName: deviceName, cancel: token)
        }
    }

    /// Pushes and pulls until nothing is left, then sends the files of evidence that wait, as far as ``mayUpload()`` lets them go. A
    /// file that cannot be sent now makes no failure of it: the report says how many are left, and why. Ends when the task is
    /// cancelled: what was exchanged until then is stored, so a background task of the system cancels it when its time is over (see
    /// <doc:Background>).
    ///
    /// - Throws: ``FieldledgerError/offline``, ``FieldledgerError/signInAgain``, ``FieldledgerError/revoked``,
    ///   ``FieldledgerError/needsNewerApp``, ``FieldledgerError/cancelled``.
    @discardableResult
    public func syncOnce() async throws -> SyncReport {
        try await ending { core, token in try await core.syncOnce(cancel: token) }
    }

    /// Keeps in step in the background until the handle is stopped or let go of: after local changes, when the server says
    /// that there is something new, and from time to time. Files of evidence are sent meanwhile, when ``mayUpload()`` lets them.
    ///
    /// - Throws: ``FieldledgerError/notEnrolled``; ``FieldledgerError/internal(_:)`` when the phone gives no thread.
    public func startSync() async throws -> SyncHandle {
        let (states, told) = AsyncStream.makeStream(of: SyncState.self, bufferingPolicy: .bufferingNewest(1))
        let foreign = try await write { try await $0.startSync(listener: SyncAdapter(told)) }
        return SyncHandle(foreign, states)
    }

    /// Runs a long call that ends when the task is cancelled.
    func ending<T: Sendable>(
        _ call: @Sendable (FieldledgerFFI.FieldStore, CancelToken) async throws -> T
    ) async throws -> T {
        let token = CancelToken()
        return try await write { core in
            try await withTaskCancellationHandler {
                try await call(core, token)
            } onCancel: {
                token.cancel()
            }
        }
    }
}

/// Opens a store and keeps it in step while the app is on the screen, and closes it when it is not: an app that is suspended with
/// a lock on a file may be ended by iOS. Every step waits for the one before, so that a quick change of mind cannot end with a
/// closed store under a visible screen. See <doc:Background>.
@MainActor
public final class StoreLifecycle {
    private let store: FieldStore
    private var isForeground = false
    private var last: Task<Void, Never>?
    private var sync: SyncHandle?

    /// For the one store of the app, which may be open or closed.
    public init(_ store: FieldStore) { self.store = store }

    /// The app has come to the screen. Gives the sync that was started, to show how it stands; `nil` when the app has left again
    /// meanwhile, or the phone is not enrolled yet: call it again after ``FieldStore/enrol(serverURL:code:deviceName:)``.
    @discardableResult
    public func enterForeground() -> Task<SyncHandle?, any Error> {
        isForeground = true
        return inTurn { [self] in
            guard isForeground else { return nil }
            try await store.reopen()
            if sync?.hasEnded != false {
                sync = store.identity == nil ? nil : try await store.startSync()
            }
            return sync
        }
    }

    /// The app has left the screen. The task ends when the store is closed, or when it is clear that it stays open.
    @discardableResult
    public func enterBackground() -> Task<Void, any Error> {
        isForeground = false
        return inTurn { [self] in
            guard !isForeground else { return }
            await sync?.stop()
            sync = nil
            try await store.close()
        }
    }

    /// For a background task of the system: syncs once and closes the store again, unless the app has come to the screen meanwhile.
    /// Ends soon after its task was cancelled; what was exchanged until then is stored.
    ///
    /// - Throws: As ``FieldStore/syncOnce()`` and ``FieldStore/reopen()``.
    @discardableResult
    public func syncInBackground() async throws -> SyncReport {
        let work = inTurn { [self] in
            try await store.reopen()
            let result: Result<SyncReport, any Error>
            do { result = .success(try await store.syncOnce()) } catch { result = .failure(error) }
            if !isForeground { try await store.close() }
            return try result.get()
        }
        return try await withTaskCancellationHandler {
            try await work.value
        } onCancel: {
            work.cancel()
        }
    }

    private func inTurn<Value: Sendable>(
        _ work: @escaping @MainActor () async throws -> Value
    ) -> Task<Value, any Error> {
        let before = last
        let task = Task {
            await before?.value
            return try await work()
        }
        last = Task { _ = await task.result }
        return task
    }
}

private final class SyncAdapter: FieldledgerFFI.SyncListener {
    private let told: AsyncStream<SyncState>.Continuation

    init(_ told: AsyncStream<SyncState>.Continuation) { self.told = told }

    func onState(state: FieldledgerFFI.SyncState) {
        switch state {
        case .upToDate(let report): told.yield(.upToDate(report))
        case .stalled(let report): told.yield(.stalled(report))
        case .retrying(let error): told.yield(.retrying(FieldledgerError(foreign: error)))
        case .stopped(let error):
            told.yield(.stopped(error.map(FieldledgerError.init(foreign:))))
            told.finish()
        }
    }

    // Let go of with the sync, should it end without a word.
    deinit { told.finish() }
}
