-- Files of evidence that have arrived whole: their bytes lie in the folder `evidence` of the data folder.
CREATE TABLE evidence_file (
    organisation BLOB NOT NULL,
    hash         BLOB NOT NULL,
    size         INTEGER NOT NULL,
    -- The document for which it was sent, and the phone that sent it.
    document     BLOB NOT NULL,
    device       BLOB NOT NULL,
    arrived_at   INTEGER NOT NULL,
    -- Whether a backup holds it.
    backed_up    INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (organisation, hash)
) WITHOUT ROWID;
-- What the next backup has to take.
CREATE INDEX evidence_file_not_backed_up ON evidence_file (organisation, hash) WHERE backed_up = 0;
