-- A copy that is put back is another file than the log was written in: it is noticed, and begins another epoch.

ALTER TABLE log_epoch ADD COLUMN file TEXT;
