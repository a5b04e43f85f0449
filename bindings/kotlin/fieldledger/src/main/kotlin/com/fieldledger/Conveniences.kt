package com.fieldledger

import com.fieldledger.model.Before
import com.fieldledger.model.Currency
import com.fieldledger.model.CustomerId
import com.fieldledger.model.DocumentKind
import com.fieldledger.model.DocumentRow
import com.fieldledger.model.Order
import com.fieldledger.model.OrderLine
import com.fieldledger.model.OrderState
import com.fieldledger.model.Position
import com.fieldledger.model.Product
import com.fieldledger.model.SignedQuantity
import com.fieldledger.model.StatementReply
import java.math.BigDecimal
import java.time.Instant
import java.time.LocalDate

/** A line of an order: [quantity] of [product] at its list price, or at [unitPrice], less [discount] (a part of 1). */
public fun OrderLine(
    product: Product,
    quantity: BigDecimal,
    unitPrice: BigDecimal? = product.price?.amount,
    discount: BigDecimal = BigDecimal.ZERO,
): OrderLine {
    requireNotNull(unitPrice) { "${product.name} has no list price: give one" }
    return OrderLine(product.id, quantity, unitPrice, discount)
}

/**
 * A draft of an order of this phone's person, now, in the company's currency unless [currency] says otherwise. It is not recorded
 * yet: [FieldStore.checkCredit] looks at it, [FieldStore.create] records it and [FieldStore.submitOrder] submits it.
 *
 * Throws [FieldledgerException.NotEnrolled].
 */
public suspend fun FieldStore.draftOrder(
    customer: CustomerId,
    number: String,
    lines: List<OrderLine>,
    termsDays: Int? = null,
    currency: Currency? = null,
    wantedBy: LocalDate? = null,
    position: Position? = null,
    note: String = "",
): Order {
    val organisation = organisation() ?: throw FieldledgerException.of(com.fieldledger.model.FieldException.NotEnrolled())
    val me = identity() ?: throw FieldledgerException.of(com.fieldledger.model.FieldException.NotEnrolled())
    // What the customer's credit file grants, unless the order says otherwise.
    val terms = termsDays ?: creditFile(customer)?.file?.termsDays ?: 0
    return Order(
        customer = customer,
        rep = me.user,
        number = number,
        at = Instant.now(),
        currency = currency ?: organisation.currency,
        lines = lines.associateBy { lineId() },
        termsDays = terms,
        wantedBy = wantedBy,
        state = OrderState.DRAFT,
        position = position,
        note = note,
    )
}

/** All of [quantity] was accepted. */
public fun acceptedInFull(quantity: BigDecimal): SignedQuantity =
    SignedQuantity(quantity, BigDecimal.ZERO, BigDecimal.ZERO, BigDecimal.ZERO)

/**
 * What a customer answered to a statement.
 *
 * @param confirmed the numbers of lines that are right.
 * @param disputed the numbers of lines that are not, with what is wrong.
 * @param confirmTheRest whether every other line is right.
 */
public fun statementReply(
    person: String,
    confirmed: List<Int> = emptyList(),
    disputed: Map<Int, String> = emptyMap(),
    confirmTheRest: Boolean = false,
    note: String = "",
): StatementReply = StatementReply(person, confirmed, confirmTheRest, disputed, note)

/** Where this row stands in a list, for the page after it: [FieldStore.timeline], `ListQuery.before`. */
public val DocumentRow.place: Before
    get() = Before(moment, id)

/** The kind by the name it is stored and synced by: `collection_note`. */
public val DocumentKind.storedName: String
    get() = when (this) {
        is DocumentKind.Visit -> "visit"
        is DocumentKind.Delivery -> "delivery"
        is DocumentKind.CollectionNote -> "collection_note"
        is DocumentKind.Order -> "order"
        is DocumentKind.Review -> "review"
        is DocumentKind.StatementConfirmation -> "statement_confirmation"
        is DocumentKind.Unknown -> v1
    }
