-- What was acknowledged in a reply that ended before the stream did, version 3 of the phone's database. Until the phone
-- has read past its own changes, a server that is replaced by an older copy of itself would have lost them without a sign.
CREATE TABLE unsettled (
    document INTEGER NOT NULL REFERENCES document (row),
    hash     BLOB NOT NULL,
    PRIMARY KEY (document, hash)
) WITHOUT ROWID;
