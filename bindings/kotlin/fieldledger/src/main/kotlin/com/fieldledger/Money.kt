package com.fieldledger

import com.fieldledger.model.Currency
import com.fieldledger.model.Money
import com.fieldledger.model.Order
import com.fieldledger.model.OrderLine
import java.math.BigDecimal
import java.math.RoundingMode
import java.text.NumberFormat
import java.util.Locale

/** An amount from its text: `moneyOf("12.50", "CNY")`. */
public fun moneyOf(amount: String, currency: String): Money = Money(BigDecimal(amount), Currency(currency))

/** Nothing of this currency. */
public fun Currency.zero(): Money = Money(BigDecimal.ZERO.setScale(minorDigits), this)

/** How many decimals the currency's minor unit has (ISO 4217), as the core counts them: 0 for JPY, 3 for KWD, else 2. */
public val Currency.minorDigits: Int
    get() = when (code) {
        "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF" -> 0
        "BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND" -> 3
        else -> 2
    }

/** The sum. Amounts of two currencies are never added: an [IllegalArgumentException]. */
public operator fun Money.plus(other: Money): Money = copy(amount = amount + other.alike(this).amount)

/** The difference, of one currency. */
public operator fun Money.minus(other: Money): Money = copy(amount = amount - other.alike(this).amount)

/** The opposite amount. */
public operator fun Money.unaryMinus(): Money = copy(amount = amount.negate())

/** The amount [factor] times, not rounded. */
public operator fun Money.times(factor: BigDecimal): Money = copy(amount = amount * factor)

/** The amount [factor] times. */
public operator fun Money.times(factor: Int): Money = times(factor.toBigDecimal())

/** Which is more; of one currency. Unlike `==`, it takes 3.5 and 3.50 for the same. */
public operator fun Money.compareTo(other: Money): Int = amount.compareTo(other.alike(this).amount)

/** Whether it is nothing, with however many decimals. */
public val Money.isZero: Boolean
    get() = amount.signum() == 0

/** Rounded half-up (away from zero) to the currency's minor unit, as every line of an order is, once. */
public fun Money.rounded(): Money = copy(amount = amount.setScale(currency.minorDigits, RoundingMode.HALF_UP))

/** The sum of these amounts, which are of [currency]. */
public fun Iterable<Money>.sum(currency: Currency): Money = fold(currency.zero()) { sum, next -> sum + next }

/** For people: [rounded], as [locale] writes amounts, with the currency's own number of decimals. */
public fun Money.format(locale: Locale = Locale.getDefault()): String {
    val known = runCatching { java.util.Currency.getInstance(currency.code) }.getOrNull() ?: return toPlainText()
    val format = NumberFormat.getCurrencyInstance(locale)
    format.currency = known
    format.minimumFractionDigits = currency.minorDigits
    format.maximumFractionDigits = currency.minorDigits
    return format.format(rounded().amount)
}

/** For machines: `12.50 CNY`, with the currency's own number of decimals. */
public fun Money.toPlainText(): String = "${rounded().amount.toPlainString()} ${currency.code}"

/** Quantity × price less discount, rounded to the currency's minor unit. */
public fun OrderLine.total(currency: Currency): Money =
    Money(quantity * unitPrice * (BigDecimal.ONE - discount), currency).rounded()

/** The sum of the lines, as the core computes it. */
public val Order.total: Money
    get() = lines.values.map { it.total(currency) }.sum(currency)

private fun Money.alike(other: Money): Money {
    require(currency == other.currency) { "$currency and ${other.currency} cannot be put together without a rate" }
    return this
}
