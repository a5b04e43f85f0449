package com.fieldledger

import com.fieldledger.ffi.describeError
import com.fieldledger.model.FieldException
import com.fieldledger.model.InvalidField
import java.nio.charset.CharacterCodingException
import java.util.Locale
import kotlin.coroutines.cancellation.CancellationException
import com.fieldledger.ffi.InternalException as BridgeException
import com.fieldledger.model.InternalException as ModelBridgeException

/**
 * Why a call did not do what was asked, named by what a person can do about it. A call that throws one has changed nothing.
 *
 * [message] is a sentence for that person, in English or Chinese by the phone's language; [describe] says it in another.
 */
public sealed class FieldledgerException(internal val error: FieldException, cause: Throwable? = null) : Exception(cause) {
    /** A sentence for the person, in the language of [Locale.getDefault]. */
    override val message: String
        get() = describe(Locale.getDefault())

    /** The sentence in the language of [locale]: Simplified Chinese for Chinese, else English. */
    public fun describe(locale: Locale): String = try {
        checkBridge()
        describeError(error, locale.toLanguageTag())
    } catch (_: LinkageError) {
        // The library itself is what is missing, or it is not the one that belongs here: nothing is asked of such a one.
        (error as? FieldException.Internal)?.v1 ?: javaClass.simpleName
    }

    /** The server cannot be reached. Everything recorded is safe and is sent later; nothing has to be done. */
    public class Offline internal constructor(error: FieldException) : FieldledgerException(error)

    /** The server no longer accepts this phone's token: ask for a new enrolment code. */
    public class SignInAgain internal constructor(error: FieldException) : FieldledgerException(error)

    /** An administrator shut this phone out. */
    public class Revoked internal constructor(error: FieldException) : FieldledgerException(error)

    /** Nothing more can be written until the person frees some space. */
    public class StorageFull internal constructor(error: FieldException) : FieldledgerException(error)

    /**
     * A value that cannot be saved.
     *
     * @property field which one, as the core names it (`lines[0].quantity`): to mark an input field.
     * @property reason what is wrong with it, in English.
     */
    public class Invalid internal constructor(error: FieldException, public val field: String, public val reason: String) :
        FieldledgerException(error)

    /**
     * The person's role may not do that.
     *
     * @property path what was to be changed.
     * @property whoMay who may change it.
     */
    public class NotAllowed internal constructor(error: FieldException, public val path: String, public val whoMay: String) :
        FieldledgerException(error)

    /** Not on this phone (yet): a sync may bring it. */
    public class NotFound internal constructor(error: FieldException) : FieldledgerException(error)

    /** The database or the server speaks a newer version: update the app. */
    public class NeedsNewerApp internal constructor(error: FieldException) : FieldledgerException(error)

    /** The store is closed; [FieldStore.reopen] opens it again. */
    public class Closed internal constructor(error: FieldException) : FieldledgerException(error)

    /** Nobody has enrolled on this phone: ask for an enrolment code. */
    public class NotEnrolled internal constructor(error: FieldException) : FieldledgerException(error)

    /** A newer version of the app made this document: it can be shown, not edited. */
    public class MadeByNewerVersion internal constructor(error: FieldException) : FieldledgerException(error)

    /** The database is encrypted: open it with its key ([StoreOptions.keys]). */
    public class KeyNeeded internal constructor(error: FieldException) : FieldledgerException(error)

    /** The database is not encrypted: encrypt it ([FieldStore.encrypt]), or open it without a key. */
    public class NotEncrypted internal constructor(error: FieldException) : FieldledgerException(error)

    /** The key does not open this database; nothing in it was touched. */
    public class WrongKey internal constructor(error: FieldException) : FieldledgerException(error)

    /**
     * The key cannot be had now: the keystore is locked until the phone is unlocked, say. Try again later.
     *
     * @property reason what the app's [KeySupply] said.
     */
    public class KeyUnavailable internal constructor(error: FieldException, public val reason: String) :
        FieldledgerException(error)

    /**
     * The database file is damaged. Close and open the store: that sets it aside and salvages what can be read.
     *
     * @property detail what SQLite said.
     */
    public class Damaged internal constructor(error: FieldException, public val detail: String) : FieldledgerException(error)

    /** The call was ended before it was done; what it had stored until then stays. */
    public class Cancelled internal constructor(error: FieldException) : FieldledgerException(error)

    /**
     * A fault in the app or the library: report [detail].
     *
     * @property detail what happened, for developers.
     */
    public class Internal internal constructor(error: FieldException, public val detail: String, cause: Throwable? = null) :
        FieldledgerException(error, cause)

    internal companion object {
        fun of(error: FieldException): FieldledgerException = when (error) {
            is FieldException.Offline -> Offline(error)
            is FieldException.SignInAgain -> SignInAgain(error)
            is FieldException.Revoked -> Revoked(error)
            is FieldException.StorageFull -> StorageFull(error)
            is FieldException.Invalid -> Invalid(error, error.v1.field, error.v1.message)
            is FieldException.NotAllowed -> NotAllowed(error, error.v1.path, error.v1.whoMay)
            is FieldException.NotFound -> NotFound(error)
            is FieldException.NeedsNewerApp -> NeedsNewerApp(error)
            is FieldException.Closed -> Closed(error)
            is FieldException.NotEnrolled -> NotEnrolled(error)
            is FieldException.MadeByNewerVersion -> MadeByNewerVersion(error)
            is FieldException.KeyNeeded -> KeyNeeded(error)
            is FieldException.NotEncrypted -> NotEncrypted(error)
            is FieldException.WrongKey -> WrongKey(error)
            is FieldException.KeyUnavailable -> KeyUnavailable(error, error.v1)
            is FieldException.Damaged -> Damaged(error, error.v1)
            is FieldException.Cancelled -> Cancelled(error)
            is FieldException.Internal -> Internal(error, error.v1)
        }

        fun closed(): FieldledgerException = of(FieldException.Closed())

        fun invalid(field: String, reason: String): FieldledgerException =
            of(FieldException.Invalid(InvalidField(field, reason)))

        fun internal(detail: String, cause: Throwable): FieldledgerException =
            Internal(FieldException.Internal(detail), detail, cause)
    }
}

/** What the bridge throws, as apps see it. */
internal fun translate(thrown: Throwable): Throwable = when (thrown) {
    is FieldledgerException, is CancellationException -> thrown
    is FieldException -> FieldledgerException.of(thrown)
    // The object behind a store that was let go of.
    is IllegalStateException ->
        if (thrown.message.orEmpty().endsWith("has already been destroyed")) FieldledgerException.closed()
        else FieldledgerException.internal(thrown.toString(), thrown)
    is BridgeException -> fromBridge(thrown.message.orEmpty(), thrown)
    is ModelBridgeException -> fromBridge(thrown.message.orEmpty(), thrown)
    // What generate.sh has put in the way of numbers that Rust keeps without a sign.
    is IllegalArgumentException ->
        if (thrown.message.orEmpty().startsWith("a count cannot be negative")) FieldledgerException.invalid("value", thrown.message.orEmpty())
        else FieldledgerException.internal(thrown.toString(), thrown)
    // Half of a character that takes two (an emoji cut in the middle) has no UTF-8.
    is CharacterCodingException -> FieldledgerException.invalid("text", "holds half a character that no other phone could read")
    is LinkageError -> FieldledgerException.internal(thrown.reason(), thrown)
    is Exception -> FieldledgerException.internal(thrown.toString(), thrown)
    else -> thrown
}

/** The bridge names the argument that Rust could not take: a number with too many digits, say. */
private val refusedArgument = Regex("""Failed to convert arg '(\w+)':\s*(.*)""")

private fun fromBridge(message: String, thrown: Throwable): FieldledgerException {
    val refused = refusedArgument.find(message) ?: return FieldledgerException.internal(message, thrown)
    return FieldledgerException.invalid(refused.groupValues[1], refused.groupValues[2])
}

/** What UniFFI and JNA say of a library that was built from other sources than the generated ones. */
private val anotherVersion = Regex("""(contract version|API checksum) mismatch|Error looking up function""")

private fun LinkageError.reason(): String {
    val root = generateSequence<Throwable>(this) { it.cause }.last()
    val said = root.message?.lineSequence()?.firstOrNull() ?: root.javaClass.simpleName
    return if (anotherVersion.containsMatchIn(said)) {
        "Fieldledger's library is of another version than the package that uses it; both have to be of one build ($said)"
    } else {
        "Fieldledger's library could not be loaded: $said"
    }
}

/** Runs [work], with what it throws translated. */
internal inline fun <T> translated(work: () -> T): T = try {
    work()
} catch (thrown: Throwable) {
    throw translate(thrown)
}
