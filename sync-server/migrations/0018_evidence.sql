-- Files of evidence that have arrived whole: their bytes lie in the folder `evidence` of the data folder. A file that was sent
-- for two records has a row for each: who brought the bytes has shown to have them, and need not be shown them by somebody who
-- knows their name.
CREATE TABLE evidence_file (
    organisation BLOB NOT NULL,
    hash         BLOB NOT NULL,
    size         INTEGER NOT NULL,
    -- The document for which it was sent.
    document     BLOB NOT NULL,
    -- The phone that sent it.
    device       BLOB NOT NULL,
    arrived_at   INTEGER NOT NULL,
    -- Whether a backup holds it.
    backed_up    INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (organisation, hash, document)
) WITHOUT ROWID;
