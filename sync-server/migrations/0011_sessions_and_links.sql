-- Where a session was begun and when it was last used, so that its person sees it and one that nobody uses ends.
ALTER TABLE session ADD COLUMN last_seen_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE session ADD COLUMN address TEXT NOT NULL DEFAULT '';
ALTER TABLE session ADD COLUMN agent TEXT NOT NULL DEFAULT '';
UPDATE session SET last_seen_at = created_at;

-- Links with which a person sets their password, once. The secret itself is stored nowhere.
CREATE TABLE password_link (
    token_hash   BLOB    NOT NULL PRIMARY KEY,
    organisation BLOB    NOT NULL,
    user         BLOB    NOT NULL,
    made_at      INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    -- or when another one took its place
    used_at      INTEGER,
    FOREIGN KEY (organisation, user) REFERENCES account (organisation, user)
) STRICT;
CREATE INDEX password_link_of_user ON password_link (organisation, user);

-- Links with which a customer's contact confirms a delivery without an account. The secret itself is stored nowhere.
CREATE TABLE delivery_link (
    token_hash   BLOB    NOT NULL PRIMARY KEY,
    organisation BLOB    NOT NULL,
    delivery     BLOB    NOT NULL,
    -- whom it was given to
    contact      TEXT    NOT NULL,
    made_at      INTEGER NOT NULL,
    made_by      BLOB    NOT NULL,
    expires_at   INTEGER NOT NULL,
    revoked_at   INTEGER
) STRICT;
CREATE INDEX delivery_link_of_delivery ON delivery_link (organisation, delivery);

-- The audit log is looked through by action, and by who acted.
CREATE INDEX audit_of_action ON audit (organisation, action, seq);
CREATE INDEX audit_of_actor ON audit (organisation, actor, seq);
