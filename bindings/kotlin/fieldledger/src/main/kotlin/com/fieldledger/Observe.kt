package com.fieldledger

import com.fieldledger.model.Change
import com.fieldledger.model.CustomerId
import com.fieldledger.model.DocumentId
import com.fieldledger.model.DocumentRow
import com.fieldledger.model.ListQuery
import com.fieldledger.model.SyncStatus
import com.fieldledger.model.Today
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.channels.awaitClose
import kotlinx.coroutines.channels.trySendBlocking
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.buffer
import kotlinx.coroutines.flow.callbackFlow
import kotlinx.coroutines.flow.conflate
import kotlinx.coroutines.flow.distinctUntilChanged
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.flow.transformWhile
import java.time.LocalDate

/**
 * What has changed, after each commit. While the collector is busy, changes are gathered and then told together: a slow screen
 * misses nothing and nothing piles up. Listening begins when the flow is collected and ends with it.
 */
public fun FieldStore.changes(): Flow<Set<Change>> = callbackFlow {
    // The library gathers while its listener is in a call, so the call lasts until the collector has taken the changes.
    val subscription = subscribe { trySendBlocking(it) }
    awaitClose(subscription::close)
}.buffer(Channel.RENDEZVOUS)

/**
 * What [query] gives, now and again after each change of [kinds] (of anything when none is named). A slow collector gets the newest
 * and skips what is outdated; what is equal to the last is not told again. While the store is closed the flow rests, and goes on
 * after [FieldStore.reopen]; any other error ends it.
 *
 * ```
 * store.observe(Change.Documents(DocumentKind.Order)) { list(ListQuery(kind = DocumentKind.Order, limit = 20)) }
 * ```
 */
public fun <T> FieldStore.observe(vararg kinds: Change, query: suspend FieldStore.() -> T): Flow<T> {
    val wanted = kinds.toSet()
    return observeWhen({ wanted.isEmpty() || it in wanted }, query)
}

/** [observe] for the changes of which [isRelevant] says so. */
public fun <T> FieldStore.observeWhen(isRelevant: (Change) -> Boolean, query: suspend FieldStore.() -> T): Flow<T> {
    val store = this
    val occasions = callbackFlow {
        val subscription = store.subscribe { changes -> if (changes.any(isRelevant)) trySend(Unit) }
        val opening = store.onReopened { trySend(Unit) }
        // After subscribing: what is committed from now on is told.
        trySend(Unit)
        awaitClose {
            opening.close()
            subscription.close()
        }
    }
    return flow {
        occasions.conflate().collect {
            val answer = try {
                store.query()
            } catch (_: FieldledgerException.Closed) {
                return@collect
            }
            emit(answer)
        }
    }.conflate().distinctUntilChanged()
}

/** What there is to do on a day (today when none is given), as it changes. */
public fun FieldStore.observeToday(date: LocalDate? = null): Flow<Today> =
    observeWhen({ it !is Change.Evidence }) { today(date) }

/** The documents that fit a query, as they change. */
public fun FieldStore.observeList(query: ListQuery): Flow<List<DocumentRow>> =
    observeWhen({ it.isAboutRows() }) { list(query) }

/** What happened with a customer, newest first, as it goes on. */
public fun FieldStore.observeTimeline(customer: CustomerId, limit: Int = FieldStore.PAGE): Flow<List<DocumentRow>> =
    observeWhen({ it.isAboutRows() }) { timeline(customer, limit = limit) }

/** One document as a row of a list, as it changes. */
public fun FieldStore.observeRow(id: DocumentId): Flow<DocumentRow?> = observeWhen({ it.isAboutRows() }) { row(id) }

/** A document, as it changes; nothing where there is none. [read] is the method for its kind: `observeDocument { visit(id) }`. */
public fun <T : Any> FieldStore.observeDocument(read: suspend FieldStore.() -> Document<T>?): Flow<Document<T>?> =
    observeWhen({ it is Change.Documents }, read)

/** How phone and server stand to each other, as it changes. */
public fun FieldStore.observeStatus(): Flow<SyncStatus> =
    observeWhen({ it is Change.Status || it is Change.Documents || it is Change.Evidence }) { status() }

/** Rows show names of customers, which are records, and what waits, which is status. */
private fun Change.isAboutRows(): Boolean = this !is Change.Evidence

/**
 * Keeps in step with the server while it is collected, and tells how it stands. Ends after [SyncState.Stopped]. Throws
 * [FieldledgerException.NotEnrolled].
 */
public fun FieldStore.syncing(): Flow<SyncState> = flow {
    startSync().use { sync ->
        sync.states.transformWhile { state ->
            emit(state)
            state !is SyncState.Stopped
        }.collect { emit(it) }
    }
}
