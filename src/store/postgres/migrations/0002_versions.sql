-- What clients run with. A run finishes with the version that it has begun with, and a client whose files are broken keeps
-- its last good version: both over a restart, so the files are kept as text. Placeholders are in them and no secret is.

-- Texts by their hash: a thousand versions that share a client.yaml keep it once.
CREATE TABLE lockstep.source (
    hash TEXT COLLATE "C" PRIMARY KEY,
    text TEXT NOT NULL
);

-- A set of files: a whole client, or one pipeline with all that it is made of.
CREATE TABLE lockstep.version (
    id      TEXT COLLATE "C" PRIMARY KEY, -- a hash over its files; run.version names a pipeline's
    client  TEXT COLLATE "C" NOT NULL,
    retired BIGINT                      -- since when its client runs with another one; NULL: it runs with this one
);

CREATE INDEX version_present ON lockstep.version (client) WHERE retired IS NULL;
CREATE INDEX version_retired ON lockstep.version (retired) WHERE retired IS NOT NULL;

CREATE TABLE lockstep.version_file (
    version TEXT COLLATE "C" NOT NULL,
    path    TEXT COLLATE "C" NOT NULL,  -- within the project
    source  TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (version, path)
);

-- Whether a text is still needed.
CREATE INDEX version_file_source ON lockstep.version_file (source);

-- The version of each client as a whole that passed its checks last.
CREATE TABLE lockstep.last_good (
    client  TEXT COLLATE "C" PRIMARY KEY,
    version TEXT COLLATE "C" NOT NULL
);
