-- What is kept of customers beside events can be erased too: records that polls have seen, the words of their reports, and
-- alerts that are told later.

-- When the record was kept, by our clock; NULL for those from before this migration, whose last change stands in for it.
ALTER TABLE poll_seen   ADD COLUMN noted INTEGER;
ALTER TABLE poll_staged ADD COLUMN noted INTEGER;

-- Why the words are gone: 'retention' or 'request'.
ALTER TABLE report ADD COLUMN erased TEXT;
ALTER TABLE alert  ADD COLUMN erased TEXT;
