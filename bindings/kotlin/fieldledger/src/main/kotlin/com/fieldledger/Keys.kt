package com.fieldledger

import com.fieldledger.ffi.KeyReply
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.launch
import kotlin.coroutines.CoroutineContext
import com.fieldledger.ffi.KeySupply as BridgeKeySupply

/**
 * Where the database's key comes from; an app implements it over the keystore. A key is 32 random bytes
 * ([FieldStore.generateKey]).
 *
 * Asked whenever a store is opened, reopened or given another key. It may suspend, to ask the person to unlock the key with a finger,
 * for up to two minutes. What it throws becomes [FieldledgerException.KeyUnavailable] with that message; nothing is touched then.
 *
 * To give a database another key: store the new key as the pending one, call [FieldStore.rotateKey], then make the pending key the
 * present one. A phone that dies in between opens with whichever key the database has;
 * [FieldStore.openedWithPendingKey] tells that the last step is left to be done.
 */
public interface KeySupply {
    /** The present key. Make and store one before the store is opened for the first time. */
    public suspend fun databaseKey(): ByteArray?

    /** The key that a rotation has begun to move to; nothing when there is no rotation. */
    public suspend fun pendingKey(): ByteArray? = null
}

internal fun KeySupply.bridged(context: CoroutineContext): BridgeKeySupply {
    val scope = CoroutineScope(context + SupervisorJob())
    fun answer(reply: KeyReply, ask: suspend () -> ByteArray?) {
        scope.launch {
            reply.use {
                try {
                    ask()?.let(reply::key) ?: reply.none()
                } catch (thrown: Throwable) {
                    reply.unavailable(thrown.message ?: thrown.toString())
                }
            }
        }
    }
    return object : BridgeKeySupply {
        override fun databaseKey(reply: KeyReply) = guarded { answer(reply, this@bridged::databaseKey) }
        override fun pendingKey(reply: KeyReply) = guarded { answer(reply, this@bridged::pendingKey) }
    }
}
