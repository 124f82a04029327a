-- What steps with rules of their own have used up: failed attempts of a step with a `retry`, and since when a step waits.
-- JSON; NULL for nearly all runs. Read and written with the run's row, so it stands there and not in a table of its own.
ALTER TABLE lockstep.run ADD COLUMN spent TEXT;

-- Alerts that are started only so often (`at_most`): how often lately, and what is still to be told. A row a pipeline.
CREATE TABLE lockstep.alert (
    client   TEXT COLLATE "C" NOT NULL,
    pipeline TEXT COLLATE "C" NOT NULL,
    ends     BIGINT NOT NULL,
    started  BIGINT NOT NULL,
    grouped  BIGINT NOT NULL,
    kind     TEXT,                      -- of the last report that was not told yet; NULL when all were
    object   TEXT,                      -- what it says, as JSON
    PRIMARY KEY (client, pipeline)
);
