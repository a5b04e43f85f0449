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
    public func adding(_ other: Money) throws(FieldledgerError) -> Money {
        guard currency == other.currency else {
            throw .invalid(field: "currency", message: "\(currency) and \(other.currency) cannot be added without a rate")
        }
        return Money(amount: amount + other.amount, currency: currency)
    }

    /// For people: with the currency's sign and the separators of `locale`.
    public func formatted(locale: Locale = .current) -> String {
        amount.formatted(
            .currency(code: currency.code).locale(locale).precision(.fractionLength(currency.minorDigits...28))
        )
    }

    /// For logs and files: `12.50 CNY`, with no fewer decimals than the currency has.
    public var description: String {
        var number = amount
        var text = NSDecimalString(&number, Locale(identifier: "en_US_POSIX"))
        let decimals = text.split(separator: ".", omittingEmptySubsequences: false).dropFirst().first?.count ?? 0
        if decimals < currency.minorDigits {
            text += (decimals == 0 ? "." : "") + String(repeating: "0", count: currency.minorDigits - decimals)
        }
        return "\(text) \(currency.code)"
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
