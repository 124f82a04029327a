-- Polls. What a poll found comes to disk together with what it saw and how far it has got: see src/store/poll.rs.

-- How far each poll has got.
CREATE TABLE lockstep.poll (
    client   TEXT COLLATE "C" NOT NULL,
    poll     TEXT COLLATE "C" NOT NULL, -- a pipeline, or the events of a connection
    number   BIGINT NOT NULL,           -- of the newest poll that has left anything behind
    reported BOOLEAN NOT NULL,          -- false: that one was cut off before its report
    primed   BOOLEAN NOT NULL,          -- false: none has come to its end yet
    began    BIGINT,                    -- the newest one with a report
    cursor   BIGINT,                    -- the newest change that was listed, by the system's clock
    failures BIGINT NOT NULL,           -- in a row
    PRIMARY KEY (client, poll)
) WITH (fillfactor = 50);

-- What a poll saw last: a row a record, written only when there is something new about it.
CREATE TABLE lockstep.poll_seen (
    id      BYTEA PRIMARY KEY,          -- digest of client, poll and record
    client  TEXT COLLATE "C" NOT NULL,
    poll    TEXT COLLATE "C" NOT NULL,
    record  TEXT COLLATE "C" NOT NULL,
    digest  BYTEA NOT NULL,             -- of its content, 16 bytes
    value   BYTEA,                      -- of what must be unique
    grouped BYTEA,                      -- of the records that keep it back
    changed BIGINT NOT NULL,
    run     BIGINT,                     -- the last one that it started
    tries   BIGINT NOT NULL,            -- how often that went again
    body    BYTEA                       -- NULL where nobody asks what it was
);

CREATE INDEX poll_seen_id      ON lockstep.poll_seen (client, poll, id);
CREATE INDEX poll_seen_value   ON lockstep.poll_seen (client, poll, value) WHERE value IS NOT NULL;
CREATE INDEX poll_seen_grouped ON lockstep.poll_seen (client, poll) WHERE grouped IS NOT NULL;

-- Records of a listing that is not whole yet.
CREATE TABLE lockstep.poll_staged (
    id      BYTEA PRIMARY KEY,          -- digest of client, poll and record
    client  TEXT COLLATE "C" NOT NULL,
    poll    TEXT COLLATE "C" NOT NULL,
    record  TEXT COLLATE "C" NOT NULL,
    number  BIGINT NOT NULL,            -- of the poll: what an earlier one has left is not looked at
    place   BIGINT NOT NULL,            -- in the listing
    digest  BYTEA NOT NULL,
    value   BYTEA,
    changed BIGINT NOT NULL,
    body    BYTEA NOT NULL
);

CREATE INDEX poll_staged_poll ON lockstep.poll_staged (client, poll);

-- The runs that polls have started; each counts for the poll that started it last.
CREATE TABLE lockstep.poll_run (
    run    BIGINT PRIMARY KEY,
    client TEXT COLLATE "C" NOT NULL,
    poll   TEXT COLLATE "C" NOT NULL,
    number BIGINT NOT NULL
);

CREATE INDEX poll_run_poll ON lockstep.poll_run (client, poll, number);

-- What came of each poll.
CREATE TABLE lockstep.report (
    client     TEXT COLLATE "C" NOT NULL,
    poll       TEXT COLLATE "C" NOT NULL,
    number     BIGINT NOT NULL,
    connection TEXT COLLATE "C",
    began      BIGINT NOT NULL,
    listed     BIGINT NOT NULL,         -- when it had listed everything
    ended      BIGINT,                  -- NULL: a run of it has not ended
    tally      TEXT NOT NULL,           -- JSON
    error      TEXT,
    PRIMARY KEY (client, poll, number)
);

-- Empty but for those that wait for their runs.
CREATE INDEX report_open ON lockstep.report (began) WHERE ended IS NULL;
