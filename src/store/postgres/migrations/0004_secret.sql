-- What a connection has to remember and nobody may see: refresh tokens that took the place of those in the settings.
-- Sealed with a key that is not in this database.
CREATE TABLE lockstep.secret (
    client     TEXT COLLATE "C" NOT NULL,
    connection TEXT COLLATE "C" NOT NULL,
    sealed     BYTEA NOT NULL,
    at         BIGINT NOT NULL,
    PRIMARY KEY (client, connection)
);
