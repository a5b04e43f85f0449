package com.fieldledger

import com.fieldledger.model.DocumentKind
import com.fieldledger.model.ListQuery
import com.fieldledger.model.VisitPurpose
import kotlinx.coroutines.runBlocking
import java.io.File
import java.nio.file.Files

/**
 * What a call costs, run by hand on a quiet machine with a library of the release build:
 *
 *     mvn -q -pl fieldledger test-compile exec:java@measure -Dfieldledger.library=FOLDER
 *
 * Prints a table, and where the database is that it leaves: `cargo run --release -p fieldledger-core --example calls -- DATABASE`
 * makes the same calls in Rust, on the same data.
 */
object Measure {
    private const val VISITS = 1_000

    @JvmStatic
    fun main(arguments: Array<String>) = runBlocking {
        val rows = mutableListOf<Pair<String, String>>()
        rows += "first call after load: the library's version" to once { Fieldledger.version }
        // Neither removed nor changed after this: the same calls in Rust are made on it.
        val folder = Files.createTempDirectory("fieldledger-measure").toFile()
        rows += "opening a new store, first time in the process" to once { Phone.open(folder).close() }
        val phone = Phone.open(folder)
        Company().use { company ->
            phone.store.enrol(company.url, company.code("lina"), "measure")
            phone.sync()
        }
        val customer = phone.customer().id
        rows += "identity: a call that touches no disk" to many(20_000) { phone.store.identity() }
        rows += "is_closed: the same, through a coroutine and back" to many(5_000) { phone.store.isClosed() }
        rows += "recording one visit" to many(VISITS) { phone.store.startVisit(customer, VisitPurpose.Routine) }
        rows += "one row" to phone.store.list(ListQuery(limit = 1)).single().id.let { id -> many(2_000) { phone.store.row(id) } }
        val query = ListQuery(kind = DocumentKind.Visit, limit = VISITS.toLong())
        check(phone.store.list(query).size == VISITS)
        rows += "listing $VISITS visits" to many(100) { phone.store.list(query) }
        val small = ListQuery(kind = DocumentKind.Visit, limit = 50)
        rows += "listing 50 visits" to many(500) { phone.store.list(small) }
        phone.close()
        println("| call | Kotlin |\n|---|---|")
        rows.forEach { (what, time) -> println("| $what | $time |") }
        println("\nThe database: ${File(folder, "phone.db")}")
    }

    private inline fun once(work: () -> Any?): String {
        val start = System.nanoTime()
        work()
        return "%.0f ms, once".format((System.nanoTime() - start) / 1e6)
    }

    /** The median and the 95th percentile, after a fifth of the calls to warm up. */
    private inline fun many(times: Int, work: () -> Any?): String {
        val took = LongArray(times) {
            val start = System.nanoTime()
            work()
            System.nanoTime() - start
        }
        val warm = took.drop(times / 5).sorted()
        return "%.3f ms (95 %%: %.3f)".format(warm[warm.size / 2] / 1e6, warm[warm.size * 95 / 100] / 1e6)
    }
}
