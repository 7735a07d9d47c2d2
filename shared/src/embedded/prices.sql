-- What the ERP says that articles cost, and what stores have; as JSON, with what it is found by.
CREATE TABLE price (
    connection TEXT NOT NULL,
    sku TEXT NOT NULL,
    due INTEGER,
    json TEXT NOT NULL,
    PRIMARY KEY (connection, sku)
) STRICT, WITHOUT ROWID;
CREATE INDEX price_due ON price (connection, due) WHERE due IS NOT NULL;
