package com.fieldledger

import com.fieldledger.ffi.libraryVersion
import com.fieldledger.ffi.uniffiEnsureInitialized
import java.time.Instant
import com.fieldledger.ffi.LogLevel as BridgeLogLevel
import com.fieldledger.ffi.LogLine as BridgeLogLine
import com.fieldledger.ffi.LogSink as BridgeLogSink
import com.fieldledger.ffi.setLogSink as bridgeSetLogSink

/** The library as a whole. */
public object Fieldledger {
    /** The version of the native library. */
    public val version: String
        get() = translated {
            checkBridge()
            libraryVersion()
        }

    /**
     * Sends the library's log to [sink] from now on; `null` sends it nowhere. Lines less urgent than [level] are left out; each
     * call brings its own level.
     *
     * @return `false` when other Rust code in this process has set up a log of its own before, which then gets the lines.
     */
    public fun setLogSink(sink: LogSink?, level: LogLevel = LogLevel.Info): Boolean = translated {
        checkBridge()
        val bridged = sink?.let { target ->
            object : BridgeLogSink {
                override fun write(lines: List<BridgeLogLine>) = guarded { target.write(lines.map(BridgeLogLine::native)) }
            }
        }
        bridgeSetLogSink(bridged, BridgeLogLevel.entries[level.ordinal])
    }
}

/** How urgent a line of the log is. */
public enum class LogLevel {
    /** Something failed that should not have. */
    Error,

    /** Something is odd, and was coped with. */
    Warn,

    /** What happens. */
    Info,

    /** How it happens, for developers. */
    Debug,
}

/**
 * A line of the log. It never holds keys, tokens or what people wrote.
 *
 * @property at when, by the phone's clock.
 * @property level how urgent.
 * @property target which part of the library speaks.
 * @property message what it says.
 */
public data class LogLine(
    public val at: Instant,
    public val level: LogLevel,
    public val target: String,
    public val message: String,
)

/** Takes the library's log. Called on a thread of its own, at most about twice a second. */
public fun interface LogSink {
    /** Takes lines, oldest first. Lines for which it throws are lost. */
    public fun write(lines: List<LogLine>)
}

private fun BridgeLogLine.native() = LogLine(at, LogLevel.entries[level.ordinal], target, message)

/** What came of loading the library. A virtual machine tells why only the first time; every later call says the same. */
private val loading: Result<Unit> by lazy { runCatching { uniffiEnsureInitialized() } }

/**
 * Loads the library and compares it with the generated sources, once. UniFFI does so only when asked; with a library of another
 * version the first call would end the process.
 */
internal fun checkBridge() {
    loading.getOrThrow()
}
