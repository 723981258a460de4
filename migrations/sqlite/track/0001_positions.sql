-- Telemetry of flights. Times are microseconds since the Unix epoch, ids are 16 bytes.

CREATE TABLE flights (
    flight BLOB PRIMARY KEY,
    samples INTEGER NOT NULL,
    last_sequence INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE positions (
    flight BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    time INTEGER NOT NULL,
    latitude_e7 INTEGER NOT NULL,
    longitude_e7 INTEGER NOT NULL,
    altitude_ft INTEGER,
    heading_deg INTEGER,
    ground_speed_kt INTEGER,
    indicated_airspeed_kt INTEGER,
    vertical_speed_fpm INTEGER,
    fuel_kg INTEGER,
    phase TEXT,
    PRIMARY KEY (flight, sequence)
) STRICT, WITHOUT ROWID;

-- A batch is stored once, and answered as the first time.
CREATE TABLE position_batches (
    batch_id BLOB PRIMARY KEY,
    flight BLOB NOT NULL,
    digest BLOB NOT NULL,
    received_at INTEGER NOT NULL,
    stored INTEGER NOT NULL,
    duplicates INTEGER NOT NULL,
    samples INTEGER NOT NULL,
    last_sequence INTEGER
) STRICT, WITHOUT ROWID;
