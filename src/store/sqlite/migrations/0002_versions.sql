-- What clients run with. A run finishes with the version that it has begun with, and a client whose files are broken keeps
-- its last good version: both over a restart, so the files are kept as text. Placeholders are in them and no secret is.

-- Texts by their hash: a thousand versions that share a client.yaml keep it once.
CREATE TABLE source (
    hash TEXT PRIMARY KEY,
    text TEXT NOT NULL
);

-- A set of files: a whole client, or one pipeline with all that it is made of.
CREATE TABLE version (
    id      TEXT PRIMARY KEY,           -- a hash over its files; run.version names a pipeline's
    client  TEXT NOT NULL,
    retired INTEGER                     -- since when its client runs with another one; NULL: it runs with this one
);

CREATE INDEX version_present ON version (client) WHERE retired IS NULL;
CREATE INDEX version_retired ON version (retired) WHERE retired IS NOT NULL;

CREATE TABLE version_file (
    version TEXT NOT NULL,
    path    TEXT NOT NULL,              -- within the project
    source  TEXT NOT NULL,
    PRIMARY KEY (version, path)
) WITHOUT ROWID;

-- Whether a text is still needed.
CREATE INDEX version_file_source ON version_file (source);

-- The version of each client as a whole that passed its checks last.
CREATE TABLE last_good (
    client  TEXT PRIMARY KEY,
    version TEXT NOT NULL
) WITHOUT ROWID;
