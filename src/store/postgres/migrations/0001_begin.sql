-- The first schema. Times are microseconds since 1970, UTC. Money and JSON are text, so that numbers keep their digits.
-- Every name is qualified: nothing depends on a session's search path.
--
-- A run's state is a small number, and queries say it as a literal, so that the partial indexes serve them whatever
-- the planner knows of parameters.
--   0 ready   1 blocked   2 held   3 waiting   4 succeeded   5 skipped   6 conflict   7 dead
--
-- What people or systems may make long (ids, keys, identities) is indexed by a digest: an index row has a limit of
-- 2.7 kB here, and a text no NUL.

-- Numbers are drawn inside the one statement that accepts a batch, so that they follow the order of arrival.
CREATE SEQUENCE lockstep.event_seq;
CREATE SEQUENCE lockstep.run_id;

-- What came in. The body lies apart, so that nothing that is said about an event rewrites it.
CREATE TABLE lockstep.event (
    seq         BIGINT PRIMARY KEY,
    digest      BYTEA NOT NULL,         -- of client, connection and id
    client      TEXT COLLATE "C" NOT NULL,
    connection  TEXT COLLATE "C" NOT NULL,
    id          TEXT COLLATE "C" NOT NULL, -- the sender's
    kind        TEXT COLLATE "C" NOT NULL,
    object_kind TEXT COLLATE "C",
    object      TEXT COLLATE "C",
    source      TEXT COLLATE "C" NOT NULL,
    created     BIGINT NOT NULL,        -- the sender's clock
    received    BIGINT NOT NULL,        -- ours
    outcome     SMALLINT,               -- only when it started no run: a run's state from 4
    reason      TEXT,
    runs        BIGINT[] NOT NULL       -- its runs: no index over run(event) to keep
);

-- De-duplication: one row for each event of a connection, however often it is delivered.
CREATE UNIQUE INDEX event_digest ON lockstep.event (digest);

CREATE TABLE lockstep.payload (
    seq  BIGINT PRIMARY KEY,
    body BYTEA NOT NULL
);

CREATE TABLE lockstep.run (
    id         BIGINT PRIMARY KEY,
    event      BIGINT NOT NULL,
    client     TEXT COLLATE "C" NOT NULL,
    pipeline   TEXT COLLATE "C" NOT NULL,
    version    TEXT COLLATE "C" NOT NULL,
    lane       TEXT COLLATE "C" NOT NULL,
    order_key  TEXT COLLATE "C" NOT NULL,
    lane_hash  BIGINT NOT NULL,         -- of client, lane and order key
    part       SMALLINT NOT NULL,       -- its low eight bits: what processes share work out by
    created    BIGINT NOT NULL,         -- lane order: created, rank, id
    rank       BIGINT NOT NULL,
    stale      SMALLINT NOT NULL,       -- 0 skip, 1 apply, 2 refetch
    state      SMALLINT NOT NULL,
    due        BIGINT NOT NULL,         -- from when on it may go; the event's time at first, so that a backlog goes oldest first
    attempts   BIGINT NOT NULL DEFAULT 0,
    received   BIGINT NOT NULL,
    parked     TEXT COLLATE "C",        -- the paused connection that a held run waits for; its due is then endless
    reason     TEXT NOT NULL DEFAULT '',
    candidates TEXT,                    -- of a conflict, as JSON
    ended      BIGINT
) WITH (
    -- Every run is inserted once and ends once: dead index entries are swept before a look-up has to pass many.
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_analyze_scale_factor = 0.02
);

-- The one partial index that every event pays for.
CREATE INDEX run_ready ON lockstep.run (client, due, id, part) WHERE state = 0;

-- Empty as long as all goes well, so they cost nothing at accept.
CREATE INDEX run_blocked   ON lockstep.run (lane_hash, created, rank, id) WHERE state = 1;
CREATE INDEX run_held      ON lockstep.run (client, due, id, part) WHERE state = 2;
CREATE INDEX run_held_lane ON lockstep.run (lane_hash) WHERE state = 2;
CREATE INDEX run_waiting   ON lockstep.run (client, due, id, part) WHERE state = 3;

-- For the lists of what people must look at.
CREATE INDEX run_conflict ON lockstep.run (id) WHERE state = 6;
CREATE INDEX run_dead     ON lockstep.run (id) WHERE state = 7;

-- What a run has done.
CREATE TABLE lockstep.journal (
    run         BIGINT NOT NULL,
    call        TEXT COLLATE "C" NOT NULL,
    fingerprint BIGINT NOT NULL,        -- 64 bits, as a signed number
    result      TEXT,                   -- JSON; NULL as long as the call is only intended
    PRIMARY KEY (run, call)
);

-- What is about to be created: two runs never hold one identity at one time. Holds open intents only.
CREATE TABLE lockstep.intent (
    digest     BYTEA PRIMARY KEY,       -- of client, connection, object and identity
    client     TEXT COLLATE "C" NOT NULL,
    connection TEXT COLLATE "C" NOT NULL,
    object     TEXT COLLATE "C" NOT NULL,
    identity   TEXT COLLATE "C" NOT NULL,
    run        BIGINT NOT NULL,
    call       TEXT COLLATE "C" NOT NULL,
    at         BIGINT NOT NULL
);

CREATE INDEX intent_run ON lockstep.intent (run, call);

-- Which record an identity is: a search that lags behind never decides a create.
CREATE TABLE lockstep.identity (
    digest     BYTEA PRIMARY KEY,       -- of client, connection, object and identity
    client     TEXT COLLATE "C" NOT NULL,
    connection TEXT COLLATE "C" NOT NULL,
    object     TEXT COLLATE "C" NOT NULL,
    identity   TEXT COLLATE "C" NOT NULL,
    record     TEXT COLLATE "C" NOT NULL,
    run        BIGINT NOT NULL          -- who found out
);

-- The newest event that a pipeline has applied to an object, for the stale rule.
CREATE TABLE lockstep.applied (
    digest   BYTEA PRIMARY KEY,         -- of client, pipeline and object
    client   TEXT COLLATE "C" NOT NULL,
    pipeline TEXT COLLATE "C" NOT NULL,
    object   TEXT COLLATE "C" NOT NULL,
    created  BIGINT NOT NULL,
    rank     BIGINT NOT NULL
);

-- Who changed what: one row a call, its changes as one value.
CREATE TABLE lockstep.audit (
    run        BIGINT NOT NULL,
    call       TEXT COLLATE "C" NOT NULL,
    at         BIGINT NOT NULL,
    client     TEXT COLLATE "C" NOT NULL,
    connection TEXT COLLATE "C" NOT NULL,
    object     TEXT COLLATE "C" NOT NULL,
    record     TEXT COLLATE "C",
    verb       TEXT COLLATE "C" NOT NULL,
    step       TEXT NOT NULL,
    changes    TEXT NOT NULL,           -- JSON: [[field, before, after], ...]
    left_alone TEXT NOT NULL,           -- JSON: [field, ...]
    note       TEXT,
    PRIMARY KEY (run, call)
);

-- Connections that are, or were, paused. One that is not listed is well.
CREATE TABLE lockstep.connection_state (
    client     TEXT COLLATE "C" NOT NULL,
    connection TEXT COLLATE "C" NOT NULL,
    probes     BIGINT NOT NULL,
    probe_at   BIGINT,                  -- NULL: calls are let through
    since      BIGINT NOT NULL,
    reason     TEXT NOT NULL,
    PRIMARY KEY (client, connection)
);

-- The processes that write. Each of their transactions first moves `batch` on: that tells afterwards whether a commit
-- whose answer was lost was done, and it fails for a process whose row is gone (it is taken for dead).
CREATE TABLE lockstep.replica (
    id    TEXT COLLATE "C" PRIMARY KEY,
    batch BIGINT NOT NULL,
    works BOOLEAN NOT NULL,             -- carries runs out
    until TIMESTAMPTZ NOT NULL          -- taken for dead when this has passed; by the database's clock
) WITH (fillfactor = 50);

-- One process at a time carries runs out.
CREATE UNIQUE INDEX replica_works ON lockstep.replica (works) WHERE works;
