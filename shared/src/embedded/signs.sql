-- When each connection and account last received, fetched, sent, and what failed; who each shop is, as JSON.
CREATE TABLE sign (
    party TEXT NOT NULL,
    fact TEXT NOT NULL,
    json TEXT NOT NULL,
    PRIMARY KEY (party, fact)
) STRICT;
