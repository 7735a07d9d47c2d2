-- The rows of shelves: what the ERP said that is available, what orders took off, what stores are told; as JSON, with their indexes.
CREATE TABLE goods (
    erp TEXT NOT NULL,
    place TEXT NOT NULL,
    sku TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('level', 'commitment', 'listing')),
    connection TEXT NOT NULL,
    id TEXT NOT NULL,
    due INTEGER,
    json TEXT NOT NULL,
    PRIMARY KEY (erp, place, sku, kind, connection, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX goods_due ON goods (connection, due) WHERE due IS NOT NULL;
CREATE INDEX goods_listing ON goods (connection, sku, place, erp) WHERE kind = 'listing';
CREATE INDEX goods_commitment ON goods (erp, sku, place, connection, id) WHERE kind = 'commitment';

-- Connections to whose stores nothing is written, because somebody wants it so.
CREATE TABLE halt (connection TEXT PRIMARY KEY, json TEXT NOT NULL) STRICT;
