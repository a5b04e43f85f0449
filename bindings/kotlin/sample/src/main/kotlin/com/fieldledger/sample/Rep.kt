// A rep on the command line: everything that a phone app does in a day, to be read in ten minutes.
package com.fieldledger.sample

import com.fieldledger.FieldStore
import com.fieldledger.FieldledgerException
import com.fieldledger.OrderLine
import com.fieldledger.OrderVerdict
import com.fieldledger.StoreOptions
import com.fieldledger.acceptedInFull
import com.fieldledger.draftOrder
import com.fieldledger.place
import com.fieldledger.storedName
import com.fieldledger.toPlainText
import com.fieldledger.verdict
import com.fieldledger.model.CheckOut
import com.fieldledger.model.ConfirmationVerdict
import com.fieldledger.model.Customer
import com.fieldledger.model.DocumentRow
import com.fieldledger.model.ListQuery
import com.fieldledger.model.NewDelivery
import com.fieldledger.model.NewDeliveryLine
import com.fieldledger.model.Party
import com.fieldledger.model.QuantityReason
import com.fieldledger.model.Receiver
import com.fieldledger.model.RowSync
import com.fieldledger.model.RuleFacts
import com.fieldledger.model.SignOff
import com.fieldledger.model.SignedQuantity
import com.fieldledger.model.SyncReport
import com.fieldledger.model.VisitOutcome
import com.fieldledger.model.VisitPurpose
import kotlinx.coroutines.runBlocking
import java.io.File
import java.io.PrintStream
import java.math.BigDecimal
import java.time.Instant
import java.util.UUID
import kotlin.system.exitProcess

private const val USAGE = """A rep on the command line.

  rep FOLDER enrol URL CODE   makes rep.db in FOLDER the phone that the code is for, and syncs
  rep FOLDER today            what there is to do
  rep FOLDER day CUSTOMER     a whole day with the customer of that code: visit, order, delivery, sync
  rep FOLDER sync             syncs once
  rep FOLDER state            every document on the phone, as JSON"""

fun main(arguments: Array<String>) {
    System.setOut(PrintStream(System.out, true, Charsets.UTF_8))
    exitProcess(runBlocking { rep(arguments.toList()) })
}

/** One command, as an exit code. */
private suspend fun rep(arguments: List<String>): Int {
    val folder = arguments.firstOrNull()?.let(::File)
    val command = arguments.drop(1)
    if (folder == null || command.isEmpty()) {
        System.err.println(USAGE)
        return 2
    }
    return try {
        open(folder).use { store -> perform(store, command) }
    } catch (error: FieldledgerException) {
        // Every error has a sentence for the person, in their language.
        System.err.println(error.message)
        1
    } catch (error: IllegalArgumentException) {
        System.err.println(error.message)
        1
    }
}

private suspend fun open(folder: File): FieldStore {
    folder.mkdirs()
    // On a phone this name lives where backups do not reach, so that a restored copy is told from the phone itself.
    val name = File(folder, "installation")
    if (!name.exists()) name.writeText(UUID.randomUUID().toString())
    return FieldStore.open(
        StoreOptions(
            database = File(folder, "rep.db"),
            installation = UUID.fromString(name.readText()),
            appVersion = "sample 1",
            platform = System.getProperty("os.name"),
        ),
    )
}

private suspend fun perform(store: FieldStore, command: List<String>): Int {
    when (command.first() to command.size - 1) {
        "enrol" to 2 -> {
            val me = store.enrol(serverUrl = command[1], code = command[2], deviceName = "sample")
            println("This is ${me.userName}'s phone, of ${me.organisationName}.")
            sync(store)
        }
        "today" to 0 -> today(store)
        "day" to 1 -> day(store, customerOf(store, command[1]))
        "sync" to 0 -> sync(store)
        "state" to 0 -> println(state(store))
        else -> {
            System.err.println(USAGE)
            return 2
        }
    }
    return 0
}

private suspend fun sync(store: FieldStore) {
    val report: SyncReport = store.syncOnce().getOrThrow()
    println("Synced: ${report.accepted} accepted, ${report.rejected} refused, ${report.pulled} received, ${report.left} left.")
}

private suspend fun today(store: FieldStore) {
    val today = store.today()
    println(today.date)
    val lists = mapOf(
        "Visits" to today.visits,
        "Deliveries" to today.deliveries,
        "Promises due" to today.promisesDue,
        "Next steps due" to today.nextStepsDue,
        "Reviews to answer" to today.reviewsToAnswer,
        "Refused by the server" to today.rejected,
    )
    for ((title, rows) in lists.filterValues { it.isNotEmpty() }) {
        println("$title:")
        rows.forEach { println("  ${it.customerName}: ${it.title} (${it.state})") }
    }
    if (lists.values.all { it.isEmpty() }) println("Nothing is planned.")
}

private suspend fun customerOf(store: FieldStore, code: String): Customer {
    val found = store.customers(text = code).find { it.code == code }
    return found?.let { store.customer(it.id) } ?: throw IllegalArgumentException("this phone knows no customer of the code $code")
}

/** The day, from the first handshake to the sync. Every line of it works without a network. */
private suspend fun day(store: FieldStore, customer: Customer) {
    val visit = store.startVisit(customer.id, VisitPurpose.Sales, customer.position)
    println("Visiting ${customer.name}: ${visit.value.checkIn?.geofence?.verdict}")

    val (first, second) = store.products(limit = 2)
    val order = store.draftOrder(
        customer = customer.id,
        number = "DAY-${customer.code}",
        lines = listOf(OrderLine(first, BigDecimal(3)), OrderLine(second, BigDecimal(5))),
        position = customer.position,
    )
    for (rule in store.checkCredit(order).rules) {
        if (rule.facts == RuleFacts.Off) continue // The company does not look at this.
        println("  ${if (rule.passed) "✓" else "✗"} ${rule.sentence}")
    }
    val submitted = store.submitOrder(store.create(order))
    when (val verdict = submitted.verdict) {
        is OrderVerdict.Approved -> println("Order ${order.number} is guaranteed (${verdict.guarantee}).")
        is OrderVerdict.Provisional -> println("Order ${order.number} looks well as of ${verdict.asOf}; the company decides.")
        is OrderVerdict.Held -> println("Order ${order.number} waits for a supervisor: ${verdict.reasons.joinToString(" ") { it.sentence }}")
        is OrderVerdict.Refused -> println("Order ${order.number} is refused: ${verdict.reasons.joinToString(" ") { it.sentence }}")
        null -> error("a submitted order has a verdict")
    }

    val delivery = store.newDelivery(
        NewDelivery(
            customer = customer.id,
            number = "DEL-${customer.code}",
            orderNumber = order.number,
            lines = listOf(NewDeliveryLine(first.id, BigDecimal(3)), NewDeliveryLine(second.id, BigDecimal(5))),
        ),
    )
    val signed = delivery.value.lines.mapValues { (_, line) ->
        if (line.product == first.id) {
            acceptedInFull(line.quantity)
        } else {
            SignedQuantity(
                accepted = line.quantity - BigDecimal.ONE,
                short = BigDecimal.ZERO,
                damaged = BigDecimal.ONE,
                refused = BigDecimal.ZERO,
                reason = QuantityReason("damaged on arrival"),
            )
        }
    }
    val receiver = Receiver(name = "王芳", at = Instant.now(), position = customer.position)
    store.signOff(delivery.id, SignOff(signed, receiver))
    store.confirm(delivery.id, Party.SALES, ConfirmationVerdict.CONFIRMED)
    println("Delivered ${delivery.value.number}, signed by ${receiver.name}.")

    store.checkOut(
        visit.id,
        CheckOut(customer.position, VisitOutcome.Successful, note = "签收完毕 – all signed, 1 damaged"),
    )
    sync(store)
}

/** Every document on the phone, page by page, as JSON in a fixed order. */
private suspend fun state(store: FieldStore): String {
    val rows = mutableListOf<DocumentRow>()
    do {
        val page = store.list(ListQuery(limit = 200, before = rows.lastOrNull()?.place))
        rows += page
    } while (page.isNotEmpty())
    val order = compareBy<DocumentRow>({ it.kind.storedName }, { it.title }, { it.id.toString() })
    return rows.sortedWith(order).joinToString(",", "[", "]") { row ->
        val sync = when (row.sync) {
            is RowSync.Synced -> "synced"
            is RowSync.Waiting -> "waiting"
            is RowSync.Rejected -> "rejected"
        }
        listOf(
            "kind" to row.kind.storedName,
            "id" to row.id.toString(),
            "customer" to row.customer?.toString(),
            "state" to row.state,
            "title" to row.title,
            "amount" to row.amount?.toPlainText(),
            "sync" to sync,
        ).joinToString(",", "{", "}") { (key, value) -> "\"$key\":${value?.let(::json) ?: "null"}" }
    }
}

private fun json(text: String): String = buildString {
    append('"')
    for (character in text) {
        when {
            character == '"' || character == '\\' -> append('\\').append(character)
            character < ' ' -> append("\\u%04x".format(character.code))
            else -> append(character)
        }
    }
    append('"')
}
