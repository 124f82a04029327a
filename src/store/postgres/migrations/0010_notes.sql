-- What is kept of customers beside events can be erased too: records that polls have seen, the words of their reports, and
-- alerts that are told later.

-- When the record was kept, by our clock; NULL for those from before this migration, whose last change stands in for it.
ALTER TABLE lockstep.poll_seen   ADD COLUMN noted BIGINT;
ALTER TABLE lockstep.poll_staged ADD COLUMN noted BIGINT;

-- Why the words are gone: 'retention' or 'request'.
ALTER TABLE lockstep.report ADD COLUMN erased TEXT COLLATE "C";
ALTER TABLE lockstep.alert  ADD COLUMN erased TEXT COLLATE "C";

-- A system that throttles one process is left alone by all: which ones are is asked each second.
CREATE INDEX pace_held ON lockstep.pace (held_until);
