package com.fieldledger

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.io.File
import kotlin.reflect.KVisibility
import kotlin.reflect.full.companionObject
import kotlin.reflect.full.declaredMemberFunctions

/** This package offers what the core does, by the core's names. */
class ParityTest {
    private val kotlin: Set<String> = (FieldStore::class.declaredMemberFunctions + checkNotNull(FieldStore::class.companionObject).declaredMemberFunctions)
        .filter { it.visibility == KVisibility.PUBLIC }
        .mapTo(mutableSetOf()) { it.name }

    @Test
    fun `every public operation of the core's store is here by its name`() {
        val list = File(System.getProperty("fieldledger.operations").orEmpty())
        assertTrue(list.isFile, "FIELDLEDGER_OPERATIONS must name what bindings/operations.sh prints, not \"$list\"")
        val core = list.readLines().filter { it.isNotBlank() }
        assertTrue("start_visit" in core && core.size > 50, core.toString())
        val missing = core.map { it.camelCase() }.filterNot { it in kotlin }
        assertEquals(emptyList<String>(), missing)
    }

    @Test
    fun `every operation of the bridge is here`() {
        // One for each kind of document there, overloads here.
        val kinds = listOf("Visit", "Delivery", "CollectionNote", "Order", "Review", "StatementConfirmation")
        val ruled = kinds.flatMap { listOf("create$it" to "create", "save$it" to "save") }.toMap() + ("closeStore" to "close")
        val bridge = com.fieldledger.ffi.FieldStoreInterface::class.declaredMemberFunctions.map { it.name }
        assertTrue(bridge.size > 50)
        assertEquals(emptyList<String>(), bridge.filterNot { (ruled[it] ?: it) in kotlin })
    }

    private fun String.camelCase() = split('_').let { words ->
        words.first() + words.drop(1).joinToString("") { word -> word.replaceFirstChar { it.uppercase() } }
    }
}
