-- What sending files of evidence needs to know, version 4 of the phone's database. A path is now the name of a file
-- in the folder beside the database; the absolute paths of earlier rows stay as they are. A new state: 4 lost, which
-- means that this phone named it, but its file was gone or changed before it was sent.
--
-- The document that names it. Unknown for earlier rows until they are about to be sent.
ALTER TABLE evidence ADD COLUMN document BLOB;
-- When to try, or to ask the server, next: the phone's clock in milliseconds.
ALTER TABLE evidence ADD COLUMN due INTEGER NOT NULL DEFAULT 0;
-- How often it was put off in a row.
ALTER TABLE evidence ADD COLUMN tries INTEGER NOT NULL DEFAULT 0;
-- Why it is not on the server, for the person.
ALTER TABLE evidence ADD COLUMN problem TEXT;
-- A backup of the server holds it, by what the server last said.
ALTER TABLE evidence ADD COLUMN backed_up INTEGER NOT NULL DEFAULT 0;
-- When the server was known to hold it: the phone's clock in milliseconds.
ALTER TABLE evidence ADD COLUMN stored_at INTEGER;
CREATE INDEX evidence_to_send ON evidence (size) WHERE state < 2;
-- Stored ones of which this phone has a copy: asked about until a backup covers them, then deleted in time.
CREATE INDEX evidence_copies ON evidence (backed_up) WHERE state = 2 AND path IS NOT NULL;
CREATE INDEX evidence_lost ON evidence (hash) WHERE state = 4;
