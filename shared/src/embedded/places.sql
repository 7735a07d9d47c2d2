-- Claims of tasks, front doors' counts and customers that were begun lay among positions and ids: each gets its own place.

-- What is about to be made in an ERP, and until when (RFC 3339) no look-up tells whether it was.
CREATE TABLE begun (
    erp TEXT NOT NULL,
    name TEXT NOT NULL,
    until TEXT NOT NULL,
    PRIMARY KEY (erp, name)
) STRICT, WITHOUT ROWID;
INSERT INTO begun SELECT erp, substr(name, length('begun/') + 1), id FROM known WHERE name GLOB 'begun/*';
DELETE FROM known WHERE name GLOB 'begun/*';

-- How many requests each front door let in on its last day (of UTC).
CREATE TABLE door (connection TEXT PRIMARY KEY, day TEXT NOT NULL, requests INTEGER NOT NULL) STRICT;
INSERT INTO door
SELECT substr(name, length('front-door/') + 1), substr(value, 1, 10), CAST(substr(value, 12) AS INTEGER)
FROM cursor WHERE name GLOB 'front-door/*';
DELETE FROM cursor WHERE name GLOB 'front-door/*';

INSERT OR REPLACE INTO sign
SELECT substr(name, 1, length(name) - length('/begun')), 'claimed', json_quote(value)
FROM cursor WHERE name GLOB 'task/*/begun';
DELETE FROM cursor WHERE name GLOB 'task/*/begun';
