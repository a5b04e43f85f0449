package com.fieldledger

import com.fieldledger.ffi.SyncHandle
import com.fieldledger.ffi.SyncListener
import com.fieldledger.model.SyncReport
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asStateFlow
import kotlinx.coroutines.flow.first
import com.fieldledger.ffi.SyncState as BridgeSyncState

/**
 * What came of one sync, sorted by what a scheduler does next. With Android's WorkManager:
 *
 * ```
 * when (store.syncOnce()) {
 *     is SyncOutcome.Success -> Result.success()
 *     is SyncOutcome.Retry -> Result.retry()
 *     is SyncOutcome.Failure -> Result.failure()
 * }
 * ```
 */
public sealed interface SyncOutcome {
    /**
     * Phone and server have the same, save for what [report] counts as `left`: changes that the server did not want to look at
     * yet, and files of evidence that wait, for a better network say. When `report.evidence.problem` says why files could not be
     * sent, trying again soon helps.
     *
     * @property report what was exchanged.
     */
    public data class Success(public val report: SyncReport) : SyncOutcome

    /**
     * It did not work now; later it may. What was exchanged until then is stored.
     *
     * @property error why.
     */
    public data class Retry(public val error: FieldledgerException) : SyncOutcome

    /**
     * A person has to do something first: show them [error]'s message.
     *
     * @property error why.
     */
    public data class Failure(public val error: FieldledgerException) : SyncOutcome

    /** The report, or the error thrown. */
    public fun getOrThrow(): SyncReport = when (this) {
        is Success -> report
        is Retry -> throw error
        is Failure -> throw error
    }

    /** The report of a success. */
    public fun getOrNull(): SyncReport? = (this as? Success)?.report

    public companion object {
        /** Whether trying again later may help against [error], or a person has to act. */
        public fun of(error: FieldledgerException): SyncOutcome = when (error) {
            is FieldledgerException.SignInAgain,
            is FieldledgerException.Revoked,
            is FieldledgerException.NeedsNewerApp,
            is FieldledgerException.NotEnrolled,
            is FieldledgerException.Damaged,
            is FieldledgerException.Invalid,
            is FieldledgerException.NotAllowed,
            is FieldledgerException.NotFound,
            is FieldledgerException.MadeByNewerVersion,
            is FieldledgerException.KeyNeeded,
            is FieldledgerException.NotEncrypted,
            is FieldledgerException.WrongKey,
            -> Failure(error)
            is FieldledgerException.Offline,
            is FieldledgerException.StorageFull,
            is FieldledgerException.Closed,
            is FieldledgerException.Cancelled,
            is FieldledgerException.KeyUnavailable,
            is FieldledgerException.Internal,
            -> Retry(error)
        }
    }
}

/** How a sync that goes on in the background stands. */
public sealed interface SyncState {
    /** It has begun and has not heard of the server yet. */
    public data object Starting : SyncState

    /**
     * Phone and server have the same. Told again when more has become of the files of evidence.
     *
     * @property report what was exchanged last; its `evidence` says what became of the files since the sync began.
     */
    public data class UpToDate(public val report: SyncReport) : SyncState

    /**
     * Everything was exchanged but for changes that the server did not want to look at yet; it goes on by itself. Told again
     * as [UpToDate] is.
     *
     * @property report as that of [UpToDate].
     */
    public data class Stalled(public val report: SyncReport) : SyncState

    /**
     * It did not work, and is tried again by itself.
     *
     * @property error why.
     */
    public data class Retrying(public val error: FieldledgerException) : SyncState

    /**
     * It ended: it was stopped, the store was closed, or a person has to do something first.
     *
     * @property error why; nothing when it was stopped.
     */
    public data class Stopped(public val error: FieldledgerException?) : SyncState
}

/**
 * A sync that goes on in the background until it is stopped or the store is closed: after local changes, when the server says that
 * there is something new, and from time to time.
 */
public class BackgroundSync internal constructor(
    private val forget: (BackgroundSync) -> Unit,
) : AutoCloseable {
    private val current = MutableStateFlow<SyncState>(SyncState.Starting)

    @Volatile
    private var handle: SyncHandle? = null

    /** How it stands. [SyncState.Stopped] is the last. */
    public val states: StateFlow<SyncState> = current.asStateFlow()

    /** Whether it has ended. */
    public val hasEnded: Boolean
        get() = current.value is SyncState.Stopped

    internal val listener: SyncListener = object : SyncListener {
        override fun onState(state: BridgeSyncState) = guarded {
            current.value = state.native()
            if (state is BridgeSyncState.Stopped) forget(this@BackgroundSync)
        }
    }

    internal fun started(handle: SyncHandle) {
        this.handle = handle
        if (hasEnded) forget(this)
    }

    /** Tells that a network is there (again), so that nothing waits for the next try. */
    public fun networkReturned() {
        handle?.takeUnless { it.uniffiIsDestroyed }?.let {
            // Between the question and the call somebody may let go of it; then there is nothing to tell.
            runCatching { it.networkReturned() }
        }
    }

    /** Stops it, and returns when it has ended. What was exchanged until then is stored. */
    public suspend fun stop() {
        close()
        current.first { it is SyncState.Stopped }
    }

    /** Stops it without waiting for its end. */
    override fun close() {
        handle?.destroy()
        forget(this)
    }
}

internal fun BridgeSyncState.native(): SyncState = when (this) {
    is BridgeSyncState.UpToDate -> SyncState.UpToDate(report)
    is BridgeSyncState.Stalled -> SyncState.Stalled(report)
    is BridgeSyncState.Retrying -> SyncState.Retrying(FieldledgerException.of(error))
    is BridgeSyncState.Stopped -> SyncState.Stopped(error?.let(FieldledgerException::of))
}
