-- What waits for somebody, and what is doubtful, found without reading through everything.

-- What makes a document doubtful, added up: 1 outside the geofence, 2 mocked position, 4 the phone's clock was off when it
-- sent a change, 8 still changed a day after it first came in.
ALTER TABLE document ADD COLUMN doubts INTEGER NOT NULL DEFAULT 0;
UPDATE document SET doubts = outside + 2 * mocked
    + 8 * (last_received_at - first_received_at > 86400000)
    WHERE outside OR mocked OR last_received_at - first_received_at > 86400000;
CREATE INDEX document_doubtful ON document (organisation, last_received_at, document) WHERE doubts > 0;
CREATE INDEX document_disagreeing ON document (organisation, last_received_at, document) WHERE disagreements > 0;
CREATE INDEX document_with_evidence ON document (organisation, last_received_at, document) WHERE evidence IS NOT NULL;
CREATE INDEX document_unconfirmed ON document (organisation, at, document) WHERE kind = 'delivery' AND state = 'signed';
CREATE INDEX document_of_owner ON document (owner, last_received_at, document) WHERE owner IS NOT NULL;
CREATE INDEX document_of_moment ON document (organisation, at) WHERE at IS NOT NULL;
CREATE INDEX document_of_day ON document (organisation, day) WHERE day IS NOT NULL;

-- Ledger records that ask for somebody. Both are nearly always few.
CREATE INDEX held_order ON record (organisation, stream, place)
    WHERE kind = 'order_decision' AND json_extract(json, '$.standing') = 'held';
CREATE INDEX critical_warning ON record (organisation, stream, place)
    WHERE kind = 'warning' AND json_extract(json, '$.level') = 'critical'
      AND json_extract(json, '$.cleared_at') IS NULL AND json_extract(json, '$.acknowledged') IS NULL;

-- Who has looked at something in quarantine, and when.
ALTER TABLE quarantine ADD COLUMN seen_by BLOB;
ALTER TABLE quarantine ADD COLUMN seen_at INTEGER;
CREATE INDEX quarantine_unseen ON quarantine (organisation, received_at, id) WHERE seen_at IS NULL;

-- Everything that was done to one thing.
CREATE INDEX audit_of_subject ON audit (organisation, subject, seq);
