package com.fieldledger

import com.fieldledger.model.CreditDecision
import com.fieldledger.model.CreditVerdict
import com.fieldledger.model.Guarantee
import com.fieldledger.model.Order
import com.fieldledger.model.RuleOutcome
import java.time.Instant

/** Whether an order may go out on credit, sorted by what the rep tells the customer. */
public sealed interface OrderVerdict {
    /** Everything that went into it, with a sentence for each rule. */
    public val decision: CreditDecision

    /**
     * The company guarantees it.
     *
     * @property guarantee by what: the server's word, or an allowance of this phone.
     */
    public data class Approved(override val decision: CreditDecision, public val guarantee: Guarantee) : OrderVerdict

    /**
     * It looks well from here, but is not guaranteed.
     *
     * @property asOf the moment of the data that it was judged from; nothing when this phone holds none.
     */
    public data class Provisional(override val decision: CreditDecision, public val asOf: Instant?) : OrderVerdict

    /**
     * A supervisor decides. Everything that was typed is kept.
     *
     * @property reasons the rules that did not pass, each with its sentence.
     */
    public data class Held(override val decision: CreditDecision, public val reasons: List<RuleOutcome>) : OrderVerdict

    /**
     * The company's policy forbids it.
     *
     * @property reasons the rules that did not pass, each with its sentence.
     */
    public data class Refused(override val decision: CreditDecision, public val reasons: List<RuleOutcome>) : OrderVerdict
}

/** The verdict, sorted. */
public fun CreditDecision.toVerdict(): OrderVerdict {
    val failed = rules.filterNot { it.passed }
    return when (verdict) {
        CreditVerdict.APPROVED -> OrderVerdict.Approved(this, inputs.guarantee)
        CreditVerdict.PROVISIONAL -> OrderVerdict.Provisional(this, inputs.asOf)
        CreditVerdict.HELD -> OrderVerdict.Held(this, failed)
        CreditVerdict.REFUSED -> OrderVerdict.Refused(this, failed)
    }
}

/** The verdict that was recorded when the order was submitted; nothing for a draft. */
public val Document<Order>.verdict: OrderVerdict?
    get() = value.credit?.toVerdict()
