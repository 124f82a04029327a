-- What both sides of a field agreed on last: see src/steps/ledger.rs. Digests alone, and only of fields that are asked for later.
CREATE TABLE agreed (
    field BLOB PRIMARY KEY,             -- digest of client, connection, object, record and field
    value BLOB NOT NULL,                -- digest of what it holds
    ours  INTEGER NOT NULL,             -- 1: we wrote it, and nobody was heard to change it since
    run   INTEGER NOT NULL              -- that found or made it so; it goes with the run's event
) WITHOUT ROWID;

CREATE INDEX agreed_run ON agreed (run);
