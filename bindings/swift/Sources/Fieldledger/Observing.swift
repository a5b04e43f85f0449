import FieldledgerFFI
import Foundation

// MARK: What changed

/// What changes in a store, as it happens: for each commit, or several at once while nobody looks, the set of what changed.
/// It ends with the store.
public struct ChangeSequence: AsyncSequence, Sendable {
    public typealias Element = Set<Change>
    let hub: ChangeHub

    /// Begins to listen.
    public func makeAsyncIterator() -> AsyncIterator { hub.listen() }

    /// Hears what changes from when it was made.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let ear: ChangeHub.Ear
        var wakes: AsyncStream<Void>.Iterator

        /// What has changed since the last call; `nil` when the store is gone or the task was cancelled.
        public mutating func next() async -> Set<Change>? {
            while await wakes.next() != nil {
                let changes = ear.take()
                if !changes.isEmpty { return changes }
            }
            return nil
        }
    }
}

/// The values of a query: the first at once, then another after each change that makes it different. Changes that come faster
/// than they are looked at are read in one go. While the store is closed it waits.
///
/// Ends when its task is cancelled; throws what the query throws, and is over then.
public struct Observation<Value: Sendable & Equatable>: AsyncSequence, Sendable {
    public typealias Element = Value
    let store: FieldStore
    let concerns: Set<Change>?
    let query: @Sendable (FieldStore) async throws -> Value

    /// Begins to listen.
    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(observation: self, changes: store.changes().makeAsyncIterator())
    }

    /// Reads when it is asked, if something has changed.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let observation: Observation
        var changes: ChangeSequence.AsyncIterator
        var last: Value?
        var begun = false
        var over = false

        init(observation: Observation, changes: ChangeSequence.AsyncIterator) {
            self.observation = observation
            self.changes = changes
        }

        /// The next value that differs from the one before.
        public mutating func next() async throws -> Value? {
            while !over {
                if begun {
                    guard let changed = await changes.next() else { return nil }
                    if let concerns = observation.concerns, concerns.isDisjoint(with: changed) { continue }
                }
                begun = true
                do {
                    let value = try await observation.query(observation.store)
                    if value != last {
                        last = value
                        return value
                    }
                } catch FieldledgerError.closed {
                    // Reopening tells that everything may have changed.
                } catch FieldledgerError.cancelled where Task.isCancelled {
                    over = true
                } catch {
                    over = true
                    throw error
                }
            }
            return nil
        }
    }
}

/// Calls a listener; ends when it is cancelled or let go of.
public final class ChangeSubscription: Sendable {
    private let foreign: FieldledgerFFI.Subscription

    init(_ foreign: FieldledgerFFI.Subscription) { self.foreign = foreign }

    /// Ends it: no further changes are collected. A call that is on its way already may still arrive.
    public func cancel() { foreign.cancel() }

    deinit { foreign.cancel() }
}

extension FieldStore {
    /// What changes, as it happens. Most screens want one of the `observe…` methods instead, which read for them.
    public func changes() -> ChangeSequence { ChangeSequence(hub: hub) }

    /// Calls `listener` after commits with what has changed since its last call: on a thread of the library that is its own,
    /// one call at a time, never inside a call of yours. It may use the store and take its time; what it throws is noted in
    /// the log, and it is told of the next changes all the same.
    ///
    /// - Throws: ``FieldledgerError/internal(_:)`` when the phone gives no thread.
    public func subscribe(
        _ listener: @escaping @Sendable (Set<Change>) throws -> Void
    ) throws -> ChangeSubscription {
        do { return ChangeSubscription(try core.subscribe(listener: Listener(listener))) } catch {
            throw FieldledgerError(error)
        }
    }

    /// The values of any query, again after each change that concerns it.
    ///
    /// ```swift
    /// for try await visits in store.observe([.documents(.visit)], query: { try await $0.list(ListQuery(kind: .visit)) }) { … }
    /// ```
    ///
    /// - Parameters:
    ///   - concerns: After which changes it is read again; `nil` after any. Names of customers come with
    ///     `Change.records`, acknowledgements of the server with `Change.status`.
    ///   - query: What is read.
    public func observe<Value: Sendable & Equatable>(
        _ concerns: Set<Change>? = nil,
        query: @escaping @Sendable (FieldStore) async throws -> Value
    ) -> Observation<Value> {
        Observation(store: self, concerns: concerns, query: query)
    }

    /// What there is to do on a day, today when none is given, as it changes.
    ///
    /// The clock changes nothing in the store: call ``refreshObservations()`` on the app's significant time change, so that
    /// at midnight another day becomes today.
    public func observeToday(_ date: CalendarDate? = nil) -> Observation<Today> {
        observe { try await $0.today(date) }
    }

    /// The documents that fit a query, as they change.
    public func observeList(_ query: ListQuery) -> Observation<[DocumentRow]> {
        observe { try await $0.list(query) }
    }

    /// The newest page of what happened with a customer, as it changes.
    public func observeTimeline(_ customer: CustomerId, limit: Int = 100) -> Observation<[DocumentRow]> {
        observe { try await $0.timeline(customer, limit: limit) }
    }

    /// How phone and server stand to each other, as it changes.
    public func observeStatus() -> Observation<SyncStatus> {
        observe { try await $0.status() }
    }

    /// One document, as it changes; `nil` while it is not on this phone.
    public func observeDocument<Value: StoredModel>(
        _ type: Value.Type = Value.self, _ id: DocumentId
    ) -> Observation<Document<Value>?> {
        observe { try await $0.document(type, id) }
    }

    /// One document as a row of a list, as it changes; `nil` where there is none.
    public func observeRow(_ id: DocumentId) -> Observation<DocumentRow?> {
        observe { try await $0.row(id) }
    }

    /// Has everything that is observed read anew.
    public func refreshObservations() { hub.tell(ChangeHub.everything) }
}

// MARK: How it is told

/// Hands what the core tells to everybody who listens. Nobody is waited for: who is busy finds one set with everything later.
final class ChangeHub: Sendable {
    static let everything: Set<Change> = [
        .documents(.visit), .documents(.delivery), .documents(.collectionNote), .documents(.order), .documents(.review),
        .documents(.statementConfirmation), .records, .status, .evidence,
    ]

    private struct State {
        var next = 0
        var ears: [Int: (pending: Set<Change>, wake: AsyncStream<Void>.Continuation)] = [:]
        var over = false
    }
    private let state = Locked(State())

    func tell(_ changes: Set<Change>) {
        let wakes = state.withLock { state in
            for id in state.ears.keys { state.ears[id]?.pending.formUnion(changes) }
            return state.ears.values.map(\.wake)
        }
        for wake in wakes { wake.yield() }
    }

    func listen() -> ChangeSequence.AsyncIterator {
        let (stream, wake) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let id = state.withLock { state in
            state.next += 1
            if state.over { wake.finish() } else { state.ears[state.next] = ([], wake) }
            return state.next
        }
        return ChangeSequence.AsyncIterator(ear: Ear(hub: self, id: id), wakes: stream.makeAsyncIterator())
    }

    func finish() {
        let wakes = state.withLock { state in
            state.over = true
            return state.ears.values.map(\.wake)
        }
        for wake in wakes { wake.finish() }
    }

    /// One who listens, until it is let go of.
    final class Ear: Sendable {
        private let hub: ChangeHub
        private let id: Int

        init(hub: ChangeHub, id: Int) { (self.hub, self.id) = (hub, id) }

        func take() -> Set<Change> {
            hub.state.withLock { state in
                let pending = state.ears[id]?.pending ?? []
                state.ears[id]?.pending = []
                return pending
            }
        }

        deinit { _ = hub.state.withLock { $0.ears.removeValue(forKey: id) } }
    }
}

/// A closure as the core's listener.
final class Listener: FieldledgerFFI.ChangeListener {
    private let listener: @Sendable (Set<Change>) throws -> Void

    init(_ listener: @escaping @Sendable (Set<Change>) throws -> Void) { self.listener = listener }

    func onChange(changes: [Change]) throws {
        do { try listener(Set(changes)) } catch { throw CallbackFailed.Failed(message: String(describing: error)) }
    }
}

/// A value that one thread at a time looks at.
final class Locked<Value>: @unchecked Sendable {
    private let lock = NSLock()
    private var value: Value

    init(_ value: Value) { self.value = value }

    func withLock<Result>(_ work: (inout Value) throws -> Result) rethrows -> Result {
        lock.lock()
        defer { lock.unlock() }
        return try work(&value)
    }
}
