import Foundation
import FieldledgerFFI

// MARK: Money

extension Currency {
    /// How many decimals the currency's minor unit has (ISO 4217), as the core counts them.
    public var minorDigits: Int {
        switch code {
        case "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF": 0
        case "BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND": 3
        default: 2
        }
    }
}

extension Money: CustomStringConvertible {
    /// That amount, written as `12.50`; `nil` when `amount` is no number.
    public init?(_ amount: String, _ currency: Currency) {
        // Foundation reads as far as it understands; money that is only half understood is none.
        let body = amount.drop { $0 == "-" }
        guard amount.count - body.count <= 1, body.contains(where: \.isNumber), body.allSatisfy({ "0123456789.".contains($0) }),
            body.filter({ $0 == "." }).count <= 1,
            let number = Decimal(string: amount, locale: Locale(identifier: "en_US_POSIX"))
        else { return nil }
        self.init(amount: number, currency: currency)
    }

    /// Nothing of `currency`.
    public static func zero(_ currency: Currency) -> Money { Money(amount: 0, currency: currency) }

    /// Rounded half-up (away from zero) to the currency's minor unit, as every line of an order is, once.
    public var rounded: Money {
        var (exact, result) = (abs(amount), Decimal())
        NSDecimalRound(&result, &exact, currency.minorDigits, .plain)
        return Money(amount: amount < 0 ? -result : result, currency: currency)
    }

    /// The sum.
    ///
    /// - Throws: ``FieldledgerError/invalid(field:message:)`` for two currencies: they are never added unconverted.
    public func adding(_ other: Money) throws -> Money {
        guard currency == other.currency else {
            throw FieldledgerError.invalid(field: "currency", message: "\(currency) and \(other.currency) cannot be added without a rate")
        }
        return Money(amount: amount + other.amount, currency: currency)
    }

    /// For people: ``rounded``, with the currency's sign and own number of decimals and the separators of `locale`.
    public func formatted(locale: Locale = .current) -> String {
        rounded.amount.formatted(.currency(code: currency.code).locale(locale).precision(.fractionLength(currency.minorDigits)))
    }

    /// For machines: `12.50 CNY`, with the currency's own number of decimals.
    public var description: String {
        var (number, digits) = (rounded.amount, currency.minorDigits)
        var text = NSDecimalString(&number, Locale(identifier: "en_US_POSIX"))
        if let point = text.firstIndex(of: ".") {
            digits -= text.distance(from: point, to: text.endIndex) - 1
        } else if digits > 0 {
            text += "."
        }
        return text + String(repeating: "0", count: digits) + " \(currency.code)"
    }
}

// MARK: Orders

extension OrderLine {
    /// `quantity` of `product` at its list price, or at `unitPrice`, less `discount` (a part of 1); `nil` when neither price is
    /// known.
    public init?(_ product: Product, quantity: Decimal, unitPrice: Decimal? = nil, discount: Decimal = 0) {
        guard let price = unitPrice ?? product.price?.amount else { return nil }
        self.init(product: product.id, quantity: quantity, unitPrice: price, discount: discount)
    }

    /// Quantity × price less discount, rounded to the currency's minor unit.
    public func total(in currency: Currency) -> Money {
        Money(amount: quantity * unitPrice * (1 - discount), currency: currency).rounded
    }
}

extension Order {
    /// The sum of the lines, as the core computes it.
    public var total: Money {
        Money(amount: lines.values.reduce(0) { $0 + $1.total(in: currency).amount }, currency: currency)
    }
}

extension FieldStore {
    /// A draft of an order of this phone's person, now, in the company's currency and with the terms of the customer's credit
    /// file, unless others are given. It is not recorded yet: ``checkCredit(_:)`` looks at it, ``create(_:)`` records it, and
    /// ``submitOrder(_:)`` submits it.
    ///
    /// - Throws: ``FieldledgerError/notEnrolled``, also before the first sync.
    public func draftOrder(
        customer: CustomerId, number: String, lines: [OrderLine], termsDays: UInt32? = nil, currency: Currency? = nil,
        wantedBy: CalendarDate? = nil, position: Position? = nil, note: String = ""
    ) async throws -> Order {
        guard let me = identity, let company = try await organisation() else { throw FieldledgerError.notEnrolled }
        let file = try await creditFile(customer)?.file
        var numbered: [LineId: OrderLine] = [:]
        for line in lines { numbered[try lineId()] = line }
        return Order(
            customer: customer, rep: me.user, number: number, at: Date(), currency: currency ?? company.currency,
            lines: numbered, termsDays: termsDays ?? file?.termsDays ?? 0, wantedBy: wantedBy, state: .draft,
            position: position, note: note
        )
    }

    /// Customers by name, some of them, with these words in name, code or address.
    public func customers(
        _ text: String = "", territory: TerritoryId? = nil, limit: Int = 100, offset: Int = 0
    ) async throws -> [CustomerRow] {
        try await customers(CustomerQuery(text: text, territory: territory, limit: limit, offset: offset))
    }
}

extension SignedQuantity {
    /// All of it was accepted.
    public static func inFull(_ quantity: Decimal) -> SignedQuantity {
        SignedQuantity(accepted: quantity, short: 0, damaged: 0, refused: 0)
    }
}

// MARK: Credit

/// What a credit check says, for a `switch`.
public enum CreditOutcome: Hashable, Sendable {
    /// Guaranteed: the server checked it, or an allowance of this phone covers it.
    case approved
    /// Every rule passed on what the phone knew, as of then; not guaranteed.
    case provisional(asOf: Date?)
    /// A supervisor decides. The rules that did not pass, each with a sentence that can be said to the customer.
    case held([RuleOutcome])
    /// The company's policy says no, by these rules.
    case refused([RuleOutcome])
}

extension CreditDecision {
    /// The verdict with its reasons.
    public var outcome: CreditOutcome {
        let failed = rules.filter { !$0.passed }
        return switch verdict {
        case .approved: .approved
        case .provisional: .provisional(asOf: inputs.asOf)
        case .held: .held(failed)
        case .refused: .refused(failed)
        }
    }
}

extension Document<Order> {
    /// What the check at its submission said; `nil` before.
    public var creditOutcome: CreditOutcome? { value.credit?.outcome }
}

// MARK: Rows

extension DocumentRow {
    /// Its place in lists, where the next page begins.
    public var place: Before { Before(moment: moment, id: id) }
}

extension DocumentKind: CustomStringConvertible {
    /// The name that it is stored under: `collection_note`.
    public var description: String {
        switch self {
        case .visit: "visit"
        case .delivery: "delivery"
        case .collectionNote: "collection_note"
        case .order: "order"
        case .review: "review"
        case .statementConfirmation: "statement_confirmation"
        case .unknown(let name): name
        }
    }
}
