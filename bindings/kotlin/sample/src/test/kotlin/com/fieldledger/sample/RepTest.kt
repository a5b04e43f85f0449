package com.fieldledger.sample

import com.fieldledger.Company
import com.fieldledger.NATIVE_ACCESS
import com.fieldledger.temporaryFolder
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.io.File

/** The sample as a person starts it: a program of its own. */
class RepTest {
    private val folder = temporaryFolder("rep")

    private fun rep(vararg arguments: String, language: String = "en", code: Int = 0): String {
        val command = listOf(
            File(System.getProperty("java.home"), "bin/java").path,
            "-Djna.library.path=${System.getProperty("jna.library.path")}",
            "-Duser.language=$language",
            NATIVE_ACCESS,
            "-cp", System.getProperty("java.class.path"),
            "com.fieldledger.sample.RepKt",
            folder.path,
        )
        val process = ProcessBuilder(command + arguments).redirectErrorStream(true).start()
        val text = process.inputStream.bufferedReader().readText()
        assertEquals(code, process.waitFor(), text)
        return text
    }

    @Test
    fun `the scripted day ends on the server and on another phone as it was played`() {
        Company.shared.use { company ->
            assertTrue("not enrolled" in rep("today", code = 1))
            assertTrue("enrol URL CODE" in rep("dance", code = 2))
            val enrolled = rep("enrol", company.url, company.code("lina"))
            assertTrue("李娜's phone, of 和平食品" in enrolled, enrolled)
            assertTrue("Nothing is planned" in rep("today"))
            val day = rep("day", "C1")
            for (words in listOf("Visiting 和平超市: INSIDE", "Order DAY-C1 looks well", "Delivered DEL-C1, signed by 王芳", "0 refused")) {
                assertTrue(words in day, day)
            }
            assertTrue("和平超市" in rep("today"))
            val state = rep("state")
            assertTrue(state.startsWith("""[{"kind":"delivery","id":"""") && state.endsWith("}]\n"), state)
            assertTrue(""""amount":"77.50 CNY"""" in state, state)
            assertTrue("\"sync\":\"waiting\"" !in state && "\"sync\":\"synced\"" in state, state)
            // Another phone of the same person.
            File(folder, "other").mkdirs()
            val first = state
            folder.resolve("rep.db").renameTo(folder.resolve("other/rep.db"))
            folder.listFiles().orEmpty().filter { it.isFile }.forEach { it.delete() }
            rep("enrol", company.url, company.code("lina"))
            assertEquals(first, rep("state"))
        }
    }
}
