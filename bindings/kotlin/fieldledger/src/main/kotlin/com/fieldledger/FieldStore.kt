package com.fieldledger

import com.fieldledger.ffi.CancelToken
import com.fieldledger.ffi.ChangeListener
import com.fieldledger.model.Allowance
import com.fieldledger.model.Before
import com.fieldledger.model.Change
import com.fieldledger.model.ChangeHash
import com.fieldledger.model.CheckOut
import com.fieldledger.model.ClosedCollection
import com.fieldledger.model.CollectionNote
import com.fieldledger.model.ConfirmationVerdict
import com.fieldledger.model.CreditDecision
import com.fieldledger.model.CreditFileView
import com.fieldledger.model.CreditView
import com.fieldledger.model.Customer
import com.fieldledger.model.CustomerId
import com.fieldledger.model.CustomerQuery
import com.fieldledger.model.CustomerRow
import com.fieldledger.model.CustomerTold
import com.fieldledger.model.Delivery
import com.fieldledger.model.Disagreement
import com.fieldledger.model.DocumentId
import com.fieldledger.model.DocumentRow
import com.fieldledger.model.Encrypted
import com.fieldledger.model.Encryption
import com.fieldledger.model.Evidence
import com.fieldledger.model.EvidenceFile
import com.fieldledger.model.EvidenceHash
import com.fieldledger.model.GrantId
import com.fieldledger.model.HistoryEntry
import com.fieldledger.model.Identity
import com.fieldledger.model.Invoice
import com.fieldledger.model.LedgerDelivery
import com.fieldledger.model.LedgerOrder
import com.fieldledger.model.LineId
import com.fieldledger.model.ListQuery
import com.fieldledger.model.NewDelivery
import com.fieldledger.model.NewEvidence
import com.fieldledger.model.Order
import com.fieldledger.model.OrderDecision
import com.fieldledger.model.OrganisationProfile
import com.fieldledger.model.Party
import com.fieldledger.model.Person
import com.fieldledger.model.Policy
import com.fieldledger.model.Position
import com.fieldledger.model.Product
import com.fieldledger.model.ProductId
import com.fieldledger.model.PromiseQuery
import com.fieldledger.model.Promises
import com.fieldledger.model.Receipt
import com.fieldledger.model.ReceiptNotices
import com.fieldledger.model.Review
import com.fieldledger.model.SalvageReport
import com.fieldledger.model.SearchHit
import com.fieldledger.model.SignOff
import com.fieldledger.model.StatementConfirmation
import com.fieldledger.model.StatementId
import com.fieldledger.model.StatementReply
import com.fieldledger.model.StatementRow
import com.fieldledger.model.StatementView
import com.fieldledger.model.SyncStatus
import com.fieldledger.model.Target
import com.fieldledger.model.Territory
import com.fieldledger.model.Today
import com.fieldledger.model.UploadState
import com.fieldledger.model.UserId
import com.fieldledger.model.Visit
import com.fieldledger.model.VisitPurpose
import com.fieldledger.model.Worklist
import com.fieldledger.model.WorklistQuery
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withContext
import java.io.File
import java.time.LocalDate
import java.util.concurrent.ConcurrentHashMap
import kotlin.coroutines.cancellation.CancellationException
import kotlin.reflect.KClass
import com.fieldledger.ffi.FieldStore as Bridge
import com.fieldledger.ffi.StoreOptions as BridgeOptions
import com.fieldledger.ffi.checkPath as bridgeCheckPath
import com.fieldledger.ffi.decrypt as bridgeDecrypt
import com.fieldledger.ffi.encrypt as bridgeEncrypt
import com.fieldledger.ffi.encryption as bridgeEncryption
import com.fieldledger.ffi.generateKey as bridgeGenerateKey

/**
 * The phone's store: one method for each thing a person does. Open one with [FieldStore.open] and keep it for the life of the app.
 *
 * * Every method that may wait is `suspend` and can be called from any thread, the main thread included: nothing is done there.
 * * A method that writes returns after its one transaction is on the disk; one that throws has changed nothing.
 * * What goes wrong is a [FieldledgerException]. Methods that only read throw [FieldledgerException.Damaged] and
 *   [FieldledgerException.Closed]; only what comes besides is named at each method. Methods that record something throw
 *   [FieldledgerException.Invalid], [FieldledgerException.NotAllowed], [FieldledgerException.NotEnrolled] and
 *   [FieldledgerException.StorageFull]; those that change a document [FieldledgerException.NotFound] and
 *   [FieldledgerException.MadeByNewerVersion] too.
 * * Cancelling a coroutine gives up waiting, not the store: a write that had begun is done or not done, never half.
 *
 * Screens that follow the data use [changes], [observe] and the functions that begin with `observe`.
 */
public class FieldStore internal constructor(
    private val bridge: Bridge,
    private val dispatcher: CoroutineDispatcher,
) : AutoCloseable {
    /** What listens and syncs: the library ends what nobody holds any more. */
    private val held: MutableSet<Any> = ConcurrentHashMap.newKeySet()

    /** Told when everything is to be read anew: the store was opened again, or another day has begun. */
    private val reopened = ConcurrentHashMap.newKeySet<() -> Unit>()

    // The store itself ---------------------------------------------------------------------------------------------------

    /** What was set aside and salvaged when the store was opened; nothing when the file was whole. */
    public fun openingReport(): SalvageReport? = translated { bridge.openingReport() }

    /**
     * Waits for what is running, then releases every connection, file and lock. Calls after that throw
     * [FieldledgerException.Closed], until [reopen]. Syncs in the background end; flows of [observe] rest.
     *
     * Waiting takes as long as the longest running write; on a main thread use [closeAndJoin].
     */
    override fun close() {
        runBlocking { closeHere() }
    }

    /** [close] for coroutines: suspends instead of blocking. */
    public suspend fun closeAndJoin(): Unit = withContext(dispatcher) { closeHere() }

    private suspend fun closeHere() {
        try {
            translated { bridge.closeStore() }
        } catch (_: FieldledgerException.Closed) {
            // Closed is what it shall be.
        }
    }

    /** Opens the store again after [close]. Throws as [open]. Syncs in the background have to be started anew. */
    public suspend fun reopen() {
        call { bridge.reopen() }
        refreshObservations()
    }

    /**
     * Has everything that is observed read anew. The clock changes nothing in the store: call it on the system's
     * `ACTION_DATE_CHANGED`, so that at midnight another day becomes today.
     */
    public fun refreshObservations() {
        reopened.forEach { it() }
    }

    /** Whether the store is closed. */
    public suspend fun isClosed(): Boolean = try {
        call { bridge.isClosed() }
    } catch (_: FieldledgerException.Closed) {
        true
    }

    /** Whose phone this is; nothing before enrolment. */
    public fun identity(): Identity? = translated { bridge.identity() }

    /**
     * Calls [listener] after each commit that changed something, on a thread of its own, one call at a time: it may call the
     * store, take its time and throw. Changes that happen meanwhile are told together. Ends when the subscription is closed.
     */
    public fun subscribe(listener: (Set<Change>) -> Unit): AutoCloseable = translated {
        val subscription = bridge.subscribe(
            object : ChangeListener {
                override fun onChange(changes: List<Change>) = guarded { listener(changes.toSet()) }
            },
        )
        held += subscription
        AutoCloseable {
            if (held.remove(subscription)) {
                subscription.cancel()
                subscription.destroy()
            }
        }
    }

    internal fun onReopened(work: () -> Unit): AutoCloseable {
        reopened += work
        return AutoCloseable { reopened -= work }
    }

    /**
     * Encrypts the database with another key; [KeySupply] tells the order in which the app stores keys. Other calls wait meanwhile.
     *
     * Throws [FieldledgerException.Invalid] naming `key` when it is not the pending one of [StoreOptions.keys],
     * [FieldledgerException.NotEncrypted], [FieldledgerException.KeyUnavailable], [FieldledgerException.StorageFull]; the
     * database has its old key then.
     */
    public suspend fun rotateKey(new: ByteArray): Unit = call { bridge.rotateKey(new) }

    /** Whether the database has the supply's pending key: the app has to make that key the present one. */
    public suspend fun openedWithPendingKey(): Boolean = call { bridge.openedWithPendingKey() }

    /** Whether files of evidence may go over the network that the phone has now, by [StoreOptions.network]; over any without one. */
    public suspend fun mayUpload(): Boolean = call { bridge.mayUpload() }

    // Enrolling and syncing ----------------------------------------------------------------------------------------------

    /**
     * Makes this store the phone that [code] is for: a one-time code that an administrator or supervisor made for the person.
     * The same person may enrol again; a store never changes hands.
     *
     * Throws [FieldledgerException.Invalid] naming `server_url` or `code`, [FieldledgerException.Offline],
     * [FieldledgerException.NeedsNewerApp].
     */
    public suspend fun enrol(serverUrl: String, code: String, deviceName: String): Identity =
        cancellable { bridge.enrol(serverUrl, code, deviceName, it) }

    /**
     * Pushes and pulls until nothing is left, then sends the files of evidence that wait, as far as [mayUpload] lets them go. Throws
     * nothing but cancellation: what came of it is in the outcome. When the coroutine is cancelled, because the operating system gives
     * no more time, say, what was exchanged until then is stored, and a file goes on where it was.
     */
    public suspend fun syncOnce(): SyncOutcome = try {
        SyncOutcome.Success(cancellable { bridge.syncOnce(it) })
    } catch (error: FieldledgerException) {
        SyncOutcome.of(error)
    }

    /**
     * Keeps in step in the background until it is stopped or the store is closed; files of evidence are sent meanwhile, when [mayUpload]
     * lets them. For a screen, [syncing] is shorter.
     *
     * Throws [FieldledgerException.NotEnrolled].
     */
    public suspend fun startSync(): BackgroundSync {
        val sync = BackgroundSync { held -= it }
        held += sync
        try {
            // Not to be cancelled between the start and the return: nobody would hold what was started.
            withContext(NonCancellable) { sync.started(call { bridge.startSync(sync.listener) }) }
        } catch (thrown: Throwable) {
            held -= sync
            throw thrown
        }
        return sync
    }

    /** How phone and server stand to each other. */
    public suspend fun status(): SyncStatus = call { bridge.status() }

    /** Hides the notice of a refused change; the change itself stays with its document. Throws [FieldledgerException.NotFound]. */
    public suspend fun dismissRejected(hash: ChangeHash): Unit = call { bridge.dismissRejected(hash) }

    // Documents of every kind --------------------------------------------------------------------------------------------

    /** A visit. */
    public suspend fun visit(id: DocumentId): Document<Visit>? = call { bridge.visit(id)?.native() }

    /** A delivery. */
    public suspend fun delivery(id: DocumentId): Document<Delivery>? = call { bridge.delivery(id)?.native() }

    /** A collection note. */
    public suspend fun collectionNote(id: DocumentId): Document<CollectionNote>? =
        call { bridge.collectionNote(id)?.native() }

    /** An order. */
    public suspend fun order(id: DocumentId): Document<Order>? = call { bridge.order(id)?.native() }

    /** A review. */
    public suspend fun review(id: DocumentId): Document<Review>? = call { bridge.review(id)?.native() }

    /** A customer's answer to a statement. */
    public suspend fun statementConfirmation(id: DocumentId): Document<StatementConfirmation>? =
        call { bridge.statementConfirmation(id)?.native() }

    /** A document of the kind that is asked for: `store.document<Visit>(id)`. */
    public suspend inline fun <reified T : Any> document(id: DocumentId): Document<T>? = document(T::class, id)

    /**
     * A document of [kind]: [Visit], [Delivery], [CollectionNote], [Order], [Review] or [StatementConfirmation]; another class is
     * an [IllegalArgumentException].
     */
    public suspend fun <T : Any> document(kind: KClass<T>, id: DocumentId): Document<T>? {
        val found: Document<Any>? = when (kind) {
            Visit::class -> visit(id)
            Delivery::class -> delivery(id)
            CollectionNote::class -> collectionNote(id)
            Order::class -> order(id)
            Review::class -> review(id)
            StatementConfirmation::class -> statementConfirmation(id)
            else -> throw IllegalArgumentException("${kind.qualifiedName} is not a kind of document")
        }
        @Suppress("UNCHECKED_CAST") // The class was just looked at.
        return found as Document<T>?
    }

    /** A document of any kind as JSON text, for one made by a newer version. */
    public suspend fun tree(id: DocumentId): String? = call { bridge.tree(id) }

    /** The newest changes of a document, ascending; nothing when it is not here. */
    public suspend fun heads(id: DocumentId): List<ChangeHash>? = call { bridge.heads(id) }

    /** Whether a change of a document is on this phone, acknowledged or not. */
    public suspend fun holdsChange(id: DocumentId, change: ChangeHash): Boolean = call { bridge.holdsChange(id, change) }

    /** What happened to a document, change by change. Throws [FieldledgerException.NotFound]. */
    public suspend fun history(id: DocumentId): List<HistoryEntry> = call { bridge.history(id) }

    /** The fields of a document about which people disagree. Throws [FieldledgerException.NotFound]. */
    public suspend fun disagreements(id: DocumentId): List<Disagreement> = call { bridge.disagreements(id) }

    /** Settles a disagreement: writes the chosen value, as JSON text, as a change of its own after all that are known here. */
    public suspend fun settle(id: DocumentId, path: List<String>, chosen: String): Unit =
        call { bridge.settle(id, path, chosen) }

    /** [settle] with one of the values of [disagreements], by its place. */
    public suspend fun settleWith(id: DocumentId, path: List<String>, valueIndex: Int): Unit =
        call { bridge.settleWith(id, path, valueIndex.toLong()) }

    /** Records a new visit. */
    public suspend fun create(value: Visit): Document<Visit> = call { bridge.createVisit(value).native() }

    /** Records a new delivery. */
    public suspend fun create(value: Delivery): Document<Delivery> = call { bridge.createDelivery(value).native() }

    /** Records a new collection note. */
    public suspend fun create(value: CollectionNote): Document<CollectionNote> =
        call { bridge.createCollectionNote(value).native() }

    /** Records a new order, as a draft. */
    public suspend fun create(value: Order): Document<Order> = call { bridge.createOrder(value).native() }

    /** Records a new review. */
    public suspend fun create(value: Review): Document<Review> = call { bridge.createReview(value).native() }

    /** Records what a customer answered to a statement. */
    public suspend fun create(value: StatementConfirmation): Document<StatementConfirmation> =
        call { bridge.createStatementConfirmation(value).native() }

    /** Saves what was changed in a visit since it was read, and returns it as it is now, merged with whatever came since. */
    @JvmName("saveVisit")
    public suspend fun save(document: Document<Visit>): Document<Visit> =
        call { bridge.saveVisit(document.bridged()).native() }

    /** Saves what was changed in a delivery since it was read, and returns it as it is now, merged with whatever came since. */
    @JvmName("saveDelivery")
    public suspend fun save(document: Document<Delivery>): Document<Delivery> =
        call { bridge.saveDelivery(document.bridged()).native() }

    /** Saves what was changed in a note since it was read, and returns it as it is now, merged with whatever came since. */
    @JvmName("saveCollectionNote")
    public suspend fun save(document: Document<CollectionNote>): Document<CollectionNote> =
        call { bridge.saveCollectionNote(document.bridged()).native() }

    /** Saves what was changed in an order since it was read, and returns it as it is now, merged with whatever came since. */
    @JvmName("saveOrder")
    public suspend fun save(document: Document<Order>): Document<Order> =
        call { bridge.saveOrder(document.bridged()).native() }

    /** Saves what was changed in a review since it was read, and returns it as it is now, merged with whatever came since. */
    @JvmName("saveReview")
    public suspend fun save(document: Document<Review>): Document<Review> =
        call { bridge.saveReview(document.bridged()).native() }

    /** Saves what was changed in an answer since it was read, and returns it as it is now, merged with whatever came since. */
    @JvmName("saveStatementConfirmation")
    public suspend fun save(document: Document<StatementConfirmation>): Document<StatementConfirmation> =
        call { bridge.saveStatementConfirmation(document.bridged()).native() }

    // Visits -------------------------------------------------------------------------------------------------------------

    /** Plans a visit for a day. */
    public suspend fun planVisit(customer: CustomerId, day: LocalDate, purpose: VisitPurpose): Document<Visit> =
        call { bridge.planVisit(customer, day, purpose).native() }

    /** Starts a visit that nobody planned: created and checked in at once. */
    public suspend fun startVisit(customer: CustomerId, purpose: VisitPurpose, position: Position? = null): Document<Visit> =
        call { bridge.startVisit(customer, purpose, position).native() }

    /** Checks in to a planned visit. */
    public suspend fun checkIn(id: DocumentId, position: Position? = null): Document<Visit> =
        call { bridge.checkIn(id, position).native() }

    /** Checks out, with what came of the visit. */
    public suspend fun checkOut(id: DocumentId, leaving: CheckOut): Document<Visit> =
        call { bridge.checkOut(id, leaving).native() }

    /** Says why a planned visit does not take place. */
    public suspend fun cancelVisit(id: DocumentId, reason: String): Document<Visit> =
        call { bridge.cancelVisit(id, reason).native() }

    // Deliveries ---------------------------------------------------------------------------------------------------------

    /** Makes a delivery note. */
    public suspend fun newDelivery(new: NewDelivery): Document<Delivery> = call { bridge.newDelivery(new).native() }

    /** A fresh id for a line of a delivery or an order, or for a reply. */
    public fun lineId(): LineId = translated { bridge.lineId() }

    /** Records who received what. Throws [FieldledgerException.Invalid] naming the line. */
    public suspend fun signOff(id: DocumentId, signOff: SignOff): Document<Delivery> =
        call { bridge.signOff(id, signOff).native() }

    /** Records what a party says about a delivery; [FieldledgerException.NotAllowed] when the person does not speak for it. */
    public suspend fun confirm(
        id: DocumentId,
        party: Party,
        verdict: ConfirmationVerdict,
        remark: String = "",
    ): Document<Delivery> = call { bridge.confirm(id, party, verdict, remark).native() }

    // Photos, signatures, stamps, slips and videos -----------------------------------------------------------------------

    /**
     * Names a piece of evidence in a visit, a delivery or an answer to a statement. Of a [file] the phone makes a copy that it sends;
     * without one it is only named, because another phone has it. [attachEvidence] does it for a file that this phone just took.
     */
    public suspend fun addEvidence(document: DocumentId, evidence: Evidence, hash: EvidenceHash, file: File? = null): Unit =
        call { bridge.addEvidence(document, evidence, hash, file?.absoluteFile) }

    /**
     * Attaches a file that this phone just took to a visit, a delivery or an answer to a statement: names it by the hash of its
     * bytes and notes who took it and when. The phone keeps a copy of its own and sends it after the document; the app may delete its
     * file.
     *
     * Throws [FieldledgerException.Invalid] when the file cannot be read or is empty, [FieldledgerException.StorageFull].
     */
    public suspend fun attachEvidence(document: DocumentId, file: File, evidence: NewEvidence): EvidenceHash =
        call { bridge.attachEvidence(document, file.absoluteFile, evidence) }

    /** How far the bytes of a piece of evidence have got. */
    public suspend fun evidenceState(hash: EvidenceHash): UploadState = call { bridge.evidenceState(hash) }

    /**
     * What this phone knows of a file of evidence: where it is, how far it has got, and why it is not on the server. Nothing when the
     * phone has not heard of it.
     */
    public suspend fun evidenceFile(hash: EvidenceHash): EvidenceFile? = call { bridge.evidenceFile(hash) }

    /** The files that the server has not got yet, some of them: those that were lost, then the others as they are sent. */
    public suspend fun evidenceWaiting(limit: Int = 20): List<EvidenceFile> =
        call { bridge.evidenceWaiting(limit.toLong()) }

    /**
     * Gives up a file that was lost before it was sent, or that the server has said no to: it is not sent any more, and the phone's copy
     * goes. The document goes on naming it. Throws
     * [FieldledgerException.NotFound].
     */
    public suspend fun giveUpEvidence(hash: EvidenceHash): Unit = call { bridge.giveUpEvidence(hash) }

    /**
     * Where the file of a piece of evidence is on this phone, fetched from the server when it is not here: another phone took it, or
     * its copy was deleted after a month.
     *
     * Throws [FieldledgerException.NotFound] when the document does not name it or the server has not got it yet either,
     * [FieldledgerException.Offline], [FieldledgerException.StorageFull].
     */
    public suspend fun fetchEvidence(document: DocumentId, hash: EvidenceHash): File =
        cancellable { bridge.fetchEvidence(document, hash, it) }

    // Orders, the credit check and offline allowances --------------------------------------------------------------------

    /**
     * Whether the customer may have this order on credit, as far as this phone knows; nothing is spent. [CreditDecision.toVerdict]
     * sorts the answer.
     */
    public suspend fun checkCredit(order: Order): CreditDecision = call { bridge.checkCredit(order) }

    /**
     * Submits an order: checks the customer's credit and records the verdict with everything that went into it. When an
     * allowance of this phone covers it, it is spent in the same transaction and the order is guaranteed. The verdict is in
     * [Document.verdict].
     */
    public suspend fun submitOrder(order: Document<Order>): Document<Order> =
        call { bridge.submitOrder(order.bridged()).native() }

    /** Takes an order back. */
    public suspend fun cancelOrder(id: DocumentId): Document<Order> = call { bridge.cancelOrder(id).native() }

    /** What the company decided about an order; nothing until the server has said so. */
    public suspend fun orderDecision(order: DocumentId): OrderDecision? = call { bridge.orderDecision(order) }

    /** The company's rules about credit and money; the defaults before the first sync. */
    public suspend fun policy(): Policy = call { bridge.policy() }

    /** The allowances that may still be spent, of one customer or of all. */
    public suspend fun allowances(customer: CustomerId? = null): List<Allowance> = call { bridge.allowances(customer) }

    /**
     * Gives an allowance back: closes it for good and tells the server with the next sync. Throws
     * [FieldledgerException.NotFound] when this phone has no such allowance.
     */
    public suspend fun returnAllowance(id: GrantId): Unit = call { bridge.returnAllowance(id) }

    // Bringing the money home --------------------------------------------------------------------------------------------

    /** Records a contact about money. */
    public suspend fun recordCollection(note: CollectionNote): Document<CollectionNote> =
        call { bridge.recordCollection(note).native() }

    /** Records what a customer answered to a statement, as it is; [answerStatement] looks at the statement too. */
    public suspend fun recordStatementConfirmation(answer: StatementConfirmation): Document<StatementConfirmation> =
        call { bridge.recordStatementConfirmation(answer).native() }

    /** Closes a collection with its review: was it late, why, what was difficult, what solved it. */
    public suspend fun closeCollection(closed: ClosedCollection): Document<CollectionNote> =
        call { bridge.closeCollection(closed).native() }

    /**
     * Where a customer's credit stands: file, open items, allowances, promises, warnings. Throws
     * [FieldledgerException.NotFound].
     */
    public suspend fun creditView(customer: CustomerId): CreditView = call { bridge.creditView(customer) }

    /** Promises to pay, held against the payments that have reached this phone. Throws [FieldledgerException.NotEnrolled]. */
    public suspend fun promises(query: PromiseQuery): Promises = call { bridge.promises(query) }

    /**
     * Money that arrived lately from the customers of this rep, or of [everyone], and of which they have still to be told; with
     * [told], those who were as well. Throws [FieldledgerException.NotEnrolled].
     */
    public suspend fun receiptNotices(everyone: Boolean = false, told: Boolean = false): ReceiptNotices =
        call { bridge.receiptNotices(everyone, told) }

    /** Records that a customer was told that their money arrived. */
    public suspend fun tellCustomer(told: CustomerTold): Document<CollectionNote> =
        call { bridge.tellCustomer(told).native() }

    /**
     * The statements of a customer, or of every customer of this rep (of [everyone]), the newest first. Throws
     * [FieldledgerException.NotEnrolled].
     */
    public suspend fun statements(customer: CustomerId? = null, everyone: Boolean = false): List<StatementRow> =
        call { bridge.statements(customer, everyone) }

    /** A statement; nothing when it has not reached this phone. */
    public suspend fun statement(id: StatementId): StatementView? = call { bridge.statement(id) }

    /**
     * Records what a customer answered to a statement, line by line. A photo of the stamped copy is attached afterwards with
     * [attachEvidence]. What a customer said before of a line is taken back by a new answer to it.
     */
    public suspend fun answerStatement(id: StatementId, reply: StatementReply): Document<StatementConfirmation> =
        call { bridge.answerStatement(id, reply).native() }

    /**
     * Whom to see today about money, ranked, with the reasons: broken promises first, then by overdue amount × age. Throws
     * [FieldledgerException.NotEnrolled].
     */
    public suspend fun worklist(query: WorklistQuery): Worklist = call { bridge.worklist(query) }

    // What supervisors say -----------------------------------------------------------------------------------------------

    /** What supervisors said about a document, newest first. */
    public suspend fun reviewsOf(id: DocumentId): List<Document<Review>> =
        call { bridge.reviewsOf(id).map { it.native() } }

    /** Answers a review. Throws [FieldledgerException.Invalid] without words. */
    public suspend fun replyToReview(review: DocumentId, text: String): Document<Review> =
        call { bridge.replyToReview(review, text).native() }

    // Lists and search ---------------------------------------------------------------------------------------------------

    /** What there is to do on a day, today when none is given. Throws [FieldledgerException.NotEnrolled]. */
    public suspend fun today(date: LocalDate? = null): Today = call { bridge.today(date) }

    /** What happened with a customer, newest first; [before] is the last row of the page before ([DocumentRow.place]). */
    public suspend fun timeline(customer: CustomerId, before: Before? = null, limit: Int = PAGE): List<DocumentRow> =
        call { bridge.timeline(customer, before, limit.toLong()) }

    /** Documents that fit a query, newest first; those with words in them, the ones stored last first. */
    public suspend fun list(query: ListQuery = ListQuery(limit = PAGE.toLong())): List<DocumentRow> =
        call { bridge.list(query) }

    /** One document as a row of a list. */
    public suspend fun row(id: DocumentId): DocumentRow? = call { bridge.row(id) }

    /**
     * Customers, then documents, with these words in them. Two Chinese characters suffice; Latin words are found by their
     * beginning.
     */
    public suspend fun search(text: String, limit: Int = PAGE): List<SearchHit> = call { bridge.search(text, limit.toLong()) }

    // What the server alone writes ---------------------------------------------------------------------------------------

    /** The company; nothing before the first sync. */
    public suspend fun organisation(): OrganisationProfile? = call { bridge.organisation() }

    /** Customers by name, some of them. */
    public suspend fun customers(query: CustomerQuery): List<CustomerRow> = call { bridge.customers(query) }

    /** Customers by name, with these words in name or number. */
    public suspend fun customers(text: String = "", limit: Int = PAGE, offset: Int = 0): List<CustomerRow> =
        customers(CustomerQuery(text = text, limit = limit.toLong(), offset = offset.toLong()))

    /** A customer. */
    public suspend fun customer(id: CustomerId): Customer? = call { bridge.customer(id) }

    /** The territories that this phone knows. */
    public suspend fun territories(): List<Territory> = call { bridge.territories() }

    /** What this phone's person is to reach, the newest month first. */
    public suspend fun targets(): List<Target> = call { bridge.targets() }

    /** Products by name, with these words in name, number or group. */
    public suspend fun products(text: String = "", limit: Int = PAGE, offset: Int = 0): List<Product> =
        call { bridge.products(text, limit.toLong(), offset.toLong()) }

    /** A product. */
    public suspend fun product(id: ProductId): Product? = call { bridge.product(id) }

    /** A person of the company. */
    public suspend fun person(id: UserId): Person? = call { bridge.person(id) }

    /** The people of the company, by name. */
    public suspend fun people(): List<Person> = call { bridge.people() }

    /** A customer's credit file. */
    public suspend fun creditFile(customer: CustomerId): CreditFileView? = call { bridge.creditFile(customer) }

    /** A customer's invoices, newest first. */
    public suspend fun invoicesOf(customer: CustomerId): List<Invoice> = call { bridge.invoicesOf(customer) }

    /** A customer's receipts, newest first. */
    public suspend fun receiptsOf(customer: CustomerId): List<Receipt> = call { bridge.receiptsOf(customer) }

    /** A customer's orders in the company's books, newest first. */
    public suspend fun ordersOf(customer: CustomerId): List<LedgerOrder> = call { bridge.ordersOf(customer) }

    /** A customer's deliveries in the company's books, newest first. */
    public suspend fun deliveriesOf(customer: CustomerId): List<LedgerDelivery> = call { bridge.deliveriesOf(customer) }

    // How calls cross ----------------------------------------------------------------------------------------------------

    /**
     * Runs a call on [dispatcher]: the bridge would poll it, and turn what it gives into objects, on the caller's thread. For
     * 10,000 rows that is long enough for a screen to stutter.
     */
    private suspend inline fun <T> call(crossinline work: suspend () -> T): T = withContext(dispatcher) {
        translated { work() }
    }

    /** [call] with a token that ends the work in Rust when the coroutine is cancelled. */
    private suspend inline fun <T> cancellable(crossinline work: suspend (CancelToken) -> T): T = call {
        val token = CancelToken()
        try {
            work(token)
        } catch (cancelled: CancellationException) {
            token.cancel()
            throw cancelled
        } finally {
            token.destroy()
        }
    }

    /** Opens stores. */
    public companion object {
        /** How many rows a list gives when nothing else is said. */
        public const val PAGE: Int = 50

        /**
         * Opens the store, or makes it. A damaged file is set aside and what can be read of it is salvaged; see [openingReport].
         *
         * The work of all calls is done on threads of the library; [dispatcher] only carries what goes in and comes out.
         *
         * Throws [FieldledgerException.Invalid] naming the option, [FieldledgerException.NeedsNewerApp] when a newer version wrote
         * the file, [FieldledgerException.StorageFull], and with or without [StoreOptions.keys]
         * [FieldledgerException.KeyNeeded], [FieldledgerException.NotEncrypted], [FieldledgerException.WrongKey],
         * [FieldledgerException.KeyUnavailable].
         */
        public suspend fun open(options: StoreOptions, dispatcher: CoroutineDispatcher = Dispatchers.Default): FieldStore =
            withContext(dispatcher) {
                translated {
                    checkBridge()
                    val bridge = Bridge.open(
                        BridgeOptions(
                            path = options.database.absolutePath,
                            installation = options.installation.toString(),
                            appVersion = options.appVersion,
                            platform = options.platform,
                            certificates = options.certificates,
                        ),
                        options.keys?.bridged(dispatcher),
                        options.network?.bridged(),
                        options.bootClock?.bridged(),
                    )
                    FieldStore(bridge, dispatcher)
                }
            }

        /**
         * Whether [database] may be opened: nothing yet, or a phone's database in any state. Throws
         * [FieldledgerException.Invalid] naming `path` when it is a folder, or a file that was never one; it is not touched.
         */
        public suspend fun checkPath(database: File): Unit = library { bridgeCheckPath(database.absolutePath) }

        /** A fresh key of 32 bytes from the phone's random numbers, for the keystore. */
        public suspend fun generateKey(): ByteArray = library { bridgeGenerateKey() }

        /**
         * Encrypts a plain database, for an app whose earlier version did not; its store must be closed. A phone that dies
         * meanwhile has the plain database or the encrypted one, each whole: calling this again does the rest. Store the key first.
         *
         * Throws [FieldledgerException.WrongKey] when it is encrypted with another key, [FieldledgerException.Damaged],
         * [FieldledgerException.StorageFull], [FieldledgerException.Invalid] naming `path` or `key`; the database is as it was then.
         */
        public suspend fun encrypt(database: File, key: ByteArray): Encrypted =
            library { bridgeEncrypt(database.absolutePath, key) }

        /** Takes the encryption off a database, whose store must be closed. Throws as [encrypt]. */
        public suspend fun decrypt(database: File, key: ByteArray): Unit =
            library { bridgeDecrypt(database.absolutePath, key) }

        /** What a database is, without a key and without touching it. */
        public suspend fun encryption(database: File): Encryption = library { bridgeEncryption(database.absolutePath) }

        private suspend inline fun <T> library(crossinline work: suspend () -> T): T = withContext(Dispatchers.Default) {
            translated {
                checkBridge()
                work()
            }
        }
    }
}
