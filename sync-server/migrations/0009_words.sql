-- Words of documents. The text is tokenised by us, the words kept are only the index: rowid is document.id. Writing the
-- words of a document costs as much as everything else that is stored with it, so what comes in waits here and is indexed
-- with others; a search indexes first what waits.
CREATE VIRTUAL TABLE document_words USING fts5 (words, content = '', contentless_delete = 1, detail = none, tokenize = 'ascii');
CREATE TABLE document_unindexed (
    document INTEGER PRIMARY KEY
) STRICT;
INSERT INTO document_unindexed (document) SELECT id FROM document;
