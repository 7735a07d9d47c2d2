-- What the ERP sent of orders, and what their stores were told of it; as JSON, with what it is found by.
CREATE TABLE shipment (
    connection TEXT NOT NULL,
    id TEXT NOT NULL,
    shipment TEXT NOT NULL,
    due INTEGER,
    json TEXT NOT NULL,
    PRIMARY KEY (connection, id, shipment)
) STRICT, WITHOUT ROWID;
CREATE INDEX shipment_due ON shipment (connection, due) WHERE due IS NOT NULL;
