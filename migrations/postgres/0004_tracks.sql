-- Telemetry of flights.

CREATE SCHEMA track;

CREATE TABLE track.flights (
    flight uuid PRIMARY KEY,
    samples bigint NOT NULL,
    last_sequence int
) WITH (fillfactor = 70);

CREATE TABLE track.positions (
    flight uuid NOT NULL,
    sequence int NOT NULL,
    time timestamptz NOT NULL,
    latitude_e7 int NOT NULL,
    longitude_e7 int NOT NULL,
    altitude_ft int,
    heading_deg smallint,
    ground_speed_kt smallint,
    indicated_airspeed_kt smallint,
    vertical_speed_fpm int,
    fuel_kg int,
    phase text,
    PRIMARY KEY (flight, sequence)
);

-- A batch is stored once, and answered as the first time.
CREATE TABLE track.position_batches (
    batch_id uuid PRIMARY KEY,
    flight uuid NOT NULL,
    digest bytea NOT NULL,
    received_at timestamptz NOT NULL,
    stored int NOT NULL,
    duplicates int NOT NULL,
    samples bigint NOT NULL,
    last_sequence int
);

-- Stores a batch, or finds its first answer. `reused`: the id belongs to another batch, and nothing was stored.
CREATE FUNCTION track.store(
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
    INSERT INTO track.flights AS f VALUES (the_flight, 0, NULL)
    ON CONFLICT (flight) DO UPDATE SET samples = f.samples;

    SELECT b.* INTO answer FROM track.position_batches b WHERE b.batch_id = the_batch;
    IF NOT FOUND THEN
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
            last_sequence = greatest(f.last_sequence, (SELECT max(s) FROM unnest(sequences) AS s))
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
