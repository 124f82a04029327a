-- The audit becomes a chain (src/store/chain.rs), and what is erased says so.

-- Why the payload and what came of it are gone: 'retention' or 'request'. The row stays: its id is what makes a late
-- delivery a duplicate.
ALTER TABLE lockstep.event ADD COLUMN erased TEXT COLLATE "C";

ALTER TABLE lockstep.audit
    ADD COLUMN seq    BIGINT,           -- its number in the chain; NULL: not sealed yet
    ADD COLUMN salt   BYTEA,            -- goes with the values
    ADD COLUMN digest BYTEA,            -- over salt and values: stays when they go
    ADD COLUMN link   BYTEA,            -- over the link before, the number, the digest and all else
    ADD COLUMN erased TEXT COLLATE "C";

-- Holds what waits for the sealer: a second's worth.
CREATE INDEX audit_unsealed ON lockstep.audit (at, run, call) WHERE seq IS NULL;

-- The chain in its order; no number twice.
CREATE UNIQUE INDEX audit_sealed ON lockstep.audit (seq) WHERE seq IS NOT NULL;

-- The end of the chain. Whoever seals locks this row; the others leave it to them.
INSERT INTO lockstep.meta (name, value) VALUES ('audit_head', '0:' || repeat('0', 64));
