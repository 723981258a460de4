-- The read model: its tables are made by the lanes that fill them, in a schema where the application may create.

CREATE SCHEMA read;

CREATE TABLE read.checkpoints (
    lane text PRIMARY KEY,
    epoch uuid NOT NULL,
    position bigint NOT NULL
) WITH (fillfactor = 50);

-- What each table looked like when it was made; a table that looks different now is made anew.
CREATE TABLE read.layouts (
    name text PRIMARY KEY,
    lane text NOT NULL,
    layout text NOT NULL
);
