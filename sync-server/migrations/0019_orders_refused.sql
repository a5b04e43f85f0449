-- Orders that the office refused are no orders of their day. Nearly always few.
CREATE INDEX refused_order ON record (organisation, written_at, key)
    WHERE kind = 'order_decision' AND json_extract(json, '$.standing') = 'refused';
-- Critical warnings are kept in memory with what their customers owe, the worst first.
DROP INDEX critical_warning;
