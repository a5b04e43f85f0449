-- Versions of ledger records that a newer one has replaced; the newest stands in `record`. Of versions replaced before
-- this step only the digests of their entries were kept, so the history of such a record begins later than at 1.
CREATE TABLE record_version (
    -- row of `record`
    record     INTEGER NOT NULL,
    version    INTEGER NOT NULL,
    -- its entry, which holds nothing any more; its digest is that of this version
    place      INTEGER NOT NULL,
    written_at INTEGER NOT NULL,
    json       TEXT    NOT NULL,
    PRIMARY KEY (record, version)
) STRICT;
