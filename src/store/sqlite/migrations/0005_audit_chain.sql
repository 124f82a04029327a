-- The audit becomes a chain (src/store/chain.rs), and what is erased says so.

-- Why the payload and what came of it are gone: 'retention' or 'request'. The row stays: its id is what makes a late
-- delivery a duplicate.
ALTER TABLE event ADD COLUMN erased TEXT;

ALTER TABLE audit ADD COLUMN seq    INTEGER;    -- its number in the chain; NULL: not sealed yet
ALTER TABLE audit ADD COLUMN salt   BLOB;       -- goes with the values
ALTER TABLE audit ADD COLUMN digest BLOB;       -- over salt and values: stays when they go
ALTER TABLE audit ADD COLUMN link   BLOB;       -- over the link before, the number, the digest and all else
ALTER TABLE audit ADD COLUMN erased TEXT;

-- Holds what waits for the sealer: a second's worth.
CREATE INDEX audit_unsealed ON audit (at, run, call) WHERE seq IS NULL;

-- The chain in its order; no number twice. The end is noted in meta as 'audit_head'.
CREATE UNIQUE INDEX audit_sealed ON audit (seq) WHERE seq IS NOT NULL;
