-- Polls. What a poll found comes to disk together with what it saw and how far it has got: see src/store/poll.rs.

-- How far each poll has got.
CREATE TABLE poll (
    client   TEXT NOT NULL,
    poll     TEXT NOT NULL,             -- a pipeline, or the events of a connection
    number   INTEGER NOT NULL,          -- of the newest poll that has left anything behind
    reported INTEGER NOT NULL,          -- 0: that one was cut off before its report
    primed   INTEGER NOT NULL,          -- 0: none has come to its end yet
    began    INTEGER,                   -- the newest one with a report
    cursor   INTEGER,                   -- the newest change that was listed, by the system's clock
    failures INTEGER NOT NULL,          -- in a row
    PRIMARY KEY (client, poll)
) WITHOUT ROWID;

-- What a poll saw last: a row a record, written only when there is something new about it.
CREATE TABLE poll_seen (
    client  TEXT NOT NULL,
    poll    TEXT NOT NULL,
    record  TEXT NOT NULL,
    digest  BLOB NOT NULL,              -- of its content, 16 bytes
    value   BLOB,                       -- of what must be unique
    grouped BLOB,                       -- of the records that keep it back
    changed INTEGER NOT NULL,
    run     INTEGER,                    -- the last one that it started
    tries   INTEGER NOT NULL,           -- how often that went again
    body    BLOB,                       -- NULL where nobody asks what it was
    UNIQUE (client, poll, record)       -- an index beside the table, so that looking up passes no bodies
);

CREATE INDEX poll_seen_value   ON poll_seen (client, poll, value) WHERE value IS NOT NULL;
CREATE INDEX poll_seen_grouped ON poll_seen (client, poll) WHERE grouped IS NOT NULL;

-- Records of a listing that is not whole yet.
CREATE TABLE poll_staged (
    client  TEXT NOT NULL,
    poll    TEXT NOT NULL,
    record  TEXT NOT NULL,
    number  INTEGER NOT NULL,           -- of the poll: what an earlier one has left is not looked at
    place   INTEGER NOT NULL,           -- in the listing
    digest  BLOB NOT NULL,
    value   BLOB,
    changed INTEGER NOT NULL,
    body    BLOB NOT NULL,
    UNIQUE (client, poll, record)
);

-- The runs that polls have started; each counts for the poll that started it last.
CREATE TABLE poll_run (
    run    INTEGER PRIMARY KEY,
    client TEXT NOT NULL,
    poll   TEXT NOT NULL,
    number INTEGER NOT NULL
);

CREATE INDEX poll_run_poll ON poll_run (client, poll, number);

-- What came of each poll.
CREATE TABLE report (
    client     TEXT NOT NULL,
    poll       TEXT NOT NULL,
    number     INTEGER NOT NULL,
    connection TEXT,
    began      INTEGER NOT NULL,
    listed     INTEGER NOT NULL,        -- when it had listed everything
    ended      INTEGER,                 -- NULL: a run of it has not ended
    tally      TEXT NOT NULL,           -- JSON
    error      TEXT,
    PRIMARY KEY (client, poll, number)
) WITHOUT ROWID;

-- Empty but for those that wait for their runs.
CREATE INDEX report_open ON report (began) WHERE ended IS NULL;
