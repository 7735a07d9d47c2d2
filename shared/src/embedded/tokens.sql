-- What accounts give us for a time. The secret is encrypted with the key in `token.key`, the account's name bound to it.
CREATE TABLE token (
    account TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    expires INTEGER,
    sealed BLOB NOT NULL
) STRICT;
