-- Tokens with which other software (a company's ERP, its bank software) uses the interface for finance. Of the token itself
-- only SHA-256 is kept.
CREATE TABLE api_token (
    organisation BLOB    NOT NULL REFERENCES organisation (id),
    id           BLOB    NOT NULL,
    name         TEXT    NOT NULL,
    -- finance or read_only
    role         TEXT    NOT NULL,
    token_hash   BLOB    NOT NULL UNIQUE,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    revoked_at   INTEGER,
    -- to the hour
    last_used_at INTEGER,
    PRIMARY KEY (organisation, id)
) STRICT;
-- The audit log knows a token by its name: a name is given once, also when its token works no more.
CREATE UNIQUE INDEX api_token_of_name ON api_token (organisation, name);
