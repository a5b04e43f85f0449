package com.fieldledger.android

import android.content.Context
import android.security.keystore.KeyGenParameterSpec
import android.security.keystore.KeyProperties
import com.fieldledger.FieldStore
import com.fieldledger.KeySupply
import java.io.File
import java.io.FileOutputStream
import java.security.KeyStore
import java.security.SecureRandom
import javax.crypto.Cipher
import javax.crypto.KeyGenerator
import javax.crypto.SecretKey
import javax.crypto.spec.GCMParameterSpec

/**
 * Database keys in files that only this phone's keystore can open: 32 random bytes, encrypted by a key that never leaves the
 * keystore, in a folder that backups leave out. A phone that loses its keystore key (a factory reset, a restore onto another phone)
 * has lost the database with it; what was synced comes back from the server.
 */
public class KeystoreKeys(context: Context, private val alias: String = "fieldledger") : KeySupply {
    private val application = context.applicationContext
    private val present = File(AndroidPhone.folder(application), "$alias.key")
    private val pending = File(AndroidPhone.folder(application), "$alias.pending")

    /** The present key. It is made where there is neither a key nor a database that it could be missing for. */
    override suspend fun databaseKey(): ByteArray? {
        if (!present.exists() && !AndroidPhone.database(application).exists()) store(present, fresh())
        return read(present)
    }

    override suspend fun pendingKey(): ByteArray? = read(pending)

    /** Gives an open store another key. A phone that dies meanwhile is put in order by [finishRotation]. */
    public suspend fun rotate(store: FieldStore) {
        val new = read(pending) ?: fresh().also { store(pending, it) }
        store.rotateKey(new)
        promote()
    }

    /** Does the last step of a rotation that was cut short; call it after each opening. */
    public suspend fun finishRotation(store: FieldStore) {
        if (store.openedWithPendingKey()) promote() else if (pending.exists()) pending.delete()
    }

    private fun promote() {
        check(pending.renameTo(present)) { "the new key could not be made the present one" }
    }

    private fun fresh() = ByteArray(32).also(SecureRandom()::nextBytes)

    private fun store(file: File, key: ByteArray) {
        val cipher = Cipher.getInstance(TRANSFORMATION)
        cipher.init(Cipher.ENCRYPT_MODE, wrapping())
        writeWhole(file, cipher.iv + cipher.doFinal(key))
    }

    private fun read(file: File): ByteArray? {
        if (!file.exists()) return null
        val bytes = file.readBytes()
        val cipher = Cipher.getInstance(TRANSFORMATION)
        cipher.init(Cipher.DECRYPT_MODE, wrapping(), GCMParameterSpec(TAG_BITS, bytes, 0, IV_BYTES))
        return cipher.doFinal(bytes, IV_BYTES, bytes.size - IV_BYTES)
    }

    private fun wrapping(): SecretKey = synchronized(KeystoreKeys::class.java) {
        val keystore = KeyStore.getInstance(KEYSTORE).apply { load(null) }
        keystore.getKey(alias, null)?.let { return it as SecretKey }
        val generator = KeyGenerator.getInstance(KeyProperties.KEY_ALGORITHM_AES, KEYSTORE)
        val purposes = KeyProperties.PURPOSE_ENCRYPT or KeyProperties.PURPOSE_DECRYPT
        generator.init(
            KeyGenParameterSpec.Builder(alias, purposes)
                .setBlockModes(KeyProperties.BLOCK_MODE_GCM)
                .setEncryptionPaddings(KeyProperties.ENCRYPTION_PADDING_NONE)
                .setKeySize(256)
                .build(),
        )
        generator.generateKey()
    }

    private companion object {
        const val KEYSTORE = "AndroidKeyStore"
        const val TRANSFORMATION = "AES/GCM/NoPadding"
        const val IV_BYTES = 12
        const val TAG_BITS = 128
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
