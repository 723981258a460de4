-- What the application's role may do: on the log, read and append. Where there is no such role, the owner does all.

DO $$
DECLARE
    app name := current_database() || '_app';
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = app) THEN
        RETURN;
    END IF;
    EXECUTE format('GRANT USAGE ON SCHEMA log, read, track TO %I', app);
    EXECUTE format('GRANT SELECT ON log.schema_migrations, log.log_epoch TO %I', app);
    EXECUTE format('GRANT SELECT, INSERT ON log.events, log.log_chain TO %I', app);
    EXECUTE format(
        'GRANT SELECT, INSERT, UPDATE, DELETE ON log.claims, log.commands, log.credentials, log.subject_keys TO %I',
        app);
    EXECUTE format('GRANT CREATE ON SCHEMA read TO %I', app);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON read.checkpoints, read.layouts TO %I', app);
    EXECUTE format(
        'GRANT SELECT, INSERT, UPDATE, DELETE ON track.flights, track.positions, track.position_batches TO %I',
        app);
END
$$;
