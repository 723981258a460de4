-- `erase` removes what stands beside the log of a person: the data key, and the requests that they made or that were about
-- their account.

CREATE OR REPLACE FUNCTION log.change_credentials(changes jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    change record;
BEGIN
    FOR change IN
        SELECT * FROM ROWS FROM (jsonb_to_recordset(changes) AS (
            operation text, kind smallint, id text, subject uuid, verifier bytea, data text,
            created_at timestamptz, expires_at timestamptz, last_used_at timestamptz
        )) WITH ORDINALITY AS listed ORDER BY ordinality
    LOOP
        IF change.operation = 'delete' THEN
            DELETE FROM log.credentials c WHERE c.kind = change.kind AND c.id = change.id;
        ELSIF change.operation = 'delete_all' THEN
            DELETE FROM log.credentials c WHERE c.kind = change.kind AND c.subject = change.subject;
        ELSIF change.operation = 'erase' THEN
            DELETE FROM log.subject_keys k WHERE k.subject = change.subject;
            DELETE FROM log.commands c USING log.events e
            WHERE e.position = c.position AND (
                c.stream_id = change.subject
                OR e.actor = 'user:' || change.subject OR e.actor LIKE 'user:' || change.subject || '/key:%');
        ELSE
            INSERT INTO log.credentials VALUES (
                change.kind, change.id, change.subject, change.verifier, change.data::json,
                change.created_at, change.expires_at, change.last_used_at)
            ON CONFLICT (kind, id) DO UPDATE SET
                subject = excluded.subject, verifier = excluded.verifier, data = excluded.data,
                created_at = excluded.created_at, expires_at = excluded.expires_at,
                last_used_at = excluded.last_used_at;
        END IF;
    END LOOP;
END
$$;
