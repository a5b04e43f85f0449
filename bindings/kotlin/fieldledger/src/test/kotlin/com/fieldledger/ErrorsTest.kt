package com.fieldledger

import com.fieldledger.model.ConfirmationVerdict
import com.fieldledger.model.CheckOut
import com.fieldledger.model.DocumentId
import com.fieldledger.model.FieldException
import com.fieldledger.model.NewDelivery
import com.fieldledger.model.NewDeliveryLine
import com.fieldledger.model.Party
import com.fieldledger.model.Position
import com.fieldledger.model.VisitPurpose
import kotlinx.coroutines.Dispatchers
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertInstanceOf
import org.junit.jupiter.api.Assertions.assertNotNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Assertions.fail
import org.junit.jupiter.api.Test
import java.io.File
import java.io.RandomAccessFile
import java.math.BigDecimal
import java.util.Locale
import java.util.UUID

class ErrorsTest {
    @Test
    fun `a phone that nobody enrolled on says so and asks for a code`() = story {
        Company.blank().use { phone ->
            val error = fails<FieldledgerException.NotEnrolled> { phone.store.today() }
            assertEquals("this phone is not enrolled; enter an enrolment code first", error.describe(Locale.ENGLISH))
            assertEquals("这部手机尚未注册，请先输入注册码", error.describe(Locale.SIMPLIFIED_CHINESE))
            fails<FieldledgerException.NotEnrolled> { phone.store.startSync() }
            assertInstanceOf(SyncOutcome.Failure::class.java, phone.store.syncOnce())
        }
    }

    @Test
    fun `the message follows the language of the phone`() = story {
        val usual = Locale.getDefault()
        val error = FieldledgerException.of(FieldException.Offline())
        try {
            Locale.setDefault(Locale.forLanguageTag("zh-Hans-CN"))
            assertTrue(error.message.startsWith("连接不上服务器"), error.message)
            Locale.setDefault(Locale.FRANCE)
            assertTrue(error.message.startsWith("the server cannot be reached"), error.message)
        } finally {
            Locale.setDefault(usual)
        }
    }

    @Test
    fun `every error of the core has a class and a sentence`() {
        val every = FieldException::class.sealedSubclasses
        val classes = FieldledgerException::class.sealedSubclasses.map { it.simpleName }.toSet()
        assertEquals(every.map { it.simpleName }.toSet(), classes)
        for (kind in listOf(FieldException.StorageFull(), FieldException.Damaged("page 7"), FieldException.Internal("x"))) {
            assertTrue(FieldledgerException.of(kind).message.isNotBlank())
        }
    }

    @Test
    fun `without a server there is nothing but Offline`() = story {
        Company.blank().use { phone ->
            fails<FieldledgerException.Offline> { phone.store.enrol("http://127.0.0.1:1", "AAAA-AAAA-AAAA", "x") }
        }
        val own = Company()
        own.phone().use { phone ->
            own.close()
            phone.visit()
            val outcome = assertInstanceOf(SyncOutcome.Retry::class.java, phone.store.syncOnce())
            assertInstanceOf(FieldledgerException.Offline::class.java, outcome.error)
            assertEquals(1, phone.store.status().waiting)
        }
    }

    @Test
    fun `a wrong code and a wrong address name their fields`() = story {
        Company.blank().use { phone ->
            val code = fails<FieldledgerException.Invalid> { phone.store.enrol(Company.shared.url, "AAAA-AAAA-AAAA", "x") }
            assertEquals("code", code.field)
            val address = fails<FieldledgerException.Invalid> { phone.store.enrol("not an address", "A", "x") }
            assertEquals("server_url", address.field)
        }
    }

    @Test
    fun `what cannot be saved names its field and changes nothing`() = story {
        Company.shared.phone().use { phone ->
            val customer = phone.customer()
            val before = phone.store.timeline(customer.id).size
            val nowhere = Position(91.0, 0.0, 5)
            val latitude = fails<FieldledgerException.Invalid> {
                phone.store.startVisit(customer.id, VisitPurpose.Sales, nowhere)
            }
            assertEquals("position.latitude", latitude.field)
            assertTrue(latitude.message.contains(latitude.reason))
            val negative = fails<FieldledgerException.Invalid> {
                phone.store.startVisit(customer.id, VisitPurpose.Sales, Position(31.0, 121.0, accuracyMetres = -1))
            }
            assertEquals("a count cannot be negative: -1", negative.reason)
            fails<FieldledgerException.Invalid> { phone.store.create(phone.store.draftOrder(customer.id, "T", emptyList(), termsDays = -30)) }
            val number = fails<FieldledgerException.Invalid> { phone.store.create(phone.store.draftOrder(customer.id, " ", emptyList())) }
            assertEquals("number", number.field)
            assertEquals(before, phone.store.timeline(customer.id).size)
        }
    }

    @Test
    fun `text and numbers that Rust cannot take are refused, not a crash`() = story {
        Company.shared.phone().use { phone ->
            val customer = phone.customer()
            val visit = phone.store.startVisit(customer.id, VisitPurpose.Sales)
            fails<FieldledgerException.Invalid> { phone.store.checkOut(visit.id, CheckOut(note = "half an emoji \uD83D")) }
            val product = phone.store.products(limit = 1).single()
            val long = OrderLine(product, BigDecimal("1.00000000000000000000000000000000000001"))
            val order = phone.store.draftOrder(customer.id, "TOO-LONG", listOf(long))
            assertEquals("value", fails<FieldledgerException.Invalid> { phone.store.create(order) }.field)
            assertEquals("order", fails<FieldledgerException.Invalid> { phone.store.checkCredit(order) }.field)
            fails<FieldledgerException.Invalid> { phone.store.products(limit = -1) }
        }
    }

    @Test
    fun `nobody speaks for a party that is not theirs`() = story {
        Company.shared.phone().use { phone ->
            val product = phone.store.products(limit = 1).single()
            val line = NewDeliveryLine(product.id, BigDecimal.ONE)
            val delivery = phone.store.newDelivery(NewDelivery(phone.customer().id, "NA-1", lines = listOf(line)))
            val error = fails<FieldledgerException.NotAllowed> {
                phone.store.confirm(delivery.id, Party.WAREHOUSE, ConfirmationVerdict.CONFIRMED)
            }
            assertTrue(error.path.isNotEmpty() && error.whoMay.isNotEmpty())
        }
    }

    @Test
    fun `what is not here is NotFound or nothing`() = story {
        Company.shared.phone().use { phone ->
            val nobody = DocumentId(UUID.randomUUID())
            fails<FieldledgerException.NotFound> { phone.store.history(nobody) }
            fails<FieldledgerException.NotFound> { phone.store.checkOut(nobody, CheckOut()) }
            assertEquals(null, phone.store.visit(nobody))
            assertEquals(null, phone.store.row(nobody))
        }
    }

    @Test
    fun `a phone that was shut out is told so, and a copied one too`() = story {
        Company.shared.phone().use { phone ->
            // A copy of the database on another phone: another installation.
            val folder = temporaryFolder("copy")
            phone.store.closeAndJoin()
            phone.database.copyTo(Phone.database(folder))
            Phone.open(folder).use { copy ->
                val outcome = assertInstanceOf(SyncOutcome.Failure::class.java, copy.store.syncOnce())
                assertInstanceOf(FieldledgerException.SignInAgain::class.java, outcome.error)
            }
            phone.store.reopen()
            val device = checkNotNull(phone.store.identity()).device
            Company.shared.command("device", "revoke", device.toString())
            val outcome = assertInstanceOf(SyncOutcome.Failure::class.java, phone.store.syncOnce())
            assertInstanceOf(FieldledgerException.Revoked::class.java, outcome.error)
            val last = phone.store.startSync().apply { stop() }.states.value as SyncState.Stopped
            assertTrue(last.error == null || last.error is FieldledgerException.Revoked)
        }
    }

    @Test
    fun `a database of a newer version, a folder and another file are refused untouched`() = story {
        Company.blank().use { phone ->
            phone.store.closeAndJoin()
            // user_version, in the header of every SQLite file.
            RandomAccessFile(phone.database, "rw").use { it.seek(60); it.writeInt(9_999) }
            fails<FieldledgerException.NeedsNewerApp> { phone.store.reopen() }
            fails<FieldledgerException.NeedsNewerApp> { Phone.open(phone.folder) }
        }
        val folder = temporaryFolder("other")
        assertEquals("path", fails<FieldledgerException.Invalid> { FieldStore.checkPath(folder) }.field)
        val letter = Phone.database(folder).apply { writeText("a letter to grandmother, long enough to look at") }
        assertEquals("path", fails<FieldledgerException.Invalid> { FieldStore.checkPath(letter) }.field)
        assertTrue(letter.readText().startsWith("a letter"))
    }

    @Test
    fun `a damaged database is set aside and what can be read is salvaged`() = story {
        val folder = Company.shared.phone().use { phone ->
            repeat(20) { phone.visit("visit $it") }
            phone.folder
        }
        RandomAccessFile(Phone.database(folder), "rw").use { file ->
            val noise = ByteArray(4096) { 0x5A }
            for (page in 3 until file.length() / 4096 step 7) {
                file.seek(page * 4096)
                file.write(noise)
            }
        }
        val phone = try {
            Phone.open(folder)
        } catch (_: FieldledgerException.Damaged) {
            // Noticed while it was opened: the next time it is set aside.
            Phone.open(folder)
        }
        phone.use {
            try {
                it.store.list()
                it.store.tree(DocumentId(UUID.randomUUID()))
            } catch (_: FieldledgerException.Damaged) {
                it.store.closeAndJoin()
                it.store.reopen()
            }
            val report = checkNotNull(it.store.openingReport())
            assertTrue(report.setAside.exists())
        }
    }

    @Test
    fun `a full storage is told as such, and what was acknowledged before is there`() = story {
        val folder = Company.shared.phone().use { it.folder }
        // The shell's limit on the size of files stands for a full storage, in a process of its own.
        val limit = Phone.database(folder).length() / 1024 + 512
        val child = Child.start("record", folder.path, before = "ulimit -f $limit")
        val said = child.inputStream.bufferedReader().readLines()
        assertEquals(3, child.waitFor(), said.takeLast(5).joinToString("\n"))
        assertTrue(said.last().startsWith("StorageFull: "), said.last())
        val saved = said.filter { it.startsWith("saved ") }.map { DocumentId(UUID.fromString(it.removePrefix("saved "))) }
        assertTrue(saved.isNotEmpty())
        Phone.open(folder).use { phone -> saved.forEach { assertNotNull(phone.store.visit(it)) } }
    }

    @Test
    fun `a missing library is an error that says so`() {
        val child = Child.start("version", "-", library = null)
        val said = child.inputStream.bufferedReader().readText()
        assertEquals(3, child.waitFor(), said)
        assertTrue(said.startsWith("Internal: Fieldledger's library could not be loaded: "), said)
        val second = Child.start("open", temporaryFolder("nowhere").path, library = null)
        assertTrue(second.inputStream.bufferedReader().readText().startsWith("Internal: Fieldledger's library could not be loaded"))
    }

    /** A library with the names of the real one, of which nothing can be called but what tells its version. */
    private fun stub(contract: Int, functions: (String) -> Boolean = { true }): String {
        val real = File(System.getProperty("jna.library.path"), System.mapLibraryName("fieldledger_ffi"))
        val names = ProcessBuilder("nm", "-D", "--defined-only", real.path).start().inputStream.bufferedReader().readLines()
            .map { it.substringAfterLast(' ') }.filter { it.startsWith("uniffi_") || it.startsWith("ffi_") }.filter(functions)
        assertTrue(names.size > 100, "the library has only ${names.size} functions")
        val folder = temporaryFolder("stub")
        val source = File(folder, "stub.c")
        source.writeText(names.joinToString("\n") { "int $it(void) { ${if (it.endsWith("_contract_version")) "return $contract" else if ("_checksum_" in it) "return 0" else "__builtin_trap()"}; }" })
        val made = ProcessBuilder("cc", "-w", "-shared", "-fPIC", "-o", File(folder, real.name).path, source.path).redirectErrorStream(true).start()
        val said = made.inputStream.bufferedReader().readText()
        assertEquals(0, made.waitFor(), said)
        return folder.path
    }

    @Test
    fun `a library of another version is an error that says so, and nothing is asked of it`() {
        val contract = com.sun.jna.NativeLibrary.getInstance("fieldledger_ffi")
            .getFunction("ffi_fieldledger_ffi_uniffi_contract_version").invokeInt(emptyArray())
        val another = "Internal: Fieldledger's library is of another version than the package that uses it; both have to be of one build"
        for ((library, why) in listOf(
            stub(contract + 1) to "UniFFI contract version mismatch",
            stub(contract) to "UniFFI API checksum mismatch",
            stub(contract) { "checksum_method_fieldstore_list" !in it } to "Error looking up function",
        )) {
            for (what in listOf("version", "open", "log")) {
                val child = Child.start(what, temporaryFolder("another").path, library = library)
                val said = child.inputStream.bufferedReader().readText()
                assertEquals(3, child.waitFor(), said)
                val lines = said.trim().lines()
                assertEquals(2, lines.size, said)
                // Twice the same: the second time the virtual machine only says that it had failed before.
                assertTrue(lines.all { it.startsWith("$another ($why") }, said)
            }
        }
    }

    @Test
    fun `calls after closing are Closed, and after the object behind was let go of`() = story {
        val phone = Company.shared.phone()
        val store = phone.store
        store.close()
        fails<FieldledgerException.Closed> { store.list() }
        fails<FieldledgerException.Closed> { phone.store.startVisit(com.fieldledger.model.CustomerId(UUID.randomUUID()), VisitPurpose.Sales) }
        assertTrue(store.isClosed())
        store.close()
        store.reopen()
        assertTrue(!store.isClosed())
        store.list()
        store.close()

        val folder = temporaryFolder("destroyed")
        val options = com.fieldledger.ffi.StoreOptions("$folder/x.db", UUID.randomUUID().toString(), "1", "test")
        val bridge = com.fieldledger.ffi.FieldStore.open(options, null, null, null)
        val gone = FieldStore(bridge, Dispatchers.Default)
        bridge.destroy()
        fails<FieldledgerException.Closed> { gone.list() }
        fails<FieldledgerException.Closed> { gone.reopen() }
        fails<FieldledgerException.Closed> { gone.identity() }
        fails<FieldledgerException.Closed> { gone.subscribe { } }
        fails<FieldledgerException.Closed> { gone.startSync() }
        assertInstanceOf(SyncOutcome.Retry::class.java, gone.syncOnce())
        assertTrue(gone.isClosed())
        gone.close()
        gone.closeAndJoin()
    }

    @Test
    fun `panics and what nobody foresaw become Internal`() {
        val panic = translate(com.fieldledger.ffi.InternalException("index out of bounds")) as FieldledgerException.Internal
        assertEquals("index out of bounds", panic.detail)
        assertInstanceOf(FieldledgerException.Internal::class.java, translate(com.fieldledger.model.InternalException("x")))
        assertInstanceOf(FieldledgerException.Internal::class.java, translate(IllegalStateException("other")))
        assertInstanceOf(FieldledgerException.Internal::class.java, translate(java.time.DateTimeException("no such zone")))
        val gone = kotlin.coroutines.cancellation.CancellationException("gone")
        assertEquals(gone, translate(gone))
    }
}

inline fun <reified E : Throwable> fails(work: () -> Any?): E {
    val ended = runCatching { work() }
    val thrown = ended.exceptionOrNull() ?: fail("gave ${ended.getOrNull()} instead of ${E::class.simpleName}")
    return assertInstanceOf(E::class.java, thrown) { thrown.toString() }
}
