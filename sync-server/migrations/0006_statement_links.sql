-- Links with which a customer's contact answers a statement without an account. The secret itself is stored nowhere.
CREATE TABLE statement_link (
    token_hash   BLOB    NOT NULL PRIMARY KEY,
    organisation BLOB    NOT NULL,
    customer     BLOB    NOT NULL,
    statement    BLOB    NOT NULL,
    -- whom it was given to
    contact      TEXT    NOT NULL,
    made_at      INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    revoked_at   INTEGER
) STRICT;
CREATE INDEX statement_link_of_statement ON statement_link (organisation, statement);
