package com.fieldledger

import com.fieldledger.model.CustomerId
import com.fieldledger.model.VisitPurpose
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import java.io.File
import kotlin.system.exitProcess

/** A process of its own, to be killed, starved or started without its library. */
object Child {
    /** Starts one with this virtual machine; [before] is shell to be run first, [library] where the native library is. */
    fun start(
        vararg arguments: String,
        before: String = ":",
        library: String? = System.getProperty("jna.library.path"),
    ): Process {
        val java = listOf(
            File(System.getProperty("java.home"), "bin/java").path,
            "-XX:-UsePerfData",
            "-Djna.library.path=${library ?: "/nowhere"}",
            NATIVE_ACCESS,
            "-cp", System.getProperty("java.class.path"),
            "com.fieldledger.Child",
        )
        val command = listOf("bash", "-c", "$before; exec \"\$@\"", "bash") + java + arguments
        return ProcessBuilder(command).redirectErrorStream(true).start()
    }

    @JvmStatic
    fun main(arguments: Array<String>) {
        val folder = File(arguments[1])
        fun succeeds(work: suspend () -> Unit) = try {
            runBlocking { work() }
            true
        } catch (error: FieldledgerException) {
            println("${error.javaClass.simpleName}: ${error.message}")
            false
        }
        // A library that cannot be used is asked twice: the second time must not say another thing than the first.
        val fine = when (arguments[0]) {
            "record" -> succeeds { record(folder) }
            "sync" -> succeeds { sync(folder) }
            "version" -> List(2) { succeeds { println(Fieldledger.version) } }.all { it }
            "open" -> List(2) { succeeds { Phone.open(folder).close() } }.all { it }
            "log" -> List(2) { succeeds { Fieldledger.setLogSink({ }) } }.all { it }
            else -> false
        }
        exitProcess(if (fine) 0 else 3)
    }

    /** Records until it is stopped; says so of each visit once it is acknowledged. */
    private suspend fun record(folder: File) {
        val phone = Phone.open(folder)
        val customer = phone.customer().id
        println("ready")
        record(phone, customer)
    }

    private suspend fun record(phone: Phone, customer: CustomerId) {
        while (true) {
            val visit = phone.store.startVisit(customer, VisitPurpose.Routine)
            println("saved ${visit.id}")
            System.out.flush()
        }
    }

    /** Syncs without a pause and, once there are customers, records beside it, until it is stopped. */
    private suspend fun sync(folder: File) = coroutineScope {
        val phone = Phone.open(folder)
        val customer = phone.store.customers().firstOrNull()?.id
        println("ready")
        launch {
            while (true) {
                println("syncing")
                System.out.flush()
                println("synced ${phone.store.syncOnce().javaClass.simpleName}")
            }
        }
        if (customer != null) record(phone, customer)
    }
}
