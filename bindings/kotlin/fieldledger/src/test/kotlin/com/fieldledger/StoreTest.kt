package com.fieldledger

import com.fieldledger.model.Change
import com.fieldledger.model.CheckOut
import com.fieldledger.model.DocumentId
import com.fieldledger.model.DocumentKind
import com.fieldledger.model.DocumentRow
import com.fieldledger.model.EvidenceKind
import com.fieldledger.model.ListQuery
import com.fieldledger.model.NewEvidence
import com.fieldledger.model.RowSync
import com.fieldledger.model.UploadState
import com.fieldledger.model.VisitOutcome
import com.fieldledger.model.VisitPurpose
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.DelicateCoroutinesApi
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.ExperimentalCoroutinesApi
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.isActive
import kotlinx.coroutines.launch
import kotlinx.coroutines.newSingleThreadContext
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withContext
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertInstanceOf
import org.junit.jupiter.api.Assertions.assertNotNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.time.LocalDate
import java.util.UUID
import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.CountDownLatch
import java.util.concurrent.atomic.AtomicInteger
import kotlin.random.Random

/** A store at work: offline, synced, observed, interrupted. */
@OptIn(ExperimentalCoroutinesApi::class, DelicateCoroutinesApi::class) // A thread that stands for a screen's.
class StoreTest {
    @Test
    fun `a day is recorded offline and synced later`() = story {
        Company.shared.phone().use { phone ->
            val customer = phone.customer()
            val position = checkNotNull(customer.position)
            assertEquals("和平超市", customer.name)
            val planned = phone.store.planVisit(phone.customer("C2").id, LocalDate.parse("2026-12-24"), VisitPurpose.Collection)
            val visit = phone.store.startVisit(customer.id, VisitPurpose.Sales, position)
            phone.store.checkOut(visit.id, CheckOut(position, VisitOutcome.Successful, note = "再来"))
            phone.store.cancelVisit(planned.id, "closed for the holidays")
            assertEquals(4, phone.store.status().waiting)
            assertInstanceOf(RowSync.Waiting::class.java, phone.store.row(visit.id)?.sync)
            val report = phone.sync()
            assertEquals(4, report.accepted)
            assertEquals(0, phone.store.status().waiting)
            assertInstanceOf(RowSync.Synced::class.java, phone.store.row(visit.id)?.sync)
            assertEquals("李娜", phone.store.identity()?.userName)
        }
    }

    @Test
    fun `fifty calls at once during a sync all do their work`() = story {
        Company.shared.phone().use { phone ->
            val customer = phone.customer().id
            repeat(30) { phone.visit("before $it") }
            val syncing = async { phone.store.syncOnce() }
            val made = (1..50).map { number ->
                async(Dispatchers.Default) {
                    when (number % 3) {
                        0 -> phone.store.list().let { null }
                        1 -> phone.store.search("超市").let { null }
                        else -> phone.store.startVisit(customer, VisitPurpose.Other("parallel $number")).id
                    }
                }
            }.awaitAll().filterNotNull()
            assertEquals(17, made.toSet().size)
            assertInstanceOf(SyncOutcome.Success::class.java, syncing.await())
            phone.sync()
            assertEquals(0, phone.store.status().waiting)
            made.forEach { assertInstanceOf(RowSync.Synced::class.java, phone.store.row(it)?.sync) }
        }
    }

    @Test
    fun `a sync and heavy calls leave the thread that asked for them free`() = story {
        Company(moreProducts = 3_000).use { company ->
            val screen = newSingleThreadContext("screen")
            company.blankEnrolled().use { phone ->
                withContext(screen) {
                    var ticks = 0
                    val ticking = launch { while (isActive) { ticks++; delay(1) } }
                    suspend fun <T> whileTicking(work: suspend () -> T): T {
                        val before = ticks
                        return work().also { assertTrue(ticks - before > 2, "the screen stood still: ${ticks - before}") }
                    }
                    whileTicking { phone.sync() }
                    assertEquals(3_000, whileTicking { phone.store.products("More", limit = 5_000) }.size)
                    whileTicking { (1..50).map { async { phone.visit("from the screen $it") } }.awaitAll() }
                    whileTicking { phone.sync() }
                    ticking.cancelAndJoin()
                }
            }
            screen.close()
        }
    }

    @Test
    fun `listeners are told of a storm of changes, whatever one of them does`() = story {
        Company.shared.phone().use { phone ->
            val told = List(4) { AtomicInteger() }
            val last = List(4) { ConcurrentHashMap.newKeySet<Change>() }
            val reentered = AtomicInteger()
            val listening = List(4) { number ->
                phone.store.subscribe { changes ->
                    told[number].incrementAndGet()
                    last[number] += changes
                    when (number) {
                        1 -> throw IllegalStateException("this listener is broken")
                        2 -> throw StackOverflowError("and this one more so")
                        3 -> runBlocking {
                            phone.store.list()
                            // Once: what it writes is told to it again.
                            if (reentered.getAndIncrement() == 0) phone.visit("written by a listener")
                        }
                    }
                }
            }
            val customer = phone.customer().id
            (1..100).map { async(Dispatchers.Default) { phone.store.startVisit(customer, VisitPurpose.Other("storm $it")) } }.awaitAll()
            val visits = Change.Documents(DocumentKind.Visit)
            eventually { reentered.get() > 0 && last.all { visits in it } }
            assertTrue(told.all { it.get() in 1..250 }, told.toString())
            listening.forEach { it.close() }
            // Closing waits for nobody: what was on its way to a listener still arrives.
            var after = -1
            eventually { told[0].get() == after.also { after = told[0].get() } }
            repeat(20) { phone.visit("nobody listens") }
            phone.store.list()
            assertEquals(after, told[0].get())
        }
    }

    @Test
    fun `a slow collector is told the newest, and a flow rests while the store is closed`() = story {
        Company.shared.phone().use { phone ->
            val customer = phone.customer("C4").id
            val query = ListQuery(kind = DocumentKind.Visit, customer = customer, limit = 500)
            val before = phone.store.list(query).size
            val seen = mutableListOf<Int>()
            val reached = listOf(0, 60, 61).associateWith { CompletableDeferred<Unit>() }
            val written = CompletableDeferred<Unit>()
            val collecting = launch {
                phone.store.observeList(query).collect { rows ->
                    seen += rows.size - before
                    reached[rows.size - before]?.complete(Unit)
                    written.await()
                }
            }
            reached.getValue(0).await()
            repeat(60) { phone.store.startVisit(customer, VisitPurpose.Other("slow $it")) }
            written.complete(Unit)
            reached.getValue(60).await()
            assertTrue(seen.size <= 5, "nearly nothing was skipped: $seen")
            assertEquals(seen.sorted(), seen)
            phone.store.closeAndJoin()
            phone.store.reopen()
            phone.store.startVisit(customer, VisitPurpose.Other("after reopening"))
            reached.getValue(61).await()
            collecting.cancelAndJoin()
        }
    }

    @Test
    fun `screens follow today, a timeline, a row and the status`() = story {
        own { phone ->
            val customer = phone.customer("C2").id
            suspend fun <T> Flow<T>.until(reached: (T) -> Boolean) = first { reached(it) }
            val waiting = phone.store.status().waiting
            val status = async { phone.store.observeStatus().until { it.waiting == waiting + 1 } }
            val visit = phone.store.startVisit(customer, VisitPurpose.Sales)
            status.await()
            val today = async { phone.store.observeToday().until { day -> day.visits.any { it.id == visit.id && it.state == "done" } } }
            val timeline = async { phone.store.observeTimeline(customer).until { rows -> rows.any { it.id == visit.id } } }
            val row = async { phone.store.observeRow(visit.id).until { it?.sync is RowSync.Synced } }
            val changes = async { phone.store.changes().first { Change.Documents(DocumentKind.Visit) in it } }
            val counted = async { phone.store.observe(Change.Records) { customers().size }.first() }
            assertEquals(4, counted.await())
            val left = phone.store.checkOut(visit.id, CheckOut(outcome = VisitOutcome.Successful))
            assertEquals(visit.id, left.id)
            timeline.await()
            eventually { changes.isCompleted.also { if (!it) phone.visit("for the one who listens late") } }
            phone.sync()
            today.await()
            row.await()
        }
    }

    @Test
    fun `a sync that is cancelled leaves everything in order, and the next one finishes`() = story {
        Company.shared.phone().use { phone ->
            Company.shared.phone().use { other ->
                val random = Random(7)
                val made = mutableSetOf<DocumentId>()
                repeat(8) { round ->
                    repeat(15) { made += phone.visit("round $round, $it").id }
                    val syncing = launch { phone.store.syncOnce() }
                    delay(random.nextLong(0, 60))
                    syncing.cancelAndJoin()
                    // The store goes on as if nothing had been.
                    assertEquals(made.size, made.count { phone.store.visit(it) != null })
                }
                phone.sync()
                assertEquals(0, phone.store.status().waiting)
                other.sync()
                val there = allVisits(other).groupingBy { it.id }.eachCount()
                made.forEach { assertEquals(1, there[it]) }
            }
        }
    }

    @Test
    fun `a cancelled call is cancelled at once, and what it began is done or not done`() = story {
        own { phone ->
            val customer = phone.customer().id
            val before = allVisits(phone).size
            repeat(40) { number ->
                val recording = launch { phone.store.startVisit(customer, VisitPurpose.Other("cancelled $number")) }
                if (number % 2 == 0) delay(1)
                recording.cancelAndJoin()
            }
            phone.sync()
            val after = allVisits(phone)
            assertTrue(after.size - before in 0..40)
            // Whole visits only.
            after.forEach { assertNotNull(phone.store.visit(it.id)?.value?.checkIn) }
            assertEquals(0, phone.store.status().waiting)
        }
    }

    @Test
    fun `closing during a sync ends it, and reopening goes on`() = story {
        Company.shared.phone().use { phone ->
            repeat(60) { phone.visit("closing $it") }
            repeat(4) { round ->
                val syncing = async { phone.store.syncOnce() }
                val background = phone.store.startSync()
                delay(round * 15L)
                phone.store.close()
                when (val outcome = syncing.await()) {
                    is SyncOutcome.Success -> Unit
                    is SyncOutcome.Retry -> assertInstanceOf(FieldledgerException.Closed::class.java, outcome.error)
                    is SyncOutcome.Failure -> throw outcome.error
                }
                background.close()
                fails<FieldledgerException.Closed> { phone.store.status() }
                phone.store.reopen()
            }
            phone.sync()
            assertEquals(0, phone.store.status().waiting)
        }
    }

    @Test
    fun `a sync in the background brings what others write, and ends when nobody collects`() = story {
        Company.shared.phone().use { first ->
            Company.shared.phone().use { second ->
                val states = mutableListOf<SyncState>()
                val following = launch { second.store.syncing().collect { states += it } }
                eventually { states.any { it is SyncState.UpToDate } }
                val visit = first.visit("seen without asking")
                val handle = first.store.startSync()
                handle.networkReturned()
                eventually { handle.states.value is SyncState.UpToDate && first.store.status().waiting == 0L }
                eventually { second.store.visit(visit.id)?.value?.note == "seen without asking" }
                val photo = java.io.File(first.folder, "background.jpg").apply { writeText("sent without asking") }
                first.store.attachEvidence(visit.id, photo, NewEvidence(EvidenceKind.Photo, "image/jpeg"))
                eventually { (handle.states.value as? SyncState.UpToDate)?.report?.evidence?.stored?.toLong() == 1L }
                handle.stop()
                assertTrue(handle.hasEnded)
                assertEquals(SyncState.Stopped(null), handle.states.value)
                handle.stop()
                handle.networkReturned()
                handle.close()
                following.cancelAndJoin()
            }
        }
        assertTrue(SyncOutcome.of(FieldledgerException.closed()) is SyncOutcome.Retry)
    }

    @Test
    fun `a process that is killed in the middle loses nothing that it acknowledged`() = story {
        val folder = Company.shared.phone().use { it.folder }
        val random = Random(11)
        val saved = mutableListOf<DocumentId>()
        repeat(3) {
            val child = Child.start("record", folder.path)
            val lines = child.inputStream.bufferedReader()
            assertEquals("ready", lines.readLine())
            repeat(random.nextInt(5, 40)) { saved += acknowledged(lines.readLine()) }
            signal(child, "KILL")
            // What it had said before it died counts too.
            lines.readLines().filter { it.length == "saved ".length + 36 }.forEach { saved += acknowledged(it) }
            assertEquals(137, child.waitFor())
        }
        Phone.open(folder).use { phone ->
            assertEquals(null, phone.store.openingReport())
            saved.forEach { assertNotNull(phone.store.visit(it), "$it is lost") }
            phone.sync()
            assertEquals(0, phone.store.status().waiting)
        }
    }

    @Test
    fun `a process that is killed in the middle of a sync loses nothing, and another one finishes it`() = story {
        Company(moreProducts = 3_000).use { company ->
            val folder = company.blankEnrolled().use { it.folder }
            val saved = mutableListOf<DocumentId>()
            var cutShort = 0

            /** A process that syncs and records, killed [after] so many milliseconds of its first sync. */
            suspend fun killed(after: Long) {
                val child = Child.start("sync", folder.path)
                val lines = child.inputStream.bufferedReader()
                val said = mutableListOf<String>()
                while (said.lastOrNull() != "syncing") said += checkNotNull(lines.readLine()) { said }
                delay(after)
                signal(child, "KILL")
                said += lines.readLines()
                assertEquals(137, child.waitFor(), said.takeLast(3).toString())
                said.filter { it.length == "saved ".length + 36 }.forEach { saved += acknowledged(it) }
                if (said.count { it == "syncing" } > said.count { it.startsWith("synced ") }) cutShort++
                Phone.open(folder).use { phone ->
                    assertEquals(null, phone.store.openingReport())
                    saved.forEach { assertNotNull(phone.store.visit(it), "$it is lost") }
                }
            }
            // While the first, large answer comes in.
            for (after in listOf(5L, 60, 150)) killed(after)
            Phone.open(folder).use { phone ->
                phone.sync()
                assertEquals(3_003, phone.store.products(limit = 5_000).size)
            }
            // With an answer that never comes, to a request that the server has and will do.
            repeat(2) {
                company.standStill()
                killed(400)
                company.goOn()
            }
            // Wherever it happens to be.
            for (after in listOf(20L, 90, 250)) killed(after)
            assertTrue(cutShort >= 5, "only $cutShort syncs were cut short")
            assertTrue(saved.size > 5, "only ${saved.size} visits")

            Phone.open(folder).use { phone ->
                phone.sync()
                val status = phone.store.status()
                assertEquals(0, status.waiting)
                assertTrue(status.rejected.isEmpty(), status.rejected.toString())
                saved.forEach { assertInstanceOf(RowSync.Synced::class.java, phone.store.row(it)?.sync) }
                val here = allVisits(phone).map { it.id }
                company.phone().use { other -> assertEquals(here.sortedBy { it.toString() }, allVisits(other).map { it.id }.sortedBy { it.toString() }) }
                assertEquals(here.size, here.toSet().size)
            }
        }
    }

    @Test
    fun `the app tells what network there is and what may go over it`() = story {
        val state = arrayOf<NetworkState?>(NetworkState.None)
        val policy = arrayOf(UploadPolicy.NotMetered)
        val monitor = object : NetworkMonitor {
            override fun state() = state[0] ?: throw IllegalStateException("who knows")
            override fun uploadPolicy() = policy[0]
        }
        val clock = BootClock { BootClock.Reading(boot = 7, millis = System.nanoTime() / 1_000_000) }
        val options: (StoreOptions) -> StoreOptions =
            { StoreOptions(it.database, it.installation, it.appVersion, it.platform, network = monitor, bootClock = clock) }
        Company.blank(options).use { phone ->
            phone.store.enrol(Company.shared.url, Company.shared.code("lina"), "test")
            assertInstanceOf(FieldledgerException.Offline::class.java, (phone.store.syncOnce() as SyncOutcome.Retry).error)
            assertEquals(false, phone.store.mayUpload())
            state[0] = NetworkState.Unmetered
            phone.sync()
            assertEquals(true, phone.store.mayUpload())
            policy[0] = UploadPolicy.WifiOnly
            assertEquals(false, phone.store.mayUpload())
            // Documents go over any network; a photo waits for the one that the person lets it go over.
            val visit = phone.visit()
            val photo = java.io.File(phone.folder, "photo.jpg").apply { writeText("a photo") }
            val hash = phone.store.attachEvidence(visit.id, photo, NewEvidence(EvidenceKind.Photo, "image/jpeg"))
            assertEquals(1, phone.sync().evidence.left)
            assertEquals(0, phone.store.status().waiting)
            assertEquals(UploadState.WAITING, phone.store.evidenceState(hash))
            state[0] = NetworkState.Wifi
            assertEquals(true, phone.store.mayUpload())
            assertEquals(1, phone.sync().evidence.stored)
            state[0] = NetworkState.Metered
            policy[0] = UploadPolicy.Any
            assertEquals(true, phone.store.mayUpload())
            // A monitor that fails does not keep the phone from syncing.
            state[0] = null
            phone.sync()
            assertEquals(false, phone.store.mayUpload())
        }
    }

    @Test
    fun `the log comes in lines, and a sink that fails harms nobody`() = story {
        val lines = ConcurrentHashMap.newKeySet<LogLine>()
        val failed = CountDownLatch(1)
        assertTrue(Fieldledger.setLogSink({ lines += it }, LogLevel.Debug))
        val own = Company()
        own.phone().use { phone ->
            phone.visit()
            own.close()
            phone.store.syncOnce()
            Phone.open(temporaryFolder("log")) { it.failing() }.use { it.store.mayUpload() }
            eventually { lines.any { it.level == LogLevel.Warn && "the app could not say" in it.message } }
            Fieldledger.setLogSink({ failed.countDown(); throw IllegalStateException("full") }, LogLevel.Debug)
            Phone.open(temporaryFolder("log")) { it.failing() }.use { it.store.mayUpload() }
            failed.await()
            Fieldledger.setLogSink(null)
            phone.visit()
        }
        assertTrue(lines.all { it.target.startsWith("fieldledger") })
        assertTrue(Fieldledger.version.isNotEmpty())
    }

    private fun StoreOptions.failing() = StoreOptions(
        database, installation, appVersion, platform,
        network = object : NetworkMonitor {
            override fun state(): NetworkState = throw IllegalStateException("no idea")
        },
    )

    private fun acknowledged(line: String?) = DocumentId(UUID.fromString(checkNotNull(line).removePrefix("saved ")))

    private suspend fun Company.blankEnrolled() = Company.blank().also { it.store.enrol(url, code("lina"), "screen") }

    private suspend fun allVisits(phone: Phone): List<DocumentRow> {
        val rows = mutableListOf<DocumentRow>()
        do {
            val page = phone.store.list(ListQuery(kind = DocumentKind.Visit, limit = 200, before = rows.lastOrNull()?.place))
            rows += page
        } while (page.isNotEmpty())
        return rows
    }
}
