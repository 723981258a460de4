-- When flights were heard of last whose last batch came before that was noted. Positions are stored meanwhile: those of
-- a flight wait while its row is written, and what they say themselves stays.

UPDATE track.flights f SET received_at = heard.received_at
FROM (SELECT b.flight, max(b.received_at) AS received_at FROM track.position_batches b GROUP BY b.flight) AS heard
WHERE heard.flight = f.flight AND f.received_at IS NULL;
