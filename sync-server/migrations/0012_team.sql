-- What a team did in a month is read for all customers at once: visits by their day, and notes that hold a promise.
CREATE INDEX visit_of_day ON document (organisation, at, customer, owner, review, outside, mocked)
    WHERE kind = 'visit' AND at IS NOT NULL;
CREATE INDEX promise_in_note ON document (organisation) WHERE kind = 'collection_note' AND amount IS NOT NULL;
