package com.fieldledger

import com.fieldledger.ffi.CollectionNoteDocument
import com.fieldledger.ffi.DeliveryDocument
import com.fieldledger.ffi.OrderDocument
import com.fieldledger.ffi.ReviewDocument
import com.fieldledger.ffi.StatementConfirmationDocument
import com.fieldledger.ffi.VisitDocument
import com.fieldledger.model.ChangeHash
import com.fieldledger.model.CollectionNote
import com.fieldledger.model.Delivery
import com.fieldledger.model.DocumentId
import com.fieldledger.model.Order
import com.fieldledger.model.Review
import com.fieldledger.model.StatementConfirmation
import com.fieldledger.model.Visit

/**
 * A document as it was read. Saving one writes what differs from that, and merges with what came since, so that an edit somebody
 * else made meanwhile survives:
 *
 * ```
 * val visit = store.visit(id) ?: return
 * store.save(visit.edit { it.copy(note = "再来") })
 * ```
 *
 * @property id its id.
 * @property heads the changes it was read at.
 * @property value what it says.
 * @property newer whether a newer version of the app made it: it can be shown, not edited.
 */
public data class Document<out T : Any>(
    public val id: DocumentId,
    public val heads: List<ChangeHash>,
    public val value: T,
    public val newer: Boolean,
)

/** This document with another value, to be saved. */
public inline fun <T : Any> Document<T>.edit(change: (T) -> T): Document<T> = copy(value = change(value))

internal fun VisitDocument.native() = Document(id, heads, value, newer)
internal fun DeliveryDocument.native() = Document(id, heads, value, newer)
internal fun CollectionNoteDocument.native() = Document(id, heads, value, newer)
internal fun OrderDocument.native() = Document(id, heads, value, newer)
internal fun ReviewDocument.native() = Document(id, heads, value, newer)
internal fun StatementConfirmationDocument.native() = Document(id, heads, value, newer)

internal fun Document<Visit>.bridged() = VisitDocument(id, heads, value, newer)
@JvmName("bridgedDelivery")
internal fun Document<Delivery>.bridged() = DeliveryDocument(id, heads, value, newer)
@JvmName("bridgedCollectionNote")
internal fun Document<CollectionNote>.bridged() = CollectionNoteDocument(id, heads, value, newer)
@JvmName("bridgedOrder")
internal fun Document<Order>.bridged() = OrderDocument(id, heads, value, newer)
@JvmName("bridgedReview")
internal fun Document<Review>.bridged() = ReviewDocument(id, heads, value, newer)
@JvmName("bridgedStatementConfirmation")
internal fun Document<StatementConfirmation>.bridged() = StatementConfirmationDocument(id, heads, value, newer)
