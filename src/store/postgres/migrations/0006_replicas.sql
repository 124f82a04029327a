-- Several processes share the work. Each partition (run.part) belongs to one of them at most, and a process is its row in
-- `replica`: whoever takes it for dead deletes that row, which frees its partitions in the same moment, and from then on
-- none of its transactions is taken (each moves on `batch` in the row first).

-- A process of an older lockstep has the whole store to itself, or nothing. It learns that it has nothing any more.
DROP INDEX lockstep.replica_works;
DELETE FROM lockstep.replica;

ALTER TABLE lockstep.replica
    ADD COLUMN role  TEXT COLLATE "C" NOT NULL, -- all, ingest, worker; beside: a command that changes a little
    ADD COLUMN since TIMESTAMPTZ NOT NULL DEFAULT now(),
    -- It takes it that nobody else takes events in, and begins what comes in without looking here for older ones. Whoever
    -- joins takes none in before nobody believes that any more.
    ADD COLUMN alone BOOLEAN NOT NULL DEFAULT false;

CREATE TABLE lockstep.partition (
    part  SMALLINT PRIMARY KEY,
    -- Names no process that is not there: this is what makes a row in `replica` the claim.
    owner TEXT COLLATE "C" REFERENCES lockstep.replica (id) ON DELETE SET NULL
) WITH (fillfactor = 50);

INSERT INTO lockstep.partition (part) SELECT generate_series(0, 255);

-- The paces of connections, which all processes keep together. By the database's clock.
CREATE TABLE lockstep.pace (
    client     TEXT COLLATE "C" NOT NULL,
    connection TEXT COLLATE "C" NOT NULL,
    operation  TEXT COLLATE "C" NOT NULL, -- empty: the connection as a whole
    empty_at   BIGINT[] NOT NULL,         -- for each of its rates: when all calls so far will have leaked away
    held_until BIGINT NOT NULL,           -- a system that throttled is left alone until then
    PRIMARY KEY (client, connection, operation)
) WITH (fillfactor = 50);
