-- Requests that have their effect once, by the key that whoever asked has chosen.
CREATE TABLE once_only (
    organisation BLOB    NOT NULL,
    key          TEXT    NOT NULL,
    -- SHA-256 of what was asked
    digest       BLOB    NOT NULL,
    answer       TEXT    NOT NULL,
    at           INTEGER NOT NULL,
    PRIMARY KEY (organisation, key)
) STRICT;

-- What a company's grants of offline allowances are signed with.
CREATE TABLE signing_key (
    organisation BLOB NOT NULL PRIMARY KEY,
    key          BLOB NOT NULL
) STRICT;
