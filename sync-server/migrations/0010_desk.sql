-- What the office's pages list: each of these holds only what is still to be done, or is read from its newest end, so that
-- a page costs as much as it shows however long the books are.

-- Orders that wait for a person.
CREATE INDEX held_order_by_time ON record (organisation, json_extract(json, '$.received_at'))
    WHERE kind = 'order_decision' AND json_extract(json, '$.standing') = 'held';
-- An order by the number that a payer quotes; the key of the record is the order's document.
CREATE INDEX order_decision_of_number ON record (organisation, json_extract(json, '$.number'))
    WHERE kind = 'order_decision';
-- Invoices by the number of their order: that is what payers quote.
CREATE INDEX invoice_of_order ON record (organisation, json_extract(json, '$.order_number'))
    WHERE kind = 'invoice' AND json_extract(json, '$.order_number') IS NOT NULL;
-- Allowances that phones may still spend, or have not given back.
CREATE INDEX open_grant ON record (organisation, customer)
    WHERE kind = 'grant' AND json_extract(json, '$.state') IN ('open', 'recalled');
-- Early warnings whose cause has not gone, critical ones first ('critical' < 'warning').
CREATE INDEX standing_warning ON record (organisation, json_extract(json, '$.level'), json_extract(json, '$.raised_at'))
    WHERE kind = 'warning' AND json_extract(json, '$.cleared_at') IS NULL;
-- Statements of account by when they were issued.
CREATE INDEX issued_statement ON record (organisation, json_extract(json, '$.issued_at'))
    WHERE kind = 'statement';
-- Money with running timers, by when finance knew of it.
CREATE INDEX timed_receipt ON record (organisation, json_extract(json, '$.arrived_at'))
    WHERE kind = 'receipt' AND json_extract(json, '$.arrived_at') IS NOT NULL;
-- Money whose payer nobody knows yet.
CREATE INDEX waiting_money ON record (organisation, key)
    WHERE kind = 'unidentified_receipt' AND json_extract(json, '$.identified_as') IS NULL;
-- Notes about collecting, by customer: what was promised, and when anybody last spoke to them.
CREATE INDEX collection_note ON document (organisation, customer)
    WHERE kind = 'collection_note';
