-- What both sides of a field agreed on last: see src/steps/ledger.rs. Digests alone, and only of fields that are asked for later.
CREATE TABLE lockstep.agreed (
    field BYTEA PRIMARY KEY,            -- digest of client, connection, object, record and field
    value BYTEA NOT NULL,               -- digest of what it holds
    ours  BOOLEAN NOT NULL,             -- we wrote it, and nobody was heard to change it since
    run   BIGINT NOT NULL               -- that found or made it so; it goes with the run's event
);

CREATE INDEX agreed_run ON lockstep.agreed (run);
