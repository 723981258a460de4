-- The append as it stands, with its explanations; it does what it did.

-- Appends a batch in which no two commands share a stream, a claim, a request or a subject.
--
-- streams, expected, counts, first_events: one element per command.
-- event_*: one element per event; event_commands says whose it is, counted from 1.
-- facts: null, or {claims, requests, subject_keys, credentials}, lists whose elements name their `command`.
--
-- Answers one row per command, in order. outcome: 0 accepted; 1 these very events are in the log already;
-- 2 the client's request was answered before; 3 conflict, `version` is the stream's; 4 a claim is taken.
--
-- A refusal concerns its own command only: everything is checked before anything is written, and there is
-- no EXCEPTION block. Positions are given under a lock that is released after the commit is visible, so they
-- are gapless and appear in commit order. VOLATILE: each statement sees what was committed before the lock
-- was ours, which holds in READ COMMITTED only.
CREATE OR REPLACE FUNCTION log.append(
    streams uuid[], expected int[], counts int[], first_events uuid[],
    event_commands int[], event_streams uuid[], event_versions int[], event_kinds smallint[],
    event_schemas smallint[], event_ids uuid[], event_command_ids uuid[], event_causations uuid[],
    event_correlations uuid[], event_actors text[], event_times timestamptz[], event_payloads bytea[],
    facts jsonb
) RETURNS TABLE (outcome smallint, version int, last_position bigint, taken_claim bytea, claim_owner uuid)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    head bigint;
    previous bytea;
    hash bytea;
    outcomes smallint[];
    versions int[];
    positions bigint[];
    taken bytea[];
    owners uuid[];
    i int;
    fact record;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'log.append runs in READ COMMITTED only' USING ERRCODE = 'invalid_transaction_state';
    END IF;
    IF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
    -- Whoever appends in this database waits here: one commit at a time.
    PERFORM pg_advisory_xact_lock(7021799003);

    -- Where the log ends, and the link that the next one follows.
    SELECT l.position, l.hash INTO head, previous FROM log.log_chain l ORDER BY l.position DESC LIMIT 1;
    IF NOT FOUND THEN
        head := 0;
        previous := decode(repeat('00', 32), 'hex');
    END IF;

    -- Each stream against the version that its command expects.
    SELECT array_agg(CASE WHEN coalesce(v.version, 0) = c.expected THEN 0 ELSE 3 END ORDER BY c.n),
           array_agg(coalesce(v.version, 0) ORDER BY c.n)
    INTO outcomes, versions
    FROM unnest(streams, expected) WITH ORDINALITY AS c(stream, expected, n)
    LEFT JOIN LATERAL (
        SELECT e.version FROM log.events e WHERE e.stream_id = c.stream ORDER BY e.version DESC LIMIT 1
    ) v ON true;

    -- A conflict may be with the command's own events: then it is a repetition, and answers as the first time.
    IF 3 = ANY (outcomes) THEN
        FOR i IN 1 .. cardinality(outcomes) LOOP
            IF outcomes[i] = 3 AND EXISTS (
                SELECT FROM log.events e
                WHERE e.stream_id = streams[i] AND e.version = expected[i] + 1 AND e.event_id = first_events[i]
            ) AND counts[i] = (
                SELECT count(*) FROM unnest(event_commands, event_versions, event_ids) AS w(command, version, id)
                JOIN log.events e ON e.stream_id = streams[i] AND e.version = w.version AND e.event_id = w.id
                WHERE w.command = i
            ) THEN
                outcomes[i] := 1;
                versions[i] := expected[i] + counts[i];
                positions[i] := (
                    SELECT e.position FROM log.events e
                    WHERE e.stream_id = streams[i] AND e.version = versions[i]);
            END IF;
        END LOOP;
    END IF;

    -- What must be unique beside the streams: the clients' requests, claims, and the keys of people's data.
    IF facts IS NOT NULL THEN
        FOR fact IN
            SELECT r.command FROM jsonb_to_recordset(facts -> 'requests') AS r(command int, key bytea)
            JOIN log.commands c ON c.key = r.key
        LOOP
            IF outcomes[fact.command] <> 1 THEN
                outcomes[fact.command] := 2;
            END IF;
        END LOOP;
        FOR fact IN
            SELECT f.command, c.claim, c.owner
            FROM jsonb_to_recordset(facts -> 'claims') AS f(command int, take boolean, claim bytea, owner uuid)
            JOIN log.claims c ON c.claim = f.claim
            WHERE f.take AND c.owner <> f.owner
        LOOP
            IF outcomes[fact.command] = 0 THEN
                outcomes[fact.command] := 4;
                taken[fact.command] := fact.claim;
                owners[fact.command] := fact.owner;
            END IF;
        END LOOP;
        -- A key in use is never replaced: whoever brings another one decides again with the one there is.
        FOR fact IN
            SELECT f.command
            FROM jsonb_to_recordset(facts -> 'subject_keys') AS f(command int, subject uuid, wrapped bytea)
            JOIN log.subject_keys k ON k.subject = f.subject
            WHERE k.wrapped <> f.wrapped
        LOOP
            IF outcomes[fact.command] = 0 THEN
                outcomes[fact.command] := 3;
            END IF;
        END LOOP;
    END IF;

    IF 0 = ANY (outcomes) THEN
        -- The bytes of a row are those of the chain's other half, in the runtime.
        WITH written AS (
            INSERT INTO log.events
            SELECT head + row_number() OVER (ORDER BY e.n), e.stream, e.version, e.kind, e.schema, e.id,
                   e.command_id, e.causation, e.correlation, e.actor, e.recorded_at, e.payload
            FROM unnest(
                event_commands, event_streams, event_versions, event_kinds, event_schemas, event_ids,
                event_command_ids, event_causations, event_correlations, event_actors, event_times,
                event_payloads
            ) WITH ORDINALITY AS e(
                command, stream, version, kind, schema, id,
                command_id, causation, correlation, actor, recorded_at, payload, n)
            WHERE outcomes[e.command] = 0
            ORDER BY e.n
            RETURNING *
        ), encoded AS MATERIALIZED (
            SELECT w.position,
                   int8send(w.position) || uuid_send(w.stream_id) || int4send(w.version)
                   || int2send(w.kind) || int2send(w.schema) || uuid_send(w.event_id) || uuid_send(w.command_id)
                   || coalesce('\x01'::bytea || uuid_send(w.causation_id), '\x00')
                   || coalesce('\x01'::bytea || uuid_send(w.correlation_id), '\x00')
                   || int4send(octet_length(w.actor)) || convert_to(w.actor, 'UTF8')
                   || int4send(octet_length(w.payload)) || w.payload
                   || timestamptz_send(w.recorded_at) AS bytes
            FROM written w
        )
        SELECT sha256(previous || string_agg(int4send(octet_length(e.bytes)) || e.bytes, '' ORDER BY e.position))
        INTO hash FROM encoded e;

        -- Positions follow the order of the commands.
        FOR i IN 1 .. cardinality(outcomes) LOOP
            IF outcomes[i] = 0 THEN
                head := head + counts[i];
                versions[i] := versions[i] + counts[i];
                positions[i] := head;
            END IF;
        END LOOP;
        INSERT INTO log.log_chain VALUES (head, hash);

        -- The facts of the accepted commands, in the same transaction.
        IF facts IS NOT NULL THEN
            DELETE FROM log.claims c
            USING jsonb_to_recordset(facts -> 'claims') AS f(command int, take boolean, claim bytea, owner uuid)
            WHERE NOT f.take AND outcomes[f.command] = 0 AND c.claim = f.claim AND c.owner = f.owner;
            INSERT INTO log.claims
            SELECT f.claim, f.owner
            FROM jsonb_to_recordset(facts -> 'claims') AS f(command int, take boolean, claim bytea, owner uuid)
            WHERE f.take AND outcomes[f.command] = 0
            ON CONFLICT DO NOTHING;
            INSERT INTO log.commands
            SELECT r.key, r.body_digest, r.secret, streams[r.command], versions[r.command],
                   positions[r.command], r.recorded_at
            FROM jsonb_to_recordset(facts -> 'requests')
                AS r(command int, key bytea, body_digest bytea, secret boolean, recorded_at timestamptz)
            WHERE outcomes[r.command] = 0;
            INSERT INTO log.subject_keys
            SELECT f.subject, f.wrapped
            FROM jsonb_to_recordset(facts -> 'subject_keys') AS f(command int, subject uuid, wrapped bytea)
            WHERE outcomes[f.command] = 0
            ON CONFLICT DO NOTHING;
            PERFORM log.change_credentials(jsonb_agg(f.change ORDER BY f.n))
            FROM jsonb_array_elements(facts -> 'credentials') WITH ORDINALITY AS f(change, n)
            WHERE outcomes[(f.change ->> 'command')::int] = 0
            HAVING count(*) > 0;
        END IF;
    END IF;

    RETURN QUERY
        SELECT outcomes[n], versions[n], positions[n], taken[n], owners[n]
        FROM generate_subscripts(outcomes, 1) AS n;
END
$$;
