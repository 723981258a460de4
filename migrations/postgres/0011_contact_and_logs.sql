-- When a flight was heard of last, by the server's clock; and lines of its ACARS log.

-- Nobody stores positions until this has ended: what came before it is looked at in the next migration.
ALTER TABLE track.flights ADD COLUMN received_at timestamptz;

-- Encrypted with the key of the flight's pilot.
CREATE TABLE track.log_lines (
    flight uuid NOT NULL,
    sequence int NOT NULL,
    time timestamptz NOT NULL,
    sealed bytea NOT NULL,
    PRIMARY KEY (flight, sequence)
);

DO $$
DECLARE
    app name := current_database() || '_app';
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = app) THEN
        EXECUTE format('GRANT SELECT, INSERT ON track.log_lines TO %I', app);
    END IF;
END
$$;

-- Stores a batch, or finds its first answer. `reused`: the id belongs to another batch, and nothing was stored.
-- A flight that is packed must be unpacked first: AL001, and nothing was stored.
CREATE OR REPLACE FUNCTION track.store(
    the_batch uuid, the_flight uuid, the_digest bytea, the_receipt timestamptz,
    sequences int[], times timestamptz[], latitudes int[], longitudes int[], altitudes int[],
    headings smallint[], ground_speeds smallint[], airspeeds smallint[], vertical_speeds int[],
    fuels int[], phases text[]
) RETURNS TABLE (reused boolean, stored int, duplicates int, samples bigint, last_sequence int)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    answer track.position_batches;
BEGIN
    -- Takes the flight's row: batches of one flight come one after the other.
    INSERT INTO track.flights AS f (flight, samples, last_sequence) VALUES (the_flight, 0, NULL)
    ON CONFLICT (flight) DO UPDATE SET samples = f.samples;

    SELECT b.* INTO answer FROM track.position_batches b WHERE b.batch_id = the_batch;
    IF NOT FOUND THEN
        IF EXISTS (SELECT FROM track.packed p WHERE p.flight = the_flight)
            AND NOT EXISTS (SELECT FROM track.positions p WHERE p.flight = the_flight)
        THEN
            RAISE EXCEPTION 'flight % is packed', the_flight USING ERRCODE = 'AL001';
        END IF;
        INSERT INTO track.positions
        SELECT DISTINCT ON (s.sequence) the_flight, s.sequence, s.time, s.latitude, s.longitude, s.altitude,
               s.heading, s.ground_speed, s.airspeed, s.vertical_speed, s.fuel, s.phase
        FROM unnest(
            sequences, times, latitudes, longitudes, altitudes, headings, ground_speeds, airspeeds,
            vertical_speeds, fuels, phases
        ) WITH ORDINALITY AS s(
            sequence, time, latitude, longitude, altitude, heading, ground_speed, airspeed,
            vertical_speed, fuel, phase, n)
        ORDER BY s.sequence, s.n
        ON CONFLICT DO NOTHING;
        GET DIAGNOSTICS answer.stored = ROW_COUNT;
        answer.duplicates := cardinality(sequences) - answer.stored;

        UPDATE track.flights f
        SET samples = f.samples + answer.stored,
            last_sequence = greatest(f.last_sequence, (SELECT max(s) FROM unnest(sequences) AS s)),
            received_at = greatest(f.received_at, the_receipt)
        WHERE f.flight = the_flight
        RETURNING f.samples, f.last_sequence INTO answer.samples, answer.last_sequence;

        answer.flight := the_flight;
        answer.digest := the_digest;
        -- Fails if another flight's batch has taken the id meanwhile, and with it all of this.
        INSERT INTO track.position_batches VALUES (
            the_batch, the_flight, the_digest, the_receipt, answer.stored, answer.duplicates,
            answer.samples, answer.last_sequence);
    END IF;
    RETURN QUERY SELECT answer.flight <> the_flight OR answer.digest <> the_digest,
        answer.stored, answer.duplicates, answer.samples, answer.last_sequence;
END
$$;
