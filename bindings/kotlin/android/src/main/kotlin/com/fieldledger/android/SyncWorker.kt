package com.fieldledger.android

import android.content.Context
import androidx.work.BackoffPolicy
import androidx.work.Constraints
import androidx.work.CoroutineWorker
import androidx.work.Data
import androidx.work.ExistingPeriodicWorkPolicy
import androidx.work.ExistingWorkPolicy
import androidx.work.NetworkType
import androidx.work.OneTimeWorkRequest
import androidx.work.PeriodicWorkRequest
import androidx.work.WorkManager
import androidx.work.WorkerParameters
import com.fieldledger.FieldStore
import com.fieldledger.FieldledgerException
import com.fieldledger.SyncOutcome
import java.util.concurrent.TimeUnit

/** An application that has the store; [SyncWorker] asks it. The same store as the screens use, opened when it is not yet. */
public interface FieldStoreOwner {
    /** The open store. */
    public suspend fun fieldStore(): FieldStore
}

/**
 * Syncs when the app is not on the screen. The application implements [FieldStoreOwner] and calls [schedule] once at its start, and
 * [now] after something important was recorded.
 *
 * When the system takes the time back, the coroutine is cancelled and with it the sync; what was exchanged until then is stored.
 */
public class SyncWorker(context: Context, parameters: WorkerParameters) : CoroutineWorker(context, parameters) {
    override suspend fun doWork(): Result {
        val owner = applicationContext as? FieldStoreOwner
            ?: return failure("the application does not implement FieldStoreOwner")
        val outcome = try {
            owner.fieldStore().syncOnce()
        } catch (error: FieldledgerException) {
            // It could not be opened: full storage, a key that the locked phone does not give.
            SyncOutcome.of(error)
        }
        return when (outcome) {
            // Documents went; a photo that broke off goes on with the next try. One that waits for a better network waits for the next turn.
            is SyncOutcome.Success -> if (outcome.report.evidence.problem == null) Result.success() else Result.retry()
            is SyncOutcome.Retry -> Result.retry()
            is SyncOutcome.Failure -> failure(outcome.error.message)
        }
    }

    private fun failure(why: String): Result = Result.failure(Data.Builder().putString(WHY, why).build())

    /** When it works. */
    public companion object {
        /** Key of the sentence that says why it failed, in the work's output. */
        public const val WHY: String = "why"
        private const val REGULARLY = "fieldledger-sync"
        private const val AT_ONCE = "fieldledger-sync-now"
        private val connected = Constraints.Builder().setRequiredNetworkType(NetworkType.CONNECTED).build()

        /** Syncs about every [minutes] minutes (at least 15) while there is a network, app or no app. */
        public fun schedule(context: Context, minutes: Long = 15) {
            val work = PeriodicWorkRequest.Builder(SyncWorker::class.java, minutes, TimeUnit.MINUTES)
                .setConstraints(connected)
                .setBackoffCriteria(BackoffPolicy.EXPONENTIAL, 30, TimeUnit.SECONDS)
                .build()
            WorkManager.getInstance(context).enqueueUniquePeriodicWork(REGULARLY, ExistingPeriodicWorkPolicy.UPDATE, work)
        }

        /** Syncs as soon as there is a network, and once more after one that is under way. */
        public fun now(context: Context) {
            val work = OneTimeWorkRequest.Builder(SyncWorker::class.java)
                .setConstraints(connected)
                .setBackoffCriteria(BackoffPolicy.EXPONENTIAL, 30, TimeUnit.SECONDS)
                .build()
            WorkManager.getInstance(context).enqueueUniqueWork(AT_ONCE, ExistingWorkPolicy.APPEND_OR_REPLACE, work)
        }

        /** Syncs no more by itself, after a sign-out say. */
        public fun cancel(context: Context) {
            WorkManager.getInstance(context).cancelUniqueWork(REGULARLY)
            WorkManager.getInstance(context).cancelUniqueWork(AT_ONCE)
        }
    }
}
