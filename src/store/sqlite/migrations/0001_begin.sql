-- The first schema. Times are microseconds since 1970, UTC. Money and JSON are text: SQLite's floats would lose cents.
--
-- A run's state is a small number, and queries say it as a literal: SQLite uses a partial index only when the
-- query's WHERE provably implies the index's.
--   0 ready   1 blocked   2 held   3 waiting   4 succeeded   5 skipped   6 conflict   7 dead

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- What came in. The body lies apart, so that nothing that is said about an event rewrites it.
CREATE TABLE event (
    seq         INTEGER PRIMARY KEY,
    client      TEXT NOT NULL,
    connection  TEXT NOT NULL,
    id          TEXT NOT NULL,          -- the sender's
    kind        TEXT NOT NULL,
    object_kind TEXT,
    object      TEXT,
    source      TEXT NOT NULL,
    created     INTEGER NOT NULL,       -- the sender's clock
    received    INTEGER NOT NULL,       -- ours
    outcome     INTEGER,                -- only when it started no run: a run's state from 4
    reason      TEXT,
    first_run   INTEGER NOT NULL,       -- its runs are numbered from here: no index over run(event) to keep
    runs        INTEGER NOT NULL
);

-- De-duplication: one row for each event of a connection, however often it is delivered.
CREATE UNIQUE INDEX event_id ON event (client, connection, id);

CREATE TABLE payload (
    seq  INTEGER PRIMARY KEY,
    body BLOB NOT NULL
);

CREATE TABLE run (
    id         INTEGER PRIMARY KEY,
    event      INTEGER NOT NULL,
    client     TEXT NOT NULL,
    pipeline   TEXT NOT NULL,
    version    TEXT NOT NULL,
    lane       TEXT NOT NULL,
    order_key  TEXT NOT NULL,
    created    INTEGER NOT NULL,        -- lane order: created, rank, id
    rank       INTEGER NOT NULL,
    stale      INTEGER NOT NULL,        -- 0 skip, 1 apply, 2 refetch
    state      INTEGER NOT NULL,
    due        INTEGER NOT NULL,        -- from when on it may go; the event's time at first, so that a backlog goes oldest first
    attempts   INTEGER NOT NULL DEFAULT 0,
    received   INTEGER NOT NULL,
    parked     TEXT,                    -- the paused connection that a held run waits for; its due is then endless
    reason     TEXT NOT NULL DEFAULT '',
    candidates TEXT,                    -- of a conflict, as JSON
    ended      INTEGER
);

-- The one index that every event pays for.
CREATE INDEX run_ready ON run (client, due, id) WHERE state = 0;

-- Empty as long as all goes well, so they cost nothing at accept.
CREATE INDEX run_blocked   ON run (client, lane, order_key, created, rank, id) WHERE state = 1;
CREATE INDEX run_held      ON run (client, due, id) WHERE state = 2;
CREATE INDEX run_held_lane ON run (client, lane, order_key) WHERE state = 2;
CREATE INDEX run_waiting   ON run (client, due, id) WHERE state = 3;

-- For the lists of what people must look at.
CREATE INDEX run_conflict ON run (id) WHERE state = 6;
CREATE INDEX run_dead     ON run (id) WHERE state = 7;

-- What a run has done. Clustered by run: a run's calls are read together.
CREATE TABLE journal (
    run         INTEGER NOT NULL,
    call        TEXT NOT NULL,
    fingerprint INTEGER NOT NULL,       -- 64 bits, as a signed number
    result      TEXT,                   -- JSON; NULL as long as the call is only intended
    PRIMARY KEY (run, call)
) WITHOUT ROWID;

-- What is about to be created: two runs never hold one identity at one time. Holds open intents only.
CREATE TABLE intent (
    client     TEXT NOT NULL,
    connection TEXT NOT NULL,
    object     TEXT NOT NULL,
    identity   TEXT NOT NULL,
    run        INTEGER NOT NULL,
    call       TEXT NOT NULL,
    at         INTEGER NOT NULL,
    PRIMARY KEY (client, connection, object, identity)
) WITHOUT ROWID;

CREATE INDEX intent_run ON intent (run, call);

-- Which record an identity is: a search that lags behind never decides a create.
CREATE TABLE identity (
    client     TEXT NOT NULL,
    connection TEXT NOT NULL,
    object     TEXT NOT NULL,
    identity   TEXT NOT NULL,
    record     TEXT NOT NULL,
    run        INTEGER NOT NULL,        -- who found out
    PRIMARY KEY (client, connection, object, identity)
) WITHOUT ROWID;

-- The newest event that a pipeline has applied to an object, for the stale rule.
CREATE TABLE applied (
    client   TEXT NOT NULL,
    pipeline TEXT NOT NULL,
    object   TEXT NOT NULL,
    created  INTEGER NOT NULL,
    rank     INTEGER NOT NULL,
    PRIMARY KEY (client, pipeline, object)
) WITHOUT ROWID;

-- Who changed what: one row a call, its changes as one value.
CREATE TABLE audit (
    run        INTEGER NOT NULL,
    call       TEXT NOT NULL,
    at         INTEGER NOT NULL,
    client     TEXT NOT NULL,
    connection TEXT NOT NULL,
    object     TEXT NOT NULL,
    record     TEXT,
    verb       TEXT NOT NULL,
    step       TEXT NOT NULL,
    changes    TEXT NOT NULL,           -- JSON: [[field, before, after], ...]
    left_alone TEXT NOT NULL,           -- JSON: [field, ...]
    note       TEXT,
    PRIMARY KEY (run, call)
) WITHOUT ROWID;

-- Connections that are, or were, paused. One that is not listed is well.
CREATE TABLE connection_state (
    client     TEXT NOT NULL,
    connection TEXT NOT NULL,
    probes     INTEGER NOT NULL,
    probe_at   INTEGER,                 -- NULL: calls are let through
    since      INTEGER NOT NULL,
    reason     TEXT NOT NULL,
    PRIMARY KEY (client, connection)
) WITHOUT ROWID;
