-- The list of activity is read by when things happened, too. The last columns are there so that what is not wanted (other
-- territories, other kinds) is passed over without looking at the document itself.
DROP INDEX document_of_moment;
CREATE INDEX document_of_moment ON document (organisation, at, document, stream, kind) WHERE at IS NOT NULL;
