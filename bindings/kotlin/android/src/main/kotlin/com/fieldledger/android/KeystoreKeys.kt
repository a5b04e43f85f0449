package com.fieldledger.android

import android.content.Context
import android.security.keystore.KeyGenParameterSpec
import android.security.keystore.KeyPermanentlyInvalidatedException
import android.security.keystore.KeyProperties
import com.fieldledger.FieldStore
import com.fieldledger.KeySupply
import com.fieldledger.model.Encryption
import java.io.File
import java.io.FileOutputStream
import java.security.KeyStore
import java.security.SecureRandom
import javax.crypto.AEADBadTagException
import javax.crypto.Cipher
import javax.crypto.KeyGenerator
import javax.crypto.SecretKey
import javax.crypto.spec.GCMParameterSpec

/**
 * Database keys in files that only this phone's keystore can open: 32 random bytes, encrypted by a key that never leaves the
 * keystore, in a folder that backups leave out.
 *
 * A phone that loses its keystore key (a restore onto another phone, some changes of the screen lock on old devices) has lost the
 * database with it: opening throws [com.fieldledger.FieldledgerException.KeyUnavailable] with [LOST] in its message. The way back is
 * [forget], a database in a new file and a new enrolment; what was synced comes back from the server.
 *
 * @param alias name of the keystore's key and of the files.
 * @param database the database that the keys are for.
 */
public class KeystoreKeys(
    context: Context,
    private val alias: String = "fieldledger",
    private val database: File = AndroidPhone.database(context),
) : KeySupply {
    private val application = context.applicationContext
    private val present = File(AndroidPhone.folder(application), "$alias.key")
    private val pending = File(AndroidPhone.folder(application), "$alias.pending")

    /** The present key. It is made where there is neither a key nor a database that it could be missing for. */
    override suspend fun databaseKey(): ByteArray? {
        if (!present.exists() && !database.exists()) store(present, fresh())
        return read(present)
    }

    override suspend fun pendingKey(): ByteArray? = read(pending)

    /**
     * Encrypts a plain [database] of an earlier version of the app, while no store has it open; a key is made. Does nothing when it is
     * encrypted already or there is none. Call it before each opening. Throws [com.fieldledger.FieldledgerException.StorageFull] when there
     * is no room for a copy; nothing has changed then.
     */
    public suspend fun encryptPlain() {
        if (FieldStore.encryption(database) != Encryption.PLAIN) return
        val key = read(present) ?: fresh().also { store(present, it) }
        FieldStore.encrypt(database, key)
    }

    /** Gives an open store another key. A phone that dies meanwhile is put in order by [finishRotation]. */
    public suspend fun rotate(store: FieldStore) {
        if (!store.openedWithPendingKey()) {
            val new = read(pending) ?: fresh().also { store(pending, it) }
            store.rotateKey(new)
        }
        promote()
    }

    /** Does the last step of a rotation that was cut short; call it after each opening. */
    public suspend fun finishRotation(store: FieldStore) {
        if (store.openedWithPendingKey()) promote() else if (pending.exists()) pending.delete()
    }

    /** Removes the keys. What they encrypted can never be read again. */
    public fun forget() {
        present.delete()
        pending.delete()
        KeyStore.getInstance(KEYSTORE).apply { load(null) }.deleteEntry(alias)
    }

    private fun promote() {
        if (!pending.exists()) return
        check(pending.renameTo(present)) { "the new key could not be made the present one" }
    }

    private fun fresh() = ByteArray(32).also(SecureRandom()::nextBytes)

    private fun store(file: File, key: ByteArray) {
        val cipher = Cipher.getInstance(TRANSFORMATION)
        cipher.init(Cipher.ENCRYPT_MODE, known() ?: made())
        writeWhole(file, cipher.iv + cipher.doFinal(key))
    }

    private fun read(file: File): ByteArray? {
        if (!file.exists()) return null
        val bytes = file.readBytes()
        val cipher = Cipher.getInstance(TRANSFORMATION)
        try {
            cipher.init(Cipher.DECRYPT_MODE, checkNotNull(known()) { LOST }, GCMParameterSpec(TAG_BITS, bytes, 0, IV_BYTES))
            return cipher.doFinal(bytes, IV_BYTES, bytes.size - IV_BYTES)
        } catch (error: KeyPermanentlyInvalidatedException) {
            throw IllegalStateException(LOST, error)
        } catch (error: AEADBadTagException) {
            throw IllegalStateException(LOST, error)
        }
    }

    private fun known(): SecretKey? =
        KeyStore.getInstance(KEYSTORE).apply { load(null) }.getKey(alias, null) as SecretKey?

    private fun made(): SecretKey {
        val generator = KeyGenerator.getInstance(KeyProperties.KEY_ALGORITHM_AES, KEYSTORE)
        val purposes = KeyProperties.PURPOSE_ENCRYPT or KeyProperties.PURPOSE_DECRYPT
        generator.init(
            KeyGenParameterSpec.Builder(alias, purposes)
                .setBlockModes(KeyProperties.BLOCK_MODE_GCM)
                .setEncryptionPaddings(KeyProperties.ENCRYPTION_PADDING_NONE)
                .setKeySize(256)
                .build(),
        )
        return generator.generateKey()
    }

    public companion object {
        /** What is said when the keystore has lost the key. */
        public const val LOST: String = "the phone's keystore has lost the key of this database"
        private const val KEYSTORE = "AndroidKeyStore"
        private const val TRANSFORMATION = "AES/GCM/NoPadding"
        private const val IV_BYTES = 12
        private const val TAG_BITS = 128
    }
}

/** Writes a file that is there whole or not at all, whenever the phone dies. */
internal fun writeWhole(file: File, bytes: ByteArray) {
    val beside = File(file.path + ".new")
    FileOutputStream(beside).use {
        it.write(bytes)
        it.fd.sync()
    }
    check(beside.renameTo(file)) { "${file.name} could not be put in place" }
}
