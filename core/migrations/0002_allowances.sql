-- Offline allowances, version 2 of the phone's database.

-- The grants of this phone, with what was spent of each.
CREATE TABLE allowance (
    id       BLOB PRIMARY KEY,
    customer INTEGER NOT NULL REFERENCES interned (ref),
    -- JSON: the terms, the spends, whether it is recalled or closed.
    state    TEXT NOT NULL,
    -- May still be spent, as far as this phone knows.
    open     INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX allowance_by_customer ON allowance (customer) WHERE open = 1;

-- What the server has to be told of them, until its own record of the grant shows that it knows.
CREATE TABLE allowance_word (
    no      INTEGER PRIMARY KEY,
    grant_id BLOB NOT NULL,
    -- The spend's place; 0 for the word that the grant is closed.
    seq     INTEGER NOT NULL,
    word    TEXT NOT NULL,
    UNIQUE (grant_id, seq)
);
