-- Organisations, accounts, sessions, enrolment codes, devices and the audit log. Secrets are stored as SHA-256 only,
-- passwords as argon2id.

CREATE TABLE organisation (
    id         BLOB    NOT NULL PRIMARY KEY,
    name       TEXT    NOT NULL UNIQUE,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE account (
    organisation  BLOB    NOT NULL REFERENCES organisation (id),
    user          BLOB    NOT NULL,
    -- unique on the whole server: people sign in without naming their company
    login         TEXT    NOT NULL UNIQUE,
    name          TEXT    NOT NULL,
    password_hash TEXT,
    -- names, separated by commas
    roles         TEXT    NOT NULL,
    -- ids of 16 bytes, one after the other
    territories   BLOB    NOT NULL,
    disabled      INTEGER NOT NULL,
    PRIMARY KEY (organisation, user)
) STRICT;

CREATE TABLE session (
    token_hash   BLOB    NOT NULL PRIMARY KEY,
    organisation BLOB    NOT NULL,
    user         BLOB    NOT NULL,
    csrf         TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    FOREIGN KEY (organisation, user) REFERENCES account (organisation, user)
) STRICT;
CREATE INDEX session_of_user ON session (organisation, user);
CREATE INDEX session_of_expiry ON session (expires_at);

CREATE TABLE enrolment (
    code_hash    BLOB    NOT NULL PRIMARY KEY,
    organisation BLOB    NOT NULL,
    user         BLOB    NOT NULL,
    expires_at   INTEGER NOT NULL,
    used_at      INTEGER,
    -- the device it became
    device       BLOB,
    FOREIGN KEY (organisation, user) REFERENCES account (organisation, user)
) STRICT;

CREATE TABLE device (
    organisation       BLOB    NOT NULL,
    id                 BLOB    NOT NULL,
    user               BLOB    NOT NULL,
    name               TEXT    NOT NULL,
    platform           TEXT    NOT NULL,
    app_version        TEXT    NOT NULL,
    installation       BLOB    NOT NULL,
    enrolled_at        INTEGER NOT NULL,
    last_contact       INTEGER,
    waiting            INTEGER NOT NULL DEFAULT 0,
    clock_ahead_millis INTEGER NOT NULL DEFAULT 0,
    token_issued_at    INTEGER NOT NULL,
    revoked_at         INTEGER,
    PRIMARY KEY (organisation, id),
    FOREIGN KEY (organisation, user) REFERENCES account (organisation, user)
) STRICT;

-- A device has one token in use, and may have been offered others that it has not used yet: a reply with a new token can
-- get lost, or arrive twice. The first of the offered ones that is used becomes the one in use, and all others go.
CREATE TABLE device_token (
    token_hash   BLOB    NOT NULL PRIMARY KEY,
    organisation BLOB    NOT NULL,
    device       BLOB    NOT NULL,
    in_use       INTEGER NOT NULL,
    issued_at    INTEGER NOT NULL,
    FOREIGN KEY (organisation, device) REFERENCES device (organisation, id)
) STRICT;
CREATE INDEX device_token_of_device ON device_token (organisation, device);
CREATE UNIQUE INDEX device_token_in_use ON device_token (organisation, device) WHERE in_use;

-- Each line is chained to the one before it: `hash` covers the hash before, the line's number and its content.
CREATE TABLE audit (
    organisation BLOB    NOT NULL,
    seq          INTEGER NOT NULL,
    at           INTEGER NOT NULL,
    actor        TEXT    NOT NULL,
    action       TEXT    NOT NULL,
    subject      TEXT    NOT NULL,
    detail       TEXT    NOT NULL,
    hash         BLOB    NOT NULL,
    PRIMARY KEY (organisation, seq)
) STRICT;

-- The end of each chain, so that lines cut off at the end are missed too.
CREATE TABLE audit_head (
    organisation BLOB    NOT NULL PRIMARY KEY,
    seq          INTEGER NOT NULL,
    hash         BLOB    NOT NULL
) STRICT;
