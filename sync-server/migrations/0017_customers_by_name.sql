-- All customers in the order of their names, without reading every one of them.
CREATE INDEX customer_of_name ON record (organisation, json ->> '$.name', key)
    WHERE kind = 'customer';
