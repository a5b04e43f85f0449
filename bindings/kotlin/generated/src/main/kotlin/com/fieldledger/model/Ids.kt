package com.fieldledger.model

import java.util.UUID

// What the generated sources expect beside them (core/uniffi.toml). Each id is a type of its own, so that a customer's is
// never taken for a product's; as value classes they cost no more than what they hold.

/** The id of a company. */
@JvmInline
public value class OrganisationId(public val value: UUID) {
    override fun toString(): String = value.toString()
}

/** The id of a territory. */
@JvmInline
public value class TerritoryId(public val value: UUID) {
    override fun toString(): String = value.toString()
}

/** The id of a person with an account. */
@JvmInline
public value class UserId(public val value: UUID) {
    override fun toString(): String = value.toString()
}

/** The id of an enrolled phone. */
@JvmInline
public value class DeviceId(public val value: UUID) {
    override fun toString(): String = value.toString()
}

/** The id of a visit, a delivery, a collection note, an order, a review or an answer to a statement. */
@JvmInline
public value class DocumentId(public val value: UUID) {
    override fun toString(): String = value.toString()
}

/** The id of a customer. */
@JvmInline
public value class CustomerId(public val value: UUID) {
    override fun toString(): String = value.toString()
}

/** The id of a product. */
@JvmInline
public value class ProductId(public val value: UUID) {
    override fun toString(): String = value.toString()
}

/** The id of credit reserved for one phone. */
@JvmInline
public value class GrantId(public val value: UUID) {
    override fun toString(): String = value.toString()
}

/** The id of a statement of account. */
@JvmInline
public value class StatementId(public val value: UUID) {
    override fun toString(): String = value.toString()
}

/** The id of a line of a delivery or an order, or of a reply. */
@JvmInline
public value class LineId(public val value: UUID) {
    override fun toString(): String = value.toString()
}

/** The hash of a change of a document, in 64 hexadecimal digits. */
@JvmInline
public value class ChangeHash(public val hex: String) {
    override fun toString(): String = hex
}

/** The SHA-256 of a file of evidence, in 64 hexadecimal digits. */
@JvmInline
public value class EvidenceHash(public val hex: String) {
    override fun toString(): String = hex
}

/** An ISO 4217 currency code, such as `CNY`. */
@JvmInline
public value class Currency(public val code: String) {
    init {
        require(code.length == 3 && code.all { it in 'A'..'Z' }) {
            "\"$code\" is not a currency code of three capital letters such as CNY"
        }
    }

    override fun toString(): String = code
}

/** Milliseconds since 1970; what lies beyond the years that these can count becomes the last that they can. */
internal fun java.time.Instant.clampedMillis(): Long = try {
    toEpochMilli()
} catch (_: ArithmeticException) {
    if (epochSecond < 0) Long.MIN_VALUE else Long.MAX_VALUE
}
