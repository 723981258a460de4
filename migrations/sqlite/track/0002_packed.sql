-- Tracks of decided flights: all samples of a flight in one compressed value. While a flight has rows in
-- positions, these count, and the packed value is older or the same.
CREATE TABLE packed (
    flight BLOB PRIMARY KEY,
    samples BLOB NOT NULL
) STRICT;
