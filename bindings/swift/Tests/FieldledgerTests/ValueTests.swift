import Foundation
import Testing

import Fieldledger

@Suite struct ValueTests {
    @Test func anIdIsReadInAnySpellingAndWrittenInOne() throws {
        let id = try #require(CustomerId("8A7D3F00-0000-4000-8000-00000000000A"))
        #expect(id.description == "8a7d3f00-0000-4000-8000-00000000000a")
        #expect(CustomerId("C1") == nil)
        #expect(try JSONDecoder().decode([CustomerId].self, from: JSONEncoder().encode([id])) == [id])
    }

    @Test func aDayIsOneOfTheCalendar() throws {
        #expect(CalendarDate(year: 2026, month: 2, day: 29) == nil)
        #expect(CalendarDate("2024-02-29")?.adding(days: 366).description == "2025-03-01")
        #expect(CalendarDate("2026-13-01") == nil && CalendarDate("2026-1") == nil && CalendarDate("heute") == nil)
        #expect(CalendarDate("0099-01-02")?.description == "0099-01-02")
        #expect(CalendarDate("-0044-03-15")?.description == "-0044-03-15")
        let shanghai = try #require(TimeZone(identifier: "Asia/Shanghai"))
        let day = try #require(CalendarDate("2026-11-28"))
        #expect(CalendarMonth(of: day).description == "2026-11" && CalendarMonth("2026-13") == nil)
        #expect(day.start(in: shanghai).timeIntervalSince1970 == 1_795_795_200)
        #expect(CalendarDate(of: Date(timeIntervalSince1970: 1_795_795_199), in: shanghai).description == "2026-11-27")
    }

    @Test func moneyIsReadRoundedAndWrittenExactly() throws {
        #expect(Money("1.005", .cny)?.rounded.description == "1.01 CNY")
        #expect(Money("-1.005", .cny)?.rounded.description == "-1.01 CNY")
        #expect(Money("12.5", .cny)?.description == "12.50 CNY")
        #expect(Money("7", .cny)?.description == "7.00 CNY")
        #expect(Money("7.5", "JPY")?.description == "8 JPY")
        #expect(Money("1", "KWD")?.description == "1.000 KWD")
        for wrong in ["", "12,50", "1.2.3", "-", "--1", "1e3", "12 ", "¥1", "."] { #expect(Money(wrong, .cny) == nil, "\(wrong)") }
        let sum = try #require(Money("0.10", .cny)).adding(#require(Money("0.20", .cny)))
        #expect(sum == Money("0.30", .cny))
        #expect(throws: FieldledgerError.self) { try sum.adding(.zero(.usd)) }
        #expect(sum.formatted(locale: Locale(identifier: "zh_CN")).contains("0.30"))
    }

    @Test func moneyForPeopleIsRoundedHalfUpToTheCurrencysOwnDecimals() throws {
        for (amount, currency, digits) in [
            ("1.005", "CNY", "1.01"), ("1.015", "CNY", "1.02"), ("1.025", "CNY", "1.03"), ("1.0049999", "CNY", "1.00"),
            ("2.5", "JPY", "3"), ("3.5", "JPY", "4"), ("2.4999", "JPY", "2"), ("1.0005", "KWD", "1.001"), ("12345.675", "USD", "12,345.68"),
            ("7", "CNY", "7.00"), ("0.0049", "CNY", "0.00"), ("0.125", "ISK", "0"), ("3", "HUF", "3.00"),
        ] {
            let english = Locale(identifier: "en_US")
            let money = try #require(Money(amount, Currency(code: currency)))
            let less = try #require(Money("-" + amount, Currency(code: currency)))
            #expect(money.formatted(locale: english).filter { "0123456789.,".contains($0) } == digits, "\(amount) \(currency)")
            #expect(less.formatted(locale: english).filter { "0123456789.,".contains($0) } == digits, "-\(amount) \(currency)")
        }
    }

    @Test func anErrorHasASentenceInTheLanguageOfThePerson() {
        #expect(FieldledgerError.offline.sentence(in: "zh-Hans-CN").contains("连接不上服务器"))
        #expect(FieldledgerError.offline.sentence(in: "en-GB").contains("will be sent later"))
        let invalid = FieldledgerError.invalid(field: "lines.quantity", message: "is missing")
        #expect(invalid.sentence(in: "de") == "lines.quantity: is missing" || invalid.localizedDescription.contains("is missing"))
        #expect(FieldledgerError.internal("x").localizedDescription == "internal error: x")
    }

    @Test func numbersReachTheCoreAndComeBackToTheLastDigit() async throws {
        let phone = try await Server.shared.value.phone()
        let customer = try await phone.customer()
        let product = try #require(try await phone.store.products().first)
        for text in [
            "0.0000000000000000000000000001", "0.1", "3.50", "1234567890.123456789", "9999999999.99",
            "123456789.0123456789012345678", "0",
        ] {
            let price = try #require(Decimal(string: text))
            let line = try #require(OrderLine(product, quantity: 1, unitPrice: price))
            let order = try await phone.store.draftOrder(customer: customer, number: "N", lines: [line])
            let stored = try await phone.store.create(order)
            let back = try #require(try await phone.store.order(stored.id))
            #expect(back.value.lines.values.first?.unitPrice == price, "\(text)")
        }
    }

    @Test func aNumberWithMoreDigitsThanTheCoreKeepsIsRefusedNotRounded() async throws {
        let phone = try await Server.shared.value.phone()
        let product = try #require(try await phone.store.products().first)
        let third = try #require(OrderLine(product, quantity: Decimal(1) / 3))
        let order = try await phone.store.draftOrder(customer: phone.customer(), number: "T", lines: [third])
        #expect(await failure { try await phone.store.create(order) }?.field == "value")
        var nonsense = order
        nonsense.lines = [:]
        nonsense.currency = "yuan"
        #expect(await failure { try await phone.store.create(nonsense) } != nil)
        #expect(try await phone.store.list(ListQuery(kind: .order, limit: 10)).isEmpty)
    }

    @Test func textOfEveryScriptComesBackByteForByte() async throws {
        let phone = try await Server.shared.value.phone()
        let customer = try await phone.customer()
        let texts = [
            "", "签收完毕，缺一箱", "顧客は不在", "배송 완료", "تم التسليم ١٢٣", "נמסר", "डिलीवर हुआ", "ส่งแล้ว", "Доставлено",
            "Ελληνικά", "e\u{301} é", "👨‍👩‍👧‍👦🇨🇳", "\u{10FFFF}\u{FFFD}", "\u{FEFF}bom", "tab\tline\nreturn\r\"\\", "nul\u{0}nul",
            String(repeating: "长", count: 6_600),
        ]
        for text in texts {
            let visit = try await phone.store.startVisit(customer: customer, purpose: .other(text.isEmpty ? "x" : String(text.prefix(20))))
            try await phone.store.checkOut(visit.id, CheckOut(outcome: .successful, note: text))
            let back = try #require(try await phone.store.visit(visit.id))
            // Swift calls composed and decomposed letters equal; the bytes are what has to stay.
            #expect(Array(back.value.note.utf8) == Array(text.utf8), "\(text.prefix(30).debugDescription)")
        }
    }

    @Test func nothingAndEmptinessStayWhatTheyAre() async throws {
        let phone = try await Server.shared.value.phone()
        let customer = try await phone.customer()
        let me = try #require(phone.store.identity).user
        let visit = try await phone.store.create(Visit(customer: customer, rep: me, purpose: .routine))
        let plain = try #require(try await phone.store.document(Visit.self, visit.id)).value
        #expect(plain.plannedFor == nil && plain.checkIn == nil && plain.outcome == nil && plain.nextStep == nil)
        #expect(plain.note == "" && plain.evidence.isEmpty && plain.cancelled == nil)
        let delivery = try await phone.store.newDelivery(NewDelivery(customer: customer, number: "D", lines: []))
        #expect(delivery.value.lines.isEmpty && delivery.value.receiver == nil)
        #expect(try await phone.store.visit(delivery.id) == nil)
        #expect(try await phone.store.heads(DocumentId(UUID())) == nil)
        #expect(try await phone.store.search("").isEmpty)
        #expect(try await phone.store.reviewsOf(visit.id).isEmpty)
    }

    @Test func aDocumentThatWasOnlyReadIsSavedWithoutAChange() async throws {
        let phone = try await Server.shared.value.phone()
        let customer = try await phone.customer()
        let position = Position(latitude: 31.230416, longitude: 121.473701, accuracyMetres: 12)
        // Moments have milliseconds; enough of them to meet every way of rounding.
        for _ in 0..<20 {
            let visit = try await phone.store.startVisit(customer: customer, purpose: .sales, position: position)
            let read = try #require(try await phone.store.visit(visit.id))
            let saved = try await phone.store.save(read)
            #expect(saved.heads == visit.heads)
        }
        let early = try await phone.store.draftOrder(customer: customer, number: "E", lines: [])
        for seconds in [-12_345_678_901.234, 0.999, 253_402_300_799.123] {
            var order = early
            order.at = Date(timeIntervalSince1970: seconds)
            let stored = try await phone.store.create(order)
            #expect(abs(stored.value.at.timeIntervalSince1970 - seconds) < 0.0006, "\(seconds)")
            #expect(try await phone.store.save(stored).heads == stored.heads, "\(seconds)")
        }
    }

    @Test func tenThousandItemsCrossInBothDirections() async throws {
        let server = try await Server(products: 10_000)
        let phone = try await server.phone()
        let products = try await phone.store.products(limit: 20_000)
        #expect(products.count == 10_000)
        #expect(Set(products.map(\.id)).count == 10_000)
        let lines = products.compactMap { OrderLine($0, quantity: 2, unitPrice: 0.05) }
        let order = try await phone.store.draftOrder(customer: phone.customer(), number: "BIG", lines: lines)
        let decision = try await phone.store.checkCredit(order)
        #expect(decision.inputs.orderTotal == Money("1000.00", .cny))
        #expect(order.total == Money("1000.00", .cny))
    }
}
