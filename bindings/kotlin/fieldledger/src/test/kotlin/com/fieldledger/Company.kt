package com.fieldledger

import com.fieldledger.model.Customer
import com.fieldledger.model.SearchHit
import com.fieldledger.model.VisitPurpose
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.delay
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import java.io.File
import java.nio.file.Files
import java.time.LocalDate
import java.util.UUID
import java.util.concurrent.TimeUnit
import kotlin.time.Duration.Companion.minutes

/**
 * A company on a real server, a process of its own on a free port of the loopback interface:
 * 李娜 (lina) and Amélie (amelie) are reps, five customers, three products and [moreProducts] others.
 */
class Company(moreProducts: Int = 0) : AutoCloseable {
    private val folder: File = temporaryFolder("company")
    private val process: Process
    val url: String

    init {
        books(File(folder, "books").apply { mkdirs() }, moreProducts)
        command("import", "--mapping", "$folder/books/mapping.toml", "--as-of", LocalDate.now().toString(), "$folder/books")
        process = program("serve", "--listen", "127.0.0.1:0", "--log", "warn").start()
        Runtime.getRuntime().addShutdownHook(Thread { process.destroyForcibly() })
        val first = process.inputStream.bufferedReader().readLine()
        url = checkNotNull(Regex("http://\\S+").find(first.orEmpty())) { "the server said: $first" }.value
    }

    /** What the server's command line prints. */
    fun command(vararg arguments: String): String {
        val running = program(*arguments).start()
        val text = running.inputStream.bufferedReader().readText()
        check(running.waitFor() == 0) { "fieldledger ${arguments.joinToString(" ")}: $text" }
        return text
    }

    fun code(login: String): String = command("device", "enrol", login).lineSequence().first().trim()

    /** A phone of this person, enrolled and in step. */
    suspend fun phone(login: String = "lina"): Phone = blank().also {
        it.store.enrol(url, code(login), "test")
        it.sync()
    }

    private fun program(vararg arguments: String): ProcessBuilder {
        val server = System.getProperty("fieldledger.server").orEmpty()
        check(File(server).canExecute()) { "FIELDLEDGER_BIN must name the server's program, not \"$server\"" }
        val builder = ProcessBuilder(server, *arguments).redirectErrorStream(arguments.first() != "serve")
        if (arguments.first() == "serve") builder.redirectError(File(folder, "server.log"))
        // Settings of a server that this machine may also run are not the tests'.
        builder.environment().keys.removeIf { it.startsWith("FIELDLEDGER_") || it == "HTTP_PROXY" }
        builder.environment()["FIELDLEDGER_DATA"] = File(folder, "data").path
        // A new phone for almost every test, and all from one address: no stranger who tries codes.
        builder.environment()["FIELDLEDGER_ENROL_PER_MINUTE"] = "0"
        return builder
    }

    /** The server stands still, with its connections open, until [goOn]: to a phone a very slow one. */
    fun standStill() = signal(process, "STOP")

    /** After [standStill]. */
    fun goOn() = signal(process, "CONT")

    /** Ends the server at once. */
    override fun close() {
        process.destroyForcibly().waitFor(30, TimeUnit.SECONDS)
        folder.deleteRecursively()
    }

    companion object {
        /** One for all tests that do not break it. */
        val shared: Company by lazy { Company() }

        /** A phone that nobody has enrolled on. */
        suspend fun blank(options: (StoreOptions) -> StoreOptions = { it }): Phone = Phone.open(temporaryFolder("phone"), options)

        private fun books(to: File, moreProducts: Int) {
            File(to, "people.csv").writeText(
                """
                key,name,login,role,boss
                1,李娜,lina,rep,3
                2,Amélie Ørsted,amelie,rep,3
                3,王主管,wang,supervisor,
                """.trimIndent(),
            )
            val products = (1..moreProducts).joinToString("") { "\nM$it,More of it %05d,box,%d.05,More".format(it, it) }
            File(to, "products.csv").writeText(
                """
                key,name,unit,price,group
                P1,Almond milk,bottle,12.50,Drinks
                P2,Barley tea,box,8.00,Drinks
                P3,酱油 500 ml,瓶,9.90,调味
                """.trimIndent() + products,
            )
            File(to, "customers.csv").writeText(
                """
                key,name,territory,rep,contact,phone,address,lat,lon,limit,grade
                C1,和平超市,North,1,王芳,13800000001,上海市黄浦区,31.2304,121.4737,50000.00,A
                C2,Café Zürich,North,1,Zoë,13800000002,Second street 2,31.2350,121.4800,100.00,B
                C3,مقهى السلام,North,1,علي,13800000003,Third street 3,,,0.00,D
                C4,Never assessed,North,1,Bo,13800000004,Fourth street 4,31.2400,121.4900,,
                C5,Elsewhere,South,2,Eve,13800000005,Fifth street 5,31.2500,121.5000,1000.00,A
                """.trimIndent(),
            )
            File(to, "mapping.toml").writeText(
                """
                [organisation]
                name = "和平食品"
                time_zone = "Asia/Shanghai"
                currency = "CNY"
                [reading]
                date = "%Y-%m-%d"
                [people]
                file = "people.csv"
                key = "{key}"
                name = "{name}"
                login = "{login}"
                supervisor = "{boss}"
                roles = "{role}"
                [products]
                file = "products.csv"
                key = "{key}"
                name = "{name}"
                unit = "{unit}"
                price = "{price}"
                group = "{group}"
                [customers]
                file = "customers.csv"
                key = "{key}"
                name = "{name}"
                territory = "{territory}"
                rep = "{rep}"
                contact = "{contact}"
                phone = "{phone}"
                address = "{address}"
                latitude = "{lat}"
                longitude = "{lon}"
                [credit]
                file = "customers.csv"
                where = [{ value = "{limit}", present = true }]
                customer = "{key}"
                limit = "{limit}"
                grade = "{grade}"
                terms_days = 30
                assessed_on = "2026-01-01"
                assessor = "王主管"
                evidence = "accounts of last year"
                valid_until = "2099-12-31"
                """.trimIndent(),
            )
        }
    }
}

/** A phone: a folder with a database and the name of its installation. */
class Phone private constructor(val folder: File, val store: FieldStore) : AutoCloseable {
    val database: File get() = database(folder)

    suspend fun sync() = store.syncOnce().getOrThrow()

    suspend fun customer(code: String = "C1"): Customer {
        val row = store.search(code).filterIsInstance<SearchHit.Customer>().map { it.v1 }.single { it.code == code }
        return checkNotNull(store.customer(row.id))
    }

    suspend fun visit(note: String = "") = store.startVisit(customer().id, VisitPurpose.Sales)
        .let { if (note.isEmpty()) it else store.save(it.edit { visit -> visit.copy(note = note) }) }

    override fun close() {
        store.close()
    }

    companion object {
        fun database(folder: File) = File(folder, "phone.db")

        suspend fun open(folder: File, options: (StoreOptions) -> StoreOptions = { it }): Phone {
            val name = File(folder, "installation")
            if (!name.exists()) name.writeText(UUID.randomUUID().toString())
            val usual = StoreOptions(database(folder), UUID.fromString(name.readText()), "test 1", "test")
            return Phone(folder, FieldStore.open(options(usual)))
        }
    }
}

/** Virtual machines from JDK 24 on warn, in the middle of what a program says, when it loads a library without this. */
const val NATIVE_ACCESS: String = "--enable-native-access=ALL-UNNAMED"

/** Sends a process a signal. Unlike `destroyForcibly()`, `KILL` leaves what it had said to be read. */
fun signal(process: Process, name: String) {
    check(ProcessBuilder("bash", "-c", "kill -$name ${process.pid()}").start().waitFor() == 0) { "no signal $name" }
}

fun temporaryFolder(name: String): File = Files.createTempDirectory("fieldledger-$name").toFile().also { folder ->
    Runtime.getRuntime().addShutdownHook(Thread { folder.deleteRecursively() })
}

/** A phone of a company where nothing else has happened: lists of a day are not full of what other tests did. */
suspend fun own(told: suspend (Phone) -> Unit) {
    Company().use { company -> company.phone().use { told(it) } }
}

/** Runs a test with coroutines. Whoever waits for ever is stopped; nothing else depends on how long it takes. */
fun <T> story(told: suspend CoroutineScope.() -> T) {
    runBlocking { withTimeout(5.minutes) { told() } }
}

/** Waits until something holds that is on its way. */
suspend fun eventually(reached: suspend () -> Boolean) {
    while (!reached()) delay(20)
}
