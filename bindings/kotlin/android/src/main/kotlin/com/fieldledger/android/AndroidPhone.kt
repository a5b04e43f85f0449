package com.fieldledger.android

import android.content.Context
import android.os.Build
import android.os.SystemClock
import android.provider.Settings
import android.util.Log
import com.fieldledger.BootClock
import com.fieldledger.KeySupply
import com.fieldledger.LogLevel
import com.fieldledger.LogSink
import com.fieldledger.NetworkMonitor
import com.fieldledger.StoreOptions
import java.io.File
import java.util.UUID

/** What the library needs to know of an Android phone. */
public object AndroidPhone {
    /**
     * Options for a store in a folder that Android's backups leave out (`noBackupFilesDir`), with the clock of this phone. The
     * database and the name of the installation stay together there: neither reaches another phone.
     */
    public fun options(
        context: Context,
        appVersion: String,
        network: NetworkMonitor? = null,
        keys: KeySupply? = null,
        certificates: List<ByteArray> = emptyList(),
    ): StoreOptions = StoreOptions(
        database = database(context),
        installation = installation(context),
        appVersion = appVersion,
        platform = "Android ${Build.VERSION.RELEASE}, ${Build.MANUFACTURER} ${Build.MODEL}",
        certificates = certificates,
        keys = keys,
        network = network,
        bootClock = bootClock(context),
    )

    /** Where [options] puts the database. */
    public fun database(context: Context): File = File(folder(context), "fieldledger.db")

    /** The random name of this installation, made when it is first asked for. */
    public fun installation(context: Context): UUID = synchronized(this) {
        val file = File(folder(context), "installation")
        if (!file.exists()) writeWhole(file, UUID.randomUUID().toString().toByteArray())
        UUID.fromString(file.readText())
    }

    /** How long the phone has been running, time asleep included. */
    public fun bootClock(context: Context): BootClock {
        val resolver = context.applicationContext.contentResolver
        return BootClock {
            val boot = Settings.Global.getInt(resolver, Settings.Global.BOOT_COUNT)
            BootClock.Reading(boot.toLong(), SystemClock.elapsedRealtime())
        }
    }

    /** Android's log, under the tag `Fieldledger`: `Fieldledger.setLogSink(AndroidPhone.log)`. */
    public val log: LogSink = LogSink { lines ->
        for (line in lines) {
            val priority = when (line.level) {
                LogLevel.Error -> Log.ERROR
                LogLevel.Warn -> Log.WARN
                LogLevel.Info -> Log.INFO
                LogLevel.Debug -> Log.DEBUG
            }
            Log.println(priority, "Fieldledger", "${line.target}: ${line.message}")
        }
    }

    internal fun folder(context: Context): File = File(context.noBackupFilesDir, "fieldledger").apply { mkdirs() }
}
