-- Times are microseconds since 1970. Heads, ledgers and timeline entries are JSON; the columns beside them are their indexes.

CREATE TABLE head (
    connection TEXT NOT NULL,
    id TEXT NOT NULL,
    state TEXT NOT NULL,
    due INTEGER,
    updated INTEGER NOT NULL,
    json TEXT NOT NULL,
    PRIMARY KEY (connection, id)
) STRICT;
CREATE INDEX head_due ON head (connection, due) WHERE due IS NOT NULL;
CREATE INDEX head_updated ON head (connection, updated, id);
CREATE INDEX head_state ON head (connection, state, updated, id);

-- `version` in its text form, which sorts as the versions do.
CREATE TABLE payload (
    connection TEXT NOT NULL,
    id TEXT NOT NULL,
    version TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('order', 'raw')),
    content BLOB NOT NULL,
    PRIMARY KEY (connection, id, version)
) STRICT;

CREATE TABLE timeline (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    connection TEXT NOT NULL,
    id TEXT NOT NULL,
    json TEXT NOT NULL
) STRICT;
CREATE INDEX timeline_order ON timeline (connection, id, seq);

CREATE TABLE ledger (erp TEXT PRIMARY KEY, json TEXT NOT NULL) STRICT;

-- Ids of ERP records by the names they are known under.
CREATE TABLE known (
    erp TEXT NOT NULL,
    name TEXT NOT NULL,
    id TEXT NOT NULL,
    PRIMARY KEY (erp, name)
) STRICT;

CREATE TABLE cursor (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;

-- The work queue. `lane` is the message group; `receipt` changes with every delivery.
CREATE TABLE message (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    lane TEXT NOT NULL,
    visible INTEGER NOT NULL,
    receives INTEGER NOT NULL DEFAULT 0,
    receipt TEXT,
    body BLOB NOT NULL
) STRICT;
CREATE INDEX message_lane ON message (lane, visible, seq);
CREATE INDEX message_visible ON message (visible);
CREATE UNIQUE INDEX message_receipt ON message (receipt) WHERE receipt IS NOT NULL;

-- The lanes that have messages, and when each was served last: whoever was served longest ago is next.
CREATE TABLE lane (name TEXT PRIMARY KEY, turn INTEGER NOT NULL) STRICT;
CREATE INDEX lane_turn ON lane (turn);

CREATE TABLE dead (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    lane TEXT NOT NULL,
    body BLOB NOT NULL,
    reason TEXT NOT NULL,
    since INTEGER NOT NULL
) STRICT;
