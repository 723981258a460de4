-- The log of one tenant. The schema `log` exists: the table of migrations is in it.

DO $$
BEGIN
    IF current_setting('server_encoding') <> 'UTF8' THEN
        RAISE EXCEPTION 'the database must be encoded in UTF8, not %', current_setting('server_encoding');
    END IF;
END
$$;

-- Append-only. No sequence numbers it and no foreign key guards it: see log.append.
CREATE TABLE log.events (
    position bigint PRIMARY KEY,
    stream_id uuid NOT NULL,
    version int NOT NULL,
    kind smallint NOT NULL,
    schema smallint NOT NULL,
    event_id uuid NOT NULL,
    command_id uuid NOT NULL,
    causation_id uuid,
    correlation_id uuid,
    actor text NOT NULL,
    recorded_at timestamptz NOT NULL,
    payload bytea NOT NULL,
    UNIQUE (stream_id, version)
) WITH (fillfactor = 100);
-- Payloads are compressed or encrypted already.
ALTER TABLE log.events ALTER COLUMN payload SET STORAGE EXTERNAL;
CREATE INDEX events_by_time ON log.events USING brin (recorded_at);

-- One row per commit: hash = sha256(previous hash, rows of the commit).
CREATE TABLE log.log_chain (
    position bigint PRIMARY KEY,
    hash bytea NOT NULL
) WITH (fillfactor = 100);

-- Changes on a restore, which makes every cursor void.
CREATE TABLE log.log_epoch (
    epoch uuid NOT NULL
);
INSERT INTO log.log_epoch (epoch) VALUES (gen_random_uuid());

-- Unique facts and who owns them.
CREATE TABLE log.claims (
    claim bytea PRIMARY KEY,
    owner uuid NOT NULL
);

-- Requests that their clients named: never a body, never a secret.
CREATE TABLE log.commands (
    key bytea PRIMARY KEY,
    body_digest bytea NOT NULL,
    secret boolean NOT NULL,
    stream_id uuid NOT NULL,
    version int NOT NULL,
    position bigint NOT NULL,
    recorded_at timestamptz NOT NULL
);
CREATE INDEX commands_by_age ON log.commands USING brin (recorded_at);

CREATE TABLE log.credentials (
    kind smallint NOT NULL,
    id text COLLATE "C" NOT NULL,
    subject uuid NOT NULL,
    verifier bytea NOT NULL,
    data json NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    last_used_at timestamptz,
    PRIMARY KEY (kind, id)
);
CREATE INDEX credentials_by_subject ON log.credentials (kind, subject);
CREATE INDEX credentials_by_expiry ON log.credentials (expires_at) WHERE expires_at IS NOT NULL;

-- Data keys of persons, wrapped by the tenant key. Deleting one erases the person.
CREATE TABLE log.subject_keys (
    subject uuid PRIMARY KEY,
    wrapped bytea NOT NULL
);
