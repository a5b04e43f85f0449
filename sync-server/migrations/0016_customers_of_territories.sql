-- The customers of some territories, without reading every customer: lists of what is written about them begin here.
CREATE INDEX customer_of_stream ON record (stream, customer)
    WHERE kind = 'customer';
