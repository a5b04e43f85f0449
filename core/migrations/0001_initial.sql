-- The phone's database, version 1. Never edited once released: later versions add numbered files.

-- Small facts: identity, token, installation, last contact, state of the device.
CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;

-- The streams this phone follows, with its place in each.
CREATE TABLE stream (
    ref       INTEGER PRIMARY KEY,
    name      BLOB NOT NULL UNIQUE,
    lineage   BLOB,
    seq       INTEGER NOT NULL DEFAULT 0,
    chain     BLOB,
    -- While the stream is read again from the beginning, records seen again carry this mark.
    restart   INTEGER NOT NULL DEFAULT 0,
    -- Withdrawn by the server: dropped once nothing of our own is unsent.
    withdrawn INTEGER NOT NULL DEFAULT 0,
    -- Up to where the server's backup covers it.
    backed_up INTEGER NOT NULL DEFAULT 0
);

-- Ids of customers and people, by small numbers: 16 random bytes in every row and index would cost more than the rest.
CREATE TABLE interned (
    ref INTEGER PRIMARY KEY,
    id  BLOB NOT NULL UNIQUE
);

-- One row for each document, with what lists and search need of it.
CREATE TABLE document (
    row           INTEGER PRIMARY KEY,
    id            BLOB NOT NULL UNIQUE,
    -- 1 visit, 2 delivery, 3 collection note, 4 order, 5 review, 0 a kind of a newer version (its name is in the view).
    kind          INTEGER NOT NULL,
    stream        INTEGER REFERENCES stream (ref),
    customer      INTEGER REFERENCES interned (ref),
    owner         INTEGER REFERENCES interned (ref),
    -- Where it stands in time: when it happened, else the day it is planned for, else when it was made.
    moment        INTEGER NOT NULL,
    day           INTEGER,
    -- When the next step that was written down is due.
    due           INTEGER,
    state         TEXT NOT NULL,
    flags         INTEGER NOT NULL,
    disagreements INTEGER NOT NULL DEFAULT 0,
    -- For a review, what it is about.
    about         BLOB,
    -- A number or the first words, so that a list never opens the view.
    title         TEXT NOT NULL,
    amount        TEXT,
    -- Null: the only head is the hash of the document's last change.
    heads         BLOB,
    -- The tree as compressed JSON. Null: the document's only change says it all.
    view          BLOB
);
CREATE INDEX document_by_customer ON document (customer, moment);
-- With the owner in it, lists of one's own pass over those of others without looking at their rows.
CREATE INDEX document_by_kind ON document (kind, moment, owner);
CREATE INDEX document_by_day ON document (day, kind) WHERE day IS NOT NULL;
CREATE INDEX document_by_due ON document (due) WHERE due IS NOT NULL;
-- What is on its way out (flag 32). Everything else about streams happens so seldom that the table is read through.
CREATE INDEX document_leaving ON document (stream) WHERE flags & 32 <> 0;
CREATE INDEX document_by_about ON document (about, moment) WHERE about IS NOT NULL;

-- The chunks of every document. The key is document.row * 1048576 + a running number, so that the chunks of a document
-- lie together without an index of their own.
CREATE TABLE change (
    key   INTEGER PRIMARY KEY,
    -- The change's hash; for a snapshot the hashes of all changes in it, one after the other.
    hash  BLOB NOT NULL,
    bytes BLOB NOT NULL
);

-- Changes made here (or offered again for others) that the server has not acknowledged. A rejected one stays.
CREATE TABLE outbox (
    seq       INTEGER PRIMARY KEY,
    change    INTEGER NOT NULL UNIQUE REFERENCES change (key),
    -- 0 waiting, 1 rejected, 2 handed to quarantine.
    state     INTEGER NOT NULL DEFAULT 0,
    relayed   INTEGER NOT NULL DEFAULT 0,
    code      INTEGER,
    message   TEXT,
    dismissed INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX outbox_refused ON outbox (seq) WHERE state <> 0;

-- Changes to be offered again by name, because the server may have lost them.
CREATE TABLE reoffer (
    document INTEGER NOT NULL REFERENCES document (row),
    hash     BLOB NOT NULL,
    PRIMARY KEY (document, hash)
) WITHOUT ROWID;

-- Entries of the server that this build cannot use, for one that can.
CREATE TABLE unreadable (
    stream   INTEGER NOT NULL REFERENCES stream (ref),
    document BLOB,
    entry    BLOB NOT NULL UNIQUE
);

-- Ledger records, newest version each, with the columns that lists need.
CREATE TABLE record (
    row       INTEGER PRIMARY KEY,
    kind      TEXT NOT NULL,
    id        TEXT NOT NULL,
    stream    INTEGER NOT NULL REFERENCES stream (ref),
    version   INTEGER NOT NULL,
    customer  INTEGER REFERENCES interned (ref),
    territory BLOB,
    day       INTEGER,
    code      TEXT,
    name      TEXT,
    body      BLOB NOT NULL,
    seen      INTEGER NOT NULL DEFAULT 0,
    UNIQUE (kind, id)
);
CREATE UNIQUE INDEX record_customer ON record (customer) WHERE kind = 'customer';
CREATE INDEX record_by_customer ON record (customer, kind, day) WHERE customer IS NOT NULL;
CREATE INDEX record_by_name ON record (kind, name, row) WHERE name IS NOT NULL;
CREATE INDEX record_by_stream ON record (stream);

-- Files of evidence on this phone.
CREATE TABLE evidence (
    hash  BLOB PRIMARY KEY,
    path  TEXT,
    size  INTEGER NOT NULL,
    -- 0 waiting, 1 uploading, 2 stored by the server, 3 elsewhere.
    state INTEGER NOT NULL,
    sent  INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

-- Words of documents and of records (customers, products). The text is tokenised by us, the words kept are only the
-- index: rowid is document.row or record.row. Documents after the last one in the index wait for it.
CREATE VIRTUAL TABLE document_words USING fts5 (words, content = '', contentless_delete = 1, detail = none, tokenize = 'ascii');
CREATE VIRTUAL TABLE record_words USING fts5 (words, content = '', contentless_delete = 1, detail = none, tokenize = 'ascii');
-- Lists by state ask for what is still open; what is over is nearly everything and would only make this large.
CREATE INDEX document_open ON document (kind, state, moment) WHERE state NOT IN ('done', 'confirmed', 'approved');
