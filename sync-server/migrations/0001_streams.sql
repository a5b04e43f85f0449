-- Streams, documents, ledger records and quarantine.
--
-- Rows that are written ten thousand at a time declare no foreign keys: checking one costs a lookup for each row, and
-- `fieldledger verify` checks all of them.

-- A totally ordered log. `head` and `chain` are those of its newest entry.
CREATE TABLE stream (
    id           INTEGER PRIMARY KEY,
    organisation BLOB    NOT NULL,
    name         BLOB    NOT NULL,
    lineage      BLOB    NOT NULL,
    head         INTEGER NOT NULL DEFAULT 0,
    chain        BLOB    NOT NULL,
    backed_up    INTEGER NOT NULL DEFAULT 0,
    UNIQUE (organisation, name)
) STRICT;

-- What streams hold. `place` is stream.id * 2^40 + seq, so that reading on from a cursor is one scan of the table itself.
--
-- `kind`: 0 change, 1 snapshot, 2 record, 3 gone document, 4 gone record.
-- `holds`: 0 nothing any more (replaced by a later entry, but the place, the digest and the chain stay, so that cursors
-- and the chain can still be checked), 1 what `kind` says, 2 a snapshot of the document in place of the change.
CREATE TABLE entry (
    place       INTEGER PRIMARY KEY,
    kind        INTEGER NOT NULL,
    holds       INTEGER NOT NULL,
    chain       BLOB    NOT NULL,
    digest      BLOB    NOT NULL,
    received_at INTEGER NOT NULL,
    -- row of `record`, for a record
    record      INTEGER,
    -- row of `document`, for all that concerns a document
    document    INTEGER,
    -- document id, left out for a change that creates the document; "kind\0key" for a gone record
    subject     BLOB,
    -- who made a change, and who brought it
    actor       BLOB,
    actor_seq   INTEGER,
    author      BLOB,
    device      BLOB,
    relayed     INTEGER,
    made_at     INTEGER,
    -- the change or the snapshot; last, so that reading the rest never reaches overflow pages
    bytes       BLOB
) STRICT;
-- Two different changes with one (actor, seq) make a document that cannot be opened any more.
CREATE UNIQUE INDEX entry_of_document ON entry (document, actor, actor_seq) WHERE document IS NOT NULL;
CREATE INDEX entry_of_change ON entry (digest) WHERE kind = 0;

-- A document as lists need it, and its present tree. Its chunks are in its stream's entries.
CREATE TABLE document (
    id                INTEGER PRIMARY KEY,
    organisation      BLOB    NOT NULL,
    document          BLOB    NOT NULL,
    stream            INTEGER NOT NULL,
    heads             BLOB    NOT NULL,
    disagreements     INTEGER NOT NULL,
    first_received_at INTEGER NOT NULL,
    last_received_at  INTEGER NOT NULL,
    kind              TEXT    NOT NULL,
    newer             INTEGER NOT NULL,
    customer          BLOB,
    owner             BLOB,
    about             BLOB,
    at                INTEGER,
    day               TEXT,
    state             TEXT    NOT NULL,
    title             TEXT    NOT NULL,
    amount            TEXT,
    evidence          BLOB,
    outside           INTEGER NOT NULL,
    mocked            INTEGER NOT NULL,
    -- verdict of the newest review about it
    review            TEXT,
    tree              TEXT    NOT NULL
) STRICT;
-- The id first: it tells rows apart, the organisation hardly ever does.
CREATE UNIQUE INDEX document_of_id ON document (document, organisation);
CREATE INDEX document_of_arrival ON document (organisation, last_received_at, document);
CREATE INDEX document_of_customer ON document (customer, last_received_at, document) WHERE customer IS NOT NULL;
CREATE INDEX document_of_about ON document (about) WHERE about IS NOT NULL;

-- The newest version of each ledger record; `place` is its entry.
CREATE TABLE record (
    id           INTEGER PRIMARY KEY,
    organisation BLOB    NOT NULL,
    kind         TEXT    NOT NULL,
    key          TEXT    NOT NULL,
    stream       INTEGER NOT NULL,
    place        INTEGER NOT NULL,
    version      INTEGER NOT NULL,
    customer     BLOB,
    written_at   INTEGER NOT NULL,
    json         TEXT    NOT NULL,
    UNIQUE (organisation, kind, key)
) STRICT;
CREATE INDEX record_of_customer ON record (customer, kind, key) WHERE customer IS NOT NULL;

-- What was pushed and could not be accepted.
CREATE TABLE quarantine (
    id           INTEGER PRIMARY KEY,
    organisation BLOB    NOT NULL,
    digest       BLOB    NOT NULL,
    document     BLOB,
    territory    BLOB,
    user         BLOB    NOT NULL,
    device       BLOB    NOT NULL,
    code         INTEGER NOT NULL,
    message      TEXT    NOT NULL,
    received_at  INTEGER NOT NULL,
    bytes        BLOB    NOT NULL,
    UNIQUE (organisation, digest)
) STRICT;
CREATE INDEX quarantine_of_arrival ON quarantine (organisation, received_at, id);
