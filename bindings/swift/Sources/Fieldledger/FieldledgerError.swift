import Foundation
import FieldledgerFFI

/// Why a call did not do what was asked, named by what a person can do about it. A call that throws one has changed nothing.
///
/// `localizedDescription` is a sentence for the person, in English or Simplified Chinese by the phone's preferred language.
///
/// Whatever a method of ``FieldStore`` throws is one of these. The methods do not say so in their types: compilers as new as
/// Swift 6.4 crash on `catch FieldledgerError.closed` where a typed error is rethrown as any other (swiftlang/swift#89787).
public enum FieldledgerError: Error, Hashable, Sendable {
    /// The server cannot be reached. Everything recorded is safe and is sent later: show it quietly, if at all.
    case offline
    /// The device's token is no longer accepted: ask for a new enrolment code.
    case signInAgain
    /// An administrator revoked the device.
    case revoked
    /// Nothing more can be written: the person has to free some space.
    case storageFull
    /// A value that cannot be saved. `field` is its path in the model, such as `lines.quantity`, to mark it in a form.
    case invalid(field: String, message: String)
    /// The person's role may not do that.
    case notAllowed(path: String, whoMay: String)
    /// Not on this phone; it may come with the next sync.
    case notFound
    /// Database or server speak a newer version.
    case needsNewerApp
    /// The store is closed: ``FieldStore/reopen()`` it.
    case closed
    /// No enrolment yet.
    case notEnrolled
    /// A document of a newer version can be read, not edited.
    case madeByNewerVersion
    /// The database is encrypted and the store was opened without a key. Nothing was touched.
    case keyNeeded
    /// A key was given for a database that is not encrypted: ``FieldStore/encrypt(_:key:)`` it first. Nothing was touched.
    case notEncrypted
    /// The database is encrypted with another key. Nothing was touched.
    case wrongKey
    /// The phone gives no key now, for this reason: try again after the phone was unlocked. Nothing was touched.
    case keyUnavailable(String)
    /// The database file is damaged. Closing and opening the store sets it aside and salvages what can be read.
    case damaged(String)
    /// The call was ended before it was done; what it had stored until then stays.
    case cancelled
    /// A fault in the app or the library. Report it; there is nothing that the person can do.
    case `internal`(String)
}

extension FieldledgerError: LocalizedError {
    /// A sentence for the person, in the phone's preferred language as far as the library speaks it.
    public var errorDescription: String? {
        sentence(in: Locale.preferredLanguages.first ?? "en")
    }

    /// A sentence for the person in `language`: Simplified Chinese for a tag that begins with `zh`, else English.
    public func sentence(in language: String) -> String {
        // Nothing is asked of a library that does not belong here.
        if case .internal(let what) = self, Library.mismatch != nil { return what }
        return FieldledgerFFI.describeError(error: foreign, language: language)
    }
}

/// The compiled core, as far as it is the one that the generated sources were written for.
enum Library {
    /// What is wrong with it; `nil` when nothing is. UniFFI would end the process at the first call.
    static let mismatch: FieldledgerError? = (modelMismatch() ?? libraryMismatch()).map {
        .internal("Fieldledger's library is of another version than the package that uses it; both have to be of one build (\($0))")
    }

    /// Before the first call: throws where the library is another one.
    static func check() throws {
        if let mismatch { throw mismatch }
    }
}

extension FieldledgerError {
    /// Runs `work` and throws what it throws as one of these.
    static func mapping<T>(_ work: () async throws -> T) async throws -> T {
        try Library.check()
        do { return try await work() } catch { throw FieldledgerError(error) }
    }

    init(_ error: any Error) {
        switch error {
        case let error as FieldledgerError: self = error
        case let error as FieldledgerFFI.FieldError: self.init(foreign: error)
        case is CancellationError: self = .cancelled
        default: self.init(unexpected: error)
        }
    }

    init(foreign error: FieldledgerFFI.FieldError) {
        self =
            switch error {
            case .Offline: .offline
            case .SignInAgain: .signInAgain
            case .Revoked: .revoked
            case .StorageFull: .storageFull
            case .Invalid(let it): .invalid(field: it.field, message: it.message)
            case .NotAllowed(let it): .notAllowed(path: it.path, whoMay: it.whoMay)
            case .NotFound: .notFound
            case .NeedsNewerApp: .needsNewerApp
            case .Closed: .closed
            case .NotEnrolled: .notEnrolled
            case .MadeByNewerVersion: .madeByNewerVersion
            case .KeyNeeded: .keyNeeded
            case .NotEncrypted: .notEncrypted
            case .WrongKey: .wrongKey
            case .KeyUnavailable(let why): .keyUnavailable(why)
            case .Damaged(let what): .damaged(what)
            case .Cancelled: .cancelled
            case .Internal(let what): .internal(what)
            }
    }

    /// A panic of the library, or an argument that it could not read: more digits than it keeps, a currency that is none.
    private init(unexpected error: any Error) {
        let text = (error as? any LocalizedError)?.errorDescription ?? String(describing: error)
        let prefix = "Failed to convert arg '"
        if text.hasPrefix(prefix), let end = text.dropFirst(prefix.count).firstIndex(of: "'") {
            let field = text[text.index(text.startIndex, offsetBy: prefix.count)..<end]
            let message = text[end...].drop { "':\n ".contains($0) }
            self = .invalid(field: String(field), message: String(message))
        } else {
            self = .internal(text)
        }
    }

    private var foreign: FieldledgerFFI.FieldError {
        switch self {
        case .offline: .Offline
        case .signInAgain: .SignInAgain
        case .revoked: .Revoked
        case .storageFull: .StorageFull
        case .invalid(let field, let message): .Invalid(InvalidField(field: field, message: message))
        case .notAllowed(let path, let whoMay): .NotAllowed(Denied(path: path, whoMay: whoMay))
        case .notFound: .NotFound
        case .needsNewerApp: .NeedsNewerApp
        case .closed: .Closed
        case .notEnrolled: .NotEnrolled
        case .madeByNewerVersion: .MadeByNewerVersion
        case .keyNeeded: .KeyNeeded
        case .notEncrypted: .NotEncrypted
        case .wrongKey: .WrongKey
        case .keyUnavailable(let why): .KeyUnavailable(why)
        case .damaged(let what): .Damaged(what)
        case .cancelled: .Cancelled
        case .internal(let what): .Internal(what)
        }
    }
}
