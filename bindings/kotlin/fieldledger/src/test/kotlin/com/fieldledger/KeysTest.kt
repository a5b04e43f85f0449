package com.fieldledger

import com.fieldledger.model.Encryption
import com.fieldledger.model.SearchHit
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertInstanceOf
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.io.File

/** Encryption at rest. With a library that was built without it (`FIELDLEDGER_ENCRYPTED` is not set) a key is refused. */
class KeysTest {
    private val encrypted = System.getenv("FIELDLEDGER_ENCRYPTED") != null

    private class Keys(var present: ByteArray?, var pending: ByteArray? = null) : KeySupply {
        override suspend fun databaseKey() = present ?: throw IllegalStateException("unlock the phone first")
        override suspend fun pendingKey() = pending
    }

    private suspend fun open(folder: File, keys: KeySupply?) = Phone.open(folder) {
        StoreOptions(it.database, it.installation, it.appVersion, it.platform, keys = keys)
    }

    private suspend inline fun <reified T : FieldledgerException> refused(folder: File, keys: KeySupply?): T {
        val thrown = runCatching { open(folder, keys).close() }.exceptionOrNull()
        return assertInstanceOf(T::class.java, thrown)
    }

    @Test
    fun `a key encrypts the file, or is refused where the library cannot encrypt`() = story {
        val (one, two) = FieldStore.generateKey() to FieldStore.generateKey()
        assertEquals(32, one.size)
        assertFalse(one.contentEquals(two))
        val folder = temporaryFolder("keys")
        if (!encrypted) {
            assertEquals("key", refused<FieldledgerException.Invalid>(folder, Keys(one)).field)
            assertEquals(Encryption.MISSING, FieldStore.encryption(Phone.database(folder)))
            return@story
        }
        val keys = Keys(one, pending = two)
        val secret = "秘密 planted where nobody may read it"
        open(folder, keys).use { phone ->
            phone.store.enrol(Company.shared.url, Company.shared.code("lina"), "test")
            phone.sync()
            val visit = phone.visit(note = secret)
            assertEquals(Encryption.ENCRYPTED, FieldStore.encryption(phone.database))
            phone.store.rotateKey(two)
            assertTrue(phone.store.openedWithPendingKey())
            assertEquals(secret, phone.store.visit(visit.id)?.value?.note)
            keys.present = two
            keys.pending = null
            assertFalse(phone.store.openedWithPendingKey(), "the last step is done")
            phone.sync()
            // While it is open, the log of what is not in the file yet lies beside it.
            folder.walk().filter { it.isFile }.forEach { assertFalse(secret in it, "$it") }
        }
        refused<FieldledgerException.KeyNeeded>(folder, null)
        refused<FieldledgerException.WrongKey>(folder, Keys(one))
        assertTrue("unlock the phone first" in refused<FieldledgerException.KeyUnavailable>(folder, Keys(null)).message)
        open(folder, keys).use { assertTrue(it.store.search(secret.take(2)).any { hit -> hit is SearchHit.Document }) }

        FieldStore.decrypt(Phone.database(folder), two)
        assertEquals(Encryption.PLAIN, FieldStore.encryption(Phone.database(folder)))
        refused<FieldledgerException.NotEncrypted>(folder, keys)
        assertTrue(secret in Phone.database(folder), "what is not encrypted is found, so the search above can fail")
        FieldStore.encrypt(Phone.database(folder), one)
        open(folder, Keys(one)).use { assertEquals(null, it.store.openingReport()) }
        assertFalse(secret in Phone.database(folder))
    }

    private operator fun File.contains(text: String): Boolean =
        readBytes().toString(Charsets.ISO_8859_1).contains(text.toByteArray().toString(Charsets.ISO_8859_1))
}
