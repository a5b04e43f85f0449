// A rep on the command line: everything that a phone app does in a day, to be read in ten minutes.
import Fieldledger
import Foundation

let usage = """
    A rep on the command line.

      rep FOLDER enrol URL CODE   makes rep.db in FOLDER the phone that the code is for, and syncs
      rep FOLDER today            what there is to do
      rep FOLDER day CUSTOMER     a whole day with the customer of that code: visit, order, delivery, sync
      rep FOLDER sync             syncs once
      rep FOLDER state            every document on the phone, as JSON
    """

@main
struct Rep {
    static func main() async {
        do {
            try await run(Array(CommandLine.arguments.dropFirst()))
        } catch {
            // Every error of the store has a sentence for the person, in their language.
            fail(error.localizedDescription, code: 1)
        }
    }

    static func run(_ arguments: [String]) async throws {
        guard arguments.count >= 2 else { fail(usage, code: 2) }
        let store = try await open(URL(fileURLWithPath: arguments[0], isDirectory: true))
        switch (arguments[1], Array(arguments.dropFirst(2))) {
        case ("enrol", let given) where given.count == 2:
            let me = try await store.enrol(serverURL: given[0], code: given[1], deviceName: "sample")
            print("This is \(me.userName)'s phone, of \(me.organisationName).")
            try await sync(store)
        case ("today", []): try await today(store)
        case ("day", let given) where given.count == 1: try await day(store, customer(store, given[0]))
        case ("sync", []): try await sync(store)
        case ("state", []): print(try await state(store))
        default: fail(usage, code: 2)
        }
        try await store.close()
    }

    static func open(_ folder: URL) async throws -> FieldStore {
        try FieldStore.prepareFolder(at: folder)
        // On a phone this name lives in the keychain, where backups do not reach it.
        let file = folder.appendingPathComponent("installation")
        if !FileManager.default.fileExists(atPath: file.path) {
            try UUID().uuidString.write(to: file, atomically: true, encoding: .utf8)
        }
        guard let installation = UUID(uuidString: try String(contentsOf: file, encoding: .utf8)) else {
            fail("\(file.path) holds no UUID", code: 1)
        }
        let database = folder.appendingPathComponent("rep.db")
        return try await FieldStore.open(
            StoreOptions(file: database, installation: installation, appVersion: "sample 1"))
    }

    static func sync(_ store: FieldStore) async throws {
        let report = try await store.syncOnce()
        print(
            "Synced: \(report.accepted) accepted, \(report.rejected) refused, \(report.pulled) received, \(report.left) left.")
    }

    static func today(_ store: FieldStore) async throws {
        let today = try await store.today()
        print(today.date)
        let lists = [
            ("Visits", today.visits), ("Deliveries", today.deliveries), ("Promises due", today.promisesDue),
            ("Next steps due", today.nextStepsDue), ("Reviews to answer", today.reviewsToAnswer),
            ("Refused by the server", today.rejected),
        ]
        for (title, rows) in lists where !rows.isEmpty {
            print("\(title):")
            for row in rows { print("  \(row.customerName): \(row.title) (\(row.state))") }
        }
        if lists.allSatisfy({ $0.1.isEmpty }) { print("Nothing is planned.") }
    }

    static func customer(_ store: FieldStore, _ code: String) async throws -> Customer {
        for hit in try await store.search(code) {
            if case .customer(let row) = hit, row.code == code, let customer = try await store.customer(row.id) {
                return customer
            }
        }
        fail("this phone knows no customer of the code \(code)", code: 1)
    }

    /// The day, from the first handshake to the sync. Every line of it but the last works without a network.
    static func day(_ store: FieldStore, _ customer: Customer) async throws {
        let visit = try await store.startVisit(customer: customer.id, purpose: .sales, position: customer.position)
        print("Visiting \(customer.name): \(visit.value.checkIn.map { "\($0.geofence.verdict)" } ?? "")")

        let products = try await store.products(limit: 2)
        guard products.count == 2, let three = OrderLine(products[0], quantity: 3), let five = OrderLine(products[1], quantity: 5)
        else { fail("this phone knows no two products with a price", code: 1) }
        let order = try await store.draftOrder(
            customer: customer.id, number: "DAY-\(customer.code)", lines: [three, five], position: customer.position)
        for rule in try await store.checkCredit(order).rules {
            if rule.facts == .off { continue }  // The company does not look at this.
            print("  \(rule.passed ? "✓" : "✗") \(rule.sentence)")
        }
        let submitted = try await store.submitOrder(store.create(order))
        switch submitted.creditOutcome {
        case .approved: print("Order \(order.number) is guaranteed.")
        case .provisional(let asOf):
            print("Order \(order.number) looks well as of \(asOf.map { "\($0)" } ?? "no sync"); the company decides.")
        case .held(let reasons): print("Order \(order.number) waits for a supervisor: \(reasons.map(\.sentence).joined(separator: " "))")
        case .refused(let reasons): print("Order \(order.number) is refused: \(reasons.map(\.sentence).joined(separator: " "))")
        case nil: fail("a submitted order has a verdict", code: 1)
        }

        let delivery = try await store.newDelivery(
            NewDelivery(
                customer: customer.id, number: "DEL-\(customer.code)", orderNumber: order.number,
                lines: [three, five].map { NewDeliveryLine(product: $0.product, quantity: $0.quantity) }))
        let signed = delivery.value.lines.mapValues { line in
            line.product == three.product
                ? SignedQuantity.inFull(line.quantity)
                : SignedQuantity(
                    accepted: line.quantity - 1, short: 0, damaged: 1, refused: 0,
                    reason: QuantityReason(text: "damaged on arrival"))
        }
        let receiver = Receiver(name: "王芳", at: Date(), position: customer.position)
        try await store.signOff(delivery.id, SignOff(signed: signed, receiver: receiver))
        try await store.confirm(delivery.id, party: .sales, verdict: .confirmed)
        print("Delivered \(delivery.value.number), signed by \(receiver.name).")

        try await store.checkOut(
            visit.id,
            CheckOut(position: customer.position, outcome: .successful, note: "签收完毕 – all signed, 1 damaged"))
        try await sync(store)
    }

    /// Every document on the phone, page by page, as JSON in a fixed order.
    static func state(_ store: FieldStore) async throws -> String {
        var rows: [DocumentRow] = []
        var page: [DocumentRow]
        repeat {
            page = try await store.list(ListQuery(limit: 200, before: rows.last?.place))
            rows += page
        } while !page.isEmpty
        func order(_ row: DocumentRow) -> [String] { [row.kind.description, row.title, row.id.description] }
        let lines = rows.sorted { order($0).lexicographicallyPrecedes(order($1), by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }) }
            .map { row in
                let sync =
                    switch row.sync {
                    case .synced: "synced"
                    case .waiting: "waiting"
                    case .rejected: "rejected"
                    }
                let fields: [(String, String?)] = [
                    ("kind", row.kind.description), ("id", row.id.description), ("customer", row.customer?.description),
                    ("state", row.state), ("title", row.title), ("amount", row.amount?.description), ("sync", sync),
                ]
                return "{" + fields.map { "\"\($0)\":\($1.map(json) ?? "null")" }.joined(separator: ",") + "}"
            }
        return "[" + lines.joined(separator: ",") + "]"
    }

    static func json(_ text: String) -> String {
        var out = "\""
        for character in text.unicodeScalars {
            switch character {
            case "\"", "\\": out += "\\\(character)"
            case ..<" ":
                let hex = String(character.value, radix: 16)
                out += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
            default: out.unicodeScalars.append(character)
            }
        }
        return out + "\""
    }

    static func fail(_ message: String, code: Int32) -> Never {
        FileHandle.standardError.write(Data((message + "\n").utf8))
        exit(code)
    }
}
