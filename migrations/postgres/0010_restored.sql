-- A dump that is restored is other tables than those it was made of: the log notices by itself, and begins another epoch.

ALTER TABLE log.log_epoch ADD COLUMN tables text;

-- What a dump does not bring along. Moving a log is a restore too: nobody can tell whether all of it came along.
CREATE FUNCTION log.tables() RETURNS text LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT d.oid || '/' || 'log.events'::regclass::oid || '/' || 'log.log_epoch'::regclass::oid
    FROM pg_database d WHERE d.datname = current_database()
$$;

UPDATE log.log_epoch SET tables = log.tables();

-- Whether the epoch is another one now. The application's role may not change it otherwise.
CREATE FUNCTION log.notice_restore() RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- A standby writes nothing.
    IF NOT EXISTS (SELECT FROM log.log_epoch e WHERE e.tables IS DISTINCT FROM log.tables()) THEN
        RETURN false;
    END IF;
    UPDATE log.log_epoch e SET epoch = gen_random_uuid(), tables = log.tables()
    WHERE e.tables IS DISTINCT FROM log.tables();
    RETURN FOUND;
END
$$;

REVOKE EXECUTE ON FUNCTION log.notice_restore() FROM PUBLIC;

DO $$
DECLARE
    app name := current_database() || '_app';
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = app) THEN
        EXECUTE format('GRANT EXECUTE ON FUNCTION log.notice_restore() TO %I', app);
    END IF;
END
$$;
