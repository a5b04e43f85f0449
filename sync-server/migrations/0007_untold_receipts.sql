-- Money that finance knows of and no phone of the customer's rep has received yet. Nearly always empty.
CREATE INDEX untold_receipt ON record (stream, place)
    WHERE kind = 'receipt' AND json_extract(json, '$.arrived_at') IS NOT NULL
      AND json_extract(json, '$.sales_told_at') IS NULL;
