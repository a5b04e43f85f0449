-- All customers in the order of their names, without reading every one of them.
CREATE INDEX customer_of_name ON record (organisation, json ->> '$.name', key)
    WHERE kind = 'customer';

-- What Today counts and shows the newest of, within territories too, without looking at what is not shown.
DROP INDEX critical_warning;
CREATE INDEX critical_warning ON record (organisation, written_at, place, stream)
    WHERE kind = 'warning' AND json_extract(json, '$.level') = 'critical'
      AND json_extract(json, '$.cleared_at') IS NULL AND json_extract(json, '$.acknowledged') IS NULL;
DROP INDEX document_unconfirmed;
CREATE INDEX document_unconfirmed ON document (organisation, at, document, stream)
    WHERE kind = 'delivery' AND state = 'signed';
DROP INDEX document_of_day;
CREATE INDEX document_of_day ON document (organisation, day, kind, state, stream) WHERE day IS NOT NULL;
