-- When a flight was heard of last, by the server's clock.
ALTER TABLE flights ADD COLUMN received_at INTEGER;
UPDATE flights SET received_at = heard.received_at
FROM (SELECT flight, max(received_at) AS received_at FROM position_batches GROUP BY flight) AS heard
WHERE heard.flight = flights.flight;

-- Lines of a flight's ACARS log, encrypted with its pilot's key.
CREATE TABLE log_lines (
    flight BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    time INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (flight, sequence)
) STRICT, WITHOUT ROWID;
