-- What customers dispute waits for somebody too: found without reading through everything.
CREATE INDEX document_disputed ON document (organisation, last_received_at, document)
    WHERE kind = 'delivery' AND state = 'disputed';
-- In a text that somebody typed the quotation marks are escaped, so that only an answer matches.
CREATE INDEX disputed_statement ON record (organisation, json_extract(json, '$.issued_at'))
    WHERE kind = 'statement' AND instr(json, '"verdict":"disputed"') > 0;
CREATE INDEX correcting_statement ON record (organisation, json_extract(json, '$.corrects'))
    WHERE kind = 'statement' AND json_extract(json, '$.corrects') IS NOT NULL;
