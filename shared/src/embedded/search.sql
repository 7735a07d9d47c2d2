-- What orders are found by, now or once: numbers, documents, HMACs of buyers' e-mails.
CREATE TABLE term (
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    connection TEXT NOT NULL,
    id TEXT NOT NULL,
    PRIMARY KEY (kind, value, connection, id)
) STRICT, WITHOUT ROWID;

-- What is drawn once and never leaves the records: the key of those HMACs.
CREATE TABLE secret (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;

INSERT OR IGNORE INTO term
SELECT 'number', value, connection, id FROM (
    SELECT lower(trim(ltrim(trim(json_extract(json, '$.summary.number')), '#'))) AS value, connection, id FROM head
) WHERE length(CAST(value AS BLOB)) BETWEEN 1 AND 200;

INSERT OR IGNORE INTO term
SELECT 'document', value, connection, id FROM (
    SELECT lower(trim(json_extract(booked.value, '$.document.id'))) AS value, head.connection, head.id
    FROM head, json_each(head.json, '$.booked') AS booked
    UNION
    SELECT lower(trim(json_extract(booked.value, '$.document.number'))), head.connection, head.id
    FROM head, json_each(head.json, '$.booked') AS booked
) WHERE length(CAST(value AS BLOB)) BETWEEN 1 AND 200;
