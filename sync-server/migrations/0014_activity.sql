-- The list of activity is read along one index from its newest end, whatever it is narrowed to. The last columns are there
-- so that what is not wanted (other territories, other days) is passed over without looking at the document itself.
DROP INDEX document_of_arrival;
CREATE INDEX document_of_arrival ON document (organisation, last_received_at, document, stream, at);
CREATE INDEX document_of_kind ON document (organisation, kind, last_received_at, document, stream, at);
CREATE INDEX document_of_state ON document (organisation, state, last_received_at, document, stream, at, kind);
CREATE INDEX document_unreviewed ON document (organisation, last_received_at, document, stream, at, kind)
    WHERE review IS NULL AND kind <> 'review';
DROP INDEX document_doubtful;
CREATE INDEX document_doubtful ON document (organisation, last_received_at, document, doubts, stream, at, kind)
    WHERE doubts > 0;

-- `held_order_by_time` finds the same.
DROP INDEX held_order;
