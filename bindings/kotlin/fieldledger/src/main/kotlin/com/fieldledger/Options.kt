package com.fieldledger

import com.fieldledger.ffi.BootClockSource
import com.fieldledger.ffi.CallbackFailed
import com.fieldledger.ffi.ClockReading
import java.io.File
import java.util.UUID
import com.fieldledger.ffi.NetworkMonitor as BridgeNetworkMonitor

/**
 * How a store is opened.
 *
 * @property database the database file; it is made when it is not there. Its folder must be there, be the app's alone and be
 *   left out of the phone's backups.
 * @property installation a random name of this installation that the app keeps outside the phone's backups (in a file of
 *   `noBackupFilesDir`, or encrypted by the keystore): it tells a restored copy from the phone itself.
 * @property appVersion the app's version, for the server's list of devices.
 * @property platform what the phone is (`Android 16`), for the same list.
 * @property certificates certificates (DER or PEM) of authorities that the server's certificate may come from, beside the
 *   public ones: for a company with an authority of its own.
 * @property keys where the database's key comes from, in a build with encryption at rest; nothing for a plain database.
 * @property network tells what network there is and over which of them files of evidence go ([FieldStore.mayUpload]); without it
 *   syncs are tried whatever there is, and files go over any.
 * @property bootClock tells how long the phone has been running; without it, and but for Linux, offline allowances wait for a
 *   sync after each start of the app.
 */
public class StoreOptions(
    public val database: File,
    public val installation: UUID,
    public val appVersion: String,
    public val platform: String,
    public val certificates: List<ByteArray> = emptyList(),
    public val keys: KeySupply? = null,
    public val network: NetworkMonitor? = null,
    public val bootClock: BootClock? = null,
)

/** What network the phone has. */
public enum class NetworkState {
    /** None. */
    None,

    /** One that costs by the byte, or that the person wants spared. */
    Metered,

    /** A mobile network that does not cost by the byte. */
    Unmetered,

    /** Wi-Fi that does not cost by the byte. */
    Wifi,
}

/** Over which networks a sync sends files of evidence. Documents are small and go over any. */
public enum class UploadPolicy {
    /** Any. */
    Any,

    /** Those that do not cost by the byte. */
    NotMetered,

    /** Wi-Fi. */
    WifiOnly,
}

/**
 * Tells what network the phone has and what may go over it. Called on threads of the library, often, while files are sent before
 * each part of one: it should answer from memory. When [state] throws, that is noted in the log, documents are tried whatever there
 * is, and files of evidence wait. When [uploadPolicy] throws, [UploadPolicy.NotMetered] is taken.
 */
public interface NetworkMonitor {
    /** The network now. */
    public fun state(): NetworkState

    /** What the person has chosen for files of evidence. */
    public fun uploadPolicy(): UploadPolicy = UploadPolicy.NotMetered
}

/**
 * Tells how long the phone has been running, time asleep included. Offline allowances can be spent after a restart of the app,
 * without a sync, only with such a clock.
 */
public fun interface BootClock {
    /** The clock now. */
    public fun read(): Reading

    /**
     * What it shows.
     *
     * @property boot another number after each start of the phone.
     * @property millis milliseconds since then, time asleep included.
     */
    public data class Reading(public val boot: Long, public val millis: Long)
}

internal fun NetworkMonitor.bridged(): BridgeNetworkMonitor = object : BridgeNetworkMonitor {
    override fun state() = guarded {
        when (this@bridged.state()) {
            NetworkState.None -> com.fieldledger.ffi.NetworkState.NONE
            NetworkState.Metered -> com.fieldledger.ffi.NetworkState.METERED
            NetworkState.Unmetered -> com.fieldledger.ffi.NetworkState.UNMETERED
            NetworkState.Wifi -> com.fieldledger.ffi.NetworkState.WIFI
        }
    }

    override fun uploadPolicy() = guarded {
        when (this@bridged.uploadPolicy()) {
            UploadPolicy.Any -> com.fieldledger.ffi.UploadPolicy.ANY
            UploadPolicy.NotMetered -> com.fieldledger.ffi.UploadPolicy.NOT_METERED
            UploadPolicy.WifiOnly -> com.fieldledger.ffi.UploadPolicy.WIFI_ONLY
        }
    }
}

internal fun BootClock.bridged(): BootClockSource = object : BootClockSource {
    override fun read() = guarded { this@bridged.read().let { ClockReading(it.boot, it.millis) } }
}

/** Runs what the app implements. The bridge handles nothing but exceptions; an error thrown through it would be lost. */
internal inline fun <T> guarded(work: () -> T): T = try {
    work()
} catch (thrown: Throwable) {
    throw CallbackFailed.Failed(thrown.toString())
}
