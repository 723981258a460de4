-- The log of one tenant. Times are microseconds since the Unix epoch, ids are 16 bytes.

CREATE TABLE events (
    position INTEGER PRIMARY KEY,
    stream_id BLOB NOT NULL,
    version INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    schema INTEGER NOT NULL,
    event_id BLOB NOT NULL,
    command_id BLOB NOT NULL,
    causation_id BLOB,
    correlation_id BLOB,
    actor TEXT NOT NULL,
    recorded_at INTEGER NOT NULL,
    payload BLOB NOT NULL,
    UNIQUE (stream_id, version)
) STRICT;

-- One row per commit: hash = sha256(previous hash, rows of the commit).
CREATE TABLE log_chain (
    position INTEGER PRIMARY KEY,
    hash BLOB NOT NULL
) STRICT;

-- Changes on a restore, which makes every cursor void.
CREATE TABLE log_epoch (
    epoch BLOB NOT NULL
) STRICT;
INSERT INTO log_epoch (epoch) VALUES (randomblob(16));

-- Unique facts and who owns them.
CREATE TABLE claims (
    claim BLOB PRIMARY KEY,
    owner BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Requests that their clients named: never a body, never a secret.
CREATE TABLE commands (
    key BLOB PRIMARY KEY,
    body_digest BLOB NOT NULL,
    secret INTEGER NOT NULL,
    stream_id BLOB NOT NULL,
    version INTEGER NOT NULL,
    position INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX commands_by_age ON commands (recorded_at);

CREATE TABLE credentials (
    kind INTEGER NOT NULL,
    id TEXT NOT NULL,
    subject BLOB NOT NULL,
    verifier BLOB NOT NULL,
    data TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    last_used_at INTEGER,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX credentials_by_subject ON credentials (kind, subject);
CREATE INDEX credentials_by_expiry ON credentials (expires_at) WHERE expires_at IS NOT NULL;

-- Data keys of persons, wrapped by the tenant key. Deleting one erases the person.
CREATE TABLE subject_keys (
    subject BLOB PRIMARY KEY,
    wrapped BLOB NOT NULL
) STRICT, WITHOUT ROWID;
