package com.fieldledger

import com.fieldledger.model.*
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.launch
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.io.File
import java.math.BigDecimal
import java.util.UUID
import java.util.concurrent.CopyOnWriteArrayList

/** The code of docs/kotlin.md that needs no Android, compiled as it is printed there. */
class DocumentationTest {
    @Test
    fun `what is compiled here is what the documentation prints`() {
        val printed = blocks(File("../../../docs/kotlin.md").readText())
        val compiled = regions(File("src/test/kotlin/com/fieldledger/DocumentationTest.kt").readText())
        assertEquals(listOf("Open", "Enrol", "Record", "Observe", "Photos and signatures"), compiled.map { it.first })
        for ((section, code) in compiled) {
            assertTrue(printed[section].orEmpty().any { it == code }, "the code of \"$section\" is another:\n$code\n${printed[section]}")
        }
    }

    @Test
    fun `a photo goes to the server and to whoever looks at the visit`() = story {
        Company.shared.phone().use { phone ->
            val (folder, store, visit) = Triple(phone.folder, phone.store, phone.visit())
            File(folder, "shelf.jpg").writeText("门头 as the camera saw it")
            val (waiting, shown) = Pair(CopyOnWriteArrayList<Int>(), CopyOnWriteArrayList<String>())
            coroutineScope {
                val watching = launch {
                    photos(this, store, visit, folder, { waiting += it.size }, { shown += it.readText() })
                }
                eventually { waiting.lastOrNull() == 1 }
                phone.sync()
                eventually { waiting.last() == 0 }
                watching.cancelAndJoin()
            }
            assertEquals(listOf("门头 as the camera saw it"), shown)
        }
    }

    private suspend fun photos(
        scope: CoroutineScope,
        store: FieldStore,
        visit: Document<Visit>,
        folder: File,
        showWaiting: (List<EvidenceFile>) -> Unit,
        showPicture: (File) -> Unit,
    ) {
        // docs: Photos and signatures
        val photo = File(folder, "shelf.jpg")                                 // where the camera left it
        val hash = store.attachEvidence(visit.id, photo, NewEvidence(EvidenceKind.Photo, "image/jpeg", caption = "门头"))
        photo.delete()

        scope.launch { store.observe(Change.Evidence) { evidenceWaiting() }.collect { files -> showWaiting(files) } }

        showPicture(store.fetchEvidence(visit.id, hash))                      // a file on this phone
        // end
    }

    @Suppress("unused") // Compiled and not called: it speaks to a server of the reader's.
    private suspend fun open(folder: File, installation: UUID): FieldStore {
        // docs: Open
        val store = FieldStore.open(
            StoreOptions(
                database = File(folder, "fieldledger.db"),    // a folder of the app's own, left out of backups
                installation = installation,                  // a random UUID, made once, kept beside it
                appVersion = "1.4.0",
                platform = "Android 16",
            ),
        )
        store.openingReport()?.let { /* the file was damaged: tell what was salvaged */ }
        // end
        return store
    }

    @Suppress("unused")
    private suspend fun enrol(store: FieldStore, code: String): Identity {
        // docs: Enrol
        val me = store.enrol("https://sales.example.com", code, deviceName = "Pixel 9")
        store.syncOnce().getOrThrow()
        // end
        return me
    }

    @Suppress("unused")
    private suspend fun record(store: FieldStore) {
        // docs: Record
        val customer = store.customers("DEMO-SHOP").first()                   // words of its name, code, contact or address
        val visit = store.startVisit(customer.id, VisitPurpose.Sales, Position(31.2304, 121.4737, accuracyMetres = 8))
        val (first, second) = store.products(limit = 2)
        val draft = store.draftOrder(
            customer.id, "A-1042",
            listOf(OrderLine(first, BigDecimal(3)), OrderLine(second, BigDecimal(5))),
        )
        store.checkCredit(draft).rules.forEach { println(it.sentence) }       // sentences a rep can repeat
        val order = store.submitOrder(store.create(draft))
        when (val verdict = order.verdict) {
            is OrderVerdict.Approved -> println("guaranteed")
            is OrderVerdict.Provisional -> println("looks well, as of ${verdict.asOf}")
            is OrderVerdict.Held -> println("a supervisor decides: ${verdict.reasons.map { it.sentence }}")
            is OrderVerdict.Refused -> println("not on credit: ${verdict.reasons.map { it.sentence }}")
            null -> Unit                                                      // still a draft
        }
        store.checkOut(visit.id, CheckOut(outcome = VisitOutcome.Successful, note = "再来"))
        // end
    }

    @Suppress("unused")
    private suspend fun observe(store: FieldStore, show: (Today) -> Unit, showOrders: (List<DocumentRow>) -> Unit) {
        // docs: Observe
        store.observeToday().collect { today -> show(today) }
        store.observe(Change.Documents(DocumentKind.Order)) { list(ListQuery(kind = DocumentKind.Order, limit = 20)) }
            .collect { orders -> showOrders(orders) }
        // end
    }

    /** The blocks of code in Kotlin below each heading. */
    private fun blocks(page: String): Map<String, List<String>> =
        page.split(Regex("(?m)^## ")).drop(1).associate { section ->
            val code = Regex("(?s)```kotlin\n(.*?)\n```").findAll(section).map { it.groupValues[1] }
            section.lineSequence().first() to code.toList()
        }

    /** What stands between a line `docs: HEADING` and a line `end`, in the order of the page. */
    private fun regions(source: String): List<Pair<String, String>> =
        Regex("(?ms)^ *// docs: ([^\n]*)\n(.*?)\n *// end$").findAll(source)
            .map { it.groupValues[1] to it.groupValues[2].trimIndent() }
            .sortedBy { (section, _) -> listOf("Open", "Enrol", "Record", "Observe").indexOf(section).let { if (it < 0) 9 else it } }
            .toList()
}
