package com.fieldledger

import com.fieldledger.model.CheckOut
import com.fieldledger.model.CreditVerdict
import com.fieldledger.model.Currency
import com.fieldledger.model.CustomerId
import com.fieldledger.model.EvidenceFile
import com.fieldledger.model.EvidenceHash
import com.fieldledger.model.EvidenceKind
import com.fieldledger.model.ListQuery
import com.fieldledger.model.Money
import com.fieldledger.model.NewEvidence
import com.fieldledger.model.UploadState
import com.fieldledger.model.Order
import com.fieldledger.model.StatementId
import com.fieldledger.model.Visit
import com.fieldledger.model.VisitPurpose
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertInstanceOf
import org.junit.jupiter.api.Assertions.assertNotEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.io.File
import java.math.BigDecimal
import java.time.Instant
import java.util.Locale
import java.util.UUID

/** Values cross both ways and to another phone as they are. */
class ValuesTest {
    private val scripts = listOf(
        "签收完毕 – all signed",
        "「領収書」カタカナ ひらがな 漢字 𠮷野家",
        "مقهى السلام ‏(رصيد)‎ ١٢٣",
        "שָׁלוֹם עולם",
        "हिन्दी में नोट, ক্ষ, தமிழ், ไทย, မြန်မာ",
        "Zürich Ærø Łódź Đà Nẵng naïve e\u0301",
        "Привіт Γειά σου Հայերեն ქართული አማርኛ",
        "한국어 조합 \u1112\u1161\u11AB",
        "👩‍👩‍👧‍👦 🇨🇳 👍🏽 🏴󠁧󠁢󠁳󠁣󠁴󠁿",
        "tab\tline\nreturn\r\n\"quotes\" \\ 'single' \u0001 \u007F \uFEFF \u2028",
        "long ".repeat(2_000) + "末",
        "",
    )

    @Test
    fun `text of every script comes back as it was, from this phone and another`() = story {
        Company.shared.phone().use { first ->
            Company.shared.phone().use { second ->
                val customer = first.customer()
                val written = scripts.associateBy { text ->
                    val visit = first.store.startVisit(customer.id, VisitPurpose.Other("写 $text".take(40)))
                    first.store.checkOut(visit.id, CheckOut(note = text)).id
                }
                first.sync()
                second.sync()
                for ((id, text) in written) {
                    assertEquals(text, first.store.visit(id)?.value?.note)
                    assertEquals(text, second.store.visit(id)?.value?.note)
                    assertEquals("写 $text".take(40), (second.store.visit(id)?.value?.purpose as VisitPurpose.Other).v1)
                }
            }
        }
    }

    @Test
    fun `amounts keep their last digit and their scale`() = story {
        val amounts = listOf("0.01", "3.50", "3.5", "1000", "0.10", "999999999999.99", "0.0001", "12345.678900", "1E+3", "0.000000000001")
        Company.shared.phone().use { first ->
            Company.shared.phone().use { second ->
                val product = first.store.products(limit = 1).single()
                val lines = amounts.map { OrderLine(product, BigDecimal(it).min(BigDecimal(1_000_000_000)), BigDecimal(it), BigDecimal("0.05")) }
                val draft = first.store.draftOrder(first.customer().id, "AMOUNTS", lines)
                val order = first.store.create(draft)
                assertEquals(draft.lines.mapValues { it.value.plain() }, order.value.lines)
                first.sync()
                second.sync()
                assertEquals(order.value, second.store.document<Order>(order.id)?.value)
                assertEquals(BigDecimal("1000"), order.value.lines.values.first { it.unitPrice.compareTo(BigDecimal(1000)) == 0 }.unitPrice)
                val row = checkNotNull(second.store.row(order.id))
                assertEquals(0, order.value.total.compareTo(checkNotNull(row.amount)), "${order.value.total} and ${row.amount}")
            }
        }
    }

    /** 1E+3 is written as 1000. */
    private fun com.fieldledger.model.OrderLine.plain() =
        copy(quantity = BigDecimal(quantity.toPlainString()), unitPrice = BigDecimal(unitPrice.toPlainString()))

    @Test
    fun `moments keep their milliseconds`() = story {
        Company.shared.phone().use { phone ->
            val moments = listOf("2026-11-28T10:15:30.123Z", "1970-01-01T00:00:00Z", "1969-12-31T23:59:58.999Z", "1969-12-31T23:59:59.999Z", "1931-05-04T03:02:01.001Z", "2038-01-19T03:14:08.001Z")
            for (text in moments) {
                val draft = phone.store.draftOrder(phone.customer().id, "MOMENT", emptyList()).copy(at = Instant.parse(text))
                val order = phone.store.create(draft)
                assertEquals(Instant.parse(text), phone.store.order(order.id)?.value?.at)
            }
        }
    }

    @Test
    fun `nothing and empty lists stay what they are`() = story {
        Company.shared.phone().use { phone ->
            val visit = phone.store.startVisit(phone.customer().id, VisitPurpose.Routine).value
            assertNull(visit.plannedFor)
            assertNull(visit.checkIn?.position)
            assertNull(visit.nextStep)
            assertTrue(visit.evidence.isEmpty())
            val draft = phone.store.create(phone.store.draftOrder(phone.customer().id, "EMPTY", emptyList()))
            assertTrue(draft.value.lines.isEmpty())
            assertNull(draft.value.credit)
            assertNull(draft.verdict)
            assertNull(phone.store.customer(CustomerId(UUID.randomUUID())))
            assertNull(phone.store.statement(StatementId(UUID.randomUUID())))
            assertTrue(phone.store.statements().isEmpty())
            assertTrue(phone.store.search("zzzzzz").isEmpty())
            assertNull(phone.customer("C3").position)
        }
    }

    @Test
    fun `lists of 10,000 items cross both ways`() = story {
        Company(moreProducts = 10_000).use { company ->
            company.phone().use { phone ->
                val products = phone.store.products(text = "More", limit = 20_000)
                assertEquals(10_000, products.size)
                assertEquals("More of it 00001", products.first().name)
                assertEquals(BigDecimal("10000.05"), products.last().price?.amount)
                assertEquals(10_000, products.map { it.id }.toSet().size)
                val order = phone.store.draftOrder(phone.customer().id, "LARGE", products.map { OrderLine(it, BigDecimal.ONE) })
                val checked = phone.store.checkCredit(order)
                // 1 + 2 + … + 10,000, and five fen of each.
                assertEquals(0, BigDecimal("50005500.00").compareTo(checked.inputs.orderTotal.amount))
                assertEquals("lines", fails<FieldledgerException.Invalid> { phone.store.create(order) }.field)
            }
        }
    }

    @Test
    fun `a document is edited from what was read, and edits of two people merge`() = story {
        Company.shared.phone().use { first ->
            Company.shared.phone().use { second ->
                val id = first.visit("begun").id
                first.sync()
                second.sync()
                val here = checkNotNull(first.store.document<Visit>(id))
                val there = checkNotNull(second.store.document<Visit>(id))
                first.store.save(here.edit { it.copy(note = "written here") })
                second.store.save(there.edit { it.copy(purpose = VisitPurpose.Service) })
                second.sync()
                first.sync()
                val merged = checkNotNull(first.store.visit(id))
                assertEquals("written here", merged.value.note)
                assertEquals(VisitPurpose.Service, merged.value.purpose)
                assertEquals(3, first.store.history(id).count { it.changed.isNotEmpty() } - 1)
                assertTrue(checkNotNull(first.store.heads(id)).all { first.store.holdsChange(id, it) })
                assertTrue(checkNotNull(first.store.tree(id)).contains("written here"))
                fails<IllegalArgumentException> { first.store.document<String>(id) }
            }
        }
    }

    @Test
    fun `a photo is named by its bytes, goes to the server, and is seen on another phone`() = story {
        Company.shared.phone().use { phone ->
            val visit = phone.visit()
            val photo = File(phone.folder, "photo 照片.jpg").apply { writeBytes(ByteArray(700_000) { it.toByte() }) }
            val bytes = photo.readBytes()
            val hash = phone.store.attachEvidence(visit.id, photo, NewEvidence(EvidenceKind.Photo, "image/jpeg", caption = "门头"))
            val digest = java.security.MessageDigest.getInstance("SHA-256").digest(bytes)
            assertEquals(digest.joinToString("") { "%02x".format(it) }, hash.hex)
            assertEquals(UploadState.WAITING, phone.store.evidenceState(hash))
            assertEquals("门头", phone.store.visit(visit.id)?.value?.evidence?.get(hash)?.caption)
            assertEquals(1, phone.store.status().evidenceWaiting)
            // The phone has a copy of its own: the camera's folder is emptied.
            assertTrue(photo.delete())
            val waiting = phone.store.evidenceWaiting().single()
            assertEquals(hash, waiting.hash)
            assertArrayEquals(bytes, waiting.path?.readBytes())

            val report = (phone.store.syncOnce() as SyncOutcome.Success).report
            assertEquals(1, report.evidence.stored)
            assertEquals(0, report.evidence.left)
            assertNull(report.evidence.problem)
            assertEquals(UploadState.STORED, phone.store.evidenceState(hash))
            assertEquals(emptyList<EvidenceFile>(), phone.store.evidenceWaiting())

            Company.shared.phone().use { other ->
                assertNull(other.store.evidenceFile(hash))
                assertArrayEquals(bytes, other.store.fetchEvidence(visit.id, hash).readBytes())
                assertEquals(700_000, other.store.evidenceFile(hash)?.size)
                fails<FieldledgerException.NotFound> { other.store.fetchEvidence(visit.id, EvidenceHash("0".repeat(64))) }
            }
        }
    }

    @Test
    fun `verdicts on orders are sorted, with the reasons`() = story {
        own { phone ->
            val (milk) = phone.store.products(limit = 1)
            suspend fun submit(code: String, quantity: Int): OrderVerdict? {
                val lines = listOf(OrderLine(milk, BigDecimal(quantity)))
                val order = phone.store.draftOrder(phone.customer(code).id, "V-$code-$quantity", lines)
                val foreseen = phone.store.checkCredit(order).toVerdict()
                val submitted = phone.store.submitOrder(phone.store.create(order))
                assertEquals(foreseen::class, submitted.verdict?.let { it::class })
                return submitted.verdict
            }
            val first = submit("C1", 2)
            val good = assertInstanceOf(OrderVerdict.Provisional::class.java, first) { first.toString() }
            assertEquals(CreditVerdict.PROVISIONAL, good.decision.verdict)
            assertTrue(good.decision.rules.all { it.passed && it.sentence.isNotBlank() })
            val held = assertInstanceOf(OrderVerdict.Held::class.java, submit("C2", 1000))
            assertTrue(held.reasons.any { it.rule == "exposure_within_limit" }, held.reasons.toString())
            assertFalse(held.reasons.any { it.passed })
            val decided = phone.store.list(ListQuery(limit = 10, text = "V-C1-2")).single()
            phone.sync()
            assertNotEquals(null, phone.store.orderDecision(decided.id))
        }
    }

    @Test
    fun `money is added, compared, rounded and written exactly`() = story {
        val price = moneyOf("3.50", "CNY")
        assertEquals(moneyOf("10.50", "CNY"), price * 3)
        assertEquals(moneyOf("3.40", "CNY"), price - moneyOf("0.10", "CNY"))
        assertEquals(moneyOf("-3.50", "CNY"), -price)
        assertTrue(price > moneyOf("3.4999", "CNY") && price >= moneyOf("3.5", "CNY"))
        assertTrue((price - price).isZero)
        assertEquals(moneyOf("7.00", "CNY"), listOf(price, price).sum(Currency("CNY")))
        assertEquals("1.01 CNY", moneyOf("1.005", "CNY").toPlainText())
        assertEquals("2 JPY", moneyOf("1.5", "JPY").toPlainText())
        assertEquals("1.001 KWD", moneyOf("1.0005", "KWD").toPlainText())
        assertEquals("-1.01 CNY", moneyOf("-1.005", "CNY").toPlainText())
        assertEquals("¥12,345.60", moneyOf("12345.6", "CNY").format(Locale.CHINA))
        assertEquals("¥123", moneyOf("123.4", "JPY").format(Locale.JAPAN).replace('￥', '¥'))
        assertEquals("5.00 ZZZ", moneyOf("5", "ZZZ").format(Locale.US))
        fails<IllegalArgumentException> { price + moneyOf("1", "USD") }
        fails<IllegalArgumentException> { Currency("yuan") }
    }

    @Test
    fun `money for people is rounded half-up to the currency's own decimals`() {
        val expected = listOf(
            Triple("1.005", "CNY", "1.01"), Triple("1.015", "CNY", "1.02"), Triple("1.025", "CNY", "1.03"),
            Triple("1.0049999", "CNY", "1.00"), Triple("2.5", "JPY", "3"), Triple("3.5", "JPY", "4"), Triple("2.4999", "JPY", "2"),
            Triple("1.0005", "KWD", "1.001"), Triple("12345.675", "USD", "12,345.68"), Triple("7", "CNY", "7.00"),
            Triple("0.0049", "CNY", "0.00"), Triple("0.125", "ISK", "0"), Triple("3", "HUF", "3.00"),
        )
        for ((amount, currency, digits) in expected) {
            val money = moneyOf(amount, currency)
            for (each in listOf(money, -money)) {
                assertEquals(digits, each.format(Locale.US).filter { it.isDigit() || it in ".," }, "$each")
            }
        }
    }

    @Test
    fun `the decimals of a currency are those of the core`() = story {
        val codes = java.util.Currency.getAvailableCurrencies().map { it.currencyCode }.filter { it.length == 3 }
        Company.blank().use { phone ->
            phone.store.enrol(Company.shared.url, Company.shared.code("lina"), "test")
            phone.sync()
            val (product) = phone.store.products(limit = 1)
            val customer = phone.customer("C4").id
            val line = listOf(OrderLine(product, BigDecimal("1.1111111"), BigDecimal("1.2345678")))
            for (code in codes.sorted().filter { it in KNOWN }) {
                val order = phone.store.create(phone.store.draftOrder(customer, "CUR-$code", line, currency = Currency(code)))
                val amount: Money = checkNotNull(phone.store.row(order.id)?.amount)
                assertEquals(order.value.total, amount, code)
            }
        }
    }

    private companion object {
        val KNOWN = setOf(
            "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF",
            "BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND", "CNY", "USD", "EUR", "HUF", "IDR", "TWD", "CLF", "MRU", "AFN",
        )
    }
}
