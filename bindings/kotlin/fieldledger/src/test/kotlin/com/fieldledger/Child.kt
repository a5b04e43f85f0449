package com.fieldledger

import com.fieldledger.model.VisitPurpose
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
            "-cp", System.getProperty("java.class.path"),
            "com.fieldledger.Child",
        )
        val command = listOf("bash", "-c", "$before; exec \"\$@\"", "bash") + java + arguments
        return ProcessBuilder(command).redirectErrorStream(true).start()
    }

    @JvmStatic
    fun main(arguments: Array<String>) {
        val folder = File(arguments[1])
        try {
            when (arguments[0]) {
                "record" -> runBlocking { record(folder) }
                "version" -> println(Fieldledger.version)
                "open" -> runBlocking { Phone.open(folder).close() }
            }
        } catch (error: FieldledgerException) {
            println("${error.javaClass.simpleName}: ${error.message}")
            exitProcess(3)
        }
    }

    /** Records until it is stopped; says so of each visit once it is acknowledged. */
    private suspend fun record(folder: File) {
        val phone = Phone.open(folder)
        val customer = phone.customer().id
        println("ready")
        while (true) {
            val visit = phone.store.startVisit(customer, VisitPurpose.Routine)
            println("saved ${visit.id}")
            System.out.flush()
        }
    }
}
