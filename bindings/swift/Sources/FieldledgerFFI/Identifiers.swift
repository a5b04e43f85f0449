// Small types that the generated sources name (core/uniffi.toml). Everything crosses as text, exactly.
import Foundation

/// Something that the core sent and this package cannot read: library and generated sources do not belong together.
struct Unreadable: LocalizedError {
    let text: String
    let type: String
    var errorDescription: String? { "\(text.debugDescription) is no \(type)" }
}

/// The id of something in the company, never mistaken for the id of something else.
public protocol RecordIdentifier: Hashable, Sendable, Codable, Comparable, LosslessStringConvertible {
    /// The id itself.
    var uuid: UUID { get }
    /// The id with this UUID.
    init(_ uuid: UUID)
}

extension RecordIdentifier {
    /// The id that `text` is, in any spelling of a UUID; `nil` when it is none.
    public init?(_ text: String) {
        guard let uuid = UUID(uuidString: text) else { return nil }
        self.init(uuid)
    }

    init(text: String) throws {
        guard let uuid = UUID(uuidString: text) else { throw Unreadable(text: text, type: "\(Self.self)") }
        self.init(uuid)
    }

    /// The id as it is written everywhere: lower case, with hyphens.
    public var description: String { uuid.uuidString.lowercased() }

    public static func < (one: Self, other: Self) -> Bool { one.description < other.description }

    public init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        try self.init(text: text)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

/// The id of a company.
public struct OrganisationId: RecordIdentifier {
    public let uuid: UUID
    public init(_ uuid: UUID) { self.uuid = uuid }
}

/// The id of a territory.
public struct TerritoryId: RecordIdentifier {
    public let uuid: UUID
    public init(_ uuid: UUID) { self.uuid = uuid }
}

/// The id of a person of the company.
public struct UserId: RecordIdentifier {
    public let uuid: UUID
    public init(_ uuid: UUID) { self.uuid = uuid }
}

/// The id of a phone.
public struct DeviceId: RecordIdentifier {
    public let uuid: UUID
    public init(_ uuid: UUID) { self.uuid = uuid }
}

/// The id of a document: a visit, a delivery, an order, ….
public struct DocumentId: RecordIdentifier {
    public let uuid: UUID
    public init(_ uuid: UUID) { self.uuid = uuid }
}

/// The id of a customer.
public struct CustomerId: RecordIdentifier {
    public let uuid: UUID
    public init(_ uuid: UUID) { self.uuid = uuid }
}

/// The id of a product.
public struct ProductId: RecordIdentifier {
    public let uuid: UUID
    public init(_ uuid: UUID) { self.uuid = uuid }
}

/// The id of an offline allowance.
public struct GrantId: RecordIdentifier {
    public let uuid: UUID
    public init(_ uuid: UUID) { self.uuid = uuid }
}

/// The id of a statement of account.
public struct StatementId: RecordIdentifier {
    public let uuid: UUID
    public init(_ uuid: UUID) { self.uuid = uuid }
}

/// The id of a line of a delivery or an order, or of a reply.
public struct LineId: RecordIdentifier {
    public let uuid: UUID
    public init(_ uuid: UUID) { self.uuid = uuid }
}

/// The name of a change: the SHA-256 of its bytes.
public struct ChangeHash: Hashable, Sendable, CustomStringConvertible {
    /// In hexadecimal.
    public let hex: String
    /// The change with this hash.
    public init(hex: String) { self.hex = hex }
    /// In hexadecimal.
    public var description: String { hex }
}

/// The name of a file of evidence: the SHA-256 of its bytes.
public struct EvidenceHash: Hashable, Sendable, CustomStringConvertible {
    /// In hexadecimal.
    public let hex: String
    /// The file with this hash.
    public init(hex: String) { self.hex = hex }
    /// In hexadecimal.
    public var description: String { hex }
}

/// A currency, by its ISO 4217 code.
public struct Currency: Hashable, Sendable, CustomStringConvertible, ExpressibleByStringLiteral {
    /// Three capital letters.
    public let code: String
    /// The currency with this code. Whether it is three capital letters is checked where it is used.
    public init(code: String) { self.code = code }
    /// The currency with this code.
    public init(stringLiteral code: String) { self.code = code }
    /// Three capital letters.
    public var description: String { code }
    /// The renminbi.
    public static let cny = Currency(code: "CNY")
    /// The US dollar.
    public static let usd = Currency(code: "USD")
    /// The euro.
    public static let eur = Currency(code: "EUR")
}

/// A month of the Gregorian calendar: what targets are set for.
public struct CalendarMonth: Hashable, Sendable, Comparable, LosslessStringConvertible, Codable {
    /// Its first day.
    public let first: CalendarDate

    /// That month; `nil` when the calendar has none.
    public init?(year: Int, month: Int) {
        guard let first = CalendarDate(year: year, month: month, day: 1) else { return nil }
        self.first = first
    }

    /// The month in which `day` lies.
    public init(of day: CalendarDate) {
        first = CalendarDate(year: day.year, month: day.month, day: 1) ?? day
    }

    /// The month that `text` is, as `2026-11`.
    public init?(_ text: String) {
        guard let first = CalendarDate(text + "-01") else { return nil }
        self.first = first
    }

    init(text: String) throws {
        guard let month = Self(text) else { throw Unreadable(text: text, type: "month") }
        self = month
    }

    /// As `2026-11`.
    public var description: String { String(first.description.dropLast(3)) }

    public static func < (one: Self, other: Self) -> Bool { one.first < other.first }

    public init(from decoder: any Decoder) throws {
        try self.init(text: decoder.singleValueContainer().decode(String.self))
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

/// A calendar day, without a time and without a zone: a due date, a planned visit.
public struct CalendarDate: Hashable, Sendable, Comparable, LosslessStringConvertible, Codable {
    /// The year of the Gregorian calendar.
    public let year: Int
    /// 1 to 12.
    public let month: Int
    /// 1 to 31.
    public let day: Int

    /// That day; `nil` when the calendar has none.
    public init?(year: Int, month: Int, day: Int) {
        guard (1...12).contains(month), (1...Self.days(in: month, of: year)).contains(day) else { return nil }
        (self.year, self.month, self.day) = (year, month, day)
    }

    /// The day that `text` is, as `2026-11-28`.
    public init?(_ text: String) {
        let negative = text.hasPrefix("-")
        let parts = text.drop { $0 == "-" || $0 == "+" }.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 3, parts.allSatisfy({ !$0.isEmpty && $0.allSatisfy(\.isASCII) }),
            let year = Int(parts[0]), let month = Int(parts[1]), let day = Int(parts[2])
        else { return nil }
        self.init(year: negative ? -year : year, month: month, day: day)
    }

    /// The day that it is at `moment` in `zone`.
    public init(of moment: Date, in zone: TimeZone = .current) {
        let parts = Self.calendar(zone).dateComponents([.era, .year, .month, .day], from: moment)
        let year = parts.year ?? 1
        (self.year, month, day) = (parts.era == 0 ? 1 - year : year, parts.month ?? 1, parts.day ?? 1)
    }

    init(text: String) throws {
        guard let date = Self(text) else { throw Unreadable(text: text, type: "day") }
        self = date
    }

    /// When the day begins in `zone`.
    public func start(in zone: TimeZone = .current) -> Date {
        let parts = DateComponents(year: year, month: month, day: day)
        return Self.calendar(zone).date(from: parts) ?? Date(timeIntervalSince1970: 0)
    }

    /// So many days later, or earlier.
    public func adding(days: Int) -> CalendarDate {
        guard let zone = TimeZone(secondsFromGMT: 0),
            let moment = Self.calendar(zone).date(byAdding: .day, value: days, to: start(in: zone))
        else { return self }
        return CalendarDate(of: moment, in: zone)
    }

    /// As `2026-11-28`.
    public var description: String {
        let digits = String(abs(year))
        let padded = String(repeating: "0", count: max(0, 4 - digits.count)) + digits
        let sign = year < 0 ? "-" : year > 9999 ? "+" : ""
        return "\(sign)\(padded)-\(month < 10 ? "0" : "")\(month)-\(day < 10 ? "0" : "")\(day)"
    }

    public static func < (one: Self, other: Self) -> Bool {
        (one.year, one.month, one.day) < (other.year, other.month, other.day)
    }

    public init(from decoder: any Decoder) throws {
        try self.init(text: decoder.singleValueContainer().decode(String.self))
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }

    private static func days(in month: Int, of year: Int) -> Int {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    private static func calendar(_ zone: TimeZone) -> Calendar {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = zone
        return calendar
    }
}

private let plain = Locale(identifier: "en_US_POSIX")

/// Exactly that number. The core's numbers have at most 29 digits, Foundation's hold 38.
func decimal(fromText text: String) throws -> Decimal {
    guard let number = Decimal(string: text, locale: plain) else { throw Unreadable(text: text, type: "number") }
    return number
}

/// Exactly that number, without an exponent.
func text(ofDecimal number: Decimal) -> String {
    var number = number
    return NSDecimalString(&number, plain)
}

func timeZone(named name: String) throws -> TimeZone {
    guard let zone = TimeZone(identifier: name) else { throw Unreadable(text: name, type: "time zone of this system") }
    return zone
}

func date(fromMillis millis: Int64) -> Date { Date(timeIntervalSince1970: Double(millis) / 1000) }

/// The nearest millisecond: a `Date` counts in floating point.
func millis(ofDate moment: Date) -> Int64 {
    let millis = (moment.timeIntervalSince1970 * 1000).rounded()
    // Beyond the years that the core knows, and for what is no number, the nearest that it does know.
    return millis.isNaN ? 0 : Int64(min(max(millis, -8.0e15), 8.0e15))
}

extension DocumentRow: Identifiable {}
extension Customer: Identifiable {}
extension CustomerRow: Identifiable {}
extension Product: Identifiable {}
extension Person: Identifiable {}
extension Territory: Identifiable {}
extension Statement: Identifiable {}
