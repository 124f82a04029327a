-- What a connection has to remember and nobody may see: refresh tokens that took the place of those in the settings.
-- Sealed with a key that is not in this file.
CREATE TABLE secret (
    client     TEXT NOT NULL,
    connection TEXT NOT NULL,
    sealed     BLOB NOT NULL,
    at         INTEGER NOT NULL,
    PRIMARY KEY (client, connection)
) WITHOUT ROWID;
